// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The order of an MP4's top-level boxes (ISO/IEC 14496-12), and how to present a file whose `moov`
// comes last as one whose `moov` comes first, without touching a byte of media.
//
//   delivered    ftyp uuid mdat····················· moov
//   streamable   ftyp uuid moov' mdat·····················
//
// A Layout is a list of segments, each either bytes of the file or bytes of ours (moov', whose
// chunk offsets are corrected). Whoever reads it by offset need not know which order is behind it;
// "original" and pass-through are the Layout of one segment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "veo/core/result.h"

namespace veo::mp4 {

using Bytes = std::vector<std::uint8_t>;

/// A top-level box's header. `size` counts from the header's first byte; a box of size 0 (to the
/// end of the file) has the file's remaining length here.
struct Box {
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint32_t header_size = 0;  ///< 8, or 16 with a largesize
  [[nodiscard]] std::uint64_t end() const { return offset + size; }
};

constexpr std::uint32_t fourcc(const char (&text)[5]) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(text[0])) << 24 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(text[1])) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(text[2])) << 8 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(text[3]));
}

/// Bytes of a file in presentation order.
struct Segment {
  /// Set: these bytes of ours (shared, immutable).
  std::shared_ptr<const Bytes> memory;
  /// Else: `size` bytes of the file from `file_offset`.
  std::uint64_t file_offset = 0;
  std::uint64_t size = 0;
};

class Layout {
 public:
  Layout() = default;
  explicit Layout(std::vector<Segment> segments);
  /// The file as it is.
  static Layout original(std::uint64_t file_size);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }

  /// The longest run at `offset` that one segment holds: a Segment whose first byte is the one at
  /// `offset`. nullopt at and beyond the end.
  struct Run {
    const std::uint8_t* memory = nullptr;  ///< valid as long as the Layout
    std::uint64_t file_offset = 0;
    std::uint64_t size = 0;
  };
  [[nodiscard]] std::optional<Run> at(std::uint64_t offset) const;

 private:
  std::vector<Segment> segments_;
  std::uint64_t size_ = 0;
};

/// Sans-I/O: says which bytes of the file it needs, is given them, and ends with a Layout.
///
///             need {offset 0, 16 bytes}
///   scanning ──────────────────────────► box headers, one after the other
///      │  moov, moof, styp or sidx before mdat ─► done: Layout::original
///      │  mdat first
///      ▼
///   after mdat ─► box headers to the end, or to moov
///      │  moov
///      ▼
///   need {the whole moov} ─► stco/co64 corrected ─► done
class LayoutScanner {
 public:
  struct Need {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    bool operator==(const Need&) const = default;
  };
  /// Above this a `moov` is refused: a real one has about 7 KiB.
  static constexpr std::uint64_t max_moov_size = 64U << 20U;

  /// `file_size` in bytes. Fails with bad_media on an empty file.
  explicit LayoutScanner(std::uint64_t file_size);

  /// The bytes wanted next; nullopt when done. Never reaches beyond the file's end.
  [[nodiscard]] std::optional<Need> need() const;
  /// Exactly the bytes of `need()`. Fails with bad_media: not an MP4 (no `ftyp` first, or an
  /// impossible size), `moov` missing, chunk offsets outside the file.
  Status give(std::span<const std::uint8_t> bytes);
  /// Valid when `need()` is nullopt and nothing failed.
  [[nodiscard]] const Layout& layout() const { return layout_; }
  /// The top-level boxes seen so far.
  [[nodiscard]] const std::vector<Box>& boxes() const { return boxes_; }

 private:
  enum class State { scanning, reading_moov, done };
  State state_ = State::scanning;
  std::uint64_t file_size_;
  std::uint64_t position_ = 0;
  std::vector<Box> boxes_;
  Layout layout_;
};

/// The `moov` box for a file in which it is moved in front of [`from`, `to`): every chunk offset
/// (`stco`, `co64`) that points into that range grows by the returned box's own size. Where a
/// 32-bit offset would overflow, its `stco` becomes a `co64`; the box grows by that, and the shift
/// with it. Everything else is copied byte for byte.
/// Fails with bad_media on boxes that do not fit into each other, or deeper than the specification
/// allows.
Result<Bytes> shift_chunk_offsets(std::span<const std::uint8_t> moov, std::uint64_t from,
                                  std::uint64_t to);

}  // namespace veo::mp4
