// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Watches the connections of an HTTP server whose threads wait for minutes, so that no peer keeps a
// place that the peer does not need. One thread watches all connections:
//
//   add() ──► head ── begin_request() ──► busy ── end_request() ──► head …
//              │ no whole request for      │ the peer closes its end:
//              │ 5 s, or the place is      │ the wakeup of the request
//              │ needed: shut down         │ is interrupted
//
// A peer that closes only its sending direction counts as gone, as in nginx. TCP does not tell such
// a peer from one that has closed the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "veo/core/result.h"
#include "veo/system/wakeup.h"

namespace veo::cli {

class ConnectionWatch {
 public:
  using Id = std::uintptr_t;  ///< never 0

  /// `most`: the connections that the server has at most. Fails with network.
  static Result<std::unique_ptr<ConnectionWatch>> start(std::size_t most);
  /// No connection may be left.
  ~ConnectionWatch();
  ConnectionWatch(const ConnectionWatch&) = delete;
  ConnectionWatch& operator=(const ConnectionWatch&) = delete;

  // The threads of the server call these.

  /// Adds an accepted connection. If few places are left, shuts down the connection that has waited
  /// for a request longest. The socket must stay open until remove().
  Id add(int socket);
  void remove(Id id);
  /// The connection's request has come. Returns the wakeup for all waits of the request. Null: too
  /// many requests wait.
  std::shared_ptr<Wakeup> begin_request(Id id);
  /// The answer is sent. The next request may come.
  void end_request(Id id);
  /// Whether the peer has closed the connection.
  [[nodiscard]] bool is_peer_gone(Id id) const;

  /// Interrupts all waits, those under way and later ones.
  void end_waits();

 private:
  ConnectionWatch();
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo::cli
