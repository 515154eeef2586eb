// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/io_thread.h"

#include <glib.h>
#include <pthread.h>

#include <mutex>
#include <thread>
#include <utility>

#include "context.h"

namespace veo::http {

namespace {

/// The process's current thread. Never destroyed: the I/O thread may outlive static destructors.
struct Current {
  std::mutex mutex;
  std::weak_ptr<IoThread> thread;  // guarded by mutex
};
Current& current() {
  static auto* const instance = new Current;
  return *instance;
}

gboolean run_task(gpointer task) noexcept {
  (*static_cast<IoThread::Task*>(task))();
  return G_SOURCE_REMOVE;
}

void delete_task(gpointer task) noexcept { delete static_cast<IoThread::Task*>(task); }

/// Attaches `source`, which runs `task` once.
void attach(GSource* source, GMainContext* context, IoThread::Task task) {
  g_source_set_callback(source, run_task,
                        std::make_unique<IoThread::Task>(std::move(task)).release(), delete_task);
  g_source_attach(source, context);
}

}  // namespace

struct IoThread::Timer::Private {
  std::unique_ptr<GSource, Deleter<g_source_unref>> source;
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
  if (!p_) return;
  // A timer may cancel itself from its own task: GLib keeps the closure until it returns.
  g_source_destroy(p_->source.get());
  p_.reset();
}

IoThread::IoThread() : p_(std::make_unique<Private>()) {
  // The thread owns what it runs on, so that it can end after its IoThread.
  p_->context = std::make_shared<Context>();
  p_->thread = std::thread([context = p_->context] {
    pthread_setname_np(pthread_self(), "veo-io");
    g_main_context_push_thread_default(context->context.get());
    g_main_loop_run(context->loop.get());
    // libsoup closes connections in steps.
    while (g_main_context_iteration(context->context.get(), FALSE) != FALSE) {
    }
    g_main_context_pop_thread_default(context->context.get());
  });
}

std::shared_ptr<IoThread> IoThread::acquire() {
  const std::lock_guard lock(current().mutex);
  if (auto running = current().thread.lock()) return running;
  std::shared_ptr<IoThread> started(new IoThread);
  current().thread = started;
  return started;
}

IoThread::~IoThread() {
  // Behind everything that was posted.
  post([context = p_->context] { g_main_loop_quit(context->loop.get()); });
  if (is_current()) {
    p_->thread.detach();
  } else {
    p_->thread.join();
  }
}

void IoThread::post(Task task) {
  const std::unique_ptr<GSource, Deleter<g_source_unref>> source(g_idle_source_new());
  // Sources of one priority run in the order in which they were attached.
  g_source_set_priority(source.get(), G_PRIORITY_DEFAULT);
  attach(source.get(), p_->context->context.get(), std::move(task));
}

IoThread::Timer IoThread::after(std::chrono::milliseconds delay, Task task) {
  Timer timer;
  const auto interval = std::clamp<std::int64_t>(delay.count(), 0, G_MAXINT);
  timer.p_ = std::make_unique<Timer::Private>();
  timer.p_->source.reset(g_timeout_source_new(static_cast<guint>(interval)));
  attach(timer.p_->source.get(), p_->context->context.get(), std::move(task));
  return timer;
}

bool IoThread::is_current() const { return p_->thread.get_id() == std::this_thread::get_id(); }

}  // namespace veo::http
