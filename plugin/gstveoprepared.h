// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The action signal `prepare` begins a task that no element plays yet. Prepared keeps the process's
// job for the request, and brings the finished clip into the cache. An element that plays the same
// request joins the job.
//
//   prepare ──► [opening] ──► [a job] ──► on_notification(), ──► report(), on a thread of
//                                         on any thread          GStreamer's. One call runs at a
//                                                                time: notifications in between
//                                                                lead to one more call
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "gstveoreporter.h"
#include "veo/source/source.h"
#include "veo/system/guarded.h"

namespace veo::plugin {

class Prepared : public std::enable_shared_from_this<Prepared> {
 public:
  /// Joins the task of the request, or submits one, and reports to `element`. The element may be
  /// destroyed meanwhile. Returns at once, even if a disk is slow. Fails if the options cannot
  /// be used.
  static Result<std::shared_ptr<Prepared>> begin(GstElement* element, Options options);
  /// Releases the job: see ~Job().
  ~Prepared();
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  [[nodiscard]] Source::Snapshot snapshot() const;

 private:
  Prepared(GstElement* element, const Options& options);
  void on_notification();
  void report();

  struct Reporting {
    explicit Reporting(Reporter its_reporter) : reporter(std::move(its_reporter)) {}

    Reporter reporter;
    std::unique_ptr<Source::Opening> opening;  // null when it has succeeded or failed
    bool finished = false;
  };

  GWeakRef element_;
  std::shared_ptr<Wakeup> wakeup_;
  std::atomic<bool> is_reporting_ = false;
  Guarded<std::shared_ptr<Source>> source_;
  Guarded<Reporting> reporting_;
};

}  // namespace veo::plugin
