// SPDX-License-Identifier: LGPL-2.1-or-later
//
// TaskMachine is the life of one paid task. It does no I/O and reads no clock. A driver (job/)
// executes the commands of the machine (send a submission, send a query, wait) and reports each
// result to it.
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
//            due │   │ in progress,         │ final answer,   │
//                ▼   │ or a passing failure │ expired         │
//               querying ───────────────────┘ ◄───────────────┘
//                   │
//                   └─► completed ◄─── conclude (a task that is known to be completed)
//
// No transition leads from `waiting` or `querying` back to `submitting`: the machine never submits
// an accepted task again. Failed queries do not end the task either, because it is paid. The
// machine repeats the query, with growing delays, until the generation timeout. `retries` counts
// only submissions that were surely not sent.
//
// The generation timeout ends the task only after an answer that is not older than a poll interval.
// If the newest answer is older, the machine sends a last query, and the answer to it decides. A
// process can be stopped for hours (SIGSTOP, a frozen container): on waking the timer has expired,
// but the task may have been completed long ago. A timer that comes late shows such a stop. The
// machine then also repeats a last query that fails, for a minute, because the network may need
// some time to come back.
//
// A task can be completed without a video; often a safety filter has refused the video. The video
// may still appear, so the machine asks again for a minute before it gives up. The generation is
// over by then, so its timeout does not count.
//
// A hint says that the task may have ended; it comes from a callback. A hint has no state of its
// own: it only makes the next query earlier. Anybody can send hints, any number of times, so
// on_hint() limits the number of queries that they cause.
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

/// The state machine of one task. Not thread-safe: the driver calls it on one thread.
class TaskMachine {
 public:
  /// Monotonic time. The driver passes it; the machine reads no clock.
  using Time = std::chrono::steady_clock::time_point;

  struct Settings {
    int retries = 5;  ///< how often a submission that was surely not sent is repeated; -1: forever
    std::chrono::milliseconds poll_interval{0};  ///< the wait between queries; 0 for adaptive waits
    std::optional<GenerationTimes> learned;      ///< the model for adaptive waits; unset if unknown
    bool is_called_back = false;                 ///< hints will come, so fewer polls are needed
    /// The time limit from the acceptance of the task, or from adopt(), to its end. Before the
    /// acceptance: the time limit for the submission, from submit() on.
    std::chrono::seconds generation_timeout{1800};
    Backoff backoff;  ///< the delay before each retry
  };

  enum class State { idle, submitting, held, waiting, querying, completed, failed };

  /// What earlier runs have found out about a known task.
  enum class Finding {
    none,
    no_video,  ///< the task was completed without a video
  };

  /// The next work of the driver. Each command replaces the command before it; but a `wait` that
  /// comes during a query only moves the time of the next on_timer(), and the query goes on.
  struct Command {
    enum class Kind {
      none,             ///< go on with the command before
      send_submission,  ///< send the submission, then call on_submitted()
      send_query,       ///< query task_id(), then call on_queried(); at `until` call on_timer()
      wait,             ///< wait until `until`, then call on_timer()
      finish,           ///< the task has ended: see state(), report() and error()
    };
    Kind kind = Kind::none;
    Time until{};
  };

  explicit TaskMachine(Settings settings) : settings_(settings) {}

  // --- Inputs. `random` is a random number from [0, 1), for jitter. ---

  /// Begins with a submission.
  Command submit(Time now);
  /// Begins with a known task. `submitted` is the time at which the service accepted it, if the
  /// caller knows it. Up to 60 s after that time, task_not_found is a passing failure. With
  /// Finding::no_video the first query decides: unless its answer says something new, the task has
  /// failed at once.
  Command adopt(std::string task_id, Time now, std::optional<Time> submitted = std::nullopt,
                Finding finding = Finding::none);
  /// Begins with a task that is known to be completed, with a video. The machine sends no query.
  Command conclude(TaskReport report, Time now);
  /// The submission has ended with `outcome`.
  Command on_submitted(Submitted outcome, Time now, double random);
  /// The query has ended with `answer`. `retry_after` is the `Retry-After` of the answer. Ignored
  /// unless the machine is querying.
  Command on_queried(Result<TaskReport> answer, std::optional<std::chrono::seconds> retry_after,
                     Time now, double random);
  /// The time `until` of the last command has come.
  Command on_timer(Time now);
  /// A hint has come. The machine queries at once, or 5 s after the last query that a hint caused,
  /// whichever is later. So any number of hints causes at most one query in 5 s, and a query
  /// follows the last hint. A hint that comes during a submission or a query counts after its end.
  /// A hint does not shorten the delay before a retry.
  Command on_hint(Time now);

  // --- State ---

  [[nodiscard]] State state() const { return state_; }
  /// The id of the task; empty before the service has accepted it.
  [[nodiscard]] const std::string& task_id() const { return task_id_; }
  /// The last valid answer to a query.
  [[nodiscard]] const std::optional<TaskReport>& report() const { return report_; }
  /// The reason of the failure. Set if and only if the state is `failed`.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  /// Whether the task has failed because the service completed it without a video. The task is at
  /// its end then, and nobody knows whether it was refunded.
  [[nodiscard]] bool has_no_video() const { return state_ == State::failed && no_video_since_; }
  /// The status for the user: `pending` from the acceptance to the first answer, `none` before it.
  [[nodiscard]] TaskStatus status() const;
  /// The last passing failure, for the user, while the machine waits to try again. The next good
  /// answer clears it.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }
  /// The number of retries so far, of submissions and queries.
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
  Command wait_until(Time due, Time now);
  [[nodiscard]] Time find_end() const;
  [[nodiscard]] Time find_limit() const;
  [[nodiscard]] bool is_out_of_time(Time now) const;
  [[nodiscard]] bool is_newest_answer_recent(Time now) const;
  Command wait_for_video(Time now);
  Command ask_last(bool was_stopped, Time now);
  Command expire(Time now);
  [[nodiscard]] std::chrono::milliseconds compute_poll_wait(Time now) const;
  void plan_poll(Time now);
  [[nodiscard]] bool is_retry_allowed() const;
  void plan_retry(Time now, double random, std::optional<std::chrono::seconds> retry_after);
  [[nodiscard]] std::string make_resume_hint() const;
  void set_trouble(Error error);
  void fail_with(Error error);

  Settings settings_;
  State state_ = State::idle;
  std::string task_id_;
  std::optional<Time> submitted_;       // the time of the acceptance, if known
  Time started_{};                      // the generation timeout counts from here
  Time due_{};                          // the time of the next query or retry
  Time asked_ = Time::min();            // when the newest query was sent
  Time armed_{};                        // when the next on_timer() is expected
  Time extended_ = Time::min();         // the last query may take until this time
  Time recovers_until_ = Time::min();   // after a stop of the process, see the top of this file
  std::optional<Time> no_video_since_;  // the first answer `completed` without a URL
  Finding finding_ = Finding::none;
  bool hinted_ = false;                   // a hint has come since the last query was sent
  Time next_hinted_query_ = Time::min();  // no query follows a hint before this time
  unsigned attempts_ = 0;                 // consecutive failures
  unsigned total_retries_ = 0;
  std::optional<TaskReport> report_;
  std::optional<Error> error_;
  std::optional<Error> trouble_;
};

/// For the log.
std::string_view nick(TaskMachine::State state);

/// Computes a percentage from the service's `progress`. The service does not document its unit. A
/// value from 0 to below 1 counts as a fraction, and a value from 1 to 100 as a percentage. Returns
/// nullopt for any other value.
std::optional<int> compute_percent(std::optional<double> progress);

}  // namespace veo
