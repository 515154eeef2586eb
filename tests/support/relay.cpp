// SPDX-License-Identifier: LGPL-2.1-or-later
#include "relay.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace veo::test {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int to, const char* bytes, std::size_t size) {
  while (size > 0) {
    const auto sent = ::send(to, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

/// Relays in both directions until one end closes.
void pump(int one, int other) {
  std::array<pollfd, 2> ends{{{one, POLLIN, 0}, {other, POLLIN, 0}}};
  std::array<char, 16384> buffer;
  while (::poll(ends.data(), ends.size(), -1) > 0) {
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (ends[i].revents == 0) continue;
      const auto size = ::recv(ends[i].fd, buffer.data(), buffer.size(), 0);
      if (size <= 0) return;
      if (!send_all(ends[1 - i].fd, buffer.data(), static_cast<std::size_t>(size))) return;
    }
  }
}

/// Reads the head of a request.
std::string read_head(int from) {
  std::string head;
  for (char c = 0; head.find("\r\n\r\n") == std::string::npos && ::recv(from, &c, 1, 0) == 1;) {
    head += c;
  }
  return head;
}

}  // namespace

Relay::Relay(std::uint16_t target, bool is_proxy, Spoil spoil)
    : target_(target), is_proxy_(is_proxy), spoil_(std::move(spoil)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, any, size) != 0 || ::getsockname(listener_, any, &size) != 0) {
    throw std::runtime_error("no relay");
  }
  port_ = ntohs(address.sin_port);
  if (!spoil_.closed) open();
}

void Relay::open() {
  if (acceptor_.joinable()) return;
  if (::listen(listener_, 64) != 0) throw std::runtime_error("no relay");
  acceptor_ = std::jthread([this] { accept(); });
}

Relay::~Relay() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  ::shutdown(listener_, SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  served_.clear();
  ::close(listener_);
}

void Relay::watch(int fd) {
  const std::lock_guard lock(mutex_);
  if (stopped_) ::shutdown(fd, SHUT_RDWR);
  open_.push_back(fd);
}

void Relay::accept() {
  for (unsigned index = 0;; ++index) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    ++connections_;
    watch(client);
    served_.emplace_back([this, client, index] { serve(client, index); });
  }
}

void Relay::serve(int client, unsigned index) {
  int server = -1;
  const auto close_both = [&] {
    const std::lock_guard lock(mutex_);
    for (const int fd : {client, server}) {
      std::erase(open_, fd);
      if (fd >= 0) ::close(fd);
    }
  };
  if (index < spoil_.connections) {
    std::array<char, 16384> buffer;
    if (spoil_.reads) ::recv(client, buffer.data(), buffer.size(), 0);
    send_all(client, spoil_.answer.data(), spoil_.answer.size());
    if (spoil_.resets) {
      const linger at_once{1, 0};
      ::setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    } else if (spoil_.reads) {
      // A close with unread bytes sends a reset, and the reset can overtake the answer. So all
      // bytes are read.
      if (!spoil_.stalls) ::shutdown(client, SHUT_WR);
      while (::recv(client, buffer.data(), buffer.size(), 0) > 0) {
      }
    }
    return close_both();
  }
  auto target = target_;
  if (is_proxy_) {
    // CONNECT 127.0.0.1:PORT HTTP/1.1
    const auto head = read_head(client);
    const auto colon = head.find(':');
    if (!head.starts_with("CONNECT ") || colon == std::string::npos) return close_both();
    target = static_cast<std::uint16_t>(std::stoul(head.substr(colon + 1)));
  }
  server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  watch(server);
  const auto address = loopback(target);
  const bool connected =
      ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const std::string established = "HTTP/1.1 200 Connection established\r\n\r\n";
  if (connected && (!is_proxy_ || send_all(client, established.data(), established.size()))) {
    pump(client, server);
  }
  close_both();
}

}  // namespace veo::test
