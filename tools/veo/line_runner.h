// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs the requests of a file of lines, several at a time: each one from its submission to the last
// byte of its video. The runner decides when something happens, and a LineWork decides what is run
// next and what becomes of the bytes:
//
//   LineRunner                                  LineWork
//   a place is free                    ──►      take_next(): a line and its options
//   the task's state has changed       ──►      on_change()
//   bytes of its video are here        ──►      on_bytes()
//   the last byte is here, and kept    ──►      on_complete()
//   the task or the video has failed   ──►      on_failure()
//
// All calls come from the thread that called run().
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "command.h"
#include "line_cost.h"
#include "veo/source/source.h"

namespace veo::cli {

/// A line whose request may run now.
struct NextLine {
  std::size_t line = 0;  ///< any number by which the LineWork knows the line
  Options settings;
};

/// A line whose request runs.
struct RunningLine {
  std::size_t line = 0;
  std::unique_ptr<Source> source;
  std::uint64_t bytes = 0;  ///< how many bytes of the video on_bytes() has got
};

class LineWork {
 public:
  virtual ~LineWork() = default;
  /// Returns the next line to run; nullopt: no line can run now. If a line waits for another one,
  /// the runner asks again when something has changed.
  virtual std::optional<NextLine> take_next() = 0;
  virtual void on_change(const RunningLine& /*running*/) {}
  /// Takes the next bytes of the video. A failure ends the line.
  virtual Status on_bytes(const RunningLine& running, std::span<const std::uint8_t> bytes) = 0;
  /// The video has ended. A failure ends the line, too.
  virtual Status on_complete(const RunningLine& running) = 0;
  virtual void on_failure(std::size_t line, Error error) = 0;
  /// Shows how far the work is.
  virtual void show(std::size_t running) = 0;
};

/// The lines of a file that failed.
class LineFailures {
 public:
  void add(std::size_t line, Error error);
  [[nodiscard]] std::size_t count() const { return failures_.size(); }
  /// Whether a submission is unknown, so that the same line again does not repeat it.
  [[nodiscard]] bool has_unknown() const;
  /// Tells people each failure, in the order of the lines, and what they can do about submissions
  /// that are unknown.
  void say(Display& display, const std::string& path);
  /// Returns the exit code of the failure that the user must look at first; 0: there is none.
  [[nodiscard]] int exit_code() const;

 private:
  struct Failure {
    std::size_t line = 0;
    Error error;
  };
  std::vector<Failure> failures_;
};

/// What a signal leaves: which requests are paid, which may be paid, and what the rest costs.
class LeftWork {
 public:
  /// Adds a request whose video is not here. `running` is null if the request does not run.
  void add(std::size_t line, const LinePrice& price, const RunningLine* running);
  /// Says in sentences what becomes of the requests. `thing` is the name of a request: `shot`.
  [[nodiscard]] std::string describe(const std::string& thing) const;

 private:
  std::vector<std::string> tasks_;  // go on at the service: `ID (line 3)`
  std::size_t unanswered_ = 0;      // submissions without an answer so far
  std::size_t unknown_ = 0;         // submissions of which an earlier run got no answer
  std::size_t paid_ = 0;
  LineCost cost_;  // of the requests that were not submitted
};

class LineRunner {
 public:
  /// Runs at most `jobs` lines at a time.
  LineRunner(Session& session, const Display& display, LineWork& work, unsigned jobs)
      : session_(session), display_(display), work_(work), jobs_(jobs) {}

  /// Runs until no line runs and take_next() has none. Returns false if a signal has interrupted
  /// the run. The tasks of the lines that ran then go on at the service.
  [[nodiscard]] bool run();

  /// Returns the line if it runs, or ran when a signal ended the run; null: it does not run.
  [[nodiscard]] const RunningLine* find(std::size_t line) const;

 private:
  enum class Step { waits, moved, ended };

  std::optional<bool> advance_all();
  void start_more();
  Step advance(RunningLine& running);
  Step fail_line(std::size_t line, Error error);

  Session& session_;
  const Display& display_;
  LineWork& work_;
  const unsigned jobs_;
  std::list<RunningLine> running_;
};

}  // namespace veo::cli
