// SPDX-License-Identifier: LGPL-2.1-or-later
#include "http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace veo::cli {

namespace {

constexpr unsigned most_connections = 64;
constexpr unsigned idle_timeout = 600;  // seconds, long enough for a player that is paused
constexpr std::size_t block = 256U << 10U;

struct Address {
  sockaddr_storage bytes{};
  bool is_ipv6 = false;
};

std::optional<Address> parse_address(const std::string& text, std::uint16_t port) {
  Address address;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    std::memcpy(&address.bytes, &v4, sizeof v4);
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    std::memcpy(&address.bytes, &v6, sizeof v6);
    address.is_ipv6 = true;
  } else {
    return std::nullopt;
  }
  return address;
}

struct Stream {
  std::unique_ptr<media::ByteStream> bytes;
  std::uint64_t first;
};

ssize_t read_stream(void* opaque, std::uint64_t offset, char* into, std::size_t most) {
  const auto& stream = *static_cast<Stream*>(opaque);
  const auto got =
      stream.bytes->read(stream.first + offset, {reinterpret_cast<std::uint8_t*>(into), most});
  if (!got) return MHD_CONTENT_READER_END_WITH_ERROR;
  return *got == 0 ? MHD_CONTENT_READER_END_OF_STREAM : static_cast<ssize_t>(*got);
}

struct DestroyResponse {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};

MHD_Result send(MHD_Connection* connection, HttpServer::Response answer) {
  std::unique_ptr<MHD_Response, DestroyResponse> response;
  if (answer.stream) {
    auto stream = std::make_unique<Stream>(Stream{std::move(answer.stream), answer.first});
    response.reset(MHD_create_response_from_callback(
        answer.length.value_or(MHD_SIZE_UNKNOWN), block, read_stream, stream.get(),
        [](void* held) { delete static_cast<Stream*>(held); }));
    if (response) static_cast<void>(stream.release());
  } else {
    response.reset(MHD_create_response_from_buffer(answer.text.size(), answer.text.data(),
                                                   MHD_RESPMEM_MUST_COPY));
  }
  if (!response) return MHD_NO;
  for (const auto& [name, value] : answer.headers) {
    MHD_add_response_header(response.get(), name.c_str(), value.c_str());
  }
  return MHD_queue_response(connection, answer.status, response.get());
}

}  // namespace

struct HttpServer::Private {
  /// Returns the state of a new request.
  static void* on_request_begun(void* /*unused*/, const char* target, MHD_Connection* /*unused*/) {
    return new Request{.method = "", .target = target, .header = nullptr};
  }

  static void on_request_ended(void* /*unused*/, MHD_Connection* /*unused*/, void** state,
                               MHD_RequestTerminationCode /*unused*/) {
    delete static_cast<Request*>(*state);
    *state = nullptr;
  }

  static MHD_Result on_request(void* opaque, MHD_Connection* connection, const char* /*path*/,
                               const char* method, const char* /*version*/, const char* /*upload*/,
                               std::size_t* /*upload_size*/, void** state) {
    auto& request = *static_cast<Request*>(*state);
    const bool is_first = request.method.empty();
    request.method = method;
    if (request.method != "GET" && request.method != "HEAD") {
      return send(connection, {.status = 405,
                               .headers = {{"Allow", "GET, HEAD"}},
                               .text = "",
                               .stream = nullptr,
                               .length = {}});
    }
    // The first call comes after the headers. libmicrohttpd wants the answer in a later call, when
    // the whole request has arrived.
    if (is_first) return MHD_YES;
    request.header = [connection](const char* name) -> std::optional<std::string> {
      const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
      if (value == nullptr) return std::nullopt;
      return value;
    };
    // No exception may pass through libmicrohttpd, which is C.
    try {
      return send(connection, static_cast<Private*>(opaque)->handler(request));
    } catch (const std::exception&) {
      return MHD_NO;
    }
  }

  Handler handler;
  MHD_Daemon* daemon = nullptr;  // owned: stopped by ~HttpServer()
};

HttpServer::HttpServer() : p_(std::make_unique<Private>()) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& address,
                                                      std::uint16_t port, Handler handler) {
  const auto at = parse_address(address, port);
  if (!at) {
    return fail(
        {.code = ErrorCode::invalid_request, .message = "\"" + address + "\" is no IP address."});
  }
  std::unique_ptr<HttpServer> server(new HttpServer);
  auto& p = *server->p_;
  p.handler = std::move(handler);
  const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                         (at->is_ipv6 ? MHD_USE_IPv6 : MHD_NO_FLAG);
  std::array<MHD_OptionItem, 6> options{{
      {MHD_OPTION_SOCK_ADDR, 0, const_cast<sockaddr_storage*>(&at->bytes)},
      {MHD_OPTION_CONNECTION_LIMIT, most_connections, nullptr},
      {MHD_OPTION_CONNECTION_TIMEOUT, idle_timeout, nullptr},
      {MHD_OPTION_URI_LOG_CALLBACK, reinterpret_cast<intptr_t>(&Private::on_request_begun),
       nullptr},
      {MHD_OPTION_NOTIFY_COMPLETED, reinterpret_cast<intptr_t>(&Private::on_request_ended),
       nullptr},
      {MHD_OPTION_END, 0, nullptr},
  }};
  p.daemon = MHD_start_daemon(flags, port, nullptr, nullptr, &Private::on_request, &p,
                              MHD_OPTION_ARRAY, options.data(), MHD_OPTION_END);
  if (p.daemon == nullptr) {
    return fail({.code = ErrorCode::network,
                 .message = "Cannot listen on " + address + ", port " + std::to_string(port) +
                            ": " + std::strerror(errno) +
                            ". Name another port with --port; 0 takes any free one."});
  }
  return server;
}

HttpServer::~HttpServer() {
  if (p_->daemon != nullptr) MHD_stop_daemon(p_->daemon);
}

std::uint16_t HttpServer::port() const {
  const auto* info = MHD_get_daemon_info(p_->daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info != nullptr ? info->port : 0;
}

}  // namespace veo::cli
