// SPDX-License-Identifier: LGPL-2.1-or-later
#include "connection_watch.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "veo/system/file_handle.h"
#include "veo/system/guarded.h"

namespace veo::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto head_time = std::chrono::seconds(5);

// Of the server's places a half is for requests, and a quarter for connections that wait for a
// request. The last quarter is spare: a connection that was shut down keeps its place for a moment.
std::size_t count_for_requests(std::size_t most) { return most / 2; }
std::size_t count_in_use(std::size_t most) { return most - most / 4; }

}  // namespace

struct ConnectionWatch::Private {
  struct Connection {
    int socket = -1;
    std::optional<Clock::time_point> head_until;  // nullopt: a request is under way
    std::shared_ptr<Wakeup> wakeup;               // of that request
    bool is_peer_gone = false;
    bool is_shut_down = false;
  };
  struct State {
    std::map<Id, Connection> connections;  // in the order in which they came
    Id last = 0;
    bool has_ended = false;  // no request may wait
    bool is_over = false;    // the thread ends
  };

  /// Lets the thread look at the connections again.
  void poke() const {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(changed.get(), &one, sizeof one));
  }

  static void shut_down(Connection& connection) {
    connection.is_shut_down = true;
    ::shutdown(connection.socket, SHUT_RDWR);
  }

  /// Shuts down the connections whose head is late. Returns when the next one will be late.
  static std::optional<Clock::time_point> end_late_heads(State& state) {
    const auto now = Clock::now();
    std::optional<Clock::time_point> next;
    for (auto& [id, connection] : state.connections) {
      if (!connection.head_until || connection.is_shut_down) continue;
      if (*connection.head_until <= now) {
        shut_down(connection);
      } else {
        next = std::min(next.value_or(*connection.head_until), *connection.head_until);
      }
    }
    return next;
  }

  /// Waits until something happens to the connections. False: the watch is over.
  bool watch() {
    std::vector<pollfd> sockets{{changed.get(), POLLIN, 0}};
    std::vector<Id> ids{0};
    std::optional<Clock::time_point> next;
    {
      const auto locked = state.lock();
      if (locked->is_over) return false;
      next = end_late_heads(*locked);
      for (const auto& [id, connection] : locked->connections) {
        if (connection.head_until || connection.is_peer_gone) continue;
        sockets.push_back({connection.socket, POLLRDHUP, 0});
        ids.push_back(id);
      }
    }
    int time = -1;
    if (next) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
      time = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    }
    if (::poll(sockets.data(), sockets.size(), time) <= 0) return true;
    std::uint64_t pokes = 0;
    if (sockets[0].revents != 0) static_cast<void>(!::read(changed.get(), &pokes, sizeof pokes));
    const auto locked = state.lock();
    for (std::size_t i = 1; i < sockets.size(); ++i) {
      // The connection may have ended meanwhile, and another one may have its socket.
      const auto found = locked->connections.find(ids[i]);
      if (sockets[i].revents == 0 || found == locked->connections.end()) continue;
      auto& connection = found->second;
      if (connection.head_until) continue;
      connection.is_peer_gone = true;
      connection.wakeup->interrupt();
    }
    return true;
  }

  std::size_t most = 0;  // set before the thread starts
  FileHandle changed;
  Guarded<State> state;
  std::thread thread;
};

ConnectionWatch::ConnectionWatch() : p_(std::make_unique<Private>()) {}

Result<std::unique_ptr<ConnectionWatch>> ConnectionWatch::start(std::size_t most) {
  std::unique_ptr<ConnectionWatch> watch(new ConnectionWatch);
  auto& p = *watch->p_;
  p.most = most;
  p.changed = FileHandle(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!p.changed) {
    return fail({.code = ErrorCode::network,
                 .message = std::string("The server cannot watch its connections: ") +
                            std::strerror(errno) + "."});
  }
  p.thread = std::thread([&p] {
    ::pthread_setname_np(::pthread_self(), "veo-watch");
    while (p.watch()) {
    }
  });
  return watch;
}

ConnectionWatch::~ConnectionWatch() {
  if (!p_->thread.joinable()) return;
  p_->state.lock()->is_over = true;
  p_->poke();
  p_->thread.join();
}

ConnectionWatch::Id ConnectionWatch::add(int socket) {
  const auto locked = p_->state.lock();
  auto& connections = locked->connections;
  // The first connection of the map that waits for its request has waited longest, or has had the
  // most requests.
  if (connections.size() >= count_in_use(p_->most)) {
    const auto is_idle = [](const auto& one) {
      return one.second.head_until && !one.second.is_shut_down;
    };
    const auto idle = std::ranges::find_if(connections, is_idle);
    if (idle != connections.end()) Private::shut_down(idle->second);
  }
  const auto id = ++locked->last;
  connections[id] = {.socket = socket, .head_until = Clock::now() + head_time, .wakeup = nullptr};
  p_->poke();
  return id;
}

void ConnectionWatch::remove(Id id) { p_->state.lock()->connections.erase(id); }

std::shared_ptr<Wakeup> ConnectionWatch::begin_request(Id id) {
  const auto locked = p_->state.lock();
  auto& connections = locked->connections;
  const auto is_busy = [](const auto& one) { return !one.second.head_until; };
  const auto busy = std::ranges::count_if(connections, is_busy);
  if (static_cast<std::size_t>(busy) >= count_for_requests(p_->most)) return nullptr;
  auto& connection = connections.at(id);
  connection.wakeup = std::make_shared<Wakeup>();
  if (locked->has_ended) connection.wakeup->interrupt();
  connection.head_until.reset();
  p_->poke();
  return connection.wakeup;
}

void ConnectionWatch::end_request(Id id) {
  const auto locked = p_->state.lock();
  const auto found = locked->connections.find(id);
  if (found == locked->connections.end()) return;
  found->second.wakeup = nullptr;
  found->second.head_until = Clock::now() + head_time;
  p_->poke();
}

bool ConnectionWatch::is_peer_gone(Id id) const {
  const auto locked = std::as_const(p_->state).lock();
  const auto found = locked->connections.find(id);
  return found == locked->connections.end() || found->second.is_peer_gone;
}

void ConnectionWatch::end_waits() {
  const auto locked = p_->state.lock();
  locked->has_ended = true;
  for (auto& [id, connection] : locked->connections) {
    if (connection.wakeup) connection.wakeup->interrupt();
  }
}

}  // namespace veo::cli
