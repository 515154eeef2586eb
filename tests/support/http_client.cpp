// SPDX-License-Identifier: LGPL-2.1-or-later
#include "http_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <limits>
#include <stdexcept>

namespace veo::test {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;

struct Url {
  bool tls = false;
  std::string host;
  std::string port;
  std::string target;
};

Url parse_url(const std::string& text) {
  const auto host = text.find("://") + 3;
  const auto port = text.find(':', host) + 1;
  const auto target = std::min(text.find('/', port), text.size());
  const auto scheme = text.substr(0, host);
  if ((scheme != "http://" && scheme != "https://") || port == 0)
    throw std::runtime_error("not a test's URL: " + text);
  return {scheme == "https://", text.substr(host, port - 1 - host),
          text.substr(port, target - port), target < text.size() ? text.substr(target) : "/"};
}

}  // namespace

std::optional<std::string> HttpAnswer::header(const std::string& name) const {
  for (const auto& [key, value] : headers) {
    if (boost::beast::iequals(key, name)) return value;
  }
  return std::nullopt;
}

struct HttpConnection::Private {
  explicit Private(const Url& to) : url(to) {
    socket.connect(Tcp::endpoint(asio::ip::make_address(url.host),
                                 static_cast<unsigned short>(std::stoul(url.port))));
    if (!url.tls) return;
    tls.emplace(socket, tls_context);
    tls->handshake(asio::ssl::stream_base::client);
  }

  template <class Use>
  void with_stream(const Use& use) {
    if (tls) {
      use(*tls);
    } else {
      use(socket);
    }
  }

  Url url;
  asio::io_context context;
  asio::ssl::context tls_context{asio::ssl::context::tls_client};
  Tcp::socket socket{context};
  std::optional<asio::ssl::stream<Tcp::socket&>> tls;
  boost::beast::flat_buffer buffer;
};

HttpConnection::HttpConnection(const std::string& url)
    : p_(std::make_unique<Private>(parse_url(url))) {}
HttpConnection::~HttpConnection() = default;

HttpAnswer HttpConnection::request(const std::string& method, const std::string& target,
                                   const HttpHeaders& headers, const std::string& body) {
  // A server may answer, or close, before it has read the complete request. Its answer still
  // counts, so a failed write is ignored.
  write(method, target, headers, body);
  return read(method);
}

bool HttpConnection::write(const std::string& method, const std::string& target,
                           const HttpHeaders& headers, const std::string& body) {
  http::request<http::string_body> request;
  request.version(11);
  request.method_string(method);
  request.target(target);
  request.set(http::field::host, p_->url.host + ":" + p_->url.port);
  for (const auto& [name, value] : headers) request.insert(name, value);
  if (!body.empty()) request.set(http::field::content_length, std::to_string(body.size()));
  request.body() = body;
  boost::system::error_code error;
  p_->with_stream([&](auto& stream) { http::write(stream, request, error); });
  return !error;
}

HttpAnswer HttpConnection::read(const std::string& method) {
  http::response_parser<http::string_body> parser;
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());
  parser.skip(method == "HEAD");
  boost::system::error_code error;
  p_->with_stream([&](auto& stream) { http::read(stream, p_->buffer, parser, error); });

  HttpAnswer answer;
  answer.complete = !error;
  answer.error = error ? error.message() : "";
  if (!parser.is_header_done()) return answer;
  const auto& message = parser.get();
  answer.status = message.result_int();
  for (const auto& field : message)
    answer.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  answer.body = message.body();
  return answer;
}

HttpAnswer http_request(const std::string& method, const std::string& url,
                        const HttpHeaders& headers, const std::string& body) {
  return HttpConnection(url).request(method, parse_url(url).target, headers, body);
}

}  // namespace veo::test
