// SPDX-License-Identifier: LGPL-2.1-or-later
#include "callbacks.h"

#include <poll.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "fault_effects.h"

namespace simulator {
namespace {

namespace asio = boost::asio;

struct Target {
  asio::ip::tcp::endpoint endpoint;
  std::string host;  ///< as in the URL, with the port
  std::string path;
};

/// Parses an http URL of a loopback address. Returns nullopt for any other URL. No name is
/// resolved.
std::optional<Target> parse_url(const std::string& url) {
  static constexpr std::string_view scheme = "http://";
  if (!url.starts_with(scheme)) return std::nullopt;
  const auto rest = url.substr(scheme.size(), url.find('#') - scheme.size());
  const auto authority = rest.substr(0, rest.find_first_of("/?"));
  const auto colon = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
  std::string host = authority.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  std::uint16_t port = 80;
  if (colon != std::string::npos) {
    const auto* const end = authority.data() + authority.size();
    const auto read = std::from_chars(authority.data() + colon + 1, end, port);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  }
  if (error || !address.is_loopback()) return std::nullopt;
  const auto path = rest.substr(authority.size());
  return Target{{address, port}, authority, path.starts_with('/') ? path : "/" + path};
}

}  // namespace

Callbacks::Callbacks(FaultPlan& faults, Stop& stop)
    : faults_(faults), stop_(stop), thread_([this] { run(); }) {}

Callbacks::~Callbacks() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Callbacks::send(std::string url, Json task) {
  const std::lock_guard lock(mutex_);
  queue_.push_back({std::move(url), std::move(task)});
  changed_.notify_all();
}

std::uint64_t Callbacks::count_delivered() const {
  const std::lock_guard lock(mutex_);
  return delivered_;
}

void Callbacks::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ended_ || !queue_.empty(); });
    if (ended_) return;
    const auto message = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    const bool delivered = deliver(message);
    lock.lock();
    if (delivered) ++delivered_;
  }
}

bool Callbacks::deliver(const Message& message) {
  const auto effects = faults_.take_effects(Phase::callback);
  auto task = message.task;
  spoil(task, effects);
  auto body = make_json_answer(200, task);
  spoil(body, effects);
  const auto target = parse_url(message.url);
  if (!target || effects.has(Kind::lost_answer)) return false;

  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  boost::system::error_code error;
  socket.connect(target->endpoint, error);
  if (error) return false;
  const Stop::Watch watch(stop_, socket.native_handle());

  const auto size = static_cast<std::size_t>(body.end_after.value_or(body.size));
  const std::string request =
      "POST " + target->path + " HTTP/1.1\r\nHost: " + target->host +
      "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size) +
      "\r\nUser-Agent: veo-simulator\r\nConnection: close\r\n\r\n" + body.content->substr(0, size);
  asio::write(socket, asio::buffer(request), error);
  if (error || body.end != End::complete) return false;

  pollfd answer{socket.native_handle(), POLLIN, 0};
  if (::poll(&answer, 1, 5000) <= 0) return false;
  std::array<char, 256> head{};
  const auto read = socket.read_some(asio::buffer(head), error);
  return std::string_view(head.data(), read).starts_with("HTTP/1.1 2");
}

}  // namespace simulator
