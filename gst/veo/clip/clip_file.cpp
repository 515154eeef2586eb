// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "veo/core/digest.h"
#include "veo/core/log.h"
#include "veo/core/mp4_layout.h"
#include "veo/http/store_call.h"

namespace veo {

namespace {

constexpr std::size_t step = 256U << 10U;

auto fail_with_cache(const char* what) {
  return fail({.code = ErrorCode::cache,
               .message = std::string("the local copy cannot be ") + what + ": " +
                          std::strerror(errno) + "."});
}

Status write(const FileHandle& file, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto done = FileSystem::get().pwrite(file.get(), bytes.data() + at, bytes.size() - at,
                                               static_cast<off_t>(offset + at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail_with_cache("written");
    at += static_cast<std::size_t>(done);
  }
  return {};
}

Status check_boxes(const FileHandle& file, std::uint64_t size) {
  return mp4::check_structure(size, [&file](std::uint64_t offset, std::span<std::uint8_t> into) {
    return ClipFile::read(file, offset, into);
  });
}

}  // namespace

// One file. Only the store thread uses it, except `is_stopped`.
struct ClipFile::Version {
  /// Adds the bytes of `file` from `summed` on to the hash. False: the file cannot be read, or the
  /// operation was stopped.
  bool sum_up(const FileHandle& file, std::uint64_t size) {
    std::vector<std::uint8_t> bytes;
    while (summed < size && !is_stopped) {
      bytes.resize(std::min<std::uint64_t>(step, size - summed));
      if (!ClipFile::read(file, summed, bytes)) return false;
      sum.add(bytes);
      summed += bytes.size();
    }
    return summed == size;
  }

  std::shared_ptr<Cache::Part> part;
  Sha256 sum;
  std::uint64_t summed = 0;      // bytes from the start on
  std::optional<Error> failure;  // of the file, or of bytes that could not be stored
  std::atomic<bool> is_stopped = false;
};

ClipFile::ClipFile(std::shared_ptr<http::IoThread> io, std::shared_ptr<Cache> cache,
                   ClipIdentity identity)
    : io_(std::move(io)),
      cache_(std::move(cache)),
      identity_(std::move(identity)),
      version_(std::make_shared<Version>()) {}

StoreThread& ClipFile::thread() {
  if (!store_) store_ = StoreThread::acquire(StoreThread::Store::clips);
  return *store_;
}

void ClipFile::stop() { version_->is_stopped = true; }

void ClipFile::find_kept(std::uint64_t size, std::string sha256,
                         std::function<void(KeptFile)> then) {
  http::call_store(
      thread(), io_,
      [version = version_, cache = cache_, identity = identity_, size,
       sha256 = std::move(sha256)]() -> KeptFile {
        auto file = cache->find(identity, size);
        if (!file) return nullptr;
        // Keep a file that cannot be read: the next try may succeed.
        if (!version->sum_up(*file, size)) {
          log::warning(log::Category::clip, "task ", log::text(identity.task_id),
                       ": the cached file cannot be read to its end");
          return nullptr;
        }
        if (version->sum.finish() == sha256 && check_boxes(*file, size)) return file;
        log::warning(log::Category::clip, "task ", log::text(identity.task_id),
                     ": the cached file is damaged (its hash or its boxes), and is removed");
        cache->remove(identity);
        return nullptr;
      },
      std::move(then));
}

void ClipFile::forget_kept() {
  http::call_store(
      thread(), io_,
      [cache = cache_, identity = identity_] {
        cache->remove(identity);
        return true;
      },
      [](bool) {});
}

void ClipFile::open(std::function<void(Status)> then) {
  version_ = std::make_shared<Version>();
  http::call_store(
      thread(), io_,
      [version = version_, cache = cache_, identity = identity_]() -> Status {
        auto part = cache->begin(identity);
        if (part) {
          version->part = std::move(*part);
          return {};
        }
        version->failure = part.error();
        return fail(std::move(part.error()));
      },
      std::move(then));
}

void ClipFile::store(std::uint64_t offset, SharedBytes bytes,
                     std::function<void(Status, File)> then) {
  http::call_store(
      thread(), io_,
      [version = version_, offset, bytes = std::move(bytes)]() -> std::pair<Status, File> {
        if (version->failure) return {fail(*version->failure), nullptr};
        if (offset == version->summed) {
          version->sum.add(bytes.bytes);
          version->summed += bytes.bytes.size();
        }
        auto file = version->part->file();
        auto stored = write(*file, offset, bytes.bytes);
        if (!stored) version->failure = stored.error();
        return {std::move(stored), std::move(file)};
      },
      [then = std::move(then)](std::pair<Status, File> stored) {
        then(std::move(stored.first), std::move(stored.second));
      });
}

void ClipFile::check(std::uint64_t size, std::function<void(Status)> then) {
  http::call_store(
      thread(), io_,
      [version = version_, size]() -> Status {
        // An empty clip stores no bytes, so no store() has reported that there is no file.
        if (version->failure) return fail(*version->failure);
        return check_boxes(*version->part->file(), size);
      },
      std::move(then));
}

void ClipFile::keep(std::uint64_t size, std::function<void(Result<CachedClip>)> then) {
  http::call_store(
      thread(), io_,
      [version = version_, cache = cache_, size]() -> Result<CachedClip> {
        if (version->failure) return fail(*version->failure);
        // Without its hash the clip would be useless to the next run.
        if (!version->sum_up(*version->part->file(), size)) {
          return fail({.code = ErrorCode::cache,
                       .message = "its copy in the cache could not be read back."});
        }
        return cache->keep(*version->part, version->sum.finish(), size);
      },
      std::move(then));
}

Status ClipFile::read(const FileHandle& file, std::uint64_t offset, std::span<std::uint8_t> into) {
  for (std::size_t at = 0; at < into.size();) {
    const auto done = FileSystem::get().pread(file.get(), into.data() + at, into.size() - at,
                                              static_cast<off_t>(offset + at));
    if (done < 0 && errno == EINTR) continue;
    if (done == 0) errno = ENODATA;
    if (done <= 0) return fail_with_cache("read");
    at += static_cast<std::size_t>(done);
  }
  return {};
}

}  // namespace veo
