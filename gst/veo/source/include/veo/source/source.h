// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A prompt, or a known task, as a byte stream. The elements, the command and the C API read a
// Source. A Source composes
//
//   Job (submit, poll) ──► Clip (download) ──► LayoutScanner (which bytes come first)
//
// A Source never blocks: it notifies a Wakeup of each change. A SourceReader waits on the Wakeup.
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
    bool reused =
        false;  ///< another run submitted the task; in a dry run: a run would find the task
    std::vector<std::string> notices;  ///< what the user should know although the work goes on
    Clip::Stats clip;
    /// The size of the stream in the requested layout; unset until the stream's first bytes can be
    /// read.
    std::optional<std::uint64_t> size;
    /// The percentage of the file that has arrived, if it is known.
    std::optional<int> downloaded;
    bool downloading = false;
    bool cached = false;  ///< the clip comes from the cache, and nothing is downloaded or paid
    /// The path of the complete file in the cache, bit for bit as it was delivered; empty if the
    /// cache does not have the file.
    std::string file;
  };

  /// A source that is being opened. The thread for settings reads the key and the catalog; for a
  /// dry run the ledger's thread searches the ledger. The destruction of an Opening ends the wait,
  /// and a command that runs for the key.
  class Opening {
   public:
    using Time = std::chrono::steady_clock::time_point;

    Opening();
    ~Opening();
    Opening(const Opening&) = delete;
    Opening& operator=(const Opening&) = delete;

    /// Returns the source, or the error, once. nullopt: the opening goes on. Fails with timeout
    /// after the generation timeout.
    std::optional<Result<std::unique_ptr<Source>>> take();
    /// Names the file for which the opening waits, for people; nullopt in the first second.
    [[nodiscard]] std::optional<Error> trouble() const;
    /// Returns when the results of take() and trouble() can change without a notification.
    [[nodiscard]] Time next_change() const;

   private:
    friend class Source;
    struct State;
    std::shared_ptr<State> state_;
    std::chrono::seconds timeout_{};
    Time since_{};
  };

  /// Begins to open a source, and returns at once. When take() has a result, `wakeup` is notified.
  ///
  /// The opening finds the price, and checks everything that can refuse the request without the
  /// network. A refusal is reported only when the request would be submitted, because a paid task
  /// is played even if today's rules would refuse it. A dry run reports the refusal at once.
  ///
  /// begin() or take() fails if a setting is so wrong that the ledger cannot be searched for the
  /// request.
  static Result<std::unique_ptr<Opening>> begin(Options settings, std::weak_ptr<Wakeup> wakeup);
  /// Does the same, and waits on `wakeup` for the source. Interrupted: nothing was sent.
  static Waited<std::unique_ptr<Source>> open(Options settings,
                                              const std::shared_ptr<Wakeup>& wakeup);
  /// Joins the task of an equal request, else submits a task. Nothing is sent before start(). Call
  /// start() once. Returns at once.
  void start();
  /// Releases the job: see ~Job().
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] Snapshot snapshot() const;
  /// Downloads the clip of a completed task into the cache, if clips are kept, even if nobody reads
  /// the clip. Any thread; returns at once.
  void fetch();

  /// Returns what is at `offset` of the stream. A source has one reader: two threads must not call
  /// at(), take() and read() at the same time.
  [[nodiscard]] Clip::Availability at(std::uint64_t offset);
  /// Returns up to `most` of the bytes that at() has found at the same offset, without a copy if
  /// possible.
  Result<SharedBytes> take(std::uint64_t offset, std::size_t most);
  /// Copies the bytes. `into` is not larger than the size that at() has found.
  Status read(std::uint64_t offset, std::span<std::uint8_t> into);

 private:
  Source();
  struct Checked;
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo
