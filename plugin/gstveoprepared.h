// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the action signal `prepare` begins: a task that goes on without being played. Prepared keeps
// the process's job for the request, which an element that plays the same request joins, and brings
// the finished clip into the cache.
//
//   prepare ──► [opening] ──► [a job] ──► notify, on another thread ──► report(), on a thread of
//                                                    GStreamer's: one call at a time, however
//                                                    many notifications there are
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
  /// Joins the task of the request, or submits it, and reports to `element`, which may go away.
  /// Returns at once, whatever the disks do. Fails where the options cannot be used at all.
  static Result<std::shared_ptr<Prepared>> begin(GstElement* element, Options options);
  /// Lets go of the job: see ~Job().
  ~Prepared();
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  [[nodiscard]] Source::Snapshot snapshot() const;

 private:
  Prepared(GstElement* element, const Options& options);
  void wake();
  void report();

  struct Reporting {
    explicit Reporting(Reporter its_reporter) : reporter(std::move(its_reporter)) {}

    Reporter reporter;
    std::unique_ptr<Source::Opening> opening;  // null once it is open, or has failed
    std::string task_id;
    bool finished = false;
  };

  GWeakRef element_;
  std::shared_ptr<Wakeup> wakeup_;
  std::atomic<bool> is_reporting_ = false;
  Guarded<std::shared_ptr<Source>> source_;
  Guarded<Reporting> reporting_;
};

}  // namespace veo::plugin
