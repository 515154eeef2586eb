// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A server for which the test writes each byte. Each connection has a thread, which reads and
// writes blockingly and runs the test's script. The server listens on 127.0.0.1, port 0.
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

/// A self-signed certificate for an address or a name. The openssl command makes it, in a folder of
/// its own.
class TlsIdentity {
 public:
  explicit TlsIdentity(const std::string& subject);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  [[nodiscard]] GTlsCertificate* certificate() const { return certificate_.get(); }
  /// The path of the certificate and key, in PEM.
  [[nodiscard]] std::string file() const;

 private:
  std::string folder_;
  GRef<GTlsCertificate> certificate_;
};

/// The server's end of a connection. Only the thread of its script uses it.
class RawConnection {
 public:
  RawConnection(GSocketConnection* connection, GCancellable* stop, unsigned index)
      : index_(index), socket_(connection), stop_(stop), stream_(G_IO_STREAM(connection)) {}

  /// The number of this connection at its server, from 0.
  [[nodiscard]] unsigned index() const { return index_; }

  /// Returns a request's head and body (by Content-Length), or nothing after the client has closed.
  std::string read_request();
  /// Returns exactly `size` bytes, or fewer if the client closes before.
  std::string read(std::size_t size);
  /// Returns false if the client is gone.
  bool write(std::string_view bytes);
  /// Waits until the client closes. Returns what the client sent until then.
  std::string read_to_end();
  /// Ends the connection with RST instead of FIN.
  void reset();
  /// Continues as TLS, and takes one of the protocols `alpn`. Returns false if the handshake
  /// failed.
  bool start_tls(GTlsCertificate* certificate, std::vector<const char*> alpn = {"http/1.1"});
  /// Returns the protocol of TLS that both sides have chosen; empty: none.
  [[nodiscard]] std::string protocol() const;

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
  /// Breaks the waits of all scripts, and joins their threads.
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(std::string_view path, std::string_view scheme = "http") const;

  /// Returns all that read_request() has returned, on any connection, in order of arrival.
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
  std::vector<std::jthread> scripts_;  // used only by acceptor_ until it has ended
  std::jthread acceptor_;
};

/// Returns a port of 127.0.0.1 where nobody listens.
std::uint16_t refused_port();

/// Returns a complete HTTP/1.1 answer with Content-Length. `headers` are complete lines with CRLF.
std::string http_answer(std::string_view status, std::string_view body,
                        std::string_view headers = "");

/// Returns the value of a header of the request, or nothing. `name` is in lower case.
std::string header_value(const std::string& request, std::string_view name);

/// Makes the script of a connection that reads one request and gets `answer`.
RawServer::Script answers(std::string answer);

/// The body of the answer to a submission that the service accepts.
inline constexpr std::string_view accepted_body = R"({"code":200,"data":{"taskId":"t-1"}})";

}  // namespace veo::test
