// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveocontinuation.h"

#include "gstveoending.h"
#include "veo/core/task_id.h"

#define GST_CAT_DEFAULT gst_veo_extend_debug

namespace veo::plugin {

const char* name_of(Continuation::Phase phase) {
  static constexpr const char* names[] = {"waiting", "running", "completed", "planned", "failed"};
  return names[static_cast<int>(phase)];
}

void Continuation::begin(State state) {
  *state_.lock() = std::move(state);
  parent.reset();
  wakeup->resume();
  ending.resume();
  forget_end(element);
  if (has_ended()) end_waits();
}

void Continuation::interrupt() {
  wakeup->interrupt();
  parent.interrupt();
  ending.interrupt();
}

void Continuation::end_film(Owned<GstEvent> eos) {
  GST_INFO_OBJECT(element, "the application ends the film");
  {
    const auto held = eos_.lock();
    if (*held) return;
    *held = std::move(eos);
  }
  end_waits();
}

/// Ends the waits, and upstream's thread gets EOS for what it pushes.
void Continuation::end_waits() {
  change([](State& state) {
    if (state.flow == GST_FLOW_OK) state.flow = GST_FLOW_EOS;
  });
  wakeup->interrupt();
  parent.interrupt();
}

Owned<GstEvent> Continuation::find_eos() const {
  const auto held = eos_.lock();
  return Owned<GstEvent>(*held ? gst_event_ref(held->get()) : nullptr);
}

void Continuation::release() {
  {
    const auto locked = reporter.lock();
    if (*locked) (*locked)->canceled();
  }
  // Take the source out, so that its destructor runs without the lock.
  const auto gone = std::exchange(state_.lock()->source, nullptr);
}

void Continuation::end() {
  {
    const auto locked = reporter.lock();
    if (*locked) (*locked)->canceled();
    locked->reset();
  }
  eos_.lock()->reset();
  // Take the source out, so that its destructor runs without the lock.
  const auto gone = std::exchange(state_.lock()->source, nullptr);
}

void Continuation::announce(TaskEvent event) {
  GST_DEBUG_OBJECT(element, "announcing task %s, %s, with %zu steps", event.task_id.c_str(),
                   std::string(nick(event.status)).c_str(), event.steps.size());
  gst_pad_push_event(src, make_task_event(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, event));
  change([&event](State& state) {
    if (state.announced && event.is_older_than(*state.announced)) return;
    state.announced = std::move(event);
  });
}

tl::unexpected<Error> Continuation::interrupted() {
  return fail({.code = ErrorCode::network, .message = "The wait was interrupted."});
}

tl::unexpected<Error> Continuation::parent_failed() {
  return fail({.code = ErrorCode::task_failed, .message = "The step before failed."});
}

Error Continuation::explain(Error error) const {
  if (error.code != ErrorCode::bad_media || !error.task_id.empty()) return error;
  const auto task = source();
  error.task_id = task ? task->snapshot().job.task_id : "";
  error.charged = Charged::unknown;
  error.message = "The video of task " + error.task_id + " cannot be joined: " + error.message +
                  " It is complete and paid: veosrc " + make_task_property(error.task_id) +
                  " plays it by itself.";
  return error;
}

}  // namespace veo::plugin
