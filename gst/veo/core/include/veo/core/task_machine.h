// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The life of one paid task, without I/O and without a clock: whoever drives it sends what it asks
// for, waits as long as it says, and reports what came of it.
//
//                 submit                                adopt (a known task)
//                   │                                         │
//                   ▼        not sent, or 429                 │
//      ┌──────► submitting ────────────────► held             │
//      │            │  │                      │ │             │
//      │            │  └─ refused, unknown ─┐ │ └─ expired ─┐ │
//      │   accepted │                       │ │             │ │
//      │            │          due          │ │             │ │
//      └────────────┼───────────────────────┼─┘             │ │
//                   ▼                       ▼               │ │
//               waiting ──── expired ───► failed ◄──────────┘ │
//                │   ▲                      ▲                 │
//            due │   │ in progress,         │ definite end,   │
//                ▼   │ or a passing trouble │ expired         │
//               querying ───────────────────┘ ◄───────────────┘
//                   │
//                   └─► completed ◄─── conclude (a task that is known to be completed)
//
// There is no way from `waiting` or `querying` back to `submitting`: a task that was accepted is
// never submitted again. Nor do failed queries end it, however many: it is paid, and is asked for
// until the generation timeout, with growing delays. `retries` counts submissions that were surely
// not sent.
//
// A hint (a callback) has no state of its own: it brings the next query forward. Anybody may have
// sent it, any number of times, so what hints cost is bounded here: see woken().
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "veo/core/poll_schedule.h"
#include "veo/core/retry.h"
#include "veo/core/submission.h"
#include "veo/core/task.h"

namespace veo {

class TaskMachine {
 public:
  /// Monotonic. The type only: nobody here asks the clock.
  using Time = std::chrono::steady_clock::time_point;

  struct Settings {
    int retries = 5;  ///< of submissions that were surely not sent; -1: no end
    std::chrono::milliseconds poll_interval{0};  ///< 0: adaptive
    std::optional<GenerationTimes> learned;      ///< for adaptive polls; nothing known: unset
    bool is_called_back = false;                 ///< hints are to be expected: polls are sparser
    std::chrono::seconds generation_timeout{1800};
    Backoff backoff;
  };

  enum class State { idle, submitting, held, waiting, querying, completed, failed };

  /// What the driver has to do next. Each supersedes the one before.
  struct Command {
    enum class Kind {
      none,             ///< go on with what is under way
      send_submission,  ///< then call submitted()
      send_query,       ///< for task_id(), then call queried(); at `until`, time_passed()
      wait,             ///< until `until`, then call time_passed()
      finish,           ///< see state(), report() and error()
    };
    Kind kind = Kind::none;
    Time until{};
  };

  explicit TaskMachine(Settings settings) : settings_(settings) {}

  // Inputs. `random` is a draw from [0, 1), for jitter.
  Command submit(Time now);
  /// `submitted`: when the task was accepted, if that is known; the service may not know it at
  /// once.
  Command adopt(std::string task_id, Time now, std::optional<Time> submitted = std::nullopt);
  /// The task is known to be completed: nothing has to be asked.
  Command conclude(TaskReport report, Time now);
  Command submitted(Submitted outcome, Time now, double random);
  Command queried(Result<TaskReport> answer, std::optional<std::chrono::seconds> retry_after,
                  Time now, double random);
  Command time_passed(Time now);
  /// A hint that the task may be done. Asks at once, but 5 s after the last query that followed a
  /// hint at the earliest; so however many come, and whatever their worth, they cost one query in
  /// 5 s, and the last of them is followed by one. A hint that comes while something is under way
  /// counts when that has ended. It does not hasten a retry, which keeps the service's own delay.
  Command woken(Time now);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] const std::string& task_id() const { return task_id_; }
  /// The last usable answer of the service.
  [[nodiscard]] const std::optional<TaskReport>& report() const { return report_; }
  /// Set iff failed.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] TaskStatus status() const;
  /// What the user is to be told while waiting for another try; cleared by the next good answer.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }
  [[nodiscard]] unsigned retries() const { return total_retries_; }

 private:
  enum class Event {
    submit,
    adopt,
    accepted,
    again_later,
    refused,
    due,
    expired,
    in_progress,
    succeeded,
    gave_up
  };
  struct Transition;
  static const Transition transitions[];

  Command handle(Event event, Time now);
  Command wait_until(Time due) const;
  [[nodiscard]] std::chrono::milliseconds next_poll(Time now) const;
  void plan_poll(Time now);
  [[nodiscard]] bool may_retry() const;
  void plan_retry(Time now, double random, std::optional<std::chrono::seconds> retry_after);
  [[nodiscard]] std::string resume_hint() const;
  void fail_with(Error error);

  Settings settings_;
  State state_ = State::idle;
  std::string task_id_;
  std::optional<Time> submitted_;  // when the service took it, if we know
  Time started_{};
  Time due_{};
  bool hinted_ = false;                   // since the last query was sent
  Time next_hinted_query_ = Time::min();  // the earliest
  unsigned attempts_ = 0;
  unsigned total_retries_ = 0;
  std::optional<TaskReport> report_;
  std::optional<Error> error_;
  std::optional<Error> trouble_;
};

/// For the log.
std::string_view nick(TaskMachine::State state);

/// The service's `progress` as a percentage. Its unit is not documented: below 1 it is taken for a
/// fraction, up to 100 for percent, and anything else says nothing.
std::optional<int> percent(std::optional<double> progress);

}  // namespace veo
