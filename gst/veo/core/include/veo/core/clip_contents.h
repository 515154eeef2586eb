// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The record of which bytes of a clip are here. "Here" means in memory, on the disk, or both.
// Memory is counted in pieces, which lie on a fixed grid. The record also knows which bytes the
// readers have taken: those may leave the memory without a copy on the disk. See clip_plan.h.
#pragma once

#include <boost/icl/interval_set.hpp>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace veo {

class ClipContents {
 public:
  /// The size of a piece in bytes.
  static constexpr std::uint64_t piece_size = 256U << 10U;
  /// Returns the offset at which the piece with the byte `offset` begins.
  static constexpr std::uint64_t find_piece(std::uint64_t offset) {
    return offset - offset % piece_size;
  }

  /// Records that the bytes [first, end) are in memory. They must lie within one piece.
  void add(std::uint64_t first, std::uint64_t end);
  /// Records that the bytes [first, end) are on the disk.
  void add_stored(std::uint64_t first, std::uint64_t end);
  /// Records that a reader has taken the bytes [first, end). Bytes that are not here are ignored.
  void add_taken(std::uint64_t first, std::uint64_t end);
  /// Records that the readers have taken all bytes that are here.
  void add_all_taken() { taken_ = here_; }

  [[nodiscard]] bool is_empty() const { return here_.empty(); }
  /// Counts the bytes that are here.
  [[nodiscard]] std::uint64_t count_here() const { return here_.size(); }
  /// Counts the bytes that are here and not on the disk.
  [[nodiscard]] std::uint64_t count_unstored() const { return here_.size() - stored_.size(); }
  /// Counts the bytes that are here, not on the disk, and not taken by a reader.
  [[nodiscard]] std::uint64_t count_unread() const;
  /// Counts the bytes that are here from `offset` up to the next hole.
  [[nodiscard]] std::uint64_t count_here_from(std::uint64_t offset) const;
  /// Counts the bytes that are on the disk from `offset` up to the next hole.
  [[nodiscard]] std::uint64_t count_stored_from(std::uint64_t offset) const;
  /// Finds the first byte at or after `offset` that is here. Returns `otherwise` if there is none.
  [[nodiscard]] std::uint64_t find_next_here(std::uint64_t offset, std::uint64_t otherwise) const;
  /// Finds the end of the last byte that is here. Returns 0 if none is.
  [[nodiscard]] std::uint64_t find_end() const;

  /// The pieces in memory, by their first byte, the oldest first.
  [[nodiscard]] const std::deque<std::uint64_t>& resident() const { return resident_; }
  /// Removes pieces from the memory, the oldest first, until at most `window` bytes are in memory,
  /// and returns the removed pieces. A piece may leave if all its bytes are on the disk. If
  /// `needs_disk` is false, a piece may also leave if readers have taken the bytes that are not on
  /// the disk; those bytes are then no longer here. The pieces of `in_use` stay.
  std::vector<std::uint64_t> shrink(std::uint64_t window, bool needs_disk,
                                    std::span<const std::uint64_t> in_use);

 private:
  using Ranges = boost::icl::interval_set<std::uint64_t>;

  [[nodiscard]] bool may_leave(std::uint64_t piece, bool needs_disk) const;

  Ranges here_;
  Ranges stored_;
  Ranges taken_;
  std::deque<std::uint64_t> resident_;
};

}  // namespace veo
