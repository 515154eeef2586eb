// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clip's way into the cache, and out of it: written, hashed, checked and kept on the store
// thread, so that little is left to do when the last byte is here. I/O thread only, where each
// `then` is called too. Operations happen in the order in which they were asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "veo/clip/cache.h"
#include "veo/clip/shared_bytes.h"
#include "veo/core/result.h"
#include "veo/http/io_thread.h"
#include "veo/system/store_thread.h"

namespace veo {

class ClipFile {
 public:
  using File = std::shared_ptr<const FileHandle>;

  /// `cache` is not null.
  ClipFile(std::shared_ptr<http::IoThread> io, std::shared_ptr<Cache> cache, ClipIdentity identity);
  ClipFile(const ClipFile&) = delete;
  ClipFile& operator=(const ClipFile&) = delete;

  /// Nobody needs what is under way: it ends early, and `then` still comes.
  void stop();

  /// The kept file, if it is what it was: of that size and hash, and whole by its boxes. Null: it
  /// is not there. One that is damaged leaves the cache.
  void find_kept(std::uint64_t size, std::string sha256, std::function<void(File)> then);
  /// The kept file is damaged.
  void forget_kept();

  /// A new file to store bytes in, in place of the one before. Fails with cache.
  void open(std::function<void(Status)> then);
  /// Fails with cache, also where the file could not be made; then always. The file is null then.
  void store(std::uint64_t offset, SharedBytes bytes, std::function<void(Status, File)> then);
  /// Whether the boxes of the stored file say that it is whole: see mp4::check_structure().
  void check(std::uint64_t size, std::function<void(Status)> then);
  /// Gives the file its place in the cache.
  void keep(std::uint64_t size, std::function<void(Result<CachedClip>)> then);

  /// Any thread; blocks for as long as the disk takes. Fails with cache.
  static Status read(const FileHandle& file, std::uint64_t offset, std::span<std::uint8_t> into);

 private:
  struct Version;
  const std::shared_ptr<http::IoThread> io_;
  const std::shared_ptr<Cache> cache_;
  const ClipIdentity identity_;
  std::shared_ptr<StoreThread> store_;  // from the first operation on
  std::shared_ptr<Version> version_;
  [[nodiscard]] StoreThread& thread();
};

}  // namespace veo
