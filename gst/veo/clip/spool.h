// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pieces of a clip that are in memory. The network writes bytes into a block, and any number of
// readers read them there: the only copy is the one into the file. The ClipPlan decides which
// pieces are in memory, and when they leave.
#pragma once

#include <array>
#include <boost/icl/interval_set.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "veo/clip/shared_bytes.h"
#include "veo/core/clip_contents.h"

namespace veo {

/// The caller holds a lock during each call. Added bytes never change, so a reader of the bytes
/// needs no lock.
class Spool {
 public:
  using Block = std::array<std::uint8_t, ClipContents::piece_size>;

  struct Room {
    std::shared_ptr<Block> block;
    std::span<std::uint8_t> bytes;
  };

  Spool();

  /// Returns the place for `size` bytes that are expected at `offset`, within one piece.
  Room open(std::uint64_t offset, std::uint64_t size);
  /// Returns a place for bytes that are not needed.
  Room scratch();
  /// `count` bytes have come to the place that open() returned.
  void on_added(std::uint64_t offset, std::uint64_t count);
  void evict(std::uint64_t piece);

  /// Returns up to `most` bytes from `offset` on, out of one piece; nullopt if there are none.
  [[nodiscard]] std::optional<SharedBytes> find(std::uint64_t offset, std::uint64_t most) const;

 private:
  /// Keeps free blocks for the next bytes, because the kernel fills fresh memory with zeros first.
  class Pool;

  std::shared_ptr<Pool> pool_;                              // shared with the blocks
  std::map<std::uint64_t, std::shared_ptr<Block>> blocks_;  // by the piece's first byte
  boost::icl::interval_set<std::uint64_t> here_;
};

}  // namespace veo
