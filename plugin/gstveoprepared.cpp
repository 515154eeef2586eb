// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoprepared.h"

#include <utility>

#include "gstveoerror.h"

namespace veo::plugin {

Prepared::Prepared(GstElement* element, const Options& options)
    : reporting_(Reporting(Reporter(element, options, Reporter::Setting::background))) {
  g_weak_ref_init(&element_, element);
}

Prepared::~Prepared() { g_weak_ref_clear(&element_); }

Result<std::shared_ptr<Prepared>> Prepared::begin(GstElement* element, Options options) {
  std::shared_ptr<Prepared> prepared(new Prepared(element, options));
  prepared->wakeup_ = std::make_shared<Wakeup>([weak = prepared->weak_from_this()] {
    if (const auto self = weak.lock()) self->on_notification();
  });
  // The first notification may arrive before `opening` is stored, so report() waits for this lock.
  auto reporting = prepared->reporting_.lock();
  auto opening = Source::begin(std::move(options), prepared->wakeup_);
  if (!opening) return fail(std::move(opening.error()));
  reporting->opening = std::move(*opening);
  return prepared;
}

Source::Snapshot Prepared::snapshot() const {
  const auto source = *source_.lock();
  return source ? source->snapshot() : Source::Snapshot{};
}

// Any thread may call this function, also the I/O thread. The I/O thread must not run an
// application's handlers, so report() runs on another thread.
void Prepared::on_notification() {
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
  auto own = reporting_.lock();
  // A notification after this line leads to another report.
  is_reporting_ = false;
  auto* element = static_cast<GstElement*>(g_weak_ref_get(&element_));
  if (element == nullptr) return;
  if (auto opened = own->opening ? own->opening->take() : std::nullopt) {
    own->opening.reset();
    if (*opened) {
      *source_.lock() = std::move(**opened);
      (*source_.lock())->start();
    } else if (!std::exchange(own->finished, true)) {
      post_warning(element, opened->error());
    }
  }
  if (const auto source = *source_.lock()) {
    const auto seen = source->snapshot();
    if (!own->finished) own->reporter.update(seen);
    if (seen.job.error && !std::exchange(own->finished, true)) {
      post_warning(element, *seen.job.error);
    }
    if (seen.job.phase == Job::Phase::completed) source->fetch();
  }
  gst_object_unref(element);
}

}  // namespace veo::plugin
