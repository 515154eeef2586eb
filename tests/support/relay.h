// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A relay between a client and a server. It is a plain relay or a proxy for CONNECT (RFC 9110,
// section 9.3.6), and it may spoil the first connections. It listens on 127.0.0.1 and a free port.
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
  /// The way in which the first connections are spoiled instead of relayed.
  struct Spoil {
    unsigned connections = 0;  ///< the number of connections to spoil
    bool reads = true;         ///< read the client's bytes; otherwise close without reading them
    std::string answer;        ///< the answer after the client's first bytes
    bool stalls = false;       ///< then wait until the client closes
    bool resets = false;       ///< then send RST in place of FIN
    bool closed = false;       ///< refuse all connections until open()
  };

  /// Relays to port `target` of 127.0.0.1, or as a proxy to the port that CONNECT names.
  Relay(std::uint16_t target, bool is_proxy, Spoil spoil);
  /// Ends all connections.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Accepts connections from now on. Does nothing if the relay is open already.
  void open();
  /// The number of connections so far, with the spoiled ones.
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
  std::vector<int> open_;             // guarded by mutex_; the destructor closes them
  std::vector<std::jthread> served_;  // only acceptor_ uses it until it ends
  std::jthread acceptor_;
};

}  // namespace veo::test
