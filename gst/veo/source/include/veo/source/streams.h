// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clips as media::ByteStreams, which wait on their reader's thread: one that is downloaded, and one
// that somebody else pushes.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "veo/clip/shared_bytes.h"
#include "veo/media/byte_stream.h"
#include "veo/source/source.h"
#include "veo/system/wakeup.h"

namespace veo {

/// What a Source downloads. Waits on `wakeup`, which subscribed there: while that is interrupted,
/// read() fails.
class SourceStream : public media::ByteStream {
 public:
  SourceStream(std::shared_ptr<Source> source, std::shared_ptr<Wakeup> wakeup);
  /// Another task's file, by settings that are otherwise those. Never costs anything.
  static Result<std::unique_ptr<media::ByteStream>> open_task(Options settings,
                                                              const std::string& task_id,
                                                              std::shared_ptr<Wakeup> wakeup);
  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;
  [[nodiscard]] bool is_interrupted() const override { return wakeup_->is_interrupted(); }

 private:
  const std::shared_ptr<Source> source_;
  const std::shared_ptr<Wakeup> wakeup_;
};

/// What another thread pushes, once, from its start to its end. It is held until the reader
/// releases it, and the other thread until the reader needs more than a window of that:
///
///   released │ held: at most `window`, or as far as the reader wants to read │ not pushed yet
class PushedStream : public media::ByteStream {
 public:
  static constexpr std::uint64_t window = 1U << 20U;
  /// A clip that cannot be read from front to back is held as a whole, up to this size.
  static constexpr std::uint64_t most = 512U << 20U;

  /// Waits until there is room. False: interrupted, or flushing.
  [[nodiscard]] bool push(SharedBytes bytes);
  /// While so, push() takes nothing and returns at once. What was pushed stays.
  void set_flushing(bool flushing);
  void end();
  /// Nothing of it will be read: what comes is dropped.
  void discard();
  /// Ends the waits under way and each later one, until reset().
  void interrupt();
  /// As it was when it was made.
  void reset();

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;
  void release(std::uint64_t end) override;
  [[nodiscard]] bool is_interrupted() const override;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<SharedBytes> held_;
  std::uint64_t first_ = 0;   // offset of what is held
  std::uint64_t pushed_ = 0;  // end of what is held
  std::uint64_t wanted_ = 0;  // end of what the reader has asked for
  bool ended_ = false;
  bool discarded_ = false;
  bool interrupted_ = false;
  bool flushing_ = false;
};

}  // namespace veo
