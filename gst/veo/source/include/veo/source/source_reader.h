// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The blocking side of a Source. A Source never blocks: it tells what is there, and notifies a
// Wakeup of each change. A SourceReader owns that Wakeup and the Source, and waits on its caller's
// thread:
//
//   SourceReader reader;
//   reader.open(options);                                  // the key, the catalog, the price
//   reader.start();                                        // joins the task, or submits it
//   while (bytes = reader.take(offset, most), …)           // the clip's bytes, as they come
//
// Each wait ends with a result, an error, or an interruption, which is no error (Waited). After
// resume() the caller can repeat an interrupted wait, and nothing is lost.
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

/// Functions that the reader's thread calls while it waits.
struct SourceWatch {
  /// Gets the state of the source at once, and again after each change. May interrupt the wait.
  std::function<void(const Source::Snapshot&)> on_change;
  /// Also calls on_change after this time without a change; 0: only after changes.
  std::chrono::milliseconds interval{0};
};

class SourceReader {
 public:
  using Watch = SourceWatch;
  /// Gets the reason why the opening waits, for people.
  using OnTrouble = std::function<void(const Error&)>;

  /// Several readers may wait on one `wakeup`; an interruption ends the waits of all of them.
  explicit SourceReader(std::shared_ptr<Wakeup> wakeup = std::make_shared<Wakeup>());
  /// Reads a source that was opened with `wakeup` and started.
  SourceReader(std::shared_ptr<Source> source, std::shared_ptr<Wakeup> wakeup);
  SourceReader(const SourceReader&) = delete;
  SourceReader& operator=(const SourceReader&) = delete;

  // --- the reader's thread ---

  /// Begins to open a source: see Source::begin(). Returns at once.
  Status begin(Options options);
  /// Waits until the source is open, and returns the state before anything is sent. After an
  /// interruption the opening goes on.
  Waited<Source::Snapshot> wait_until_open(const OnTrouble& on_trouble = nullptr);
  /// Calls begin() and wait_until_open().
  Waited<Source::Snapshot> open(Options options);
  /// Joins the task or submits it, once. From now on snapshot() tells the state of the source.
  void start();
  /// Whether begin() was called, and the source is not open yet.
  [[nodiscard]] bool is_opening() const { return opening_ != nullptr; }
  [[nodiscard]] bool is_started() const { return source() != nullptr; }
  /// Releases the opening and the source: see ~Source().
  void close();

  // These need a started source. An interruption comes before everything that is there, because a
  // caller that has to stop must not read a complete clip first.

  /// Waits until the task is completed. Fails with the task's error.
  Waited<void> wait_for_completion(const Watch& watch = {});
  /// Waits for bytes at `offset` of the stream, and returns their number; 0: the end.
  Waited<std::uint64_t> wait_for_bytes(std::uint64_t offset, const Watch& watch = {});
  /// Waits for bytes at `offset`, and returns 1 to `most` of them, without a copy if possible; no
  /// bytes: the end.
  Waited<SharedBytes> take(std::uint64_t offset, std::size_t most, const Watch& watch = {});
  /// Waits for bytes, copies them, and returns their number; 0: the end.
  Waited<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into,
                           const Watch& watch = {});
  /// Blocks until that moment, and returns true. Returns false at once while interrupted.
  [[nodiscard]] bool pause(Wakeup::Time until) { return wakeup_->pause(until); }

  // --- any thread ---

  /// Returns the source, once it is started; null before, and after close().
  [[nodiscard]] std::shared_ptr<Source> source() const { return *source_.lock(); }
  /// Returns the state of the source; without a source, an empty snapshot.
  [[nodiscard]] Source::Snapshot snapshot() const;
  /// Ends all waits, those under way and later ones, until resume().
  void interrupt() { wakeup_->interrupt(); }
  void resume() { wakeup_->resume(); }
  [[nodiscard]] bool is_interrupted() const { return wakeup_->is_interrupted(); }

 private:
  /// Waits until `look` finds something. look() returns an optional Waited, so that it can also
  /// report an interruption.
  template <class Look>
  auto wait_for(Look look, const Watch& watch);

  const std::shared_ptr<Wakeup> wakeup_;
  // Only the reader's thread uses these two.
  std::unique_ptr<Source::Opening> opening_;  // from begin() until the source is open
  std::unique_ptr<Source> opened_;            // until start()
  Guarded<std::shared_ptr<Source>> source_;   // from start() to close()
};

}  // namespace veo
