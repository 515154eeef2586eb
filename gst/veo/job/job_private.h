// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The private part of a Job, in four files. job.cpp answers the job's holders. job_driver.cpp
// drives the TaskMachine. job_store.cpp asks the ledger and the cache. job_submission.cpp has all
// that costs money, from the turn in the queue to the recorded answer.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "answer_writer.h"
#include "begun_submissions.h"
#include "file_host_check.h"
#include "task_record.h"
#include "veo/clip/cache.h"
#include "veo/clip/clip.h"
#include "veo/core/log.h"
#include "veo/core/task_machine.h"
#include "veo/http/io_thread.h"
#include "veo/http/io_thread_only.h"
#include "veo/http/store_call.h"
#include "veo/http/webhook_listener.h"
#include "veo/job/job.h"
#include "veo/job/service.h"
#include "veo/system/guarded.h"
#include "veo/system/store_thread.h"
#include "veo/system/wakeup.h"

namespace veo {

// The driver of a TaskMachine. It does what the machine commands, on the I/O thread, and goes on
// when the outcome is in the ledger. No function here waits for a disk: each question to a store is
// posted to that store's thread, and the answer comes back as a call.
//
//   I/O thread                       ledger's thread                   clips' thread
//   find_in_ledger ────────────────► open, has_intent, claim or adopt
//      │  ◄── unheard of ──────────────┘
//      ├───────────────────────────────────────────────────────────► is its clip in the cache?
//      ├─────── claim ───────────────► [reserved] ◄────────────────────────┘
//      │  ◄── undecided: again in a moment
//      │  ◄── ours ────────────────────┤
//   the file hosts are checked
//   the turn comes ──────────────────► [sending]
//   POST ◄─────────────────────────────┘
//   answer ──────────────────────────► [accepted | unknown | reserved | released]
//   GET … ◄── ours, or known ──────────┘
//   answer ──────────────────────────► [completed | failed]
//   finished ◄─────────────────────────┘
//
// The job has one open question at a time (Io::waiting). Until the answer is here, only these
// things can happen to the job:
//
//   a second passes         the user is told which file the job waits for
//   the generation timeout  the job fails, and says what is known; the question stays open
//   abandon()               the Job is destroyed; the question stays open
//
// So an answer may come to a job that has ended. Then the answer decides how the job is wound up: a
// claim without a sent submission is released, an answer of the service is on the disk by then, and
// everything else is dropped. A Reservation is never lost on the way, because it stays with the
// TaskRecord, on the ledger's thread.
//
// The callbacks that the object waits for (timer, exchange, posted task, store) keep it alive. So
// it lives exactly as long as one of them is pending, or a Job is held.
struct Job::Private : std::enable_shared_from_this<Job::Private> {
  /// How often to try a write whose loss does no harm.
  static constexpr unsigned enough_tries = 8;

  explicit Private(Settings from);

  /// Names the job within the process: equal intents have equal names.
  static std::string name_of(const Settings& settings);

  // --- any thread ---

  [[nodiscard]] Snapshot take_snapshot() const { return shared.lock()->snapshot; }

  // --- I/O thread: the driver ---

  void begin();
  [[nodiscard]] TaskMachine::Settings make_machine_settings() const;
  /// Listens for the service's callback, before the submission.
  Status listen();
  /// Learns from earlier tasks how long the generation takes.
  void learn();
  /// Tells the user that the job waits for a file for longer than usual.
  void tell_waiting(std::string text);
  /// Goes on with a task that was submitted before.
  void join_task();
  /// Returns when the service accepted the task, on the monotonic clock.
  [[nodiscard]] std::optional<TaskMachine::Time> find_submission_time() const;
  void obey(const TaskMachine::Command& command);
  void finish();
  void on_callback();
  void send_query();
  void on_queried(Result<TaskReport> report, Service::RetryAfter retry_after);
  /// If the service refuses access to a paid task, adds what the ledger knows of the task.
  [[nodiscard]] Error add_history(Error error) const;
  /// Asks for a fresh URL, for renew().
  void ask_again();
  void after(std::chrono::milliseconds delay, std::function<void()> task);
  void arm(TaskMachine::Time until);
  void give_up(const Error& error);
  void abandon();
  /// Ends the job after abandon(), when no question is open.
  void wind_up();
  /// Destroys all that belongs to the I/O thread, so that any thread may drop the last reference.
  void release();

  /// Checks that the video could be downloaded, and then begins with the submission.
  void check_file_hosts();
  void submit();
  [[nodiscard]] FilePolicy make_file_policy() const;

  // --- I/O thread: questions to the stores ---

  void find_in_ledger();
  void open_cache();
  void on_standing(Result<TaskRecord::Standing> standing);
  void claim_unless_cached();
  void find_clip();
  [[nodiscard]] TaskRecord::Settings record_settings() const;

  /// Does `work` with the record on the ledger's thread, and then calls `then`.
  template <class Work, class Then>
  void ask_record(Work work, Then then) {
    begin_waiting("ledger " + settings.ledger, ledger_thread);
    http::call_store(
        *ledger_thread, thread,
        [record = record, work = std::move(work)] {
          auto answer = work(*record);
          return std::make_pair(std::move(answer), record->view());
        },
        [self = shared_from_this(), then = std::move(then)](auto answer) {
          self->io->record = std::move(answer.second);
          self->end_waiting();
          then(std::move(answer.first));
        });
  }
  /// Does `work` with the cache on the clips' thread, and then calls `then`.
  template <class Work, class Then>
  void ask_cache(Work work, Then then) {
    begin_waiting("cache directory " + settings.cache_directory, clips_thread);
    http::call_store(*clips_thread, thread, std::move(work),
                     [self = shared_from_this(), then = std::move(then)](auto answer) {
                       self->end_waiting();
                       then(std::move(answer));
                     });
  }

  struct Writing {
    std::function<Status(TaskRecord&)> write;
    unsigned tries = enough_tries;
    bool is_answer = false;  ///< tried even after the job has ended
    std::function<void(const Status&)> then;
    std::function<void(const Status&, unsigned tried)> on_failed_try;  ///< may be empty
    unsigned tried = 0;
  };
  /// Writes to the ledger, again and again until the change is on the disk, `tries` times at most,
  /// and then calls `then`.
  void insist(Writing writing);
  void try_to_write(const std::shared_ptr<Writing>& writing);

  void begin_waiting(std::string file, std::shared_ptr<StoreThread> store);
  void end_waiting();
  void tell_slow();
  void stop_waiting();
  /// Ends the job with an error, and notifies its subscribers.
  void publish_failure(const Error& error);

  // --- I/O thread: spending ---

  /// Returns the request as the service gets it.
  [[nodiscard]] Request make_outgoing_request() const;
  /// Waits for the turn. The row is `reserved` until then, so the process may die here without
  /// harm.
  void queue_submission(TaskMachine::Time until);
  void send_submission();
  void on_submitted(const Submitted& outcome);
  [[nodiscard]] AnswerRecord make_answer(RecordState state) const;
  /// Brings the answer to a disk, and then calls `then`. With `nowhere`: no place took the answer
  /// after some seconds; the writer goes on trying.
  void write_answer(AnswerRecord answer, std::optional<Error> otherwise,
                    std::function<void(const AnswerWriter::Written&)> then);
  void write_accepted(const Submitted& outcome);
  void write_refused(const Submitted& outcome);
  /// Releases a row that is `sending`: surely nothing is paid.
  void write_surely_unpaid(const std::optional<Error>& why, std::function<void()> then);
  /// Tells the user where the answer is, and why the ledger does not have it.
  void tell_journal(const std::string& what, const AnswerWriter::Written& written);
  /// Prints the id of a paid task that is on no disk, because no other place has the id.
  void name_unrecorded(const Error& why);
  /// Whether the answer is in a journal, and the ledger does not have it yet. Then nothing waits
  /// for the ledger.
  [[nodiscard]] bool is_ledger_behind() const { return io->writer && !io->writer->is_recorded(); }
  void write_unknown(const Submitted& outcome);
  [[nodiscard]] Error explain_unknown(const Error& seen, std::optional<double> balance) const;
  void learn_balance(Submitted outcome, std::optional<double> balance);
  void conclude_unknown(Submitted outcome, std::optional<double> balance);
  void conclude_submission(Submitted outcome);
  /// Releases the claim if the submission was surely not sent, and then calls `then`. If the
  /// release cannot be written, the next process finds the row without an owner.
  void give_back(const std::optional<Error>& why, std::function<void()> then);

  // --- I/O thread: the snapshot and the log ---

  /// Returns the job's name in the log: the task, or the intent while there is no task.
  [[nodiscard]] log::Text label() const { return log::text(io->label); }
  void name_task(const std::string& task_id);
  /// Logs that the machine has another state, or plans another try.
  void log_transition(const TaskMachine::Command& command);
  void publish();
  /// Returns when the task was submitted, in Unix seconds, by the ledger. nullopt: another ledger
  /// or nobody knows. The service's own date differs by some seconds, and a run that finds the task
  /// in the ledger does not learn that date.
  [[nodiscard]] std::optional<std::int64_t> find_submission_date() const;
  void add_notice(const std::string& text);
  [[nodiscard]] Clip::Settings describe_clip() const;
  [[nodiscard]] Phase phase() const;

  static TaskMachine::Time now();
  static double random();

  const Settings settings;
  const std::shared_ptr<http::IoThread> thread;
  const std::shared_ptr<StoreThread> ledger_thread;
  const std::shared_ptr<StoreThread> clips_thread;
  const std::shared_ptr<TaskRecord> record;  // for the ledger's thread only

  /// The open question to a store.
  struct Waiting {
    std::string file;
    std::shared_ptr<StoreThread> store;
    bool is_told = false;
    bool is_named = false;  // see name_unrecorded()
    /// The job's error if the store does not answer in time; unset: a timeout.
    std::optional<Error> otherwise;
  };

  /// State that only the I/O thread uses.
  struct Io {
    TaskRecord::View record;  // as of the ledger's last answer
    std::shared_ptr<Cache> cache;
    std::optional<GenerationTimes> learned;
    std::optional<FileHostCheck> host_check;  // until the submission
    std::optional<http::Webhook> webhook;     // from before the submission to the task's end
    TaskMachine machine{TaskMachine::Settings{}};
    // For the log.
    std::string label;
    bool has_task_label = false;
    TaskMachine::State logged_state = TaskMachine::State::idle;
    unsigned logged_retries = 0;
    std::unique_ptr<Service> service;
    http::IoThread::Timer timer;
    http::IoThread::Timer patience;  // with a store
    std::optional<Waiting> waiting;
    TaskMachine::Command next;                  // to be obeyed after the open question is answered
    std::optional<ExitCount::Hold> submission;  // from before `sending` to the answer
    std::shared_ptr<AnswerWriter> writer;       // from the answer until the ledger has it
    TaskMachine::Time started{};
    TaskMachine::Time clock{};  // when the generation timeout begins
    std::optional<TaskMachine::Time> accepted_at;
    unsigned polls = 0;
    unsigned claim_attempts = 0;
    bool ended = false;         // abandoned, or the failure is published
    bool is_posting = false;    // `service` has the submission
    bool may_be_sent = false;   // the claim's submission may have been sent
    bool is_confirmed = false;  // the service knows the task that the user named
  };
  http::IoThreadOnly<Io> io;

  // The clip and its settings are made late, because a thousand waiting jobs have neither.
  struct Shared {
    void open_clip();

    Snapshot snapshot;
    std::unique_ptr<const Clip::Settings> clip_settings;  // not null iff completed
    std::shared_ptr<Clip> clip;
    std::vector<std::weak_ptr<Clip>> of_this_url;  // the clips that clip_settings has opened
    bool renewed = false;
  };
  Guarded<Shared> shared;
  Subscribers subscribers;
};

}  // namespace veo
