// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a Job is beneath: job.cpp has what its holders call and are told, job_driver.cpp what is
// done when, job_submission.cpp what costs money, from the turn in the queue to the recorded
// answer.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "begun_submissions.h"
#include "task_record.h"
#include "veo/clip/clip.h"
#include "veo/core/task_machine.h"
#include "veo/http/io_thread.h"
#include "veo/http/webhook_listener.h"
#include "veo/job/job.h"
#include "veo/job/service.h"
#include "veo/system/wakeup.h"

namespace veo {

// The driver of a TaskMachine: it does what the machine commands, on the I/O thread, and writes
// down in the ledger what came of it before it goes on.
//
//   look up ──► claim ──► [sending] ──► POST ──► [accepted] ──► GET … ──► [completed]
//      │  ▲                                          ▲
//      │  └── later                                  │          [ ]: on the disk first
//      └─────────────── a known task ────────────────┘
//
// Keeps itself alive through the callbacks it is waiting for (timer, exchange, posted task), and so
// lives exactly as long as something is under way or somebody holds the Job.
struct Job::Private : std::enable_shared_from_this<Job::Private> {
  /// To write something down without which nothing is lost.
  static constexpr unsigned enough_tries = 8;

  explicit Private(Settings from)
      : settings(std::move(from)), thread(http::IoThread::acquire()), machine(machine_settings()) {}

  /// What the job is called in the process.
  static std::string name_of(const Settings& settings);
  [[nodiscard]] TaskMachine::Settings machine_settings() const;

  // --- any thread ---

  Snapshot look() const;

  // --- I/O thread: what is done when ---

  void begin();
  void look_up();
  /// Before it is submitted: the service is to call back here.
  Status listen();
  void learn();
  /// How long the service took, by its own clock.
  [[nodiscard]] std::optional<std::chrono::milliseconds> generation_time() const;
  /// It takes longer than another's moment with the file: let it be seen.
  void tell_waiting();
  /// The task is there, whoever submitted it.
  void join_task();
  /// On our clock, when the service accepted the task.
  [[nodiscard]] std::optional<TaskMachine::Time> submitted_at(const Record& row) const;
  void obey(const TaskMachine::Command& command);
  void called_back();
  void send_query();
  void queried(Result<TaskReport> report, Service::RetryAfter retry_after);
  /// Where the service does not let us at a task that is paid: what we know of it.
  [[nodiscard]] Error with_history(Error error) const;
  /// On behalf of renew().
  void ask_again();
  void after(std::chrono::milliseconds delay, std::function<void()> task);
  void arm(TaskMachine::Time until);
  /// Writes something down, again and again until it is on the disk, `tries` times at most, and
  /// goes on with `then`.
  void insist(std::function<Status()> write, unsigned tries,
              std::function<void(const Status&)> then, unsigned tried = 0);
  void give_up(Error error);
  void abandon();
  /// Lets go of all that belongs to the I/O thread, so that it does not matter who drops the last
  /// reference.
  void release();

  // --- I/O thread: what costs money ---

  /// The request as the service gets it.
  [[nodiscard]] Request outgoing() const;
  /// Until its turn has come the row is `reserved`: dying here is harmless.
  void queue_submission(TaskMachine::Time until);
  void send_submission();
  void submitted(const Submitted& outcome);
  /// What the answer means is on the disk before anything else happens, whoever is still waiting.
  void write_answer(const Submitted& outcome);
  Status write_accepted(const std::string& task_id);
  [[nodiscard]] Error explain_unknown(const Error& seen, std::optional<double> balance) const;
  void learn_balance(Submitted outcome, std::optional<double> balance);
  void conclude_submission(Submitted outcome);
  /// Says that the claim was not used, where that is sure. Where it cannot be written, the lock
  /// that is dropped lets it be found.
  void give_back(const std::optional<Error>& why);

  // --- I/O thread: what is told ---

  void publish();
  void add_notice(const std::string& text);
  [[nodiscard]] Clip::Settings describe_clip() const;
  Phase phase() const;

  static TaskMachine::Time now();
  static double random();

  const Settings settings;
  const std::shared_ptr<http::IoThread> thread;

  // Touched on the I/O thread alone.
  std::optional<GenerationTimes> learned;
  TaskMachine machine;
  const std::shared_ptr<TaskRecord> record = std::make_shared<TaskRecord>();
  std::unique_ptr<Service> service;
  http::IoThread::Timer timer;
  std::optional<http::Webhook> webhook;  // from before the submission to the task's end
  std::optional<BegunSubmissions::Guard> submission;
  TaskMachine::Time started{};
  std::optional<TaskMachine::Time> accepted_at;
  unsigned polls = 0;
  unsigned looks = 0;
  bool abandoned = false;
  bool is_posting = false;           // the submission is with `service`
  bool may_be_sent = false;          // of the claim we hold
  bool is_recording_answer = false;  // the timer is not to be cancelled
  bool is_confirmed = false;         // the task that the user named is one
  unsigned unwritten = 0;            // failed tries to record the accepted task

  Subscribers subscribers;
  mutable std::mutex mutex;
  // Guarded by mutex, all four. A thousand that wait have neither settings nor clip.
  Snapshot snapshot;
  std::unique_ptr<const Clip::Settings> clip_settings;  // not null iff completed
  std::shared_ptr<Clip> clip;
  bool renewed = false;
};

}  // namespace veo
