// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a Job is beneath: job.cpp has what its holders call and are told, job_driver.cpp what is
// done when, job_store.cpp what is asked of the ledger and the cache, job_submission.cpp what costs
// money, from the turn in the queue to the recorded answer.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "begun_submissions.h"
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

// The driver of a TaskMachine: it does what the machine commands, on the I/O thread, and goes on
// when what came of it is in the ledger. Nothing here waits for a disk: each question to a store is
// posted to that store's thread, and its answer comes back as a call.
//
//   I/O thread                       ledger's thread                   clips' thread
//   look_up ───────────────────────► open, knows, claim or adopt
//      │  ◄── unheard of ──────────────┘
//      ├───────────────────────────────────────────────────────────► is its clip in the cache?
//      ├─────── claim ───────────────► [reserved] ◄────────────────────────┘
//      │  ◄── undecided: again in a moment
//      │  ◄── ours ────────────────────┤
//   the turn comes ──────────────────► [sending]
//   POST ◄─────────────────────────────┘
//   answer ──────────────────────────► [accepted | unknown | reserved | released]
//   GET … ◄── ours, or known ──────────┘
//   answer ──────────────────────────► [completed | failed]
//   finished ◄─────────────────────────┘
//
// One question is out at a time (Io::waiting). Until its answer is here nothing else happens to the
// job, but for this:
//
//   a second passes       the user is told which file keeps him waiting
//   the generation's time the job fails, and says what is known; the question stays out
//   abandon()             nobody waits any more; the question stays out
//
// So a question's answer may come to a job that has ended. It is then wound up by what the answer
// says: a claim of which nothing was sent is released, an answer of the service has come to the
// disk, and the rest is dropped. A Reservation is never lost on the way: it stays with the
// TaskRecord, on the ledger's thread.
//
// Keeps itself alive through the callbacks it is waiting for (timer, exchange, posted task, store),
// and so lives exactly as long as something is under way or somebody holds the Job.
struct Job::Private : std::enable_shared_from_this<Job::Private> {
  /// To write something down without which nothing is lost.
  static constexpr unsigned enough_tries = 8;

  explicit Private(Settings from);

  /// What the job is called in the process.
  static std::string name_of(const Settings& settings);

  // --- any thread ---

  [[nodiscard]] Snapshot look() const { return shared.lock()->snapshot; }

  // --- I/O thread: what is done when ---

  void begin();
  [[nodiscard]] TaskMachine::Settings machine_settings() const;
  /// Before it is submitted: the service is to call back here.
  Status listen();
  void learn();
  /// It takes longer than another's moment with the file: let it be seen.
  void tell_waiting(std::string text);
  /// The task is there, whoever submitted it.
  void join_task();
  /// On our clock, when the service accepted the task.
  [[nodiscard]] static std::optional<TaskMachine::Time> submitted_at(const Record& row);
  void obey(const TaskMachine::Command& command);
  void finish();
  void called_back();
  void send_query();
  void queried(Result<TaskReport> report, Service::RetryAfter retry_after);
  /// Where the service does not let us at a task that is paid: what we know of it.
  [[nodiscard]] Error with_history(Error error) const;
  /// On behalf of renew().
  void ask_again();
  void after(std::chrono::milliseconds delay, std::function<void()> task);
  void arm(TaskMachine::Time until);
  void give_up(const Error& error);
  void abandon();
  /// Nobody waits any more, and nothing is out: ends what is under way.
  void wind_up();
  /// Lets go of all that belongs to the I/O thread, so that it does not matter who drops the last
  /// reference.
  void release();

  // --- I/O thread: what is asked of the stores ---

  void look_up();
  void open_cache();
  void found(Result<TaskRecord::Standing> standing);
  void claim_unless_cached();
  void find_clip();
  [[nodiscard]] TaskRecord::Settings record_settings() const;

  /// Does `work` with the record on the ledger's thread, and goes on with `then`.
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
  /// The same with the cache, on the clips' thread.
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
    bool is_answer = false;  ///< written whoever is still there; else only while somebody is
    std::function<void(const Status&)> then;
    std::function<void(const Status&, unsigned tried)> on_failed_try;  ///< may be empty
    unsigned tried = 0;
  };
  /// Writes something down, again and again until it is on the disk, `tries` times at most, and
  /// goes on with `then`.
  void insist(Writing writing);
  void try_to_write(const std::shared_ptr<Writing>& writing);

  void begin_waiting(std::string file, std::shared_ptr<StoreThread> store);
  void end_waiting();
  void tell_slow();
  void stop_waiting();
  /// The job has failed, and whoever looks at it is told.
  void publish_failure(const Error& error);

  // --- I/O thread: what costs money ---

  /// The request as the service gets it.
  [[nodiscard]] Request outgoing() const;
  /// Until its turn has come the row is `reserved`: dying here is harmless.
  void queue_submission(TaskMachine::Time until);
  void send_submission();
  void submitted(const Submitted& outcome);
  /// What the answer means is on the disk before anything else happens, whoever is still waiting.
  void write_answer(const Submitted& outcome);
  void write_accepted(const Submitted& outcome);
  /// The task is paid, and this may be the only place where its name ever stands.
  void name_unrecorded(const Error& error);
  void write_unknown(const Submitted& outcome);
  [[nodiscard]] Error explain_unknown(const Error& seen, std::optional<double> balance) const;
  void learn_balance(Submitted outcome, std::optional<double> balance);
  void conclude_unknown(Submitted outcome, std::optional<double> balance);
  void conclude_submission(Submitted outcome);
  /// Says that the claim was not used, where that is sure, and goes on with `then`. Where it cannot
  /// be written, the lock that is dropped lets it be found.
  void give_back(const std::optional<Error>& why, std::function<void()> then);

  // --- I/O thread: what is told ---

  /// What the log calls this job: its task, and its intent while it has none.
  [[nodiscard]] log::Text label() const { return log::text(io->label); }
  void name_task(const std::string& task_id);
  /// Logs that the machine has another state, or plans another try.
  void log_transition(const TaskMachine::Command& command);
  void publish();
  void add_notice(const std::string& text);
  [[nodiscard]] Clip::Settings describe_clip() const;
  [[nodiscard]] Phase phase() const;

  static TaskMachine::Time now();
  static double random();

  const Settings settings;
  const std::shared_ptr<http::IoThread> thread;
  const std::shared_ptr<StoreThread> ledger_thread;
  const std::shared_ptr<StoreThread> clips_thread;
  const std::shared_ptr<TaskRecord> record;  // the ledger's thread's

  /// What is under way to a store.
  struct Waiting {
    std::string file;
    std::shared_ptr<StoreThread> store;
    bool is_told = false;
    bool is_named = false;  // see name_unrecorded()
    /// What the job fails with, should the store not answer in time; else a timeout.
    std::optional<Error> otherwise;
  };

  /// What only the I/O thread reads and writes.
  struct Io {
    TaskRecord::View record;  // as of the ledger's last answer
    std::shared_ptr<Cache> cache;
    std::optional<GenerationTimes> learned;
    std::optional<http::Webhook> webhook;  // from before the submission to the task's end
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
    TaskMachine::Command next;                  // to be obeyed when what is out is written
    std::optional<ExitCount::Hold> submission;  // from before `sending` to the recorded answer
    TaskMachine::Time started{};
    TaskMachine::Time clock{};  // from when the generation timeout counts
    std::optional<TaskMachine::Time> accepted_at;
    unsigned polls = 0;
    unsigned looks = 0;
    bool ended = false;         // nobody waits any more, or the failure is told
    bool is_posting = false;    // the submission is with `service`
    bool may_be_sent = false;   // of the claim we hold
    bool is_confirmed = false;  // the task that the user named is one
  };
  http::IoThreadOnly<Io> io;

  // A thousand that wait have neither settings nor clip.
  struct Shared {
    void open_clip();

    Snapshot snapshot;
    std::unique_ptr<const Clip::Settings> clip_settings;  // not null iff completed
    std::shared_ptr<Clip> clip;
    std::vector<std::weak_ptr<Clip>> of_this_url;  // those that were opened by clip_settings
    bool renewed = false;
  };
  Guarded<Shared> shared;
  Subscribers subscribers;
};

}  // namespace veo
