// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The durable record of paid work: one row for each submission, in a SQLite file that all processes
// of a user share. What returns without an error is on the disk.
//
// An intent is claimed before anything is sent for it. Of many who claim it at once, one gets the
// Reservation, and the others find what became of it:
//
//   claim ──► Reservation    this one submits
//         ├─► Later          a live owner is about to submit it: ask again in a moment
//         ├─► Record         accepted or completed: follow its task, or play its clip
//         └─► an Error       submit_unknown, budget_exceeded, the claim's own refusal, …
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "veo/core/cached_clip.h"
#include "veo/core/claim.h"
#include "veo/core/record.h"
#include "veo/core/result.h"
#include "veo/ledger/row_lock.h"

namespace veo {

/// A row of one's own, to be submitted. Whoever drops it without a word leaves it to be found:
/// `reserved` as never sent, `sending` as unknown.
class Reservation {
 public:
  [[nodiscard]] std::int64_t row() const { return row_; }

 private:
  friend class Ledger;
  Reservation(std::int64_t row, RowLock lock) : row_(row), lock_(std::move(lock)) {}

  std::int64_t row_;
  RowLock lock_;
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

/// Any thread. Blocks for as long as the disk takes. Each method fails with `ledger`; in words, for
/// people.
class Ledger {
 public:
  /// The process's connection to that file, which is made where there is none. Null: other
  /// processes are at it, try again in a moment. Fails where it is damaged, read-only, made by a
  /// newer version, on a network file system, or where others could have changed it.
  static Result<std::shared_ptr<Ledger>> open(const std::string& path);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// Fails with what is to be told to the user, too: see above.
  Result<Finding> claim(const Claim& claim, UnixTime now);
  /// What claim() would find, without a change: the record that it would go on with.
  Result<std::optional<Record>> find(const std::string& intent, const std::string& instance);
  /// Whether anything but a released row is there of the intent.
  Result<bool> knows(const std::string& intent);
  /// The row of a task that the user named. One that the ledger does not know is recorded as
  /// foreign, with no credits. nullopt: busy.
  Result<std::optional<Record>> adopt(Record record, UnixTime now);
  /// The service knows the task, and by the user's word it is what the unknown submission of the
  /// intent has become: that row is accepted, and returned; nullopt: there is none.
  Result<std::optional<Record>> answer(const std::string& intent, const Record& task, UnixTime now);

  /// The clip of this intent is in the cache, though the ledger did not know it: the row that was
  /// to be submitted stands for it, completed, at no cost.
  Status restore(const Reservation& reservation, const CachedClip& clip, UnixTime now);

  /// Fails too where the row is in a state from which there is no way to `to` (ways_to()). A row
  /// that is there already takes the change alone.
  Status move(std::int64_t row, RecordState to, const Change& change);
  /// The clip of a completed row is in the cache, whole.
  Status keep(std::int64_t row, const CachedClip& clip);
  Result<Record> get(std::int64_t row);
  /// Every row, newest first, with what became of those whose owner is gone. nullopt: busy.
  Result<std::optional<std::vector<Record>>> all();
  /// How long the service took for the newest tasks of that mode and resolution, 50 at most.
  Result<std::vector<std::chrono::milliseconds>> generation_times(const Record& like);
  /// Random, made with the ledger: for Secret::mark().
  [[nodiscard]] const std::string& salt() const;

 private:
  Ledger();
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo
