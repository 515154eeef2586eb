// SPDX-License-Identifier: LGPL-2.1-or-later
#include "http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "connection_watch.h"

namespace veo::cli {

namespace {

constexpr unsigned most_connections = 512;
constexpr unsigned fewest_connections = 64;
constexpr unsigned idle_timeout = 600;  // seconds, long enough for a player that is paused
constexpr std::size_t block = 256U << 10U;

/// Returns how many connections the server may have. A request needs descriptors of its own, so at
/// most half of them are for connections.
unsigned count_places() {
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return fewest_connections;
  return static_cast<unsigned>(
      std::clamp<rlim_t>(descriptors.rlim_cur / 2, fewest_connections, most_connections));
}

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
    return new Request{.method = "",
                       .target = target,
                       .header = nullptr,
                       .wakeup = nullptr,
                       .is_peer_gone = nullptr};
  }

  static void on_request_ended(void* opaque, MHD_Connection* connection, void** state,
                               MHD_RequestTerminationCode /*unused*/) {
    delete static_cast<Request*>(*state);
    *state = nullptr;
    static_cast<Private*>(opaque)->watch->end_request(find_id(connection));
  }

  // The context of a connection is its id in the watch.

  static void on_connection(void* opaque, MHD_Connection* connection, void** context,
                            MHD_ConnectionNotificationCode code) {
    auto& watch = *static_cast<Private*>(opaque)->watch;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
      watch.remove(reinterpret_cast<ConnectionWatch::Id>(*context));
      return;
    }
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *context = reinterpret_cast<void*>(watch.add(info->connect_fd));
  }

  static ConnectionWatch::Id find_id(MHD_Connection* connection) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return reinterpret_cast<ConnectionWatch::Id>(info->socket_context);
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
    auto& server = *static_cast<Private*>(opaque);
    const auto id = find_id(connection);
    // No exception may pass through libmicrohttpd, which is C.
    try {
      request.wakeup = server.watch->begin_request(id);
      if (!request.wakeup) {
        return send(connection, {.status = 503,
                                 .headers = {{"Retry-After", "10"}},
                                 .text = "Too many players wait. Try again in a moment.\n",
                                 .stream = nullptr,
                                 .length = {}});
      }
      request.is_peer_gone = [&server, id] { return server.watch->is_peer_gone(id); };
      return send(connection, server.handler(request));
    } catch (const std::exception&) {
      return MHD_NO;
    }
  }

  Handler handler;
  std::unique_ptr<ConnectionWatch> watch;
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
  const auto places = count_places();
  auto watch = ConnectionWatch::start(places);
  if (!watch) return fail(std::move(watch.error()));
  p.watch = std::move(*watch);
  // select(2), the default, fails for descriptors from 1024 on.
  const unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION |
                         (at->is_ipv6 ? MHD_USE_IPv6 : MHD_NO_FLAG);
  std::array<MHD_OptionItem, 7> options{{
      {MHD_OPTION_SOCK_ADDR, 0, const_cast<sockaddr_storage*>(&at->bytes)},
      {MHD_OPTION_CONNECTION_LIMIT, static_cast<intptr_t>(places), nullptr},
      {MHD_OPTION_CONNECTION_TIMEOUT, idle_timeout, nullptr},
      {MHD_OPTION_URI_LOG_CALLBACK, reinterpret_cast<intptr_t>(&Private::on_request_begun),
       nullptr},
      {MHD_OPTION_NOTIFY_COMPLETED, reinterpret_cast<intptr_t>(&Private::on_request_ended), &p},
      {MHD_OPTION_NOTIFY_CONNECTION, reinterpret_cast<intptr_t>(&Private::on_connection), &p},
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

void HttpServer::end_waits() { p_->watch->end_waits(); }

HttpServer::~HttpServer() {
  if (p_->watch) p_->watch->end_waits();
  if (p_->daemon != nullptr) MHD_stop_daemon(p_->daemon);
}

std::uint16_t HttpServer::port() const {
  const auto* info = MHD_get_daemon_info(p_->daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info != nullptr ? info->port : 0;
}

}  // namespace veo::cli
