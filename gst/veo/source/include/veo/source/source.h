// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A prompt, or a known task, as a byte stream. The elements, the command and the C API read it. A
// Source composes
//
//   Job (submit, poll) ──► Clip (download) ──► LayoutScanner (which bytes come first)
//
// and never blocks: it notifies a Wakeup of each change. SourceReader waits there.
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
    bool reused = false;  ///< the task was there before; in a dry run: a run would find it there
    std::vector<std::string> notices;  ///< what the user should know, though the work goes on
    Clip::Stats clip;
    /// The stream's size, once its first bytes can be read in the layout that was asked for.
    std::optional<std::uint64_t> size;
    /// Percent of the file that has arrived, where that is known.
    std::optional<int> downloaded;
    bool downloading = false;
  };

  /// A source that is being opened. The thread for settings reads the key and the catalog; for a
  /// dry run the ledger's thread looks into the ledger. Who destroys an Opening ends only the wait.
  class Opening {
   public:
    using Time = std::chrono::steady_clock::time_point;

    /// The source, or why there is none: once. nullopt: not yet. Fails with timeout after the
    /// generation timeout.
    std::optional<Result<std::unique_ptr<Source>>> take();
    /// Which file keeps the opening waiting, for people; nullopt in the first second.
    [[nodiscard]] std::optional<Error> trouble() const;
    /// When take() or trouble() will say something else, though nobody notifies.
    [[nodiscard]] Time next_change() const;

   private:
    friend class Source;
    struct State;
    std::shared_ptr<State> state_;
    std::chrono::seconds timeout_{};
    Time since_{};
  };

  /// Begins to open a source, and returns at once; `wakeup` is notified when take() has something.
  /// The opening finds the price, and all that refuses the request without the network. A refusal
  /// is told only when the request would be submitted, because a task that is paid already is
  /// played whatever became of the rules. (A dry run tells it at once.) Fails, as take() does,
  /// where the request cannot even be looked up.
  static Result<std::unique_ptr<Opening>> begin(Options settings, std::weak_ptr<Wakeup> wakeup);
  /// The same, but waits on `wakeup` for the source. Interrupted: nothing was sent.
  static Waited<std::unique_ptr<Source>> open(Options settings,
                                              const std::shared_ptr<Wakeup>& wakeup);
  /// Joins the task of an equal request, else submits one. Nothing was sent before. To be called
  /// once; returns at once.
  void start();
  /// Lets go of the job: see ~Job().
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] Snapshot snapshot() const;
  /// Brings the clip of a completed task into the cache, if clips are kept, although nobody reads
  /// it. Any thread; returns at once.
  void fetch();

  /// What there is at `offset` of the stream. A source has one reader: two threads must not call
  /// at(), take() and read() at the same time.
  [[nodiscard]] Clip::Availability at(std::uint64_t offset);
  /// Up to `most` of the bytes that at() has promised for the same offset, without a copy if
  /// possible.
  Result<SharedBytes> take(std::uint64_t offset, std::size_t most);
  /// The same as a copy; `into` is not larger than what at() has promised.
  Status read(std::uint64_t offset, std::span<std::uint8_t> into);

 private:
  Source();
  struct Checked;
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo
