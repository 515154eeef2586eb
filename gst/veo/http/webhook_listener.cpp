// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/webhook_listener.h"

#include <libsoup/soup.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "context.h"
#include "veo/core/log.h"
#include "webhook_connection.h"

namespace veo::http {

using namespace std::chrono_literals;

namespace {

constexpr int queued_connections =
    64;  // in the kernel's queue, while `webhook_limits::connections` are open
/// The pause after a connection could not be accepted: most likely no file descriptor is left.
constexpr auto accept_again_after = 1s;

using Called = std::function<void()>;
using GSourcePtr = std::unique_ptr<GSource, Deleter<g_source_unref>>;

/// Makes 128 random bits, in hexadecimal.
std::string make_token() {
  std::array<unsigned char, 16> bytes{};
  // getentropy(3) fails only for more than 256 bytes.
  if (::getentropy(bytes.data(), bytes.size()) != 0) std::abort();
  constexpr std::string_view digits = "0123456789abcdef";
  std::string token;
  for (const auto byte : bytes) {
    token += digits[byte / 16U];
    token += digits[byte % 16U];
  }
  return token;
}

}  // namespace

/// The server behind all webhooks of the process.
class WebhookListener : public std::enable_shared_from_this<WebhookListener> {
 public:
  /// A listening socket. It keeps the listener alive.
  struct Socket {
    Socket(std::shared_ptr<WebhookListener> of, GObjectPtr<GSocket> bound, ListenAddress asked_for,
           std::uint16_t port)
        : listener(std::move(of)), socket(std::move(bound)), asked(std::move(asked_for)) {
      address = asked;
      address.port = port;
    }
    ~Socket() {
      accept(false);
      g_socket_close(socket.get(), nullptr);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    void accept(bool on) {
      if (on == (source != nullptr)) return;
      if (!on) {
        g_source_destroy(source.get());
        return source.reset();
      }
      source.reset(g_socket_create_source(socket.get(), G_IO_IN, nullptr));
      g_source_set_callback(source.get(), G_SOURCE_FUNC(&on_incoming), listener.get(), nullptr);
      g_source_attach(source.get(), g_main_context_get_thread_default());
    }

    const std::shared_ptr<WebhookListener> listener;
    const GObjectPtr<GSocket> socket;
    const ListenAddress asked;
    ListenAddress address;  // with the port that was bound
    GSourcePtr source;      // while connections are accepted
  };

  explicit WebhookListener(std::shared_ptr<IoThread> thread)
      : thread_(std::move(thread)), server_(soup_server_new(nullptr, nullptr)) {
    soup_server_add_handler(server_.get(), nullptr, &on_request, this, nullptr);
  }

  /// Returns the socket of this address, and binds one if there is none.
  Result<std::shared_ptr<Socket>> socket_at(const ListenAddress& address) {
    for (const auto& socket : sockets()) {
      if (socket->asked == address || socket->address == address) return socket;
    }
    const auto no = [&](const GError& error) {
      return fail({.code = ErrorCode::invalid_request,
                   .message = "callback-listen=" + to_text(address) +
                              " cannot be listened on: " + error.message +
                              ". Nothing was sent. Choose another port; 0 takes any free one."});
    };
    const GObjectPtr<GSocketAddress> to(
        g_inet_socket_address_new_from_string(address.address.c_str(), address.port));
    ErrorSlot error;
    GObjectPtr<GSocket> bound(g_socket_new(g_socket_address_get_family(to.get()),
                                           G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP,
                                           error.out()));
    if (!bound) return no(*error.get());
    g_socket_set_blocking(bound.get(), FALSE);
    g_socket_set_listen_backlog(bound.get(), queued_connections);
    // Bind the IPv6 address alone, without IPv4.
    if (address.is_ipv6) g_socket_set_option(bound.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1, nullptr);
    if (g_socket_bind(bound.get(), to.get(), TRUE, error.out()) == FALSE ||
        g_socket_listen(bound.get(), error.out()) == FALSE) {
      return no(*error.get());
    }
    const GObjectPtr<GSocketAddress> local(g_socket_get_local_address(bound.get(), error.out()));
    if (!local) return no(*error.get());
    const auto port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(local.get()));
    auto socket = std::make_shared<Socket>(shared_from_this(), std::move(bound), address, port);
    sockets_.push_back(socket);
    log::info(log::Category::http, "listens for callbacks at ",
              log::text(to_text(socket->address)));
    accept_while_there_is_room();
    return socket;
  }

  void add(const std::string& token, std::weak_ptr<const Called> called) {
    hooks_.insert_or_assign(token, std::move(called));
  }
  void remove(const std::string& token) { hooks_.erase(token); }

 private:
  std::vector<std::shared_ptr<Socket>> sockets() {
    std::vector<std::shared_ptr<Socket>> open;
    std::erase_if(sockets_, [](const auto& socket) { return socket.expired(); });
    for (const auto& socket : sockets_) open.push_back(socket.lock());
    return open;
  }

  void accept_while_there_is_room() {
    const bool room = connections_.size() < webhook_limits::connections;
    for (const auto& socket : sockets()) socket->accept(room);
  }

  void stop_accepting_for_a_while() {
    log::warning(log::Category::http,
                 "no callback can be accepted just now: is there a file "
                 "descriptor left?");
    for (const auto& socket : sockets()) socket->accept(false);
    resume_ = thread_->after(accept_again_after, [this] { accept_while_there_is_room(); });
  }

  static gboolean on_incoming(GSocket* socket, GIOCondition, gpointer data) noexcept {
    auto& self = *static_cast<WebhookListener*>(data);
    ErrorSlot error;
    const GObjectPtr<GSocket> accepted(g_socket_accept(socket, nullptr, error.out()));
    if (accepted) {
      self.serve(accepted.get());
    } else if (g_error_matches(error.get(), G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) == FALSE) {
      self.stop_accepting_for_a_while();
    }
    return G_SOURCE_CONTINUE;
  }

  void serve(GSocket* accepted) {
    auto place = connections_.emplace(connections_.end());
    *place = std::make_unique<WebhookConnection>(
        *thread_,
        GObjectPtr<GSocketConnection>(g_socket_connection_factory_create_connection(accepted)),
        [this, place] {
          connections_.erase(place);
          accept_while_there_is_room();
        });
    accept_while_there_is_room();
    (*place)->serve(server_.get());
  }

  static void on_request(SoupServer*, SoupServerMessage* message, const char* path, GHashTable*,
                         gpointer data) noexcept {
    auto& self = *static_cast<WebhookListener*>(data);
    const bool known =
        std::string_view(soup_server_message_get_method(message)) == "POST" && self.call(path);
    soup_server_message_set_status(message, known ? SOUP_STATUS_NO_CONTENT : SOUP_STATUS_NOT_FOUND,
                                   nullptr);
  }

  bool call(std::string_view path) {
    const auto hook = hooks_.find(path.substr(path.rfind('/') + 1));
    // Do not log the path: it is the job's secret, and anybody who knows it can cause queries.
    log::debug(log::Category::http, "a callback came, for ",
               log::text(hook == hooks_.end() ? "nobody" : "a job"));
    if (hook == hooks_.end()) return false;
    // Call later, because libsoup still has to answer, and the called function may destroy this
    // object.
    thread_->post([hook = hook->second] {
      if (const auto called = hook.lock()) (*called)();
    });
    return true;
  }

  const std::shared_ptr<IoThread> thread_;
  const GObjectPtr<SoupServer> server_;
  std::vector<std::weak_ptr<Socket>> sockets_;
  std::map<std::string, std::weak_ptr<const Called>, std::less<>> hooks_;
  std::list<std::unique_ptr<WebhookConnection>> connections_;
  IoThread::Timer resume_;
};

struct Webhook::Private {
  Private(std::shared_ptr<WebhookListener::Socket> at, Called function)
      : socket(std::move(at)), called(std::make_shared<const Called>(std::move(function))) {
    socket->listener->add(token, called);
  }
  ~Private() { socket->listener->remove(token); }
  Private(const Private&) = delete;
  Private& operator=(const Private&) = delete;

  const std::shared_ptr<WebhookListener::Socket> socket;
  const std::string token = make_token();
  const std::shared_ptr<const Called> called;
};

Webhook::Webhook(std::unique_ptr<Private> p) : p_(std::move(p)) {}
Webhook::Webhook(Webhook&&) noexcept = default;
Webhook& Webhook::operator=(Webhook&&) noexcept = default;
Webhook::~Webhook() = default;

Result<Webhook> Webhook::listen(const std::shared_ptr<IoThread>& thread,
                                const ListenAddress& address, std::function<void()> called) {
  auto& current = thread->p_->shared->webhooks;
  auto listener = current.lock();
  if (!listener) {
    listener = std::make_shared<WebhookListener>(thread);
    current = listener;
  }
  auto socket = listener->socket_at(address);
  if (!socket) return fail(std::move(socket.error()));
  return Webhook(std::make_unique<Private>(std::move(*socket), std::move(called)));
}

const std::string& Webhook::token() const { return p_->token; }

std::string Webhook::url() const {
  return "http://" + to_text(p_->socket->address) + "/" + token();
}

}  // namespace veo::http
