// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tells the application how far a task is. It is shown one snapshot after the other, and posts what
// is new: PROGRESS messages for people, `veo-task` element messages for programs.
//
//   PROGRESS   submit ──► generate ──► download ──► (the first byte goes downstream)
//
// A START that is open keeps gst-launch-1.0 out of PLAYING, so `download` is complete as soon as
// the stream can begin, not when its last byte is here; and every START is balanced by a COMPLETE,
// a CANCELED or an ERROR.
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>

#include "veo/source/source.h"

namespace veo::plugin {

class Reporter {
 public:
  /// Beside playback only element messages tell: an open PROGRESS would keep it waiting.
  enum class Setting { playback, background };

  /// `element` outlives each call. `settings` say what the messages are about.
  Reporter(GstElement* element, const Options& settings, Setting setting = Setting::playback);

  void update(const Source::Snapshot& seen);
  /// Before there is anything to see: a file is waited for.
  void opening(const Error& trouble);
  /// The stream's first byte is about to go downstream.
  void streaming(const Source::Snapshot& seen);
  /// Posts the notices that are new, as warnings.
  void warn(const Source::Snapshot& seen);
  void failed(const Error& error);
  void canceled();

 private:
  // In the order in which they happen. All but the first and the last are open PROGRESS messages.
  enum class Step { none, submit, generate, download, done };

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
  std::optional<TaskStatus> status_;  // as last posted
  std::string task_id_;
  bool reused_ = false;
  std::string trouble_;
  std::size_t warned_ = 0;  // notices
  int percent_ = 0;
};

}  // namespace veo::plugin
