// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip_file.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "veo/core/digest.h"

namespace veo {

// Of one file. The disk thread's, but for `gone`.
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
    : io_(std::move(io)), disk_(DiskThread::acquire()), state_(std::make_shared<State>()) {}

void ClipFile::stop() { state_->gone = true; }

void ClipFile::hash(Spool::File file, std::uint64_t size, std::function<void(std::string)> then) {
  const auto hex = std::make_shared<std::string>();
  disk_->run(
      [state = state_, file = std::move(file), size, hex] {
        State whole;
        // In steps, between which it is seen that nobody waits any more.
        for (auto upto = std::min<std::uint64_t>(size, 1U << 20U); !state->gone;
             upto = std::min<std::uint64_t>(size, upto + (1U << 20U))) {
          if (!whole.sum_up(*file, upto)) return;
          if (upto == size) {
            *hex = whole.sum.hex();
            return;
          }
        }
      },
      io_, [hex, then = std::move(then)] { then(std::move(*hex)); });
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
  const auto stored = std::make_shared<Status>();
  disk_->run(
      [state = state_, piece = std::move(piece), stored] {
        if (piece.offset == state->summed) {
          state->sum.add(piece.bytes());
          state->summed += piece.size;
        }
        *stored = Spool::store(*state->part->file(), piece.offset, piece.bytes());
        if (!*stored) state->failure = stored->error();
      },
      io_, [stored, then = std::move(then)] { then(std::move(*stored)); });
}

void ClipFile::keep(std::uint64_t size, std::function<void(Result<CachedClip>)> then) {
  const auto kept = std::make_shared<Result<CachedClip>>();
  disk_->run(
      [state = state_, size, kept] {
        if (state->failure) {
          *kept = fail(*state->failure);
          return;
        }
        // A clip without its checksum would be no use to the next run.
        *kept = state->sum_up(*state->part->file(), size)
                    ? state->cache->keep(*state->part, state->sum.hex(), size)
                    : fail(Error{.code = ErrorCode::cache,
                                 .message = "its copy in the cache could not be read back."});
      },
      io_, [kept, then = std::move(then)] { then(std::move(*kept)); });
}

}  // namespace veo
