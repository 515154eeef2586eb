// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Clips as media::ByteStreams, whose read() waits on its caller's thread. SourceStream is a clip
// that is downloaded, and PushedStream is a clip that another thread pushes.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "veo/clip/shared_bytes.h"
#include "veo/media/byte_stream.h"
#include "veo/source/source.h"
#include "veo/source/source_reader.h"
#include "veo/system/guarded.h"
#include "veo/system/thread_safety.h"
#include "veo/system/wakeup.h"

namespace veo {

/// The clip of a Source that was opened with `wakeup` and started. read() waits on `wakeup`, and
/// fails while `wakeup` is interrupted.
class SourceStream : public media::ByteStream {
 public:
  SourceStream(std::shared_ptr<Source> source, std::shared_ptr<Wakeup> wakeup)
      : reader_(std::move(source), std::move(wakeup)) {}
  /// Opens the file of another task, with options that are otherwise the same. Never costs
  /// anything.
  static Result<std::unique_ptr<media::ByteStream>> open_task(Options options,
                                                              const std::string& task_id,
                                                              std::shared_ptr<Wakeup> wakeup);
  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;
  [[nodiscard]] bool is_interrupted() const override { return reader_.is_interrupted(); }

 private:
  SourceReader reader_;
};

/// A clip that another thread pushes, once, from its start to its end. The stream holds the pushed
/// bytes until the reader releases them. The pusher waits while the stream holds a full window,
/// unless the reader needs more:
///
///   released │ held: at most `window`, or as far as the reader wants to read │ not pushed yet
class PushedStream : public media::ByteStream {
 public:
  static constexpr std::uint64_t window = 1U << 20U;
  /// The most bytes that the stream holds for a clip that cannot be read from front to back: such a
  /// clip is held completely.
  static constexpr std::uint64_t most = 512U << 20U;

  // --- the pusher's thread ---

  /// Waits until there is room, and adds the bytes. False: the stream is interrupted, or flushing.
  [[nodiscard]] bool push(SharedBytes bytes);
  /// The pusher calls end() after the last byte.
  void end();

  // --- any thread ---

  /// While flushing, push() takes nothing and returns at once. The bytes that were pushed before
  /// stay.
  void set_flushing(bool flushing);
  /// The caller says that nobody will read the clip any more: push() drops its bytes.
  void discard();
  /// Ends all waits, those under way and later ones, until reset().
  void interrupt();
  /// Brings the stream back to its first state. No thread may use the stream during the call.
  void reset();

  // --- the reader's thread ---

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;
  void release(std::uint64_t end) override;
  [[nodiscard]] bool is_interrupted() const override;

 private:
  struct State {
    std::deque<SharedBytes> held;
    std::uint64_t first = 0;   // offset of the first byte that is held
    std::uint64_t end = 0;     // offset after the last byte that was pushed
    std::uint64_t wanted = 0;  // offset after the last byte that the reader has asked for
    bool has_ended = false;
    bool is_discarded = false;
    bool is_interrupted = false;
    bool is_flushing = false;
  };
  Guarded<State> state_;
  ConditionVariable changed_;
};

}  // namespace veo
