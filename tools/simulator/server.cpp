// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <exception>
#include <iostream>

namespace simulator {

namespace asio = boost::asio;
namespace http = boost::beast::http;

/// A connection and its thread.
class Server::Connection {
 public:
  Connection(Server& server, Handler& handler, std::uint64_t number, Tcp::socket socket)
      : server_(server),
        handler_(handler),
        number_(number),
        stream_(std::move(socket), server.settings_.tls),
        watch_(server.stop_, stream_.socket().native_handle()) {
    const std::lock_guard lock(server_.mutex_);
    ++server_.connections_.total;
    ++server_.connections_.open;
  }
  ~Connection() {
    if (!counted_) return;
    const std::lock_guard lock(server_.mutex_);
    --server_.connections_.open;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void run() {
    error_code ignored;
    stream_.socket().set_option(Tcp::no_delay(true), ignored);
    const auto effects = server_.faults_.take_effects(server_.settings_.connect_phase);
    if (effects.has(Kind::stall)) stream_.wait_for_peer_to_leave();
    if (effects.has(Kind::reset)) stream_.reset();
    if (!effects.text().empty() || !stream_.do_handshake()) return;
    while (serve_one()) {
    }
  }

 private:
  using Parser = http::request_parser<http::string_body>;

  /// Stops counting this connection, because its request is a control request.
  void uncount() {
    const std::lock_guard lock(server_.mutex_);
    --server_.connections_.total;
    --server_.connections_.open;
    counted_ = false;
  }

  /// Whether the peer has sent something that is not HTTP. The end of a connection does not count.
  static bool is_malformed(const error_code& error) {
    const error_code of_http = http::make_error_code(http::error::bad_method);
    return error.category() == of_http.category() && error != http::error::end_of_stream &&
           error != http::error::partial_message;
  }

  /// Serves one request. Returns false if no more requests can follow on this connection.
  bool serve_one() {
    Parser parser;
    parser.header_limit(64U << 10U);
    parser.body_limit(16U << 20U);
    error_code error;
    http::read_header(stream_, buffer_, parser, error);
    Request request;
    if (is_malformed(error)) return answer(request, {}, make_html_answer(400), false);
    if (error) return false;
    take_head(parser, request);

    Effects effects;
    if (const auto phase = handler_.find_phase(request))
      effects = server_.faults_.take_effects(*phase);
    const bool readable = effects.has(Kind::reset_before_reading) || take_body(parser, request);
    if (!readable) return answer(request, effects, make_html_answer(400), false);

    if (handler_.is_control(request)) {
      if (counted_ && !used_) uncount();
    } else {
      used_ = true;
    }
    if (!sleep_latency()) return false;
    auto result = handler_.answer(request, effects);
    if (!server_.stop_.sleep_for(std::chrono::milliseconds(result.delay_ms)) || !sleep_latency())
      return false;
    return answer(request, effects, std::move(result), parser.get().keep_alive());
  }

  static void take_head(const Parser& parser, Request& request) {
    const auto& message = parser.get();
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    for (const auto& field : message)
      request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }

  bool take_body(Parser& parser, Request& request) {
    error_code error;
    if (const auto* expect = request.find_header("Expect");
        expect != nullptr && !parser.is_done()) {
      static const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      asio::write(stream_, asio::buffer(go_on), error);
    }
    if (!error) http::read(stream_, buffer_, parser, error);
    request.body = std::move(parser.get().body());
    return !error;
  }

  bool sleep_latency() { return server_.stop_.sleep_for(server_.settings_.latency); }

  bool answer(const Request& request, const Effects& effects, Answer result, bool keep) {
    if (!keep) result.set_header("Connection", "close");
    const bool silent = result.end != End::complete && !result.end_after;
    const auto log = [&](std::uint64_t sent) {
      if (handler_.is_control(request)) return;
      server_.log_.write({server_.settings_.name, number_, request, effects.text(),
                          silent ? 0 : result.status, sent});
    };
    if (!send(stream_, {result, request.method == "HEAD", server_.line_ ? &*server_.line_ : nullptr,
                        server_.stop_, log}))
      return false;
    if (!keep) stream_.finish();
    return keep;
  }

  Server& server_;
  Handler& handler_;
  const std::uint64_t number_;
  Stream stream_;
  Stop::Watch watch_;  // after stream_, so that it ends before the socket is closed
  boost::beast::flat_buffer buffer_;
  bool counted_ = true;
  bool used_ = false;  // a request that is not a control request came
};

Server::Server(Settings settings, FaultPlan& faults, RequestLog& log, Stop& stop)
    : settings_(std::move(settings)),
      faults_(faults),
      log_(log),
      stop_(stop),
      acceptor_(context_,
                Tcp::endpoint(asio::ip::make_address(settings_.address), settings_.port)) {
  if (settings_.bandwidth == 0) return;
  line_.emplace(settings_.bandwidth);
  // Accepted sockets inherit this size. So the kernel buffers only a few quanta.
  acceptor_.set_option(asio::socket_base::send_buffer_size(16 << 10U));
}

Server::~Server() {
  if (acceptor_thread_.joinable()) acceptor_thread_.join();
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return threads_ == 0; });
}

std::string Server::origin() const {
  return (settings_.tls != nullptr ? "https://" : "http://") + settings_.address + ":" +
         std::to_string(acceptor_.local_endpoint().port());
}

Server::Connections Server::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

void Server::start(Handler& handler) {
  watch_.emplace(stop_, acceptor_.native_handle());
  acceptor_thread_ = std::thread([this, &handler] { accept(handler); });
}

void Server::accept(Handler& handler) {
  while (!stop_.is_requested()) {
    error_code error;
    auto socket = acceptor_.accept(error);
    if (error == asio::error::no_descriptors) {
      stop_.sleep_for(std::chrono::milliseconds(10));  // a connection may end and free a descriptor
      continue;
    }
    if (error) continue;
    std::uint64_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      number = ++numbers_;
      ++threads_;
    }
    std::thread([this, &handler, number, socket = std::move(socket)]() mutable {
      try {
        Connection(*this, handler, number, std::move(socket)).run();
      } catch (const std::exception& failure) {
        std::cerr << "veo-simulator: " << failure.what() << '\n';
      }
      const std::lock_guard lock(mutex_);
      --threads_;
      ended_.notify_all();
    }).detach();
  }
}

}  // namespace simulator
