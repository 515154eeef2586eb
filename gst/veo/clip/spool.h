// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clip's bytes while they arrive, in any order: the map of what is here, the file, and in memory
// the pieces that came last. They are written where they come in, and read, by any number of
// readers, where they were written: nothing is copied but to the file.
//
//   room() ─► read from the socket ─► added() ─► full? sealed: a Piece ─► store(), on any thread
//                                        │                                    │
//                                        └─► take(): from memory              └─► stored(): may go
//
// Without a file, a piece may go once it was taken to its end.
#pragma once

#include <array>
#include <boost/icl/interval_set.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "veo/clip/shared_bytes.h"
#include "veo/core/result.h"
#include "veo/system/file_handle.h"

namespace veo {

/// Thread-compatible: the caller locks, but for the static functions and the bytes themselves.
class Spool {
 public:
  static constexpr std::size_t piece_size = std::size_t{256} << 10U;
  using Block = std::array<std::uint8_t, piece_size>;
  using File = std::shared_ptr<const FileHandle>;

  /// A run of bytes that will not change any more.
  struct Piece {
    std::uint64_t offset = 0;
    std::size_t size = 0;
    std::shared_ptr<Block> block;

    [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {block->data(), size}; }
  };

  /// In memory alone.
  Spool();
  /// `file` is not null, open for reading and, unless it is whole, for writing.
  explicit Spool(File file, std::uint64_t whole = 0);

  /// Each has one piece that it adds to. Two may bring the same bytes.
  enum class Writer { main, side };
  /// Where bytes from `offset` on, which are not here yet, can be put: at least one, and none that
  /// are here already.
  struct Room {
    std::shared_ptr<Block> block;
    std::span<std::uint8_t> bytes;
  };
  Room room(Writer writer, std::uint64_t offset);
  /// That many bytes were put where the room was. Returns the piece that is full now, and sealed.
  std::optional<Piece> added(Writer writer, std::size_t count);
  /// The writer adds no more to its piece. nullopt: it had none.
  std::optional<Piece> seal(Writer writer);
  /// The piece is in the file.
  void stored(const Piece& piece);
  /// Lets go of what may go, the oldest first, until no more than `limit` bytes are in memory.
  void shrink(std::size_t limit);
  /// Without a file: whatever is here may go.
  void let_go();

  /// Up to `most` bytes from `offset` on, if they are in memory; else nothing. `finally`: a reader
  /// is through with what comes before their end.
  std::optional<SharedBytes> take(std::uint64_t offset, std::size_t most, bool finally);

  /// The file, if there is one.
  [[nodiscard]] const File& file() const { return file_; }
  /// Fail with cache.
  static Status store(const FileHandle& file, std::uint64_t offset,
                      std::span<const std::uint8_t> bytes);
  static Status load(const FileHandle& file, std::uint64_t offset, std::span<std::uint8_t> into);

  /// How many bytes are here from `offset` on, without a hole.
  [[nodiscard]] std::uint64_t run_at(std::uint64_t offset) const;
  /// Where the first byte after `offset` is that is here.
  [[nodiscard]] std::optional<std::uint64_t> next_after(std::uint64_t offset) const;
  /// Bytes in all.
  [[nodiscard]] std::uint64_t held() const { return map_.size(); }
  /// Bytes of memory that are taken, and those of sealed pieces that cannot be let go of.
  [[nodiscard]] std::size_t in_memory() const { return pieces_.size() * piece_size; }
  [[nodiscard]] std::size_t bound() const;

 private:
  struct Resident {
    Piece piece;
    Writer writer;
    bool sealed = false;
    bool stored = false;
    std::size_t taken = 0;  ///< a reader is through with so much of it
  };

  /// Blocks that nobody holds any more, to be used again while they are warm: fresh memory from the
  /// kernel is filled with zeros first.
  class Pool;

  /// The writer's, unless it is sealed; null: there is none.
  Resident* open(Writer writer);
  [[nodiscard]] bool may_go(const Resident& resident) const;

  std::shared_ptr<Pool> pool_;  // shared with the blocks, which may outlive us
  File file_;
  boost::icl::interval_set<std::uint64_t> map_;
  std::vector<Resident> pieces_;  // in the order of their begin; a few dozen
};

}  // namespace veo
