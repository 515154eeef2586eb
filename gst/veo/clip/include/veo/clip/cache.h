// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The originals of clips, bit for bit as delivered, one file each in a private directory:
//
//   TASK-xxxxxxxx.mp4           the clip (TASK: make_task_file_stem(); xxxxxxxx: a hash of api_url)
//   TASK-xxxxxxxx.INTENT.clip   its sidecar: identity, ledger and sha256, for the day the ledger is
//   lost TASK-xxxxxxxx.RANDOM.part   a file that a process writes, with a lock on it
//
// A clip gets its name by rename(2), after the clip and its sidecar are on the disk. So a file with
// a clip's name is complete. Many processes may write the same clip at once: each writes a file of
// its own, and the last rename wins. The reader checks the bytes against the ledger's sha256.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "veo/core/cached_clip.h"
#include "veo/core/result.h"
#include "veo/system/file_handle.h"

namespace veo {

/// Reads `VEO_CACHE_SIZE`: a number of bytes, with K, M, G or T for powers of 1024. Fails
/// with cache for any other text.
Result<std::optional<std::uint64_t>> parse_cache_size(const std::optional<std::string>& text);

/// The folder of clips. Any thread. Each call blocks for as long as the disk takes.
class Cache {
 public:
  /// A file that is being written. A file that was not kept is removed after the release of its
  /// last reference. The thread for clips removes it, so that the release does not wait for the
  /// disk.
  class Part;

  /// Opens the cache, or returns the cache that is open in this process. If the clips have more
  /// than `limit` bytes, the cache evicts those that were not played for the longest time; without
  /// a limit, none. 0: the cache keeps nothing, and needs and makes no directory. Fails with cache
  /// if the directory cannot be made or trusted.
  static Result<std::shared_ptr<Cache>> open(const std::string& directory,
                                             std::optional<std::uint64_t> limit);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  /// Makes a new file. The first call also removes the files that dead processes have left behind.
  /// Fails with cache.
  Result<std::shared_ptr<Part>> begin(const ClipIdentity& identity);
  /// Syncs the file to the disk and gives the file its name. Fails with cache; then the file can
  /// still be read.
  Result<CachedClip> keep(Part& part, const std::string& sha256, std::uint64_t size);

  /// A clip's file, open for reading.
  struct OpenFile : FileHandle {
    std::string path;
  };

  /// Returns the clip's file if the cache has one of that size, else null. A file that is open is
  /// not evicted.
  std::shared_ptr<const OpenFile> find(const ClipIdentity& identity, std::uint64_t size);
  /// Removes a damaged clip.
  void remove(const ClipIdentity& identity);
  /// Searches the sidecars for the clip of an intent or of a task, because the ledger may be lost,
  /// or may not know of the clip. Fails with cache if the folder or a sidecar cannot be read.
  Result<std::optional<CachedClip>> find_intent(const std::string& api_url,
                                                const std::string& intent);
  Result<std::optional<CachedClip>> find_task(const std::string& api_url,
                                              const std::string& task_id);
  /// Searches the sidecars for a clip that was paid with another ledger at the path of `ledger`.
  /// Fails as find_intent() does.
  Result<std::optional<CachedClip>> find_paid_elsewhere(const LedgerIdentity& ledger);

 private:
  Cache();
  static std::shared_ptr<Cache> make(const std::string& path, FileHandle directory,
                                     std::optional<std::uint64_t> limit);
  struct Private;
  std::shared_ptr<Private> p_;
};

class Cache::Part {
 public:
  ~Part();
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  /// Open for reading and writing; outlives the part.
  [[nodiscard]] std::shared_ptr<const FileHandle> file() const;

 private:
  friend class Cache;
  Part();
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo
