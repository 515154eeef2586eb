// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Work that goes on without playing: what the action signal `prepare` began. It holds on to the
// process's job for the request, which an element that plays the same request joins, and sees that
// the finished clip comes into the cache.
//
//   prepare ──► [a job] ──► notify, on the I/O thread ──► report(), on a thread of GStreamer's
//                                                          (one at a time, however many notify)
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "gstveoreporter.h"
#include "veo/source/source.h"

namespace veo::plugin {

class Prepared : public std::enable_shared_from_this<Prepared> {
 public:
  /// Submits, unless the task is there, and reports to `element`, which need not stay. Returns at
  /// once. Fails where the request cannot even be looked up.
  static Result<std::shared_ptr<Prepared>> begin(GstElement* element, Source::Settings settings);
  /// Lets go of the job: see ~Job().
  ~Prepared();
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  [[nodiscard]] Source::Snapshot snapshot() const { return source_->snapshot(); }

 private:
  Prepared(GstElement* element, const Source::Settings& settings);
  void wake();
  void report();

  GWeakRef element_;
  std::shared_ptr<Wakeup> wakeup_;
  std::unique_ptr<Source> source_;
  std::atomic<bool> is_reporting_ = false;

  std::mutex mutex_;
  Reporter reporter_;      // guarded by mutex_
  std::string task_id_;    // guarded by mutex_
  bool finished_ = false;  // guarded by mutex_
};

}  // namespace veo::plugin
