// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tells the application how far a task is. The reporter gets one snapshot after the other, and
// posts the changes: PROGRESS messages for people, `veo-task` element messages and the
// notifications of the properties `task-id` and `status` for programs.
//
//   PROGRESS   submit ──► generate ──► download ──► (the first byte goes downstream)
//
// While a PROGRESS of the type START is open, gst-launch-1.0 does not change to PLAYING. So a
// COMPLETE, a CANCELED or an ERROR follows each START, and `download` is complete when the stream
// can begin, before its last byte has arrived.
//
// In a live pipeline the other branches must not wait for the task. So the reporter begins no
// PROGRESS there before the pipeline is set to PLAYING.
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <optional>
#include <string>

#include "veo/source/source.h"

namespace veo::plugin {

class Reporter {
 public:
  /// In the background the reporter posts only element messages, because an open PROGRESS would
  /// delay the playback.
  enum class Setting { playback, background };

  /// `element` must exist during each call. The messages are about the request of `settings`.
  Reporter(GstElement* element, const Options& settings, Setting setting = Setting::playback);

  void update(const Source::Snapshot& seen);
  /// How often to call update() even if the snapshot has not changed; 0: never. No message tells an
  /// element in an asynchronous bin that its pipeline was set to PLAYING.
  [[nodiscard]] std::chrono::milliseconds interval() const;
  /// Reports that the source is not open yet, because it waits for a file. There is no snapshot
  /// yet.
  void opening(const Error& trouble);
  /// Reports that nothing has begun yet, and why.
  void waiting(const std::string& text);
  /// Reports that the stream's first byte is about to go downstream.
  void streaming(const Source::Snapshot& seen);
  /// Posts new notices as warnings.
  void warn(const Source::Snapshot& seen);
  /// Reports that the stream's last byte has gone downstream, and where its original file is.
  void ended(const Source::Snapshot& seen);
  void failed(const Error& error);
  void canceled();

 private:
  // The steps in their order. Each step between `none` and `done` is an open PROGRESS message.
  enum class Step { none, submit, generate, download, done };

  /// Whether a PROGRESS would keep a live pipeline from PLAYING.
  [[nodiscard]] bool must_hold_back() const;
  void report_steps(const Source::Snapshot& seen);
  void advance(Step to, const Source::Snapshot& seen);
  void begin(Step step, const Source::Snapshot& seen);
  void complete(Step step, const Source::Snapshot& seen);
  void end(GstProgressType type, const std::string& text);
  void post_progress(GstProgressType type, const std::string& text, int percent = 100);
  void post_percent(const char* text, std::optional<int> percent);
  void post_trouble(const std::optional<Error>& trouble);
  void post_task(const Source::Snapshot& seen);

  GstElement* const element_;
  const Mode mode_;
  const Resolution resolution_;
  const bool dry_run_;
  const Setting setting_;
  Step step_ = Step::none;
  std::optional<TaskStatus> status_;  // the values of the last `veo-task` message
  std::string task_id_;
  bool reused_ = false;
  std::string file_;
  std::string trouble_;
  std::size_t warned_ = 0;  // how many notices were posted
  int percent_ = 0;
};

}  // namespace veo::plugin
