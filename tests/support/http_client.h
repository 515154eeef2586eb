// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A plain HTTP/1.1 client for tests: no redirects, no retries, and what arrived before an end too
// early is kept. Not gst-veo's own, so that the two cannot share a mistake.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace veo::test {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpAnswer {
  unsigned status = 0;  ///< 0: not even a head arrived
  HttpHeaders headers;
  std::string body;
  /// The message is whole, by its own framing. Else `error` says what ended it.
  bool complete = false;
  std::string error;

  /// ASCII case of the name is ignored.
  [[nodiscard]] std::optional<std::string> header(const std::string& name) const;
};

/// One connection, from the first request on. TLS certificates are not verified.
class HttpConnection {
 public:
  /// `url` gives scheme, address and port; its path is ignored. Throws std::runtime_error where
  /// nobody listens.
  explicit HttpConnection(const std::string& url);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  HttpAnswer request(const std::string& method, const std::string& target,
                     const HttpHeaders& headers = {}, const std::string& body = "");
  /// The halves of request().
  bool write(const std::string& method, const std::string& target, const HttpHeaders& headers = {},
             const std::string& body = "");
  HttpAnswer read(const std::string& method);

 private:
  struct Private;
  std::unique_ptr<Private> p_;
};

/// On a connection of its own.
HttpAnswer http_request(const std::string& method, const std::string& url,
                        const HttpHeaders& headers = {}, const std::string& body = "");

}  // namespace veo::test
