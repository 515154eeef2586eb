// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The work of veoextend, without GObject: it continues a task, and makes the film that ends with
// the continuation. Three threads take part:
//
//   upstream's    bytes ──► parent ──────────────────────────────────┐
//                 `veo-task` ──► the state's `upstream`              │
//   generation's  Generation: waits for the parent's task, submits   │ finds out what our file
//                 ours, and reports on it. No stall of the stream    │ contains: `steps`
//                 stops this thread                                  │
//   the film's    FilmOutput (src pad) ◄─────────────────────────────┘ reads and pushes
//
// Continuation holds the state that the three threads share.
#pragma once

#include <gst/gst.h>

#include <string>
#include <thread>
#include <utility>

#include "gstveocontinuation.h"
#include "gstveoevent.h"
#include "gstveoowned.h"
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

  /// The application ends the film: FilmOutput ends it with the last whole fragment, and sends EOS.
  /// Returns at once.
  void end_film(Owned<GstEvent> eos) { shared_.end_film(std::move(eos)); }

  // --- state changes ---

  /// Loads the library for films, when the element opens its resources (NULL to READY). False: the
  /// library is missing, and an ERROR message says so. No element has submitted a task by then.
  [[nodiscard]] bool load_media();
  /// False: the element cannot run, and an ERROR message says why. Call it after load_media().
  [[nodiscard]] bool start();
  /// Ends all waits. The job goes on.
  void unlock();
  /// Ends the work of start(), if start() succeeded. Call it after unlock(), when the streaming
  /// threads have ended.
  void stop();

  // --- upstream's threads ---

  GstFlowReturn chain(GstBuffer* buffer);
  /// Notes the offset of the next bytes in the parent's file. After a second segment, upstream may
  /// send again some bytes that have already arrived.
  void take_segment(const GstSegment& segment);
  /// Upstream has sent its last byte, or has failed.
  void on_eos();
  /// Ends all waits of upstream's threads until end_flush(). The job goes on, and the bytes of the
  /// parent that have arrived stay. If upstream sends some of them again, chain() drops them.
  void begin_flush();
  void end_flush();
  void take_upstream(TaskEvent task);
  /// Notes what upstream says of its part of the film. The film's own tags say it, too.
  void take_upstream_tags(ClipTags tags);
  /// Answers a DRAIN query. If the parent has failed, waits until the film has ended. True:
  /// downstream has the whole film.
  bool drain();

  // --- the src pad's thread ---

  /// Pushes the film, from the first byte to the last. Runs once for each start().
  void give_film();

 private:
  using State = Continuation::State;

  void end_upstream();

  /// The position of upstream's streaming thread in the parent's file. Only that thread uses it,
  /// under the sink pad's stream lock.
  struct Arrival {
    guint64 received = 0;   // bytes of the parent that have arrived, each counted once
    guint64 next = 0;       // offset of the next byte, for a buffer without an offset
    bool restarts = false;  // after a seek bytes can arrive again, so their offsets count
  };

  /// Returns the part of the buffer that has not arrived before. Fails if bytes between the last
  /// ones and the buffer are missing.
  Result<SharedBytes> align(SharedBytes bytes, GstBuffer* buffer);

  const std::string instance_ = make_instance();
  const media::Library* media_ = nullptr;  // not null after load_media(), before any thread
  Guarded<ElementSettings> settings_;      // the application changes them at any time
  Continuation shared_;
  Arrival arrival_;
  std::jthread generation_;  // the last member, so that the thread ends before the others go
};

}  // namespace veo::plugin
