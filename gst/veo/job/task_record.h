// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is written down of one Job: the ledger's row, and the cache that its clip goes to. I/O
// thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "veo/clip/cache.h"
#include "veo/core/claim.h"
#include "veo/core/result.h"
#include "veo/core/secret.h"
#include "veo/ledger/ledger.h"

namespace veo {

class TaskRecord {
 public:
  struct Settings {
    std::string ledger;
    std::string cache_directory;
    std::optional<std::uint64_t> cache_limit;
    Claim claim;
    std::string task_id;          ///< set: that task's record, and nothing is claimed
    const Secret* key = nullptr;  ///< for its mark; null: there is none
  };

  enum class Standing {
    undecided,  ///< somebody else is about to submit it, or busy: look again in a moment
    ours,       ///< to be submitted by us
    known,      ///< accepted or completed: see record()
  };
  /// Fails with ledger, cache, and all that Ledger::claim() has to tell.
  Result<Standing> look_up(const Settings& settings);

  /// As far as it is known; of an unknown row, `error_message` says what was seen.
  [[nodiscard]] const Record& record() const { return record_; }
  [[nodiscard]] const std::shared_ptr<Cache>& cache() const { return cache_; }
  [[nodiscard]] bool is_claimed() const { return reservation_.has_value(); }
  /// What look_up() came across, for people.
  [[nodiscard]] const std::vector<std::string>& notices() const { return notices_; }

  /// Of tasks like this one, from the ledger; empty where there is none.
  [[nodiscard]] std::vector<std::chrono::milliseconds> generation_times() const;
  /// See Secret::mark(); empty where there is no ledger.
  [[nodiscard]] std::string mark_of(const Secret& key) const;

  // The ways of a record (core/record.h). Each is on the disk when it returns without an error.
  Status sending();
  Status held();
  Status released(const std::optional<Error>& why);
  Status unknown(const Error& why, std::optional<double> balance);
  Status accepted(const std::string& task_id);
  /// `took`: the service, for the generation, where that is known.
  Status completed(const std::string& url, std::optional<std::chrono::milliseconds> took);
  Status failed(const Error& why);
  Status kept(const CachedClip& clip);
  /// The service knows the task that the user named: if the intent's submission is unknown, by the
  /// user's word this is what became of it.
  Status confirmed(const std::string& intent);
  /// Nothing more will be written: whoever asks finds the row without an owner.
  void let_go() { reservation_.reset(); }

 private:
  Result<Standing> look_up_task(const Settings& settings);
  Result<Standing> know_clip();
  Result<std::optional<CachedClip>> find_lost(const Record& wanted);
  Result<Standing> restore(const Settings& settings, const CachedClip& clip);
  Status move(RecordState to, Change change);

  std::shared_ptr<Ledger> ledger_;  // null: a known task is played without a record
  std::shared_ptr<Cache> cache_;
  std::optional<Reservation> reservation_;  // held until what came of it is on the disk
  Record record_;
  std::vector<std::string> notices_;
};

/// Wall clock.
UnixTime unix_now();

}  // namespace veo
