// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The order of the top-level boxes in an MP4 file (ISO/IEC 14496-12, section 4.2). A file whose
// `moov` comes last can be presented as a file whose `moov` comes first. No byte of media changes.
//
//   delivered    ftyp uuid mdat····················· moov
//   streamable   ftyp free moov' mdat·····················
//
// The `uuid` box of a C2PA manifest says who made the file, and has a hash of the file. The hash
// covers the `moov` and the places of the boxes, so it no longer holds when the `moov` has moved. A
// validator calls such a file tampered with, which is worse than a file without a manifest. So a
// layout with a moved `moov` has a `free` box of the same size in place of each manifest. The
// contents of the `free` box are zeros: a program that searches a file for a manifest byte by byte
// must not find one there either. All other `uuid` boxes stay. A file that keeps its order also
// keeps its manifest, because no byte of such a file changes.
//
// A Layout is a list of segments. A segment is a part of the file, a block of memory (moov', which
// is the `moov` with corrected chunk offsets, or the header of a `free` box) or a run of zeros.
// Code that reads a layout by offset does not need to know the order. The layout of an unchanged
// file has one segment.
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

/// The place of a box. If the size of a top-level box is 0 in the file (the box extends to the end
/// of the file), `size` is the rest of the file.
struct Box {
  std::uint32_t type = 0;         ///< as fourcc()
  std::uint64_t offset = 0;       ///< in bytes from the start of the file, or of the `moov`
  std::uint64_t size = 0;         ///< in bytes, with the header
  std::uint32_t header_size = 0;  ///< 8 bytes, or 16 with a largesize
  [[nodiscard]] std::uint64_t end() const { return offset + size; }
  bool operator==(const Box&) const = default;
};

constexpr std::uint32_t fourcc(const char (&text)[5]) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(text[0])) << 24 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(text[1])) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(text[2])) << 8 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(text[3]));
}

/// A part of a layout.
struct Segment {
  /// If set, the segment is these bytes, which are shared and immutable.
  std::shared_ptr<const Bytes> memory;
  /// If `memory` is not set, the segment is `size` bytes of the file from this offset on.
  std::uint64_t file_offset = 0;
  std::uint64_t size = 0;  ///< in bytes
  /// If set, the segment is `size` zeros, and the other fields are not used.
  bool is_zeros = false;
};

/// A presentation of a file: segments, one after the other. Immutable, so any thread may read it.
class Layout {
 public:
  Layout() = default;
  /// Leaves out empty segments.
  explicit Layout(std::vector<Segment> segments);
  /// Makes the layout of an unchanged file. `file_size` is in bytes.
  static Layout make_original(std::uint64_t file_size);

  /// The size of the presentation in bytes.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }

  /// Consecutive bytes of a layout: the rest of a segment, or a part of the rest.
  struct Extent {
    const std::uint8_t* memory = nullptr;  ///< valid as long as the Layout; null: in the file
    std::uint64_t file_offset = 0;         ///< the offset in the file, if `memory` is null
    std::uint64_t size = 0;                ///< in bytes
  };
  /// Finds the extent that begins at `offset`. The extent ends with its segment; among many zeros
  /// it may end before. Returns nullopt at and beyond the end of the layout.
  [[nodiscard]] std::optional<Extent> find_extent(std::uint64_t offset) const;

 private:
  std::vector<Segment> segments_;
  std::uint64_t size_ = 0;
};

/// Finds the layout of a file, without I/O: the scanner names the bytes that it needs, and the
/// caller passes them to it. The scanner goes on to the last box of the file. So it can tell a
/// complete file from a truncated or damaged one.
///
///             need {offset 0, 16 bytes}
///   scanning ──────────────────────────► box headers, one after the other
///      │ ▲  moov before any mdat
///      ▼ │
///   reading_moov   need {the complete moov}: are its media within the file?
///        │
///   scanning ─── an mdat or a moof ──► layout: the unchanged file; the scan goes on
///      │
///      ├─ end of the file, moov before mdat ► done
///      ▼  end of the file, moov behind mdat
///   reading_moov   need {the complete moov}
///      ├─ it, or the file, has more offsets ──► layout: the unchanged file; done
///      └─ else ──► layout: moov' before the first mdat, the other boxes in their order, and
///                  `free` in place of each C2PA manifest; done
///
/// The scanner corrects `stco` and `co64` (ISO/IEC 14496-12, section 8.7.5). A `moov` moves only if
/// no other box can have an offset into the file. These files stay as they are: fragmented files
/// (`mvex`, `moof`, `sidx`, `mfra`), a compressed `moov` (`cmov`), the `saio` of encrypted tracks,
/// the `iloc` of items, tracks without a table of chunk offsets, tracks whose media are in another
/// file (`dref`), files with media in a C2PA manifest, and files with a box of an unknown type at
/// the top level.
class LayoutScanner {
 public:
  /// The bytes of the file that the scanner needs next.
  struct Need {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;  ///< in bytes
    bool operator==(const Need&) const = default;
  };
  /// The scanner refuses a larger `moov` if it would have to move. A Veo file has about 7 KiB.
  static constexpr std::uint64_t max_moov_size = 16U << 20U;
  /// The scanner refuses a file with more top-level boxes than this. A Veo file has 4 or 5.
  static constexpr std::size_t max_boxes = 4096;

  /// `file_size` is in bytes.
  explicit LayoutScanner(std::uint64_t file_size) : file_size_(file_size) {}

  /// Finds the bytes that the scanner needs next; nullopt after the last box. The need never
  /// reaches beyond the end of the file. For an empty file it has size 0, and take_bytes() fails.
  [[nodiscard]] std::optional<Need> find_need() const;
  /// Takes exactly the bytes of find_need(). Fails with bad_media if the file is not an MP4 (it
  /// does not begin with `ftyp`), if it is truncated (a box does not fit into the box or the file
  /// around it), if the `moov` is missing or occurs twice, or if a chunk offset points to a place
  /// that cannot have media. A failure is final: later calls return it again.
  Status take_bytes(std::span<const std::uint8_t> bytes);
  /// The layout; nullopt until the boxes that decide it have been scanned. This may be long before
  /// the last box.
  [[nodiscard]] const std::optional<Layout>& layout() const { return layout_; }
  /// The top-level boxes that have been scanned.
  [[nodiscard]] const std::vector<Box>& boxes() const { return boxes_; }

 private:
  enum class State { scanning, reading_moov, done };

  Status take_header(std::span<const std::uint8_t> bytes);
  Status take_moov(std::span<const std::uint8_t> bytes);
  Status finish_boxes();
  void keep_order();
  void append_file(std::vector<Segment>& to, std::uint64_t first, std::uint64_t end) const;

  State state_ = State::scanning;
  Status outcome_;
  std::uint64_t file_size_;
  std::uint64_t position_ = 0;  // the offset of the next header
  std::vector<Box> boxes_;
  std::vector<Box> manifests_;  // of C2PA, in their order in the file
  std::optional<Box> first_mdat_;
  std::optional<Box> moov_;
  bool fragmented_ = false;
  bool is_fixed_ = false;  // a top-level box may have offsets that cannot be corrected
  std::optional<Layout> layout_;
};

/// Checks that the file is complete and sound: each box fits into the box or the file around it,
/// the top-level boxes fill the file, and every chunk of media is within the file. `read` fills the
/// span with the bytes at the offset; check_structure() returns its failure. Fails with bad_media
/// if the file is not sound.
Status check_structure(std::uint64_t file_size,
                       const std::function<Status(std::uint64_t, std::span<std::uint8_t>)>& read);

}  // namespace veo::mp4
