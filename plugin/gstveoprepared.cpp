// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoprepared.h"

#include <utility>

#include "gstveoerror.h"

namespace veo::plugin {

Prepared::Prepared(GstElement* element, const Source::Settings& settings)
    : reporter_(element, settings, Reporter::Setting::background) {
  g_weak_ref_init(&element_, element);
}

Prepared::~Prepared() { g_weak_ref_clear(&element_); }

Result<std::shared_ptr<Prepared>> Prepared::begin(GstElement* element, Source::Settings settings) {
  std::shared_ptr<Prepared> prepared(new Prepared(element, settings));
  prepared->wakeup_ = std::make_shared<Wakeup>([weak = prepared->weak_from_this()] {
    if (const auto self = weak.lock()) self->wake();
  });
  auto source = Source::open(std::move(settings), prepared->wakeup_);
  if (!source) return fail(std::move(source.error()));
  prepared->source_ = std::move(*source);
  prepared->source_->start();
  prepared->wake();
  return prepared;
}

// Any thread, the I/O thread among them, which must not run an application's handlers.
void Prepared::wake() {
  if (is_reporting_.exchange(true)) return;
  auto* element = static_cast<GstElement*>(g_weak_ref_get(&element_));
  if (element == nullptr) return;
  gst_element_call_async(
      element,
      [](GstElement*, gpointer self) {
        (*static_cast<std::shared_ptr<Prepared>*>(self))->report();
      },
      new std::shared_ptr<Prepared>(shared_from_this()),
      [](gpointer self) { delete static_cast<std::shared_ptr<Prepared>*>(self); });
  gst_object_unref(element);
}

void Prepared::report() {
  const std::lock_guard lock(mutex_);
  // What comes from now on is seen by the next.
  is_reporting_ = false;
  auto* element = static_cast<GstElement*>(g_weak_ref_get(&element_));
  if (element == nullptr) return;
  const auto seen = source_->snapshot();
  if (!finished_) reporter_.update(seen);
  if (std::exchange(task_id_, seen.job.task_id) != seen.job.task_id) {
    g_object_notify(G_OBJECT(element), "task-id");
  }
  if (seen.job.error && !std::exchange(finished_, true)) post_warning(element, *seen.job.error);
  if (seen.job.phase == Job::Phase::completed) source_->fetch();
  gst_object_unref(element);
}

}  // namespace veo::plugin
