// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A Server is one listener. It accepts connections, reads requests, passes them to a Handler, and
// keeps a connection open as HTTP/1.1 says. Each connection has a thread, which blocks. So the code
// of a connection does the same as the wire, in the same order.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "faults.h"
#include "handler.h"
#include "http.h"
#include "pace.h"
#include "request_log.h"
#include "stop.h"
#include "stream.h"

namespace simulator {

class Server {
 public:
  struct Settings {
    std::string name;  ///< "api" or "files", for the log
    std::string address;
    std::uint16_t port = 0;
    Phase connect_phase = Phase::connect_api;
    std::chrono::milliseconds latency{0};
    std::uint64_t bandwidth = 0;  ///< bytes per second for all connections; 0 for no limit
    boost::asio::ssl::context* tls = nullptr;
  };
  struct Connections {
    std::uint64_t total = 0;  ///< without those that had only control requests
    std::uint64_t open = 0;
  };

  /// Binds the address. Throws boost::system::system_error.
  Server(Settings settings, FaultPlan& faults, RequestLog& log, Stop& stop);
  /// Joins all threads. request() of the Stop must have been called before.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// `scheme://address:port`
  [[nodiscard]] std::string origin() const;
  [[nodiscard]] Connections connections() const;
  /// Accepts connections from now on. The handler must live longer than the server.
  void start(Handler& handler);

 private:
  class Connection;

  void accept(Handler& handler);

  const Settings settings_;
  FaultPlan& faults_;
  RequestLog& log_;
  Stop& stop_;
  std::optional<Pace> line_;
  boost::asio::io_context context_;
  Tcp::acceptor acceptor_;
  std::optional<Stop::Watch> watch_;
  std::thread acceptor_thread_;

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  // Guarded by mutex_.
  Connections connections_;
  std::uint64_t numbers_ = 0;
  std::uint64_t threads_ = 0;
};

}  // namespace simulator
