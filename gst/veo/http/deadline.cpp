// SPDX-License-Identifier: LGPL-2.1-or-later
#include "deadline.h"

#include <utility>

#include "context.h"

namespace veo::http {

namespace {

constexpr std::chrono::milliseconds silence{1000};
constexpr unsigned most_silences = 15;

}  // namespace

void Deadline::set(std::shared_ptr<IoThread> thread, std::chrono::milliseconds after,
                   IoThread::Task expired) {
  cancel();
  thread_ = std::move(thread);
  expired_ = std::move(expired);
  due_ = IoThread::Clock::now() + after;
  timer_ = thread_->after(after, [this] { on_due(); });
}

void Deadline::cancel() {
  timer_.cancel();
  if (const auto idle = std::move(idle_)) g_source_destroy(idle.get());
  thread_.reset();
  expired_ = nullptr;
}

void Deadline::on_due() {
  signs_before_ = signs_;
  if (IoThread::Clock::now() - due_ > Timers::stopped_for) {
    silences_left_ = most_silences;
    timer_ = thread_->after(silence, [this] { on_silence(); });
    return;
  }
  // A source of a low priority runs after all sockets that are ready.
  idle_.reset(g_idle_source_new());
  g_source_set_priority(idle_.get(), G_PRIORITY_LOW);
  g_source_set_callback(idle_.get(), &Deadline::on_idle, this, nullptr);
  g_source_attach(idle_.get(), g_main_context_get_thread_default());
  // Other exchanges may keep the loop busy.
  timer_ = thread_->after(silence, [this] { expire(); });
}

void Deadline::on_silence() {
  if (std::exchange(signs_before_, signs_) == signs_ || --silences_left_ == 0) return expire();
  timer_ = thread_->after(silence, [this] { on_silence(); });
}

gboolean Deadline::on_idle(gpointer self) noexcept {
  static_cast<Deadline*>(self)->expire();
  return G_SOURCE_REMOVE;
}

void Deadline::expire() {
  const auto expired = std::move(expired_);
  const auto thread = thread_;
  cancel();
  expired();  // may destroy this object
}

}  // namespace veo::http
