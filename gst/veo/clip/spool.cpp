// SPDX-License-Identifier: LGPL-2.1-or-later
#include "spool.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

namespace veo {

namespace {

using Interval = boost::icl::interval<std::uint64_t>;

auto cache_error(const char* what) {
  return fail({.code = ErrorCode::cache,
               .message = std::string("the local copy cannot be ") + what + ": " +
                          std::strerror(errno) + "."});
}

}  // namespace

class Spool::Pool : public std::enable_shared_from_this<Spool::Pool> {
 public:
  std::shared_ptr<Block> take() {
    auto block = reuse();
    // Not make_unique: the bytes need no zeros.
    if (!block) block.reset(new Block);
    return {block.release(),
            [pool = shared_from_this()](Block* gone) { pool->give(std::unique_ptr<Block>(gone)); }};
  }

 private:
  static constexpr std::size_t most = 8;

  std::unique_ptr<Block> reuse() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return nullptr;
    auto block = std::move(free_.back());
    free_.pop_back();
    return block;
  }

  void give(std::unique_ptr<Block> block) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < most) free_.push_back(std::move(block));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Block>> free_;  // guarded by mutex_
};

Spool::Spool() : pool_(std::make_shared<Pool>()) {}

Spool::Spool(File file, std::uint64_t whole) : Spool() {
  file_ = std::move(file);
  if (whole > 0) map_.add(Interval::right_open(0, whole));
}

Spool::Resident* Spool::open(Writer writer) {
  const auto found = std::ranges::find_if(pieces_, [writer](const Resident& resident) {
    return resident.writer == writer && !resident.sealed;
  });
  return found == pieces_.end() ? nullptr : &*found;
}

Spool::Room Spool::room(Writer writer, std::uint64_t offset) {
  auto* resident = open(writer);
  if (resident == nullptr) {
    pieces_.push_back({.piece = {.offset = offset, .block = pool_->take()}, .writer = writer});
    resident = &pieces_.back();
  }
  const auto& piece = resident->piece;
  std::uint64_t count = piece_size - piece.size;
  if (const auto next = next_after(offset)) count = std::min(count, *next - offset);
  return {.block = piece.block, .bytes = std::span(*piece.block).subspan(piece.size, count)};
}

std::optional<Spool::Piece> Spool::added(Writer writer, std::size_t count) {
  auto& resident = *open(writer);
  auto& piece = resident.piece;
  const auto offset = piece.offset + piece.size;
  piece.size += count;
  map_.add(Interval::right_open(offset, offset + count));
  resident.sealed = piece.size == piece_size;
  return resident.sealed ? std::optional(piece) : std::nullopt;
}

std::optional<Spool::Piece> Spool::seal(Writer writer) {
  auto* resident = open(writer);
  if (resident == nullptr) return std::nullopt;
  resident->sealed = true;
  if (resident->piece.size > 0) return resident->piece;
  pieces_.erase(pieces_.begin() + (resident - pieces_.data()));
  return std::nullopt;
}

void Spool::stored(const Piece& piece) {
  const auto found = std::ranges::find_if(
      pieces_, [&](const Resident& resident) { return resident.piece.block == piece.block; });
  if (found != pieces_.end()) found->stored = true;
}

bool Spool::may_go(const Resident& resident) const {
  return resident.sealed && (resident.stored || (!file_ && resident.taken == resident.piece.size));
}

void Spool::shrink(std::size_t limit) {
  while (in_memory() > limit) {
    const auto oldest = std::ranges::find_if(
        pieces_, [this](const Resident& resident) { return may_go(resident); });
    if (oldest == pieces_.end()) return;
    const auto& piece = oldest->piece;
    if (!file_) map_.subtract(Interval::right_open(piece.offset, piece.offset + piece.size));
    pieces_.erase(oldest);
  }
}

void Spool::let_go() {
  for (auto& resident : pieces_) resident.taken = resident.piece.size;
}

std::optional<SharedBytes> Spool::take(std::uint64_t offset, std::size_t most, bool finally) {
  const auto holds = [offset](const Resident& resident) {
    return offset >= resident.piece.offset && offset - resident.piece.offset < resident.piece.size;
  };
  // The newest first: who keeps up reads those.
  const auto at = std::find_if(pieces_.rbegin(), pieces_.rend(), holds);
  if (at == pieces_.rend()) return std::nullopt;
  auto& resident = *at;
  const auto bytes = resident.piece.bytes();
  const auto skip = offset - resident.piece.offset;
  const auto found = bytes.subspan(skip, std::min(most, bytes.size() - skip));
  if (finally) resident.taken = std::max(resident.taken, skip + found.size());
  return SharedBytes{.owner = resident.piece.block, .bytes = found};
}

Status Spool::store(const FileHandle& file, std::uint64_t offset,
                    std::span<const std::uint8_t> bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto done = FileSystem::get().pwrite(file.get(), bytes.data() + at, bytes.size() - at,
                                               static_cast<off_t>(offset + at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return cache_error("written");
    at += static_cast<std::size_t>(done);
  }
  return {};
}

Status Spool::load(const FileHandle& file, std::uint64_t offset, std::span<std::uint8_t> into) {
  for (std::size_t at = 0; at < into.size();) {
    const auto done = FileSystem::get().pread(file.get(), into.data() + at, into.size() - at,
                                              static_cast<off_t>(offset + at));
    if (done < 0 && errno == EINTR) continue;
    if (done == 0) errno = ENODATA;
    if (done <= 0) return cache_error("read");
    at += static_cast<std::size_t>(done);
  }
  return {};
}

std::uint64_t Spool::run_at(std::uint64_t offset) const {
  const auto run = map_.find(offset);
  return run == map_.end() ? 0 : run->upper() - offset;
}

std::optional<std::uint64_t> Spool::next_after(std::uint64_t offset) const {
  const auto next = map_.lower_bound(Interval::right_open(offset, offset + 1));
  if (next == map_.end()) return std::nullopt;
  return next->lower();
}

std::size_t Spool::bound() const {
  const auto held = std::ranges::count_if(
      pieces_, [this](const Resident& resident) { return resident.sealed && !may_go(resident); });
  return static_cast<std::size_t>(held) * piece_size;
}

}  // namespace veo
