// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The process's one I/O thread. It owns a GMainContext and, on it, every libsoup session. It starts
// with the first client and ends with the last.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace veo::http {

class IoThread {
 public:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<void()>;

  /// A pending call. Destroying it, on the I/O thread, cancels it.
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

  /// The process's thread, started if there is none. Any thread. The last reference ends it: the
  /// release joins, unless it happens on the I/O thread itself, which then ends on its own.
  static std::shared_ptr<IoThread> acquire();
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /// Any thread; runs `task` on the I/O thread, in order of posting. A task that is still queued
  /// when the thread ends is run before it does.
  void post(Task task);
  /// I/O thread only.
  [[nodiscard]] Timer after(std::chrono::milliseconds delay, Task task);
  [[nodiscard]] bool is_current() const;
  /// The calling thread is an I/O thread: see IoThreadOnly.
  [[nodiscard]] static bool is_io_thread();

 private:
  friend class Transport;
  friend class Webhook;
  IoThread();
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo::http
