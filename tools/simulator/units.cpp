// SPDX-License-Identifier: LGPL-2.1-or-later
#include "units.h"

#include <charconv>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace simulator {
namespace {

using Suffixes = std::span<const std::pair<std::string_view, std::uint64_t>>;

std::uint64_t parse(std::string_view text, Suffixes suffixes, const char* form) {
  const auto refuse = [&]() -> std::uint64_t {
    throw std::invalid_argument("'" + std::string(text) + "' is not " + form);
  };
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return refuse();
  const std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  for (const auto& [name, factor] : suffixes) {
    if (suffix != name) continue;
    // The number must fit into a signed 64-bit count of milliseconds or bytes.
    if (number > std::numeric_limits<std::int64_t>::max() / factor) return refuse();
    return number * factor;
  }
  return refuse();
}

constexpr std::pair<std::string_view, std::uint64_t> no_suffix[] = {{"", 1}};
constexpr std::pair<std::string_view, std::uint64_t> byte_suffixes[] = {
    {"", 1}, {"k", 1'000}, {"M", 1'000'000}, {"G", 1'000'000'000}};
constexpr std::pair<std::string_view, std::uint64_t> duration_suffixes[] = {
    {"", 1'000}, {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};

}  // namespace

std::uint64_t parse_number(std::string_view text) { return parse(text, no_suffix, "a number"); }

std::uint64_t parse_bytes(std::string_view text) {
  return parse(text, byte_suffixes, "a number of bytes (500, 64k, 2M, 1G)");
}

std::chrono::milliseconds parse_duration(std::string_view text) {
  const std::chrono::milliseconds duration(
      parse(text, duration_suffixes, "a duration (300ms, 3s, 2m, 1h)"));
  // A clock counts nanoseconds in 64 bits, and the sum of its time and this duration must fit.
  if (duration > std::chrono::hours(24 * 365))
    throw std::invalid_argument("'" + std::string(text) + "' is longer than a year");
  return duration;
}

std::uint64_t parse_rate(std::string_view text) {
  const auto number = text.ends_with("/s") ? text.substr(0, text.size() - 2) : text;
  const auto rate = parse(number, byte_suffixes, "a rate (5/s, 64k, 2M)");
  if (rate == 0) throw std::invalid_argument("'" + std::string(text) + "' would never end");
  return rate;
}

}  // namespace simulator
