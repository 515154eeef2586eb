// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which bytes of one version of a clip are here, on a fixed grid of pieces: in memory, on the disk,
// or both; and which of them a reader is through with. See clip_plan.h.
#pragma once

#include <boost/icl/interval_set.hpp>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace veo {

class ClipContents {
 public:
  /// Bytes of a piece.
  static constexpr std::uint64_t piece_size = 256U << 10U;
  /// The first byte of the piece that holds `offset`.
  static constexpr std::uint64_t find_piece(std::uint64_t offset) {
    return offset - offset % piece_size;
  }

  /// [first, end) lies within one piece, came, and is in memory.
  void add(std::uint64_t first, std::uint64_t end);
  /// [first, end) is on the disk, too.
  void add_stored(std::uint64_t first, std::uint64_t end);
  /// A reader is through with [first, end), as far as it is here.
  void add_taken(std::uint64_t first, std::uint64_t end);
  /// Readers are through with all that is here.
  void add_all_taken() { taken_ = here_; }

  [[nodiscard]] bool is_empty() const { return here_.empty(); }
  /// Bytes that are here; of them, those that are not on the disk; and of these, those that no
  /// reader is through with.
  [[nodiscard]] std::uint64_t count_here() const { return here_.size(); }
  [[nodiscard]] std::uint64_t count_unstored() const { return here_.size() - stored_.size(); }
  [[nodiscard]] std::uint64_t count_unread() const;
  /// How many bytes are here (on the disk) from `offset` on, without a hole.
  [[nodiscard]] std::uint64_t count_here_from(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t count_stored_from(std::uint64_t offset) const;
  /// The first byte after `offset` that is here; `otherwise`: none is.
  [[nodiscard]] std::uint64_t find_next_here(std::uint64_t offset, std::uint64_t otherwise) const;
  /// One past the last byte that is here; 0: none is.
  [[nodiscard]] std::uint64_t find_end() const;

  /// The pieces in memory, in the order of their begin.
  [[nodiscard]] const std::deque<std::uint64_t>& resident() const { return resident_; }
  /// Lets pieces leave the memory, the oldest first, until no more than `window` bytes are in it,
  /// and returns them. A piece may leave when all of it that is here is on the disk, or, unless
  /// `needs_disk`, when readers are through with the rest, which is not here any more then.
  /// `in_use` are pieces that stay.
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
