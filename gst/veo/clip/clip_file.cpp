// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip_file.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "veo/core/digest.h"
#include "veo/http/store_call.h"

namespace veo {

// Of one file. The store thread's, but for `gone`.
struct ClipFile::State {
  /// Adds what `file` holds from `summed` on. False: it cannot be read, or nobody waits for it.
  bool sum_up(const FileHandle& file, std::uint64_t size) {
    std::vector<std::uint8_t> bytes;
    while (summed < size && !gone) {
      bytes.resize(std::min<std::uint64_t>(Spool::piece_size, size - summed));
      if (!Spool::load(file, summed, bytes)) return false;
      sum.add(bytes);
      summed += bytes.size();
    }
    return summed == size;
  }

  std::shared_ptr<Cache> cache;
  std::shared_ptr<Cache::Part> part;
  Sha256 sum;
  std::uint64_t summed = 0;      // bytes from the start on
  std::optional<Error> failure;  // of a piece that could not be stored
  std::atomic<bool> gone = false;
};

ClipFile::ClipFile(std::shared_ptr<http::IoThread> io)
    : io_(std::move(io)),
      store_(StoreThread::acquire(StoreThread::Store::clips)),
      state_(std::make_shared<State>()) {}

void ClipFile::stop() { state_->gone = true; }

void ClipFile::hash(Spool::File file, std::uint64_t size, std::function<void(std::string)> then) {
  http::call_store(
      *store_, io_,
      [state = state_, file = std::move(file), size] {
        State whole;
        // In steps, between which it is seen that nobody waits any more.
        for (auto upto = std::min<std::uint64_t>(size, 1U << 20U); !state->gone;
             upto = std::min<std::uint64_t>(size, upto + (1U << 20U))) {
          if (!whole.sum_up(*file, upto)) break;
          if (upto == size) return whole.sum.hex();
        }
        return std::string();
      },
      std::move(then));
}

Result<Spool::File> ClipFile::begin(const std::shared_ptr<Cache>& cache,
                                    const ClipIdentity& identity) {
  auto part = cache->begin(identity);
  if (!part) return fail(std::move(part.error()));
  state_ = std::make_shared<State>();
  state_->cache = cache;
  state_->part = std::move(*part);
  return state_->part->file();
}

void ClipFile::store(Spool::Piece piece, std::function<void(Status)> then) {
  http::call_store(
      *store_, io_,
      [state = state_, piece = std::move(piece)] {
        if (piece.offset == state->summed) {
          state->sum.add(piece.bytes());
          state->summed += piece.size;
        }
        auto stored = Spool::store(*state->part->file(), piece.offset, piece.bytes());
        if (!stored) state->failure = stored.error();
        return stored;
      },
      std::move(then));
}

void ClipFile::keep(std::uint64_t size, std::function<void(Result<CachedClip>)> then) {
  http::call_store(
      *store_, io_,
      [state = state_, size]() -> Result<CachedClip> {
        if (state->failure) return fail(*state->failure);
        // A clip without its checksum would be no use to the next run.
        if (!state->sum_up(*state->part->file(), size)) {
          return fail({.code = ErrorCode::cache,
                       .message = "its copy in the cache could not be read back."});
        }
        return state->cache->keep(*state->part, state->sum.hex(), size);
      },
      std::move(then));
}

}  // namespace veo
