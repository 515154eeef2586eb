// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tells the application how far a task is. The reporter gets one snapshot after the other, and
// posts what is new: PROGRESS messages for people, `veo-task` element messages for programs.
//
//   PROGRESS   submit ──► generate ──► download ──► (the first byte goes downstream)
//
// An open START keeps gst-launch-1.0 out of PLAYING. So `download` is complete as soon as the
// stream can begin, not when its last byte has arrived, and a COMPLETE, a CANCELED or an ERROR
// follows each START.
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>

#include "veo/source/source.h"

namespace veo::plugin {

class Reporter {
 public:
  /// In the background the reporter posts element messages alone: an open PROGRESS would keep the
  /// playback waiting.
  enum class Setting { playback, background };

  /// `element` outlives each call. The messages are about the request of `settings`.
  Reporter(GstElement* element, const Options& settings, Setting setting = Setting::playback);

  void update(const Source::Snapshot& seen);
  /// There is no snapshot yet, because opening the source waits for a file.
  void opening(const Error& trouble);
  /// The stream's first byte is about to go downstream.
  void streaming(const Source::Snapshot& seen);
  /// Posts new notices as warnings.
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
