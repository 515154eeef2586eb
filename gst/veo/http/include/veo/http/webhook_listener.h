// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The process's one HTTP server, for the service's callbacks. The server runs on the I/O thread,
// with a socket for each address that a job asked for.
//
//   POST /…/TOKEN ──► the webhook of that token is called ──► 204
//   all else      ──► 404, or the connection is closed
//
// A token has 128 random bits and belongs to one job. So the token alone says which job a call is
// for. The server counts and drops the request's body without reading it. The server looks at the
// last segment of the path only, so that a proxy in front of it may strip its own prefix or leave
// it.
//
// The authors of libsoup say that its server is not for untrusted clients. So the cost of such a
// client is bounded. All sockets together have at most `connections` connections; more wait in the
// kernel's queue. A connection carries one request. The request's head and body each have a
// deadline, which small pieces do not extend. A body that is larger than `body_size` ends the
// connection. libsoup itself ends a head at 64 KiB.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "veo/core/callback.h"
#include "veo/core/result.h"
#include "veo/http/io_thread.h"

namespace veo::http {

namespace webhook_limits {
inline constexpr std::size_t connections = 16;
inline constexpr std::size_t body_size = std::size_t{64} << 10U;
inline constexpr std::chrono::seconds head_within{5};
inline constexpr std::chrono::seconds body_within{5};
}  // namespace webhook_limits

/// A URL that the service can call. After its destruction, on the I/O thread, the server answers
/// the URL with 404, and `called` does not run any more. The last Webhook of an address closes the
/// socket, and the last of all ends the server.
class Webhook {
 public:
  /// `called` runs on the I/O thread for each complete POST, and may destroy the webhook. Equal
  /// addresses share a socket, also with port 0. I/O thread only. Fails with invalid_request if the
  /// address cannot be bound.
  static Result<Webhook> listen(const std::shared_ptr<IoThread>& thread,
                                const ListenAddress& address, std::function<void()> called);
  Webhook(Webhook&&) noexcept;
  Webhook& operator=(Webhook&&) noexcept;
  ~Webhook();

  /// 32 hexadecimal digits. The token is a secret.
  [[nodiscard]] const std::string& token() const;
  /// `http://ADDRESS:PORT/TOKEN`, with the port that was bound.
  [[nodiscard]] std::string url() const;

 private:
  struct Private;
  explicit Webhook(std::unique_ptr<Private> p);
  std::unique_ptr<Private> p_;
};

}  // namespace veo::http
