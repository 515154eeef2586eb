// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The durable record of paid work: one row for each submission, shared by all processes that name
// the same ledger. A change is durable when its call returns without an error.
//
// A job claims its intent before it sends anything. If many jobs claim one intent at once, one of
// them gets the Reservation, and the others get the outcome of the submission:
//
//   claim ──► Reservation    this job submits
//         ├─► Later          a live owner is about to submit: claim again in a moment
//         ├─► Record         accepted or completed: follow the task, or play its clip
//         └─► an Error       submit_unknown, budget_exceeded, the claim's own refusal, …
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "veo/core/cached_clip.h"
#include "veo/core/claim.h"
#include "veo/core/history_query.h"
#include "veo/core/ledger_copy.h"
#include "veo/core/ledger_gap.h"
#include "veo/core/record.h"
#include "veo/core/result.h"
#include "veo/ledger/answer_journal.h"

namespace veo {

/// Makes a row the holder's own for as long as the Ownership lives. Each kind of ledger has its
/// own.
class Ownership {
 public:
  Ownership() = default;
  virtual ~Ownership() = default;
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;
};

/// The right to submit, with its row. If a Reservation is destroyed while the row is open, the next
/// process finds the row without an owner: `reserved` counts as never sent, `sending` as unknown.
class Reservation {
 public:
  Reservation(std::int64_t row, std::unique_ptr<Ownership> ownership)
      : row_(row), ownership_(std::move(ownership)) {}

  [[nodiscard]] std::int64_t row() const { return row_; }

 private:
  std::int64_t row_;
  std::unique_ptr<Ownership> ownership_;
};

/// Another process is about to submit the intent, or uses the store: claim again in a moment.
struct Later {};

using Finding = std::variant<Reservation, Later, Record>;

/// The columns that are written together with a change of state. An unset or empty field leaves its
/// column unchanged.
struct Change {
  ClockReading at{};
  std::string task_id;
  std::string url;
  std::optional<Error> error;
  std::optional<double> balance;
  std::optional<std::chrono::milliseconds> generation_time;
};

/// Each operation blocks for as long as its store takes, so the ledger's store thread
/// (StoreThread::Store::ledger) calls it; any thread may. Each operation fails with `ledger`, with
/// a text for people, if the store cannot be used (damaged, read-only, full, gone). If other
/// processes lock the store, an operation returns Later, nullopt or null where its type allows
/// that, and the caller calls again in a moment; any other operation fails.
class Ledger {
 public:
  /// Returns the process's connection to the ledger at `location`, the path of a file. Makes the
  /// file if there is none. Null: other processes lock it. Fails with `ledger` if the file cannot
  /// be trusted with a record of what is paid, or if `location` is a URI (`scheme://…`) of a kind
  /// that this version does not know. Each call first takes the answers from the ledger's journals:
  /// from the one beside its file and, unless `cache_directory` is empty, from the one there. Fails
  /// with `ledger` if the ledger cannot take them.
  static Result<std::shared_ptr<Ledger>> open(const std::string& location,
                                              const std::string& cache_directory = {});
  /// Whether there is a ledger. Does not make one. Fails if open() refuses the kind of `location`.
  static Result<bool> exists(const std::string& location);
  /// Returns what is missing if there is no ledger, but there was one. Does not make one. Fails as
  /// exists() does.
  static Result<std::optional<LedgerGap>> find_lost(const std::string& location);

  Ledger() = default;
  virtual ~Ledger() = default;
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Decides whether the intent may be submitted. First it settles the rows that dead owners have
  /// left (`reserved → released`, `sending → unknown`). Then it decides by the intent's rows and
  /// the budgets. The returned Reservation has a new row, `reserved`; with claim.resubmit the
  /// intent's unknown rows become `superseded`. All of this is one step: other claims see all of it
  /// or nothing. Later: a live owner has the intent, or other processes lock the store. Also fails
  /// with the errors that the drawing above names, for the user.
  virtual Result<Finding> claim(const Claim& claim, const ClockReading& now) = 0;
  /// Returns the record that claim() would return, and changes nothing.
  virtual Result<std::optional<Record>> find(const std::string& intent,
                                             const std::string& instance) = 0;
  /// Whether the intent has a row that is not `released`.
  virtual Result<bool> has_intent(const std::string& intent) = 0;
  /// Finds a paid task whose request differs from that of `like` only in white space at the ends of
  /// the prompt, among the newest rows. Changes nothing. nullopt: there is none, or other processes
  /// lock the store.
  virtual Result<std::optional<Record>> find_similar(const Record& like) = 0;
  /// Returns the row of the task that the user named, `task.task_id` at `task.api_url`. If the
  /// ledger does not know the task, the result is the row that confirm() would make, with the id 0.
  /// Changes nothing, because the id may be a typing error. nullopt: other processes lock the
  /// store.
  virtual Result<std::optional<Record>> find_task(const Record& task) = 0;
  /// Records that the service knows the task that the user named, and returns the task's row.
  /// `task` is the result of find_task(). If the intent has an unknown row, the row becomes
  /// `accepted`: by naming the task the user says that the unknown submission has become this task.
  /// A task without a row gets one: foreign, `accepted`, without credits, and without the mode and
  /// the other fields that only the submitter knows.
  virtual Result<Record> confirm(const std::string& intent, const Record& task,
                                 const ClockReading& now) = 0;

  /// Makes the reservation's row stand for a clip of the intent in the cache, `completed` and at no
  /// cost. The ledger did not know the intent.
  /// The claim had `restores`.
  virtual Status restore(const Reservation& reservation, const CachedClip& clip,
                         const ClockReading& now) = 0;

  /// Records the answer to a submission, whatever has become of its row meanwhile, and returns the
  /// row. A row that is missing (the ledger is an older copy, or was made anew) is made. If another
  /// submission of the intent is recorded instead, the answer's row becomes `superseded`, so that
  /// its task id is not lost. The same answer can be taken many times. nullopt: other processes
  /// lock the store.
  virtual Result<std::optional<Record>> take(const AnswerRecord& answer,
                                             const ClockReading& now) = 0;

  /// Moves the row to another state. Also fails if no way leads from its state to `to`
  /// (list_states_before()). If the row is in that state already, only the change is written.
  virtual Status move(std::int64_t row, RecordState to, const Change& change) = 0;
  /// Records that the complete clip of a completed row is in the cache.
  virtual Status keep(std::int64_t row, const CachedClip& clip) = 0;
  virtual Result<Record> get(std::int64_t row) = 0;
  /// Returns how long ago the record got its state, by ledger time.
  virtual Result<std::chrono::milliseconds> find_age(const Record& record,
                                                     const ClockReading& now) = 0;
  /// Returns the rows of the query, after it has settled the rows of dead owners. Memory depends on
  /// the returned rows alone, however many rows there are, and so does time without `since`.
  /// nullopt: other processes lock the store.
  virtual Result<std::optional<std::vector<Record>>> history(const HistoryQuery& query) = 0;
  /// Corrects the rows with a date after `now`, which a wrong clock has written. Such a date
  /// becomes the one that the row's ledger time says. No rule of the ledger depends on dates.
  /// nullopt: other processes lock the store.
  virtual Result<std::optional<std::vector<Redating>>> redate(const ClockReading& now) = 0;
  /// Returns how long the service took for the newest tasks of that mode and resolution, 50 at
  /// most.
  virtual Result<std::vector<std::chrono::milliseconds>> generation_times(const Record& like) = 0;
  // A ledger may lack what was recorded in it: an older copy took its place, or it was removed and
  // made anew. Such a ledger grants no claim that submits; everything else works.

  /// Returns what the ledger lacks; nullopt: nothing is known to be missing.
  virtual Result<std::optional<LedgerGap>> find_gap() = 0;
  /// Whether the ledger has ever granted a claim that submits, or the user has accepted the ledger.
  /// Before that, the cache may know of a ledger that was here.
  virtual Result<bool> is_established() = 0;
  /// Records the user's decision: the ledger is used as it is. nullopt: other processes lock the
  /// store.
  virtual Result<std::optional<LedgerAcceptance>> accept(UnixTime now) = 0;
  /// Returns at once.
  [[nodiscard]] virtual LedgerIdentity identity() const = 0;

  /// Copies the ledger to the new file `file`, which is complete and on the disk when the call
  /// returns without an error. Also fails with invalid_request if there is such a file. nullopt:
  /// other processes lock the store.
  virtual Result<std::optional<LedgerCopy>> back_up(const std::string& file) = 0;
  /// Returns random text for Secret::make_mark(), which was made with the ledger. Returns at once.
  [[nodiscard]] virtual const std::string& salt() const = 0;
};

}  // namespace veo
