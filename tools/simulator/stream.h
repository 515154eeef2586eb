// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A connection's bytes, in the clear or through TLS; and how an answer is put on the wire.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <functional>
#include <optional>
#include <utility>
#include <variant>

#include "http.h"
#include "pace.h"
#include "stop.h"

namespace simulator {

using boost::system::error_code;
using Tcp = boost::asio::ip::tcp;

/// Models Asio's SyncReadStream and SyncWriteStream. Used by one thread.
class Stream {
 public:
  Stream(Tcp::socket socket, boost::asio::ssl::context* tls);

  /// The TLS handshake, where there is one.
  bool handshake();

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& error) {
    return std::visit([&](auto& layer) { return layer.read_some(buffers, error); }, layer_);
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    error_code error;
    const auto size = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return size;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& error) {
    return std::visit([&](auto& layer) { return layer.write_some(buffers, error); }, layer_);
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    error_code error;
    const auto size = write_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return size;
  }

  Tcp::socket& socket();
  /// TLS's close_notify, then TCP's FIN; waits for the peer's as long as that stays.
  void finish();
  /// RST instead of FIN when the socket is closed.
  void reset();
  /// Until the peer's kernel has all that was written, but no longer than 2 s.
  void drain(Stop& stop);
  /// Until the peer closes, or the program ends. Reads nothing.
  void wait_for_peer_to_leave();

 private:
  std::variant<Tcp::socket, boost::asio::ssl::stream<Tcp::socket>> layer_;
};

struct Sending {
  const Answer& answer;
  bool head_only = false;  ///< the answer to a HEAD
  Pace* line = nullptr;    ///< what all connections share
  Stop& stop;
  /// Called once, with the body's bytes: before the peer can see the answer's end.
  std::function<void(std::uint64_t)> on_end;
};

/// False when the connection is over.
bool send(Stream& stream, const Sending& sending);

}  // namespace simulator
