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
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "veo/core/result.h"

namespace veo::mp4 {

using Bytes = std::vector<std::uint8_t>;

/// A box's place. `size` counts from the header's first byte; a top-level box of size 0 (to the end
/// of the file) has the file's remaining length here.
struct Box {
  std::uint32_t type = 0;    ///< as fourcc()
  std::uint64_t offset = 0;  ///< of the header, from the start of what contains all boxes
  std::uint64_t size = 0;
  std::uint32_t header_size = 0;  ///< 8, or 16 with a largesize
  [[nodiscard]] std::uint64_t end() const { return offset + size; }
  bool operator==(const Box&) const = default;
};

constexpr std::uint32_t fourcc(const char (&text)[5]) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(text[0])) << 24 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(text[1])) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(text[2])) << 8 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(text[3]));
}

/// Bytes in presentation order.
struct Segment {
  /// Set: these bytes of ours, `size` in number (shared, immutable).
  std::shared_ptr<const Bytes> memory;
  /// Else: `size` bytes of the file from `file_offset`.
  std::uint64_t file_offset = 0;
  std::uint64_t size = 0;
};

class Layout {
 public:
  Layout() = default;
  /// Drops empty segments.
  explicit Layout(std::vector<Segment> segments);
  /// The file as it is.
  static Layout original(std::uint64_t file_size);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }

  /// The rest of a segment.
  struct Extent {
    const std::uint8_t* memory = nullptr;  ///< valid as long as the Layout; null: of the file
    std::uint64_t file_offset = 0;
    std::uint64_t size = 0;
  };
  /// What is at `offset`, as far as one segment holds it. nullopt at and beyond the end.
  [[nodiscard]] std::optional<Extent> find_extent(std::uint64_t offset) const;

 private:
  std::vector<Segment> segments_;
  std::uint64_t size_ = 0;
};

/// Sans-I/O: says which bytes of the file it needs, is given them, and finds a Layout. It reads on
/// to the file's last byte, and so tells a whole file from a cut or damaged one.
///
///             need {offset 0, 16 bytes}
///   scanning ──────────────────────────► box headers, one after the other
///      │ ▲  moov before any mdat
///      ▼ │
///   reading_moov   need {the whole moov}: are its media within the file?
///        │
///   scanning ─── an mdat or a moof ──► layout: as it is; the scan goes on
///      │
///      ├─ the file's end, all in place ► done
///      ▼  the file's end, moov behind mdat
///   reading_moov   need {the whole moov}
///      ├─ mvex or cmov within ──► layout: as it is; done
///      └─ chunk offsets moved ──► layout: moov' ahead of the first mdat, all else in its order;
///      done
///
/// Only `stco` and `co64` are corrected. Other boxes with offsets into the file (`saio` of
/// encrypted tracks, `iloc` of image items) are left as they are.
class LayoutScanner {
 public:
  struct Need {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    bool operator==(const Need&) const = default;
  };
  /// Above this a `moov` that would have to move is refused: a real one has about 7 KiB.
  static constexpr std::uint64_t max_moov_size = 16U << 20U;
  /// More top-level boxes ahead of the `moov` than this are refused: a real file has 4 or 5.
  static constexpr std::size_t max_boxes = 4096;

  /// `file_size` in bytes.
  explicit LayoutScanner(std::uint64_t file_size) : file_size_(file_size) {}

  /// The bytes wanted next; nullopt when every box was seen. Never reaches beyond the file's end:
  /// of an empty file it wants no bytes, and to be given them fails.
  [[nodiscard]] std::optional<Need> find_need() const;
  /// Exactly the bytes of `find_need()`. Fails with bad_media: not an MP4 (no `ftyp` first), cut
  /// short (a box that does not fit into what contains it), `moov` missing or given twice, chunk
  /// offsets where no media can be. A failure is final: whatever is given later fails alike.
  Status take_bytes(std::span<const std::uint8_t> bytes);
  /// How to present the file: found when all that decides it was seen, which may be long before the
  /// last box. nullopt: not yet.
  [[nodiscard]] const std::optional<Layout>& layout() const { return layout_; }
  /// The top-level boxes seen so far.
  [[nodiscard]] const std::vector<Box>& boxes() const { return boxes_; }

 private:
  enum class State { scanning, reading_moov, done };

  Status take_header(std::span<const std::uint8_t> bytes);
  Status take_moov(std::span<const std::uint8_t> bytes);
  Status end_of_boxes();
  void arrange();

  State state_ = State::scanning;
  Status outcome_;
  std::uint64_t file_size_;
  std::uint64_t position_ = 0;  // of the next header
  std::vector<Box> boxes_;
  std::optional<Box> first_mdat_;
  std::optional<Box> moov_;
  bool fragmented_ = false;
  std::optional<Layout> layout_;
};

/// Whether the file is whole, as its boxes say, to its last byte: each box fits into what contains
/// it, they fill the file, and every chunk of media is in it. `read` gives the bytes at an offset;
/// its failure is returned. Fails with bad_media where the file is not whole.
Status check_structure(std::uint64_t file_size,
                       const std::function<Status(std::uint64_t, std::span<std::uint8_t>)>& read);

}  // namespace veo::mp4
