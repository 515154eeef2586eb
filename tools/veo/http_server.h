// SPDX-License-Identifier: LGPL-2.1-or-later
//
// libmicrohttpd, as far as `veo serve` needs it: GET and HEAD, a thread for each connection, so
// that a handler and a body may wait. What ends those waits is the caller's, before the server is
// ended.
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

namespace veo::cli {

class HttpServer {
 public:
  struct Request {
    std::string method;
    std::string target;  ///< as it came: path and query, with their escapes
    /// nullopt: it is not there.
    std::function<std::optional<std::string>(const char* name)> header;
  };
  struct Response {
    unsigned status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string text;  ///< the body, where there is no stream
    /// The body: from `first` on, `length` bytes, or to the end. A read that fails ends the
    /// connection.
    std::unique_ptr<media::ByteStream> stream;
    std::uint64_t first = 0;
    std::optional<std::uint64_t> length;
  };
  /// Called by the connections' threads.
  using Handler = std::function<Response(const Request&)>;

  /// `address`: an IP address. Port 0: any free one. Fails with invalid_request (no address) and
  /// network.
  static Result<std::unique_ptr<HttpServer>> start(const std::string& address, std::uint16_t port,
                                                   Handler handler);
  /// Waits for the handlers.
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
