// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stream.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <ctime>

namespace simulator {
namespace {

namespace asio = boost::asio;

std::string head_of(const Answer& answer) {
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " " +
                     std::string(find_reason(answer.status)) + "\r\n";
  for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
  if (answer.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (answer.status != 204 && answer.status != 304) {
    head += "Content-Length: " + std::to_string(answer.size) + "\r\n";
  }
  return head + "Date: " + write_http_date(std::time(nullptr)) +
         "\r\nServer: veo-simulator\r\n\r\n";
}

std::string chunk_line(std::uint64_t size) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
  return std::string(digits.data(), end) + "\r\n";
}

/// One piece of an answer: a part of the body, and the bytes of the framing before and after it.
struct Piece {
  std::string before;
  std::string_view body;
  std::string after;
};

bool write(Stream& stream, const Piece& piece, std::uint64_t slice) {
  error_code error;
  const std::array<asio::const_buffer, 3> parts = {
      asio::buffer(piece.before), asio::buffer(piece.body.data(), piece.body.size()),
      asio::buffer(piece.after)};
  if (slice == 0) {
    asio::write(stream, parts, error);
    return !error;
  }
  const std::string bytes = piece.before + std::string(piece.body) + piece.after;
  for (std::size_t at = 0; at < bytes.size() && !error; at += slice) {
    const auto size = std::min<std::size_t>(slice, bytes.size() - at);
    asio::write(stream, asio::buffer(bytes.data() + at, size), error);
  }
  return !error;
}

/// Sends one answer.
class Sender {
 public:
  Sender(Stream& stream, const Sending& sending) : stream_(stream), sending_(sending) {}

  /// Returns false if the connection is over.
  bool run() {
    const Answer& answer = sending_.answer;
    const bool silent = !is_complete_ && !answer.end_after;
    const bool sent = silent || send_body();
    tell(sent_);
    if (!sent || is_complete_) return sent;
    if (answer.end == End::reset) {
      stream_.drain(sending_.stop);
      stream_.reset();
    }
    if (answer.end == End::stall) stream_.wait_for_peer_to_leave();
    return false;
  }

 private:
  /// The number of bytes of the body to send.
  [[nodiscard]] std::uint64_t size() const {
    const Answer& answer = sending_.answer;
    if (sending_.head_only) return 0;
    return is_complete_ ? answer.size : std::min(answer.size, answer.end_after.value_or(0));
  }

  /// Returns false if the peer has left or the program ends.
  bool send_body() {
    const Answer& answer = sending_.answer;
    std::optional<Pace> drip;
    if (answer.drip != 0) drip.emplace(answer.drip);
    std::uint64_t quantum = std::uint64_t{256} << 10U;
    for (const Pace* pace : {sending_.line, drip ? &*drip : nullptr}) {
      if (pace != nullptr) quantum = std::min(quantum, pace->quantum());
    }

    std::string_view left;
    if (size() != 0) left = std::string_view(*answer.content).substr(answer.offset, size());
    Piece piece{head_of(answer), {}, {}};
    for (bool last = false; !last; piece = {}) {
      piece.body = left.substr(0, quantum);
      left.remove_prefix(piece.body.size());
      last = left.empty();
      if (answer.chunked && !sending_.head_only) frame(piece, last);
      for (Pace* pace : {sending_.line, drip ? &*drip : nullptr}) {
        if (pace != nullptr && !pace->wait(piece.body.size(), sending_.stop)) return false;
      }
      if (last && is_complete_) tell(sent_ + piece.body.size());
      if (!write(stream_, piece, answer.slice)) return false;
      sent_ += piece.body.size();
    }
    return true;
  }

  void frame(Piece& piece, bool last) const {
    if (!piece.body.empty()) {
      piece.before += chunk_line(piece.body.size());
      piece.after = "\r\n";
    }
    if (last && is_complete_) piece.after += "0\r\n\r\n";
  }

  void tell(std::uint64_t bytes) {
    if (!std::exchange(told_, true)) sending_.on_end(bytes);
  }

  Stream& stream_;
  const Sending& sending_;
  const bool is_complete_ = sending_.answer.end == End::complete;
  std::uint64_t sent_ = 0;
  bool told_ = false;
};

}  // namespace

Stream::Stream(Tcp::socket socket, asio::ssl::context* tls) : layer_(std::move(socket)) {
  if (tls == nullptr) return;
  auto plain = std::move(std::get<Tcp::socket>(layer_));
  layer_.emplace<asio::ssl::stream<Tcp::socket>>(std::move(plain), *tls);
}

bool Stream::do_handshake() {
  error_code error;
  if (auto* tls = std::get_if<asio::ssl::stream<Tcp::socket>>(&layer_))
    tls->handshake(asio::ssl::stream_base::server, error);
  return !error;
}

Tcp::socket& Stream::socket() {
  if (auto* plain = std::get_if<Tcp::socket>(&layer_)) return *plain;
  return std::get<asio::ssl::stream<Tcp::socket>>(layer_).next_layer();
}

void Stream::finish() {
  error_code ignored;
  if (auto* tls = std::get_if<asio::ssl::stream<Tcp::socket>>(&layer_)) tls->shutdown(ignored);
  socket().shutdown(Tcp::socket::shutdown_send, ignored);
}

void Stream::reset() {
  // Asio's own option is no use here, because its destructor resets it.
  const linger at_once{1, 0};
  ::setsockopt(socket().native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void Stream::drain(Stop& stop) {
  const auto deadline = Clock::now() + std::chrono::seconds(2);
  int queued = 0;
  while (Clock::now() < deadline && ::ioctl(socket().native_handle(), SIOCOUTQ, &queued) == 0 &&
         queued > 0) {
    if (!stop.sleep_for(std::chrono::milliseconds(1))) return;
  }
}

void Stream::wait_for_peer_to_leave() {
  pollfd peer{socket().native_handle(), POLLRDHUP, 0};
  while (::poll(&peer, 1, -1) < 0 && errno == EINTR) {
  }
}

bool send(Stream& stream, const Sending& sending) { return Sender(stream, sending).run(); }

}  // namespace simulator
