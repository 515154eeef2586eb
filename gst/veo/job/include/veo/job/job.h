// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One paid task, from its claim in the ledger to its end. It runs on the I/O thread, on its own:
// whoever looks at it may come and go. Equal intents share one Job within the process, and one task
// between processes.
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

/// Two are equal where what they point to is: each source reads a catalog of its own.
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
  /// Resolved options, and what is no option. Resolved: `access.api_url` is checked by
  /// check_api_url(), `ledger` and `cache_directory` are paths, a `poll_interval` of 0 is adaptive,
  /// and `access` has no key and no file of one. The request is validated, or claim.refusal says
  /// why not.
  struct Settings : Options {
    Result<Secret> key;     ///< or why there is none: not every job needs a key
    SharedCatalog catalog;  ///< not null
    Claim claim;
    /// Where to listen for the callback of a task that is submitted. The callback's URL is then the
    /// request's, with a token behind it, or else the listener's own.
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
    looking_up,  ///< in the ledger; nothing is decided
    submitting,
    generating,
    completed,
    failed
  };

  /// Everything there is to see, at one moment.
  struct Snapshot {
    Phase phase = Phase::looking_up;
    TaskStatus status = TaskStatus::none;
    std::string task_id;               ///< empty until the service has named it
    bool reused = false;               ///< the task was there before
    std::optional<int> percent;        ///< where the service reports progress
    std::optional<TaskReport> report;  ///< the last answer, or what was recorded of it
    std::optional<Error> error;        ///< set iff failed
    std::optional<Error> trouble;      ///< why the last attempt is being repeated
    std::vector<std::string> notices;  ///< what the user should know, though it goes on
    /// When the task was accepted, where that is known.
    std::optional<std::chrono::steady_clock::time_point> accepted_at;
    /// How long such a task takes, by what is recorded or the catalog's guess.
    std::optional<std::chrono::milliseconds> expected_time;
    unsigned requests = 0;  ///< HTTP exchanges with the API
    unsigned polls = 0;
    unsigned retries = 0;
    std::chrono::milliseconds submit_time{0};    ///< until the task id was here
    std::chrono::milliseconds generate_time{0};  ///< from there to completion
  };

  struct Joined {
    std::shared_ptr<Job> job;
    bool was_there = false;  ///< somebody else in this process had started it
  };
  /// The process's job for this intent or task, if its settings are the very same and it has not
  /// failed; else a new one. So whoever comes with another key, catalog or limit gets what he asked
  /// for: a job of his own, which finds the other's row in the ledger, waits for it, and follows
  /// the same task with the settings that are its own. Any thread; at once. Nothing has been sent
  /// when it returns.
  static Joined join(Settings settings);
  /// Nobody is interested any more: stops asking, at once. A submission that has begun is left to
  /// be answered, and what came of it is recorded.
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  [[nodiscard]] Snapshot snapshot() const;
  void subscribe(std::weak_ptr<Wakeup> wakeup);

  /// The finished video's bytes: from the cache, else downloaded once for all who ask. Null before
  /// the task is completed.
  std::shared_ptr<Clip> clip();
  /// Lets the finished video come into the cache, if clips are kept; else nothing.
  void fetch();
  /// The URL of that clip was refused: asks the service for a fresh one, and has another clip()
  /// then. Once in a Job's life; false: that was for nothing.
  bool renew(const std::shared_ptr<Clip>& refused);

 private:
  friend class JobRegistry;
  Job();
  struct Private;
  std::shared_ptr<Private> p_;
};

}  // namespace veo
