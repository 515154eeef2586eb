// SPDX-License-Identifier: LGPL-2.1-or-later
#include "raw_server.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace veo::test {

namespace {

GRef<GSocket> listen(const char* address) {
  const GRef<GSocketAddress> any(g_inet_socket_address_new_from_string(address, 0));
  GRef<GSocket> socket(g_socket_new(g_socket_address_get_family(any.get()), G_SOCKET_TYPE_STREAM,
                                    G_SOCKET_PROTOCOL_TCP, nullptr));
  if (!socket || !g_socket_bind(socket.get(), any.get(), TRUE, nullptr) ||
      !g_socket_listen(socket.get(), nullptr)) {
    throw std::runtime_error("cannot listen");
  }
  return socket;
}

std::uint16_t port_of(GSocket* socket) {
  const GRef<GSocketAddress> local(g_socket_get_local_address(socket, nullptr));
  return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(local.get()));
}

/// Records a request in the server whose script runs on this thread. read_request() calls it.
thread_local std::function<void(const std::string&)> record;

}  // namespace

TlsIdentity::TlsIdentity(const std::string& subject) {
  folder_ = (std::filesystem::temp_directory_path() / "veo-tls-XXXXXX").string();
  if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("mkdtemp");
  const auto command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
      "-subj /CN=" +
      subject +
      " -addext subjectAltName=" + (g_hostname_is_ip_address(subject.c_str()) ? "IP:" : "DNS:") +
      subject + " -keyout '" + folder_ + "/key.pem' -out '" + file() + "' 2>'" + folder_ + "/log'";
  // NOLINTNEXTLINE(cert-env33-c): the command is fixed
  if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl failed");
  certificate_.reset(
      g_tls_certificate_new_from_files(file().c_str(), (folder_ + "/key.pem").c_str(), nullptr));
  if (!certificate_) throw std::runtime_error("the certificate cannot be read");
}

TlsIdentity::~TlsIdentity() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string TlsIdentity::file() const { return folder_ + "/cert.pem"; }

std::string RawConnection::read(std::size_t size) {
  std::string bytes(size, '\0');
  gsize count = 0;
  g_input_stream_read_all(g_io_stream_get_input_stream(stream_), bytes.data(), size, &count, stop_,
                          nullptr);
  bytes.resize(count);
  return bytes;
}

std::string RawConnection::read_request() {
  std::string request;
  while (!request.ends_with("\r\n\r\n")) {
    const auto byte = read(1);
    if (byte.empty()) return "";
    request += byte;
  }
  if (const auto length = header_value(request, "content-length"); !length.empty()) {
    request += read(std::stoul(length));
  }
  record(request);
  return request;
}

bool RawConnection::write(std::string_view bytes) {
  return g_output_stream_write_all(g_io_stream_get_output_stream(stream_), bytes.data(),
                                   bytes.size(), nullptr, stop_, nullptr);
}

std::string RawConnection::read_to_end() {
  std::string all;
  for (auto byte = read(1); !byte.empty(); byte = read(1)) all += byte;
  return all;
}

void RawConnection::reset() {
  auto* socket = g_socket_connection_get_socket(socket_);
  const ::linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(g_socket_get_fd(socket), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  g_socket_close(socket, nullptr);
}

bool RawConnection::start_tls(GTlsCertificate* certificate, std::vector<const char*> alpn) {
  tls_.reset(g_tls_server_connection_new(stream_, certificate, nullptr));
  if (!tls_) return false;
  alpn.push_back(nullptr);
  auto* const connection = G_TLS_CONNECTION(tls_.get());
  g_tls_connection_set_advertised_protocols(connection, alpn.size() > 1 ? alpn.data() : nullptr);
  g_tls_connection_set_require_close_notify(connection, FALSE);
  stream_ = tls_.get();
  return g_tls_connection_handshake(connection, stop_, nullptr);
}

std::string RawConnection::protocol() const {
  const char* const chosen = g_tls_connection_get_negotiated_protocol(G_TLS_CONNECTION(tls_.get()));
  return chosen != nullptr ? chosen : "";
}

RawServer::RawServer(Script script, const char* address)
    : script_(std::move(script)),
      address_(address),
      stop_(g_cancellable_new()),
      listener_(listen(address)),
      port_(port_of(listener_.get())),
      acceptor_([this] { accept(); }) {}

RawServer::~RawServer() {
  g_cancellable_cancel(stop_.get());
  acceptor_.join();
}

void RawServer::accept() {
  for (;;) {
    GRef<GSocket> socket(g_socket_accept(listener_.get(), stop_.get(), nullptr));
    if (!socket) break;
    const std::lock_guard lock(mutex_);
    scripts_.emplace_back([this, socket = std::move(socket), index = connections_++] {
      const GRef<GSocketConnection> connection(
          g_socket_connection_factory_create_connection(socket.get()));
      record = [this](const std::string& request) {
        const std::lock_guard guard(mutex_);
        requests_.push_back(request);
      };
      RawConnection raw(connection.get(), stop_.get(), index);
      script_(raw);
    });
  }
  scripts_.clear();
}

std::string RawServer::url(std::string_view path, std::string_view scheme) const {
  return std::string(scheme) + "://" + address_ + ":" + std::to_string(port_) + std::string(path);
}

std::vector<std::string> RawServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

unsigned RawServer::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

std::uint16_t refused_port() {
  const auto socket = listen("127.0.0.1");
  return port_of(socket.get());
}

std::string http_answer(std::string_view status, std::string_view body, std::string_view headers) {
  std::string answer("HTTP/1.1 ");
  answer.append(status).append("\r\n").append(headers);
  return answer.append("Content-Length: ")
      .append(std::to_string(body.size()))
      .append("\r\n\r\n")
      .append(body);
}

std::string header_value(const std::string& request, std::string_view name) {
  auto head = request.substr(0, request.find("\r\n\r\n") + 2);
  std::ranges::transform(head, head.begin(), g_ascii_tolower);
  const auto line = head.find(std::string("\r\n").append(name).append(": "));
  if (line == std::string::npos) return "";
  const auto value = line + 2 + name.size() + 2;
  return request.substr(value, request.find("\r\n", value) - value);
}

RawServer::Script answers(std::string answer) {
  return [answer = std::move(answer)](RawConnection& connection) {
    connection.read_request();
    connection.write(answer);
  };
}

}  // namespace veo::test
