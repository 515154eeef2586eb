// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A server whose every byte is the test's: a thread a connection, blocking reads and writes, and a
// script that plays the part. Listens on 127.0.0.1, port 0.
#pragma once

#include <gio/gio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace veo::test {

struct Unref {
  void operator()(gpointer object) const { g_object_unref(object); }
};
template <class T>
using GRef = std::unique_ptr<T, Unref>;

/// A self-signed certificate for an address or a name, made by the openssl command, in a folder of
/// its own.
class TlsIdentity {
 public:
  explicit TlsIdentity(const std::string& subject);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  [[nodiscard]] GTlsCertificate* certificate() const { return certificate_.get(); }
  /// PEM
  [[nodiscard]] std::string file() const;

 private:
  std::string folder_;
  GRef<GTlsCertificate> certificate_;
};

/// The server's end of a connection. Used by its script's thread alone.
class RawConnection {
 public:
  RawConnection(GSocketConnection* connection, GCancellable* stop, unsigned index)
      : index_(index), socket_(connection), stop_(stop), stream_(G_IO_STREAM(connection)) {}

  /// Counts the server's connections from 0.
  [[nodiscard]] unsigned index() const { return index_; }

  /// A request's head and body (by Content-Length); empty once the client has closed.
  std::string read_request();
  /// Exactly `size` bytes, or what came before the end.
  std::string read(std::size_t size);
  /// False: the client is gone.
  bool write(std::string_view bytes);
  /// Waits until the client closes; what it sends until then.
  std::string read_to_end();
  /// Ends the connection with RST instead of FIN.
  void reset();
  /// Goes on as TLS, with `alpn` as the only protocol on offer. False: the handshake failed.
  bool start_tls(GTlsCertificate* certificate, const char* alpn = "http/1.1");

 private:
  const unsigned index_;
  GSocketConnection* const socket_;
  GCancellable* const stop_;
  GIOStream* stream_;
  GRef<GIOStream> tls_;
};

class RawServer {
 public:
  using Script = std::function<void(RawConnection&)>;

  explicit RawServer(Script script, const char* address = "127.0.0.1");
  /// Breaks whatever the scripts wait for, and joins them.
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(std::string_view path, std::string_view scheme = "http") const;

  /// What read_request() has returned, of all connections, in order of arrival.
  [[nodiscard]] std::vector<std::string> requests() const;
  [[nodiscard]] unsigned connections() const;

 private:
  void accept();

  const Script script_;
  const std::string address_;
  const GRef<GCancellable> stop_;
  GRef<GSocket> listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;  // guarded by mutex_
  unsigned connections_ = 0;           // guarded by mutex_
  std::vector<std::jthread> scripts_;  // of acceptor_ alone, until it has ended
  std::jthread acceptor_;
};

/// A port of 127.0.0.1 where nobody listens.
std::uint16_t refused_port();

/// A complete HTTP/1.1 answer with Content-Length. `headers` are whole lines, with CRLF.
std::string http_answer(std::string_view status, std::string_view body,
                        std::string_view headers = "");

/// The value of a request's header; empty: there is none. `name` in lower case.
std::string header_value(const std::string& request, std::string_view name);

}  // namespace veo::test
