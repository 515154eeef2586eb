// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The pieces of a clip that are in memory. Bytes are written where they come in, and read, by any
// number of readers, where they were written: nothing is copied but to the file. Which pieces are
// here, and when they leave, is the ClipPlan's to say.
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

/// Thread-compatible: the caller locks. Bytes that were added do not change any more, and need no
/// lock to be read.
class Spool {
 public:
  using Block = std::array<std::uint8_t, ClipContents::piece_size>;

  struct Room {
    std::shared_ptr<Block> block;
    std::span<std::uint8_t> bytes;
  };

  Spool();

  /// Where `size` bytes go that are to come at `offset`. They lie within one piece.
  Room open(std::uint64_t offset, std::uint64_t size);
  /// A place for bytes that nobody wants.
  Room scratch();
  /// So many bytes are where open() said.
  void added(std::uint64_t offset, std::uint64_t count);
  void evict(std::uint64_t piece);

  /// Up to `most` bytes from `offset` on, as far as one piece has them; nullopt: none is here.
  [[nodiscard]] std::optional<SharedBytes> find(std::uint64_t offset, std::uint64_t most) const;

 private:
  /// Blocks that nobody holds any more, to be used again while they are warm: fresh memory from the
  /// kernel is filled with zeros first.
  class Pool;

  std::shared_ptr<Pool> pool_;                              // shared with the blocks
  std::map<std::uint64_t, std::shared_ptr<Block>> blocks_;  // by the piece's first byte
  boost::icl::interval_set<std::uint64_t> here_;
};

}  // namespace veo
