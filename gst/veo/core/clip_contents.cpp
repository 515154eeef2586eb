// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/clip_contents.h"

#include <algorithm>

namespace veo {

namespace {

using Interval = boost::icl::interval<std::uint64_t>;

template <class Ranges>
std::uint64_t count_from(const Ranges& ranges, std::uint64_t offset) {
  const auto range = ranges.find(offset);
  return range == ranges.end() ? 0 : range->upper() - offset;
}

}  // namespace

void ClipContents::add(std::uint64_t first, std::uint64_t end) {
  here_.add(Interval::right_open(first, end));
  const auto piece = find_piece(first);
  if (std::ranges::find(resident_, piece) == resident_.end()) resident_.push_back(piece);
}

void ClipContents::add_stored(std::uint64_t first, std::uint64_t end) {
  here_.add(Interval::right_open(first, end));
  stored_.add(Interval::right_open(first, end));
}

void ClipContents::add_taken(std::uint64_t first, std::uint64_t end) {
  // The piece may have left the memory after find() told the reader about it.
  const auto here = std::min(end, first + count_here_from(first));
  if (first < here) taken_.add(Interval::right_open(first, here));
}

std::uint64_t ClipContents::count_unread() const {
  // All taken bytes are here. So without a disk a subtraction is enough. The driver calls this
  // before each read from a socket, so it must be quick.
  if (stored_.empty()) return here_.size() - taken_.size();
  return (here_ - stored_ - taken_).size();
}

std::uint64_t ClipContents::count_here_from(std::uint64_t offset) const {
  return count_from(here_, offset);
}

std::uint64_t ClipContents::count_stored_from(std::uint64_t offset) const {
  return count_from(stored_, offset);
}

std::uint64_t ClipContents::find_next_here(std::uint64_t offset, std::uint64_t otherwise) const {
  const auto next = here_.lower_bound(Interval::right_open(offset, offset + 1));
  return next == here_.end() ? otherwise : next->lower();
}

std::uint64_t ClipContents::find_end() const {
  return here_.empty() ? 0 : boost::icl::last(here_) + 1;
}

bool ClipContents::may_leave(std::uint64_t piece, bool needs_disk) const {
  auto held = here_;
  held.subtract(Interval::right_open(0, piece));
  held.subtract(Interval::right_open(piece + piece_size, UINT64_MAX));
  held -= stored_;
  if (!needs_disk) held -= taken_;
  return held.empty();
}

std::vector<std::uint64_t> ClipContents::shrink(std::uint64_t window, bool needs_disk,
                                                std::span<const std::uint64_t> in_use) {
  std::vector<std::uint64_t> gone;
  while (resident_.size() * piece_size > window) {
    const auto oldest = std::ranges::find_if(resident_, [&](std::uint64_t piece) {
      return std::ranges::find(in_use, piece) == in_use.end() && may_leave(piece, needs_disk);
    });
    if (oldest == resident_.end()) break;
    Ranges lost;
    lost.add(Interval::right_open(*oldest, *oldest + piece_size));
    lost -= stored_;
    here_ -= lost;
    taken_ -= lost;
    gone.push_back(*oldest);
    resident_.erase(oldest);
  }
  return gone;
}

}  // namespace veo
