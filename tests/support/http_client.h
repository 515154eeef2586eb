// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A plain HTTP/1.1 client for tests. It follows no redirects and repeats no request. If an answer
// ends too early, it returns the part that came. It shares no code with gst-veo, so they cannot
// have the same mistake.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace veo::test {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpAnswer {
  unsigned status = 0;  ///< 0 if no head came
  HttpHeaders headers;
  std::string body;
  /// The message is complete by its framing. If not, `error` is the reason of its end.
  bool complete = false;
  std::string error;

  /// Finds the header; the case of the name does not matter.
  [[nodiscard]] std::optional<std::string> header(const std::string& name) const;
};

/// One connection for any number of requests. TLS certificates are not verified.
class HttpConnection {
 public:
  /// Connects to the scheme, address and port of `url`; its path is ignored. Throws
  /// std::runtime_error if the connection fails.
  explicit HttpConnection(const std::string& url);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  HttpAnswer request(const std::string& method, const std::string& target,
                     const HttpHeaders& headers = {}, const std::string& body = "");
  /// The two halves of request().
  bool write(const std::string& method, const std::string& target, const HttpHeaders& headers = {},
             const std::string& body = "");
  HttpAnswer read(const std::string& method);

 private:
  struct Private;
  std::unique_ptr<Private> p_;
};

/// Sends one request on a new connection.
HttpAnswer http_request(const std::string& method, const std::string& url,
                        const HttpHeaders& headers = {}, const std::string& body = "");

}  // namespace veo::test
