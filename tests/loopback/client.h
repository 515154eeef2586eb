// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Uses a Transport as its callers do, from a test's own thread.
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

/// Longer than any step of these tests takes. A wait that exceeds it is a failure.
constexpr auto patience = 20s;

/// Whether libsoup reports a chunked body that ends between two chunks. libsoup 3.6.5 (Debian 13)
/// does; libsoup 3.2 (Debian 12) takes the body for complete.
constexpr bool soup_reports_cut_chunks = VEO_SOUP_REPORTS_CUT_CHUNKS;
/// The failure of such an exchange.
constexpr std::optional<ErrorCode> cut_chunks =
    soup_reports_cut_chunks ? std::optional(ErrorCode::network) : std::nullopt;

constexpr std::string_view key_text = "sk-test-0123456789";

/// An event that happens once, on any thread.
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
  /// Throws std::runtime_error if the transport cannot be opened.
  explicit Client(const http::Network& network = {});
  /// Destroys the transport on the I/O thread, as its contract requires.
  ~Client();

  [[nodiscard]] const std::shared_ptr<http::IoThread>& thread() const { return thread_; }
  [[nodiscard]] const std::shared_ptr<http::Transport>& transport() const { return transport_; }

  /// Runs `task` on the I/O thread, and returns its result.
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
/// Returns a POST with the body `{"model":"veo-3"}`.
http::ApiCall post(std::string url);
/// Returns a fetch of a simulator's file, for which loopback is allowed.
http::FileFetch file(std::string url);

/// Returns the number of the process's threads with this name, which has at most 15 characters.
unsigned threads_named(std::string_view name);
/// Waits until no thread has this name: the kernel may list a thread for a moment after its end.
bool threads_end(std::string_view name);

}  // namespace veo::test
