// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What stands between a client and a server, and may spoil the first connections: a plain relay, or
// a proxy that takes CONNECT (RFC 9110 §9.3.6). Listens on 127.0.0.1, port 0.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace veo::test {

class Relay {
 public:
  /// What is done to a connection instead of relaying it; and `closed`: connections are refused
  /// until open().
  struct Spoil {
    unsigned connections = 0;  ///< the first so many
    bool reads = true;         ///< what the client sends; else closes on it unread
    std::string answer;        ///< says this, once the client has said something
    bool stalls = false;       ///< then leaves it to the client to close
    bool resets = false;       ///< then RST, in place of FIN
    bool closed = false;
  };

  /// Relays to that port of 127.0.0.1; as a proxy, to the port that CONNECT names.
  Relay(std::uint16_t target, bool is_proxy, Spoil spoil);
  /// Ends all connections.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Of no consequence where it is open.
  void open();
  /// So far, those that were spoiled too.
  [[nodiscard]] unsigned connections() const { return connections_; }

 private:
  void accept();
  void serve(int client, unsigned index);
  void watch(int fd);

  const std::uint16_t target_;
  const bool is_proxy_;
  const Spoil spoil_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<unsigned> connections_ = 0;
  std::mutex mutex_;
  bool stopped_ = false;              // guarded by mutex_
  std::vector<int> open_;             // guarded by mutex_: closed by the destructor
  std::vector<std::jthread> served_;  // of acceptor_ alone, until it has ended
  std::jthread acceptor_;
};

}  // namespace veo::test
