// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/io_thread.h"

#include <glib.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <thread>
#include <utility>

#include "context.h"
#include "veo/system/guarded.h"
#include "veo/system/threads.h"

namespace veo::http {

namespace {

/// The process's current thread. Never destroyed: the I/O thread may outlive static destructors.
Guarded<std::weak_ptr<IoThread>>& current() {
  static auto* const instance = new Guarded<std::weak_ptr<IoThread>>;
  return *instance;
}

thread_local bool is_this_an_io_thread = false;

gboolean run_task(gpointer task) noexcept {
  (*static_cast<IoThread::Task*>(task))();
  return G_SOURCE_REMOVE;
}

void delete_task(gpointer task) noexcept { delete static_cast<IoThread::Task*>(task); }

/// Asks the process's thread to park. Whoever holds the thread then releases it in vain: its
/// destructor would wait for the end of the parked thread.
void park_io_thread() {
  auto thread = current().lock()->lock();
  if (!thread) return;
  thread->post([] { park_thread(); });
  keep_for_ever([thread = std::move(thread)] {});
}

}  // namespace

struct Timers::Source {
  GSource parent;
  Timers* timers;
};

Timers::Timers(GMainContext* context) {
  static GSourceFuncs functions = {nullptr, nullptr, &Timers::dispatch, nullptr, nullptr, nullptr};
  source_.reset(g_source_new(&functions, sizeof(Source)));
  reinterpret_cast<Source*>(source_.get())->timers = this;
  g_source_attach(source_.get(), context);
}

Timers::~Timers() { g_source_destroy(source_.get()); }

Timers::Key Timers::add(std::chrono::milliseconds delay, IoThread::Task task) {
  assert(IoThread::is_io_thread());
  // Limit the delay, because the clock cannot represent a moment after an endless delay.
  constexpr auto longest = std::chrono::hours(24 * 365);
  const auto due = IoThread::Clock::now() + std::clamp<std::chrono::milliseconds>(
                                                delay, std::chrono::milliseconds(0), longest);
  const Key key{due, ++added_};
  pending_.emplace(key, std::move(task));
  if (pending_.begin()->first == key) arm();
  return key;
}

void Timers::remove(const Key& key) {
  assert(IoThread::is_io_thread());
  // Destroy the task after the map is consistent again, because the task may hold timers.
  const auto gone = pending_.extract(key);
}

gboolean Timers::dispatch(GSource* source, GSourceFunc, gpointer) noexcept {
  reinterpret_cast<Source*>(source)->timers->run_due();
  return G_SOURCE_CONTINUE;
}

bool Timers::begin_quiet(IoThread::Clock::time_point now) {
  // The bound lets timers run on a machine where each round of the loop is slow.
  constexpr unsigned most_quiet_times = 3;
  const bool stood_still =
      !pending_.empty() &&
      now - std::max(pending_.begin()->first.first, quiet_until_) > stopped_for;
  if (!stood_still || quiet_times_ >= most_quiet_times) {
    quiet_times_ = 0;
    return now < quiet_until_;
  }
  ++quiet_times_;
  quiet_until_ = now + quiet;
  return true;
}

void Timers::run_due() {
  // Leave timers that become due meanwhile to the next round, so that other sources get their turn.
  const auto now = IoThread::Clock::now();
  if (begin_quiet(now)) return arm();
  while (!pending_.empty() && pending_.begin()->first.first <= now) {
    const auto due = pending_.extract(pending_.begin());
    due.mapped()();
  }
  arm();
}

void Timers::arm() {
  using std::chrono::microseconds;
  // GLib's monotonic clock and the steady one are the same (CLOCK_MONOTONIC).
  const auto next =
      pending_.empty()
          ? microseconds(-1)
          : std::chrono::ceil<microseconds>(
                std::max(pending_.begin()->first.first, quiet_until_).time_since_epoch());
  g_source_set_ready_time(source_.get(), next.count());
}

struct IoThread::Timer::Private {
  std::weak_ptr<Context> context;
  Timers::Key key;
};

IoThread::Timer::Timer() = default;
IoThread::Timer::Timer(Timer&&) noexcept = default;
IoThread::Timer& IoThread::Timer::operator=(Timer&& other) noexcept {
  cancel();
  p_ = std::move(other.p_);
  return *this;
}
IoThread::Timer::~Timer() { cancel(); }

void IoThread::Timer::cancel() {
  const auto gone = std::move(p_);
  if (!gone) return;
  if (const auto context = gone->context.lock()) context->timers.remove(gone->key);
}

IoThread::IoThread() : p_(std::make_unique<Private>()) {}

Status IoThread::start() {
  // The thread owns what it runs on, so that it can end after its IoThread.
  p_->context = std::make_shared<Context>();
  auto started = start_thread("veo-io", [context = p_->context] {
    is_this_an_io_thread = true;
    g_main_context_push_thread_default(context->context.get());
    g_main_loop_run(context->loop.get());
    // libsoup closes connections in steps, so run the loop until nothing is left.
    while (g_main_context_iteration(context->context.get(), FALSE) != FALSE) {
    }
    g_main_context_pop_thread_default(context->context.get());
  });
  if (!started) return fail(std::move(started.error()));
  p_->thread = std::move(*started);
  return {};
}

Result<std::shared_ptr<IoThread>> IoThread::try_acquire() {
  if (auto here = check_not_forked(); !here) return fail(std::move(here.error()));
  park_at_exit(park_io_thread);
  auto thread = current().lock();
  if (auto running = thread->lock()) return running;
  std::shared_ptr<IoThread> made(new IoThread);
  if (auto started = made->start(); !started) return fail(std::move(started.error()));
  *thread = made;
  return made;
}

std::shared_ptr<IoThread> IoThread::acquire() { return try_acquire().value(); }

IoThread::~IoThread() {
  if (!p_->thread.joinable()) return;  // the thread could not be made
  if (is_forked_copy()) {
    // The thread does not exist here, so nobody can join it.
    keep_for_ever([kept = std::shared_ptr<Private>(std::move(p_))] {});
    return;
  }
  // Quit after all tasks that were posted before.
  post([context = p_->context] { g_main_loop_quit(context->loop.get()); });
  if (is_current()) {
    p_->thread.detach();
  } else {
    p_->thread.join();
  }
}

void IoThread::post(Task task) {
  if (is_forked_copy()) return keep_for_ever(std::move(task));
  const std::unique_ptr<GSource, Deleter<g_source_unref>> source(g_idle_source_new());
  // Sources of one priority run in the order in which they were attached.
  g_source_set_priority(source.get(), G_PRIORITY_DEFAULT);
  g_source_set_callback(source.get(), run_task, std::make_unique<Task>(std::move(task)).release(),
                        delete_task);
  g_source_attach(source.get(), p_->context->context.get());
}

IoThread::Timer IoThread::after(std::chrono::milliseconds delay, Task task) {
  Timer timer;
  timer.p_ = std::make_unique<Timer::Private>();
  timer.p_->context = p_->context;
  timer.p_->key = p_->context->timers.add(delay, std::move(task));
  return timer;
}

bool IoThread::is_io_thread() { return is_this_an_io_thread; }

bool IoThread::is_current() const { return p_->thread.get_id() == std::this_thread::get_id(); }

}  // namespace veo::http
