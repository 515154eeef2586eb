// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib.h>

#include <algorithm>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "glib_ptr.h"
#include "veo/http/io_thread_only.h"
#include "veo/http/transport.h"

namespace veo::http {

class WebhookListener;

/// All timers of the I/O thread. One GSource serves all of them, because GLib checks each source
/// whenever it wakes, and a thousand waiting tasks have a thousand timers.
///
/// A process may be stopped for minutes (SIGSTOP, a paused container), or one task may block the
/// thread. When the thread goes on, timers and sockets are ready at once. A timer that runs first
/// would throw away an answer that has arrived. So a timer that is later than `stopped_for` shows
/// that the thread has stood still, and all timers then wait for `quiet`. In that time the thread
/// reads the sockets, over several rounds, as TLS and HTTP/2 need them.
class Timers {
 public:
  /// Unique. The order of the keys is the order in which their timers are due.
  using Key = std::pair<IoThread::Clock::time_point, guint64>;

  static constexpr std::chrono::milliseconds stopped_for{500};
  static constexpr std::chrono::milliseconds quiet{1000};

  explicit Timers(GMainContext* context);
  ~Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  Key add(std::chrono::milliseconds delay, IoThread::Task task);
  /// Has no effect if the timer has run or is running.
  void remove(const Key& key);

 private:
  struct Source;
  static gboolean dispatch(GSource* source, GSourceFunc, gpointer) noexcept;
  void run_due();
  void arm();
  /// Whether the thread has just stood still. Sets quiet_until_ if so.
  bool begin_quiet(IoThread::Clock::time_point now);

  std::map<Key, IoThread::Task> pending_;
  IoThread::Clock::time_point quiet_until_{};
  unsigned quiet_times_ = 0;  // in a row
  guint64 added_ = 0;
  std::unique_ptr<GSource, Deleter<g_source_unref>> source_;
};

/// The main context and the other objects that the I/O thread runs on.
struct Context {
  std::unique_ptr<GMainContext, Deleter<g_main_context_unref>> context{g_main_context_new()};
  std::unique_ptr<GMainLoop, Deleter<g_main_loop_unref>> loop{
      g_main_loop_new(context.get(), FALSE)};
  Timers timers{context.get()};
};

struct IoThread::Private {
  /// Objects that exist once on this thread.
  struct Shared {
    // A client with equal settings gets the same transport.
    std::vector<std::pair<Network, std::weak_ptr<Transport>>> transports;
    std::weak_ptr<WebhookListener> webhooks;
  };

  std::shared_ptr<Context> context;
  std::thread thread;
  IoThreadOnly<Shared> shared;
};

}  // namespace veo::http
