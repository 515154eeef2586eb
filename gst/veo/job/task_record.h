// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is written down of one Job: its row of the ledger. It lives on the ledger's store thread,
// where each method is called, in the order in which the job asked, and blocks for as long as the
// ledger takes. The job, on the I/O thread, keeps a copy of what it needs to know: the View.
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
    Claim claim;
    std::string task_id;        ///< set: that task's record, and nothing is claimed
    std::optional<Secret> key;  ///< for its mark
  };

  struct View {
    Record row;               ///< of an unknown row, `error_message` says what was seen
    bool is_claimed = false;  ///< the row is ours, and what came of it is not on the disk yet
    std::string key_mark;     ///< see Secret::make_mark(); empty: there is no ledger, or no key
    std::vector<std::string> notices;  ///< what was come across, for people
    /// Of tasks like this one.
    std::vector<std::chrono::milliseconds> generation_times;
  };

  /// A record whose end, too, is on `thread`.
  static std::shared_ptr<TaskRecord> make(std::shared_ptr<StoreThread> thread);

  enum class Standing {
    undecided,   ///< somebody else is about to submit it, or the ledger is busy: look again
    unheard_of,  ///< not in the ledger: look into the cache, and claim() it then
    ours,        ///< to be submitted by us
    known,       ///< accepted or completed: see the row
  };
  /// Fails with ledger, and all that Ledger::claim() has to tell.
  Result<Standing> look_up(const Settings& settings);
  /// `lost`: the clip of that intent, which the cache has though the ledger does not know it.
  Result<Standing> claim(const Settings& settings, const std::optional<CachedClip>& lost);

  [[nodiscard]] const View& view() const { return view_; }

  // The ways of a record (core/record.h). Each is on the disk when it returns without an error.
  Status sending(UnixTime at);
  Status held(UnixTime at);
  Status released(const std::optional<Error>& why, UnixTime at);
  Status unknown(const Error& why, std::optional<double> balance, UnixTime at);
  Status accepted(const std::string& task_id, UnixTime at);
  /// `took`: the service, for the generation, where that is known.
  Status completed(const std::string& url, std::optional<std::chrono::milliseconds> took,
                   UnixTime at);
  Status failed(const Error& why, UnixTime at);
  Status kept(const CachedClip& clip);
  /// The service knows the task that the user named: if the intent's submission is unknown, by the
  /// user's word this is what became of it.
  Status confirmed(const std::string& intent, UnixTime at);
  /// Nothing more will be written: whoever asks finds the row without an owner.
  void let_go();

 private:
  TaskRecord() = default;
  Result<Standing> look_up_task(const Settings& settings);
  Result<Standing> restore(const Settings& settings, const CachedClip& clip);
  Result<Standing> know(Standing standing);
  Status move(RecordState to, const Change& change);

  std::shared_ptr<Ledger> ledger_;          // null: a known task is played without a record
  std::optional<Reservation> reservation_;  // held until what came of it is on the disk
  View view_;
};

/// Wall clock.
UnixTime unix_now();

}  // namespace veo
