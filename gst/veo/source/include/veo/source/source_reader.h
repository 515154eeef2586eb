// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The blocking side of a Source. A Source never blocks: it says what is there, and notifies a
// Wakeup of each change. A SourceReader has that Wakeup and the Source, and waits on its caller's
// thread:
//
//   SourceReader reader;
//   reader.open(options);                                  // the key, the catalog, the price
//   reader.start();                                        // joins the task, or submits it
//   while (bytes = reader.take(offset, most), …)           // the clip's bytes, as they come
//
// Each wait has three ends: a result, an error, and an interruption, which is no error (Waited).
// After resume() an interrupted wait can be repeated, and goes on where it was.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "veo/core/result.h"
#include "veo/options/options.h"
#include "veo/source/source.h"
#include "veo/system/guarded.h"
#include "veo/system/wakeup.h"

namespace veo {

/// What the reader's thread does beside waiting.
struct SourceWatch {
  /// Gets the state of the source: at once, and then after each change. May interrupt the wait.
  std::function<void(const Source::Snapshot&)> on_change;
  /// Calls on_change after this time too, though nothing has changed; 0: only after changes.
  std::chrono::milliseconds interval{0};
};

class SourceReader {
 public:
  using Watch = SourceWatch;
  /// Gets what keeps the opening waiting, for people.
  using OnTrouble = std::function<void(const Error&)>;

  /// Several readers may wait on one `wakeup`; an interruption ends the waits of all.
  explicit SourceReader(std::shared_ptr<Wakeup> wakeup = std::make_shared<Wakeup>());
  /// Reads a source that was opened with `wakeup`, and started.
  SourceReader(std::shared_ptr<Source> source, std::shared_ptr<Wakeup> wakeup);
  SourceReader(const SourceReader&) = delete;
  SourceReader& operator=(const SourceReader&) = delete;

  // --- the reader's thread ---

  /// Begins to open a source: see Source::begin(). At once.
  Status begin(Options options);
  /// Waits until the source is open, and returns what is known before anything is sent. An
  /// interruption leaves the opening as it is.
  Waited<Source::Snapshot> wait_until_open(const OnTrouble& on_trouble = nullptr);
  /// begin() and wait_until_open().
  Waited<Source::Snapshot> open(Options options);
  /// Joins the task or submits it, once. From here on snapshot() tells of the source.
  void start();
  /// Whether begin() was called, and the source is not open yet.
  [[nodiscard]] bool is_opening() const { return opening_ != nullptr; }
  [[nodiscard]] bool is_started() const { return source() != nullptr; }
  /// Lets go of the opening and of the source: see ~Source().
  void close();

  // Of a source that is started. An interruption comes before everything that is there: a caller
  // that is to stop does not read a whole clip first.

  /// Waits until the task is completed. Fails as the task does.
  Waited<void> wait_for_completion(const Watch& watch = {});
  /// Waits for bytes at `offset` of the stream, and returns how many there are; 0: the end.
  Waited<std::uint64_t> wait_for_bytes(std::uint64_t offset, const Watch& watch = {});
  /// Waits for 1 to `most` bytes at `offset`; none: the end. Without a copy if possible.
  Waited<SharedBytes> take(std::uint64_t offset, std::size_t most, const Watch& watch = {});
  /// The same as a copy: how many bytes; 0: the end.
  Waited<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into,
                           const Watch& watch = {});
  /// Blocks until that moment (true), or while interrupted (false, at once).
  [[nodiscard]] bool pause(Wakeup::Time until) { return wakeup_->pause(until); }

  // --- any thread ---

  /// The source, once it is started; null before, and after close().
  [[nodiscard]] std::shared_ptr<Source> source() const { return *source_.lock(); }
  /// Of the source; without one, an empty snapshot.
  [[nodiscard]] Source::Snapshot snapshot() const;
  /// Ends each wait, those under way and later ones, until resume().
  void interrupt() { wakeup_->interrupt(); }
  void resume() { wakeup_->resume(); }
  [[nodiscard]] bool is_interrupted() const { return wakeup_->is_interrupted(); }

 private:
  /// Waits until `look` finds something: look() gives an optional Waited, so that it can tell an
  /// interruption that it saw itself.
  template <class Look>
  auto wait_for(Look look, const Watch& watch);

  const std::shared_ptr<Wakeup> wakeup_;
  // The reader's thread alone uses these two.
  std::unique_ptr<Source::Opening> opening_;  // from begin() until it is open
  std::unique_ptr<Source> opened_;            // until start()
  Guarded<std::shared_ptr<Source>> source_;   // from start() to close()
};

}  // namespace veo
