// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How a command tells what it does. People read stderr: on a terminal one line a phase, which moves
// while it lasts, else a line where something changes. Machines read JSON, one object a line, on
// stdout (docs/veo.md lists them); on stderr where stdout is the video itself.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "veo/core/error.h"
#include "veo/source/source.h"

namespace veo::cli {

class Display {
 public:
  enum class Kind { automatic, json, quiet };

  /// `stdout_is_taken`: by the video.
  explicit Display(Kind kind, bool stdout_is_taken = false);
  ~Display();
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  [[nodiscard]] bool is_json() const { return kind_ == Kind::json; }
  /// Whether update() is worth a call though nothing has changed.
  [[nodiscard]] bool moves() const { return terminal_; }

  /// What there is to see of a task.
  void update(const Source::Snapshot& seen);
  /// The moving line of a terminal; elsewhere nothing. `fraction`: 0 to 1, if it is known.
  void show(const std::string& name, std::optional<double> fraction, const std::string& text,
            bool has_bar = true);
  /// A line for people. Not for machines.
  void say(const std::string& text);
  /// An object for machines: the member `event` is its kind.
  void tell(nlohmann::json event);
  /// By Ctrl-C or SIGTERM. `next`: how to go on.
  void interrupted(const std::string& task_id, const std::string& next);
  /// `next`: what to type.
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
  bool is_drawn_ = false;  ///< the phase's line, for the last time
  bool has_price_ = false;
  std::string task_id_;
  std::optional<TaskStatus> status_;
  bool reused_ = false;
  std::optional<int> percent_;
  std::string trouble_;
  std::size_t noticed_ = 0;
  std::chrono::steady_clock::time_point last_line_{};
};

/// What was asked for, to stdout.
void print(const std::string& text);
/// The errno of what could not be written to stdout; 0: all was.
int stdout_error();
/// For a machine, and only where it is asked for on stdout.
void print_json(const nlohmann::json& value);
nlohmann::json to_json(const Error& error);

}  // namespace veo::cli
