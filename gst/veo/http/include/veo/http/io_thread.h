// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The process's one I/O thread. The thread owns a GMainContext and, on that, every libsoup session.
// It starts with its first client and ends with its last.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "veo/core/result.h"

namespace veo::http {

class IoThread {
 public:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<void()>;

  /// A pending call. Destroying the timer, on the I/O thread, cancels the call.
  class Timer {
   public:
    Timer();
    Timer(Timer&&) noexcept;
    Timer& operator=(Timer&&) noexcept;
    ~Timer();
    void cancel();

   private:
    friend class IoThread;
    struct Private;
    std::unique_ptr<Private> p_;
  };

  /// Returns the process's thread, and starts the thread if there is none. Any thread. The release
  /// of the last reference ends the thread and joins it; on the I/O thread itself the release does
  /// not join, and the thread ends on its own. Fails as start_thread() does.
  static Result<std::shared_ptr<IoThread>> try_acquire();
  /// Does the same for a caller that knows that the thread runs, because another object holds the
  /// thread.
  static std::shared_ptr<IoThread> acquire();
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /// Runs `task` on the I/O thread, in the order of posting. The thread runs all queued tasks
  /// before it ends. Any thread.
  void post(Task task);
  /// Calls `task` once, after `delay`. I/O thread only.
  [[nodiscard]] Timer after(std::chrono::milliseconds delay, Task task);
  /// Whether the calling thread is this thread.
  [[nodiscard]] bool is_current() const;
  /// Whether the calling thread is an I/O thread: see IoThreadOnly.
  [[nodiscard]] static bool is_io_thread();

 private:
  friend class Transport;
  friend class Webhook;
  IoThread();
  Status start();
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo::http
