// SPDX-License-Identifier: LGPL-2.1-or-later
#include "http.h"

#include <openssl/evp.h>
#include <strings.h>

#include <array>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace simulator {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

const std::string* Request::find_header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (same_name(key, name)) return &value;
  }
  return nullptr;
}

std::string_view Request::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

void Answer::set_body(std::string body, std::string content_type) {
  size = body.size();
  offset = 0;
  content = std::make_shared<const std::string>(std::move(body));
  set_header("Content-Type", std::move(content_type));
}

void Answer::set_header(std::string_view name, std::string value) {
  for (auto& [key, old] : headers) {
    if (!same_name(key, name)) continue;
    old = std::move(value);
    return;
  }
  headers.emplace_back(name, std::move(value));
}

Answer make_json_answer(unsigned status, const Json& body) {
  Answer answer;
  answer.status = status;
  answer.set_body(body.dump(), "application/json");
  return answer;
}

Answer make_html_answer(unsigned status) {
  const std::string title = std::to_string(status) + " " + std::string(find_reason(status));
  Answer answer;
  answer.status = status;
  answer.set_body("<!DOCTYPE html>\n<html><head><title>" + title + "</title></head><body><h1>" +
                      title + "</h1></body></html>\n",
                  "text/html; charset=utf-8");
  return answer;
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    unsigned char byte = 0;
    const auto* const digits = text.data() + 1;
    const bool is_encoded = text.size() > 2 && text.front() == '%' &&
                            std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
    decoded += is_encoded ? static_cast<char>(byte) : text.front();
    text.remove_prefix(is_encoded ? 3 : 1);
  }
  return decoded;
}

std::string_view find_reason(unsigned status) {
  namespace http = boost::beast::http;
  const auto known = http::int_to_status(status);
  if (known == http::status::unknown) return "Unknown";
  const auto text = http::obsolete_reason(known);
  return {text.data(), text.size()};
}

std::string write_http_date(std::time_t time) {
  // strftime() depends on the locale, and GStreamer sets the locale from the environment.
  static constexpr std::array days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                days.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                months.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour,
                utc.tm_min, utc.tm_sec);
  return text.data();
}

std::string compute_sha256(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("OpenSSL has no SHA-256");
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += digits[digest.at(i) >> 4U];
    text += digits[digest.at(i) & 15U];
  }
  return text;
}

}  // namespace simulator
