// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What veoextend adapts: a continuation and the film that ends with it. Three threads meet here:
//
//   upstream's    bytes ──► parent ──────────────────────────────────┐
//                 `veo-task` ──► the state's `upstream`              │
//   generation's  Generation: waits for the parent's task, submits   │ finds out what its file
//                 ours, and tells of it, whatever the stream does    │ contains: `steps`
//   the film's    FilmOutput (src pad) ◄─────────────────────────────┘ reads and pushes
//
// Continuation has all that they share.
#pragma once

#include <gst/gst.h>

#include <string>
#include <thread>

#include "gstveocontinuation.h"
#include "gstveoevent.h"
#include "gstveoproperties.h"
#include "veo/source/film.h"
#include "veo/system/guarded.h"

namespace veo::plugin {

class Extension {
 public:
  Extension(GstElement* element, GstPad* src) : shared_(element, src) {}
  ~Extension();
  Extension(const Extension&) = delete;
  Extension& operator=(const Extension&) = delete;

  // --- any thread ---

  bool set_property(guint id, const GValue* value);
  bool get_property(guint id, GValue* value) const;

  [[nodiscard]] Source::Snapshot snapshot() const;

  // --- state changes ---

  /// False: it cannot run, and an ERROR says why.
  [[nodiscard]] bool start();
  /// Ends all waits; the job goes on.
  void unlock();
  /// Ends what start() began, if it did, when the streaming threads and the waits have ended.
  void stop();

  // --- upstream's threads ---

  GstFlowReturn chain(GstBuffer* buffer);
  /// Where the bytes that come next are in the parent's file. After a second segment, bytes that
  /// came already may come again.
  void take_segment(const GstSegment& segment);
  void end_upstream();
  /// A flush: all waits of upstream's threads end, until end_flush(). The job, and what has come of
  /// the parent, stay: bytes that come again are left out.
  void begin_flush();
  void end_flush();
  void take_upstream(TaskEvent task);
  /// A DRAIN query: true once downstream has all that came. Only of a parent that failed.
  bool drain();

  // --- the src pad's thread ---

  /// Gives out the film, from the first byte to the last, once.
  void give_film();

 private:
  using State = Continuation::State;

  /// Where upstream's streaming thread is in the parent's file. That thread alone uses it: it holds
  /// the sink pad's stream lock.
  struct Arrival {
    guint64 received = 0;   // bytes of the parent that came, each counted once
    guint64 next = 0;       // offset of the next byte, if a buffer does not say it
    bool restarts = false;  // a seek has made some bytes come again: offsets count from then on
  };

  /// The part of a buffer that did not come before. Fails where bytes before it never came.
  Result<SharedBytes> align(SharedBytes bytes, GstBuffer* buffer);

  const std::string instance_ = make_instance();
  Guarded<ElementSettings> settings_;  // what the application has set
  Continuation shared_;
  Arrival arrival_;
  std::jthread generation_;  // last: it uses all that is above
};

}  // namespace veo::plugin
