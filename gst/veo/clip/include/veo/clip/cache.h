// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The originals of clips, bit for bit as delivered, one file each in a private directory:
//
//   TASK-xxxxxxxx.mp4           the clip (TASK: make_task_file_stem(); xxxxxxxx: of the API's URL)
//   TASK-xxxxxxxx.INTENT.clip   its sidecar: identity and sha256, for the day the ledger is lost
//   TASK-xxxxxxxx.RANDOM.part   being written, by whoever holds a lock on it
//
// A clip comes to its name by rename(2), after it is on the disk and its sidecar beside it: what
// has the name is whole. Many processes may write the same clip at once; each writes a file of its
// own, and the last rename stays. Whether the bytes are still what they were is for the reader to
// check, against the ledger's sha256.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "veo/core/cached_clip.h"
#include "veo/core/result.h"
#include "veo/system/file_handle.h"

namespace veo {

/// The bytes that `VEO_CACHE_SIZE` allows: a whole number, with K, M, G or T for powers of 1024.
/// Fails with cache where it is not.
Result<std::optional<std::uint64_t>> parse_cache_size(const std::optional<std::string>& text);

/// Any thread. Blocks for as long as the disk takes.
class Cache {
 public:
  /// A file that is being written. If it was not kept, it is removed with its last reference, on
  /// the thread for clips: whoever drops that does not wait.
  class Part;

  /// `limit`: beyond so many bytes, the clips that were not played for the longest time go. Nothing
  /// ever goes without a limit. 0: nothing will be kept, and no directory is made or needed. The
  /// process's own where it is open already. Fails with cache where the directory cannot be made or
  /// trusted.
  static Result<std::shared_ptr<Cache>> open(const std::string& directory,
                                             std::optional<std::uint64_t> limit);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  /// A new file. The first also removes what processes that died have left. Fails with cache.
  Result<std::shared_ptr<Part>> begin(const ClipIdentity& identity);
  /// Gives the file its name, once all that was written is on the disk. Fails with cache; the file
  /// can still be read then.
  Result<CachedClip> keep(Part& part, const std::string& sha256, std::uint64_t size);

  /// The clip's file, if one of that size is here, else null. It is not pruned while it is open.
  std::shared_ptr<const FileHandle> find(const ClipIdentity& identity, std::uint64_t size);
  /// The clip is damaged.
  void remove(const ClipIdentity& identity);
  /// By the sidecars: the clip of an intent that the ledger does not know any more, or of a task of
  /// which it does not know that its clip is here. Fails with cache where that cannot be said.
  Result<std::optional<CachedClip>> find_intent(const std::string& api_url,
                                                const std::string& intent);
  Result<std::optional<CachedClip>> find_task(const std::string& api_url,
                                              const std::string& task_id);

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
