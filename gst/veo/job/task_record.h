// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The row of one Job in the ledger. A TaskRecord lives on the ledger's store thread, which calls
// each method in the order in which the job asked. A method blocks for as long as the ledger takes.
// The job, on the I/O thread, keeps a copy of what it needs to know: the View.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "veo/core/cached_clip.h"
#include "veo/core/claim.h"
#include "veo/core/result.h"
#include "veo/core/secret.h"
#include "veo/ledger/ledger.h"
#include "veo/system/store_thread.h"

namespace veo {

class TaskRecord {
 public:
  struct Settings {
    std::string ledger;
    std::string cache_directory;  ///< of the ledger's second journal
    Claim claim;
    std::string task_id;        ///< if set, find() finds that task's row, and claims nothing
    std::optional<Secret> key;  ///< for the key's mark
  };

  struct View {
    Record row;               ///< if the state is unknown, `error_message` has what was seen
    bool is_claimed = false;  ///< the row is ours, and its outcome is not on the disk yet
    std::string salt;         ///< Ledger::salt()
    std::string key_mark;     ///< see Secret::make_mark(); empty: there is no ledger, or no key
    std::vector<std::string> notices;  ///< for the user
    LedgerIdentity ledger;             ///< empty: there is no ledger
    /// The cache is to be asked whether it knows of a ledger that was lost: see
    /// Ledger::is_established().
    bool needs_proof = false;
    /// How long tasks like this one took.
    std::vector<std::chrono::milliseconds> generation_times;
    /// If the row is of a running task of this ledger: how long ago the service accepted the task.
    std::optional<std::chrono::milliseconds> age;
  };

  /// Makes a record that is also destroyed on `thread`.
  static std::shared_ptr<TaskRecord> make(std::shared_ptr<StoreThread> thread);

  enum class Standing {
    undecided,   ///< another process is about to submit, or locks the ledger: find again
    unheard_of,  ///< there is no row: search the cache, then claim()
    ours,        ///< this job is to submit
    known,       ///< accepted or completed: see the row
  };
  /// Finds the intent or the task in the ledger. Fails with ledger, and with every error of
  /// Ledger::claim().
  Result<Standing> find(const Settings& settings);
  /// Claims the intent, after the cache was searched. `lost`: the cache has this clip of the
  /// intent, but the ledger does not know the intent.
  Result<Standing> claim(const Settings& settings, const std::optional<CachedClip>& lost);

  [[nodiscard]] const View& view() const { return view_; }

  // Changes of the row's state (core/record.h). A change is on the disk when its call returns
  // without an error.
  Status write_sending(const ClockReading& at);
  Status write_held(const ClockReading& at);
  Status write_released(const std::optional<Error>& why, const ClockReading& at);
  /// Adds the balance to a row that is unknown.
  Status write_balance(const Error& why, double balance, const ClockReading& at);
  /// Records the answer to the submission. If the row cannot be changed as usual (another program
  /// has locked, moved or replaced the ledger), the next call opens the ledger anew. Until the
  /// answer is recorded, the row keeps its owner, and each later change first records the answer.
  Status write_answer(const AnswerRecord& answer);
  /// `took`: how long the service took for the generation, if that is known.
  Status write_completed(const std::string& url, std::optional<std::chrono::milliseconds> took,
                         const ClockReading& at);
  /// Records that the task has ended without a video: see is_without_video().
  Status write_without_video(const Error& why, const ClockReading& at);
  Status write_failed(const Error& why, const ClockReading& at);
  Status write_kept(const CachedClip& clip);
  /// Records that the service knows the task that the user named. See Ledger::confirm().
  Status write_confirmed(const std::string& intent, const ClockReading& at);
  /// Returns the newest recorded URL of a video of this API; empty: there is none.
  [[nodiscard]] std::string find_newest_url(const std::string& api_url) const;
  /// Gives up the row, unless its answer is still to be recorded: from now on the row has no owner.
  void release_row();

 private:
  TaskRecord() = default;
  Result<Standing> find_task(const Settings& settings);
  /// Adds a notice if a paid request differs from this one only in white space.
  void tell_similar();
  Result<Standing> restore(const Settings& settings, const CachedClip& clip);
  /// Completes the view, and returns `standing`.
  Result<Standing> finish_standing(const Settings& settings, Standing standing);
  /// Whether there is a row to change. A task that the user named has no row until the service has
  /// confirmed that it knows the task.
  [[nodiscard]] bool has_row() const { return ledger_ && view_.row.id != 0; }
  Status move(RecordState to, const Change& change);
  Status write_pending();
  void let_go();

  std::string location_;
  std::string cache_directory_;
  std::shared_ptr<Ledger> ledger_;                 // null: the task is played without a record
  std::optional<Reservation> reservation_;         // held until the outcome is on the disk
  std::optional<AnswerJournal::Reserve> reserve_;  // from before `sending` to the outcome
  std::optional<AnswerRecord> pending_;            // the ledger has not taken it yet
  View view_;
};

}  // namespace veo
