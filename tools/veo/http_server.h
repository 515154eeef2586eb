// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Wraps libmicrohttpd for `veo serve`: GET and HEAD, with a thread for each connection, so that a
// handler and a body may wait. All waits of a request are on its wakeup, which is interrupted when
// the peer closes the connection, and by end_waits().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "veo/core/result.h"
#include "veo/media/byte_stream.h"
#include "veo/system/wakeup.h"

namespace veo::cli {

class HttpServer {
 public:
  struct Request {
    std::string method;
    std::string target;  ///< path and query as they arrived, with their escapes
    /// Returns the value of a header. nullopt: the request does not have the header.
    std::function<std::optional<std::string>(const char* name)> header;
    std::shared_ptr<Wakeup> wakeup;
    std::function<bool()> is_peer_gone;
  };
  struct Response {
    unsigned status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string text;  ///< the body, if `stream` is null
    /// The body: `length` bytes from `first`, or all bytes from `first` if there is no `length`. If
    /// a read fails, the server closes the connection.
    std::unique_ptr<media::ByteStream> stream;
    std::uint64_t first = 0;
    std::optional<std::uint64_t> length;
  };
  /// The threads of the connections call the handler.
  using Handler = std::function<Response(const Request&)>;

  /// `address`: an IP address. Port 0: the system chooses a free port. Fails with invalid_request
  /// (this is no address) or network.
  static Result<std::unique_ptr<HttpServer>> start(const std::string& address, std::uint16_t port,
                                                   Handler handler);
  /// Interrupts the waits of all requests, those of later requests, too.
  void end_waits();
  /// Ends the waits, and waits until the handlers and the bodies have ended.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;

 private:
  HttpServer();
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo::cli
