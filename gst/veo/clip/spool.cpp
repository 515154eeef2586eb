// SPDX-License-Identifier: LGPL-2.1-or-later
#include "spool.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "veo/system/guarded.h"

namespace veo {

namespace {

using Interval = boost::icl::interval<std::uint64_t>;

}  // namespace

class Spool::Pool : public std::enable_shared_from_this<Spool::Pool> {
 public:
  std::shared_ptr<Block> take() {
    auto block = reuse();
    // make_unique would fill the bytes with zeros.
    if (!block) block.reset(new Block);
    return {block.release(),
            [pool = shared_from_this()](Block* gone) { pool->give(std::unique_ptr<Block>(gone)); }};
  }

 private:
  static constexpr std::size_t most = 8;

  std::unique_ptr<Block> reuse() {
    auto free = free_.lock();
    if (free->empty()) return nullptr;
    auto block = std::move(free->back());
    free->pop_back();
    return block;
  }

  void give(std::unique_ptr<Block> block) {
    auto free = free_.lock();
    if (free->size() < most) free->push_back(std::move(block));
  }

  Guarded<std::vector<std::unique_ptr<Block>>> free_;
};

Spool::Spool() : pool_(std::make_shared<Pool>()) {}

Spool::Room Spool::open(std::uint64_t offset, std::uint64_t size) {
  const auto piece = ClipContents::find_piece(offset);
  auto& block = blocks_[piece];
  if (!block) block = pool_->take();
  return {.block = block, .bytes = std::span(*block).subspan(offset - piece, size)};
}

Spool::Room Spool::scratch() {
  auto block = pool_->take();
  const std::span<std::uint8_t> bytes(*block);
  return {.block = std::move(block), .bytes = bytes};
}

void Spool::on_added(std::uint64_t offset, std::uint64_t count) {
  here_.add(Interval::right_open(offset, offset + count));
}

void Spool::evict(std::uint64_t piece) {
  blocks_.erase(piece);
  here_.subtract(Interval::right_open(piece, piece + ClipContents::piece_size));
}

std::optional<SharedBytes> Spool::find(std::uint64_t offset, std::uint64_t most) const {
  const auto extent = here_.find(offset);
  if (extent == here_.end()) return std::nullopt;
  const auto piece = ClipContents::find_piece(offset);
  const auto& block = blocks_.at(piece);
  const auto end = std::min({extent->upper(), piece + ClipContents::piece_size, offset + most});
  return SharedBytes{.owner = block,
                     .bytes = std::span(*block).subspan(offset - piece, end - offset)};
}

}  // namespace veo
