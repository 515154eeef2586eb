// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Reports what a command does. People read stderr. On a terminal each phase has one line, which
// changes while the phase lasts; elsewhere each change has a line. Machines read JSON, one object
// in each line (event_table.h lists the objects), on stdout, or on stderr if stdout carries the
// video.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "veo/core/error.h"
#include "veo/source/source.h"

namespace veo::cli {

/// The time between two drawings of a line that changes.
inline constexpr std::chrono::milliseconds redraw_interval{250};

class Display {
 public:
  enum class Kind { automatic, json, quiet };

  /// `stdout_is_taken`: stdout carries the video.
  explicit Display(Kind kind, bool stdout_is_taken = false);
  ~Display();
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  [[nodiscard]] bool is_json() const { return kind_ == Kind::json; }
  /// Whether the display shows the time, so that update() is useful even if nothing has changed.
  [[nodiscard]] bool moves() const { return terminal_; }

  /// Shows a snapshot of a task.
  void update(const Source::Snapshot& seen);
  /// Shows the changing line of a terminal. Does nothing elsewhere. `fraction`: 0 to 1, if it is
  /// known.
  void show(const std::string& name, std::optional<double> fraction, const std::string& text,
            bool has_bar = true);
  /// Writes a line for people. Machines do not get this line.
  void say(const std::string& text);
  /// Tells people and machines something that the user should know.
  void report_notice(const std::string& text);
  /// Writes an object for machines. Its member `event` names its kind.
  void tell(nlohmann::json event);
  /// Reports that Ctrl-C or SIGTERM has ended the command. `next` says how to continue.
  void interrupted(const std::string& task_id, const std::string& next);
  /// Reports the error that has ended the command. `next` says what the user can type.
  void failed(const Error& error, const std::string& next = "");

 private:
  enum class Phase { none, submitting, generating, downloading };

  void enter(Phase phase, const Source::Snapshot& seen);
  void draw(const Source::Snapshot& seen, bool finally);
  void close_line();
  void tell_task(const Source::Snapshot& seen);
  void tell_progress(const Source::Snapshot& seen);

  const Kind kind_;
  const bool stdout_is_taken_;
  const bool terminal_;
  const bool unicode_;
  Phase phase_ = Phase::none;
  std::chrono::steady_clock::time_point phase_began_{};
  std::string line_;
  bool line_is_open_ = false;
  bool is_drawn_ = false;  ///< the last form of the phase's line was drawn
  bool has_price_ = false;
  std::string task_id_;
  std::optional<TaskStatus> status_;
  bool reused_ = false;
  std::optional<int> percent_;
  std::string trouble_;
  std::size_t noticed_ = 0;
  std::chrono::steady_clock::time_point last_line_{};
};

/// Writes to stdout what the user asked for.
void print(const std::string& text);
/// Returns the errno of the first write to stdout that failed. 0: all writes succeeded.
int stdout_error();
/// Writes to stdout an object for machines that the user asked for.
void print_json(const nlohmann::json& value);
nlohmann::json to_json(const Error& error);

}  // namespace veo::cli
