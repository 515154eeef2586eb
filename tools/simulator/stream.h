// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The bytes of a connection, with or without TLS, and the sending of an answer.
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

/// A stream with the interface of Asio's SyncReadStream and SyncWriteStream. Only one thread may
/// use it.
class Stream {
 public:
  Stream(Tcp::socket socket, boost::asio::ssl::context* tls);

  /// Does the TLS handshake, if the connection has TLS. Returns false if it fails.
  bool do_handshake();

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
  /// Sends TLS's close_notify and TCP's FIN, and waits until the peer has closed too.
  void finish();
  /// Makes the close of the socket send RST instead of FIN.
  void reset();
  /// Waits until the peer's kernel has all bytes that were written, at most 2 s.
  void drain(Stop& stop);
  /// Waits until the peer closes, or the program ends. Reads no byte.
  void wait_for_peer_to_leave();

 private:
  std::variant<Tcp::socket, boost::asio::ssl::stream<Tcp::socket>> layer_;
};

/// The arguments of send().
struct Sending {
  const Answer& answer;
  bool head_only = false;  ///< true for the answer to a HEAD
  Pace* line = nullptr;    ///< the line that all connections share; null for no limit
  Stop& stop;
  /// Called once, before the peer can see the end of the answer, with the number of the body's
  /// bytes.
  std::function<void(std::uint64_t)> on_end;
};

/// Sends an answer. Returns false if the connection is over.
bool send(Stream& stream, const Sending& sending);

}  // namespace simulator
