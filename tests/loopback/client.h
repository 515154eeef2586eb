// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Drives a Transport as its callers do, from a test's own thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "veo/http/transport.h"

namespace veo::test {

using namespace std::chrono_literals;

/// Longer than anything here takes: to wait in vain is a failure.
constexpr auto patience = 20s;

constexpr std::string_view key_text = "sk-test-0123456789";

/// A thing that happens once, on some thread.
class Event {
 public:
  void set() { promise_.set_value(); }
  [[nodiscard]] bool wait() const {
    return future_.wait_for(patience) == std::future_status::ready;
  }
  [[nodiscard]] bool is_set() const { return future_.wait_for(0s) == std::future_status::ready; }

 private:
  std::promise<void> promise_;
  std::shared_future<void> future_ = promise_.get_future().share();
};

struct Fetched {
  std::optional<http::FileHead> head;
  std::string body;
  bool ended = false;
  std::optional<Error> failure;
  [[nodiscard]] std::optional<ErrorCode> code() const {
    return failure ? std::optional(failure->code) : std::nullopt;
  }
};

class Client {
 public:
  /// Throws std::runtime_error where the transport cannot be opened.
  explicit Client(const http::Network& network = {});
  /// On the I/O thread, as the contract wants it.
  ~Client();

  [[nodiscard]] const std::shared_ptr<http::IoThread>& thread() const { return thread_; }
  [[nodiscard]] const std::shared_ptr<http::Transport>& transport() const { return transport_; }

  /// Runs `task` on the I/O thread, and returns what it returns.
  template <class Task>
  auto on_thread(Task task) {
    using Value = decltype(task());
    std::promise<Value> promise;
    auto future = promise.get_future();
    thread_->post([&] {
      if constexpr (std::is_void_v<Value>) {
        task();
        promise.set_value();
      } else {
        promise.set_value(task());
      }
    });
    return future.get();
  }

  http::ApiAnswer call(const http::ApiCall& call);
  Fetched fetch(const http::FileFetch& fetch);

 private:
  std::shared_ptr<http::IoThread> thread_;
  std::shared_ptr<http::Transport> transport_;
};

http::ApiCall get(std::string url);
/// Its body is `{"model":"veo-3"}`.
http::ApiCall post(std::string url);
/// Of a simulator's file: loopback is allowed.
http::FileFetch file(std::string url);

/// The process's threads of that name (of 15 characters at most).
unsigned threads_named(std::string_view name);
/// Looks until there are none: the kernel may list a thread for a moment after its end.
bool threads_end(std::string_view name);

}  // namespace veo::test
