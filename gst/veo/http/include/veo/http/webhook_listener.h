// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the service calls back: the process's one HTTP server. It runs on the I/O thread, with a
// socket for each address that somebody asked for.
//
//   POST /…/TOKEN ──► the webhook of that token is called ──► 204
//   all else      ──► 404, or the connection is closed
//
// A token is 128 random bits, and one job's alone: who calls need not say what for, so a request's
// body is counted and dropped, unread. Only the last segment of the path is looked at, so that a
// proxy before us may strip its own prefix or leave it.
//
// libsoup's server is, its authors say, not for untrusted clients. What one of them can cost is
// bounded: `connections` at once, of all sockets (more wait in the kernel's queue), each for one
// request, whose head and body come within their deadlines, in however small pieces, and whose body
// is cut off at `body_size`. Heads end at libsoup's own 64 KiB.
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

/// A URL that is listened for. Destroying it, on the I/O thread, forgets it: from then on it is
/// answered with 404, and `called` does not run any more. The last of an address closes the socket,
/// the last of all ends the server.
class Webhook {
 public:
  /// `called` runs on the I/O thread for each whole POST, and may destroy the webhook. Equal
  /// addresses share a socket (with port 0 too). I/O thread only. Fails with invalid_request where
  /// the address cannot be bound.
  static Result<Webhook> listen(const std::shared_ptr<IoThread>& thread,
                                const ListenAddress& address, std::function<void()> called);
  Webhook(Webhook&&) noexcept;
  Webhook& operator=(Webhook&&) noexcept;
  ~Webhook();

  /// 32 hexadecimal digits: a secret.
  [[nodiscard]] const std::string& token() const;
  /// `http://ADDRESS:PORT/TOKEN`, with the port that was bound.
  [[nodiscard]] std::string url() const;

 private:
  struct Private;
  explicit Webhook(std::unique_ptr<Private> p);
  std::unique_ptr<Private> p_;
};

}  // namespace veo::http
