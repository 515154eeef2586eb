// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The durable record of paid work: one row for each submission, shared by all processes that name
// the same ledger. What returns without an error is durable.
//
// An intent is claimed before anything is sent for it. Of many who claim it at once, one gets the
// Reservation, and the others find what became of it:
//
//   claim ──► Reservation    this one submits
//         ├─► Later          a live owner is about to submit it: ask again in a moment
//         ├─► Record         accepted or completed: follow its task, or play its clip
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
#include "veo/core/record.h"
#include "veo/core/result.h"

namespace veo {

/// What makes a row one's own for as long as it lives. Each implementation has its own kind.
class Ownership {
 public:
  Ownership() = default;
  virtual ~Ownership() = default;
  Ownership(const Ownership&) = delete;
  Ownership& operator=(const Ownership&) = delete;
};

/// A row of one's own, to be submitted. Whoever drops it without a word leaves it to be found:
/// `reserved` as never sent, `sending` as unknown.
class Reservation {
 public:
  Reservation(std::int64_t row, std::unique_ptr<Ownership> ownership)
      : row_(row), ownership_(std::move(ownership)) {}

  [[nodiscard]] std::int64_t row() const { return row_; }

 private:
  std::int64_t row_;
  std::unique_ptr<Ownership> ownership_;
};

struct Later {};

using Finding = std::variant<Reservation, Later, Record>;

/// What is to be written with a change of state. What is unset or empty stays as it is.
struct Change {
  UnixTime at{};
  std::string task_id;
  std::string url;
  std::optional<Error> error;
  std::optional<double> balance;
  std::optional<std::chrono::milliseconds> generation_time;
};

/// Each operation blocks for as long as its store takes, and is called on the ledger's store thread
/// (StoreThread::Store::ledger); any thread may. Each fails with `ledger`, in words for people,
/// where the store cannot be used (damaged, read-only, full, gone). Where other processes are at
/// it, what can say so (Later, nullopt, null) is to be called again in a moment, and the rest
/// fails.
class Ledger {
 public:
  /// The process's connection to the ledger at `location`, which is made where there is none: the
  /// path of a file. Null: other processes are at it. Fails with `ledger` where it cannot be
  /// trusted with a record of what is paid, and where `location` is a URI (`scheme://…`) of a kind
  /// that this version does not know.
  static Result<std::shared_ptr<Ledger>> open(const std::string& location);
  /// Whether there is a ledger. Makes none. Fails where open() would for what `location` is.
  static Result<bool> exists(const std::string& location);

  Ledger() = default;
  virtual ~Ledger() = default;
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Decides by what is recorded of the intent, once the rows that dead owners left are settled
  /// (`reserved → released`, `sending → unknown`), within the budgets, and in one step: of many
  /// claims at once, the others see all of it or nothing. Makes the row, `reserved`, of the
  /// Reservation that it returns; with claim.resubmit the intent's unknown rows are `superseded` in
  /// the same step. Later: a live owner has it, or others are at the store. Fails with what is to
  /// be told to the user, too: see above.
  virtual Result<Finding> claim(const Claim& claim, UnixTime now) = 0;
  /// What claim() would find, without a change: the record that it would go on with.
  virtual Result<std::optional<Record>> find(const std::string& intent,
                                             const std::string& instance) = 0;
  /// Whether anything but a released row is there of the intent.
  virtual Result<bool> knows(const std::string& intent) = 0;
  /// The row of a task that the user named. One that the ledger does not know is recorded as
  /// foreign, `accepted`, with no credits. nullopt: others are at the store.
  virtual Result<std::optional<Record>> adopt(Record record, UnixTime now) = 0;
  /// The service knows the task, and by the user's word it is what the unknown submission of the
  /// intent has become: that row is accepted (`unknown → accepted`), and returned; nullopt: there
  /// is none.
  virtual Result<std::optional<Record>> answer(const std::string& intent, const Record& task,
                                               UnixTime now) = 0;

  /// The clip of this intent is in the cache, though the ledger did not know it: the row that was
  /// to be submitted stands for it, `completed`, at no cost.
  virtual Status restore(const Reservation& reservation, const CachedClip& clip, UnixTime now) = 0;

  /// Fails too where the row is in a state from which there is no way to `to`
  /// (list_states_before()). A row that is there already takes the change alone.
  virtual Status move(std::int64_t row, RecordState to, const Change& change) = 0;
  /// The clip of a completed row is in the cache, whole.
  virtual Status keep(std::int64_t row, const CachedClip& clip) = 0;
  virtual Result<Record> get(std::int64_t row) = 0;
  /// The rows asked for, with what became of those whose owner is gone. Takes the time and memory
  /// of what it returns, however many rows there are. nullopt: others are at the store.
  virtual Result<std::optional<std::vector<Record>>> history(const HistoryQuery& query) = 0;
  /// How long the service took for the newest tasks of that mode and resolution, 50 at most.
  virtual Result<std::vector<std::chrono::milliseconds>> generation_times(const Record& like) = 0;
  /// Random, made with the ledger: for Secret::make_mark(). At once.
  [[nodiscard]] virtual const std::string& salt() const = 0;
};

}  // namespace veo
