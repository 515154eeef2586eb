// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A prompt, or a known task, as a byte stream: what the element, the command and the AVIO layer
// all read from. It composes
//
//   Job (submit, poll) ──► Clip (download) ──► LayoutScanner (which bytes come first)
//
// and never blocks: whoever reads it waits on a Wakeup that subscribed here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "veo/clip/clip.h"
#include "veo/core/catalog.h"
#include "veo/core/mp4_layout.h"
#include "veo/job/job.h"
#include "veo/options/options.h"
#include "veo/system/wakeup.h"

namespace veo {

class Source {
 public:
  struct Snapshot {
    Job::Snapshot job;
    std::optional<std::uint32_t> credits;  ///< the estimate; nullopt: unknown
    bool reused = false;                   ///< the task was there before; of a dry run, would be
    std::vector<std::string> notices;      ///< what the user should know, though it goes on
    Clip::Stats clip;
    /// Set once the clip's first bytes can be read in the order that was asked for.
    std::optional<std::uint64_t> size;
    /// Percent of the file that is here, where that is known.
    std::optional<int> downloaded;
    bool downloading = false;
  };

  /// One that is being opened: its key and its catalog are read on the thread for settings, and for
  /// a dry run the ledger is looked into, on the ledger's. Dropping it ends nothing but the wait.
  class Opening {
   public:
    using Time = std::chrono::steady_clock::time_point;

    /// What came of it, once; nullopt: not yet. Fails with timeout after the generation timeout.
    std::optional<Result<std::unique_ptr<Source>>> take();
    /// After a second: which file keeps it waiting, for people.
    [[nodiscard]] std::optional<Error> trouble() const;
    /// When take() or trouble() will have something else to say, though nobody notifies.
    [[nodiscard]] Time next_change() const;

   private:
    friend class Source;
    struct State;
    std::shared_ptr<State> state_;
    std::chrono::seconds timeout_{};
    Time since_{};
  };

  /// Prices it, and finds all that would refuse it without the network, which is told when it would
  /// be submitted: what is paid already is played whatever became of the rules. (Of a dry run, at
  /// once.) At once: `wakeup` is notified when take() has something. Fails, as take() does, where
  /// the request cannot even be looked up.
  static Result<std::unique_ptr<Opening>> begin(Options settings, std::weak_ptr<Wakeup> wakeup);
  /// The same, waiting on `wakeup`; nullopt: that was interrupted, and nothing was sent.
  static std::optional<Result<std::unique_ptr<Source>>> open(Options settings,
                                                             const std::shared_ptr<Wakeup>& wakeup);
  /// Joins the task of an equal request, else submits. Nothing was sent before. Once; at once.
  void start();
  /// Lets go of the job: see ~Job().
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] Snapshot snapshot() const;
  /// For who does not read: lets the clip of a completed task come into the cache, if clips are
  /// kept. Any thread; at once.
  void fetch();

  /// What there is at `offset` of the stream. One reader: at() and read() are not to be called by
  /// two threads at once.
  [[nodiscard]] Clip::Availability at(std::uint64_t offset);
  /// Up to `most` bytes that at() has promised for the same offset, without a copy if possible.
  Result<SharedBytes> take(std::uint64_t offset, std::size_t most);
  /// The same as a copy; `into` is no larger than what was promised.
  Status read(std::uint64_t offset, std::span<std::uint8_t> into);

 private:
  Source();
  struct Checked;
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo
