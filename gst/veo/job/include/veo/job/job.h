// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Our side of one paid task, from its claim in the ledger to its end. A job runs on the I/O thread
// and needs no caller: callers may come and go. Equal intents share one Job within the process, and
// one task between processes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "veo/clip/clip.h"
#include "veo/core/callback.h"
#include "veo/core/catalog.h"
#include "veo/core/claim.h"
#include "veo/core/secret.h"
#include "veo/core/task.h"
#include "veo/options/option_table.h"
#include "veo/system/wakeup.h"

namespace veo {

/// Two SharedCatalogs are equal if their catalogs are equal, because each source reads a catalog of
/// its own.
class SharedCatalog : public std::shared_ptr<const Catalog> {
 public:
  using std::shared_ptr<const Catalog>::shared_ptr;
  SharedCatalog(std::shared_ptr<const Catalog> catalog)  // NOLINT(google-explicit-constructor)
      : std::shared_ptr<const Catalog>(std::move(catalog)) {}
  bool operator==(const SharedCatalog& other) const {
    return get() == other.get() || (*this && other && **this == *other);
  }
};

class Job {
 public:
  /// Resolved options, and settings that are no options. Resolved means: `access.api_url` is
  /// checked by check_api_url(), `ledger` and `cache_directory` are paths, a `poll_interval` of 0
  /// is adaptive, and `access` has neither a key nor a key file. The request is valid, or
  /// claim.refusal has the reason.
  struct Settings : Options {
    Result<Secret> key;     ///< or why there is no key: not every job needs one
    SharedCatalog catalog;  ///< not null
    Claim claim;
    /// Where to listen for the callback of a submitted task. The callback's URL is the request's
    /// URL with a token behind it; if the request has none, the listener's own URL.
    std::optional<ListenAddress> listen_address;
    std::optional<std::uint64_t> cache_limit;
    /// Whether one job can do the work of both. The table of options says which options matter.
    bool operator==(const Settings& other) const {
      return is_same_job(*this, other) && key == other.key && catalog == other.catalog &&
             claim == other.claim && listen_address == other.listen_address &&
             cache_limit == other.cache_limit;
    }
  };

  enum class Phase {
    finding,  ///< the job searches the ledger; nothing is decided
    submitting,
    generating,
    completed,
    failed
  };

  /// The state of the job at one moment.
  struct Snapshot {
    Phase phase = Phase::finding;
    TaskStatus status = TaskStatus::none;
    std::string task_id;         ///< empty until the service has named the task
    bool reused = false;         ///< the task existed before this job
    std::optional<int> percent;  ///< set if the service reports progress
    /// The last answer, or its record in the ledger. `created_at` is the ledger's date, so that it
    /// is the same in each run; unset: this ledger did not submit the task.
    std::optional<TaskReport> report;
    std::optional<Error> error;        ///< set iff failed
    std::optional<Error> trouble;      ///< why the last attempt is being repeated
    std::vector<std::string> notices;  ///< what the user should know although the job goes on
    /// When the service accepted the task, if that is known.
    std::optional<std::chrono::steady_clock::time_point> accepted_at;
    /// How long such a task takes, by the ledger's records or by the catalog's guess.
    std::optional<std::chrono::milliseconds> expected_time;
    unsigned requests = 0;  ///< HTTP exchanges with the API
    unsigned polls = 0;
    unsigned retries = 0;
    std::chrono::milliseconds submit_time{0};    ///< from the job's begin to the task id
    std::chrono::milliseconds generate_time{0};  ///< from the task id to completion
  };

  struct Joined {
    std::shared_ptr<Job> job;
    bool was_there = false;  ///< another caller in this process has started the job
  };
  /// Returns the process's job for this intent or task, if that job has equal settings and has not
  /// failed; else a new job. So a caller with another key, catalog or limit gets a job of its own,
  /// which finds the other job's row in the ledger, waits for the task id, and follows the same
  /// task with its own settings. Any thread; returns at once, before anything is sent.
  static Joined join(Settings settings);
  /// Ends the job's queries. Returns at once. A submission that has begun still gets its answer,
  /// and the answer is recorded.
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  [[nodiscard]] Snapshot snapshot() const;
  void subscribe(std::weak_ptr<Wakeup> wakeup);

  /// Returns the finished video's bytes. All callers share one clip, and so one download. Null
  /// before the task is completed.
  std::shared_ptr<Clip> clip();
  /// Downloads the finished video into the cache, if clips are kept; else does nothing.
  void fetch();
  /// The file host has refused that clip's URL: asks the service for a fresh URL, after which
  /// clip() returns another clip. Works once in a job's life; false: the fresh URL was refused too.
  bool renew(const std::shared_ptr<Clip>& refused);

 private:
  friend class JobRegistry;
  Job();
  struct Private;
  std::shared_ptr<Private> p_;
};

}  // namespace veo
