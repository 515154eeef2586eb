// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clip's way into the cache, and out of it. The thread for clips writes and hashes the bytes
// while they arrive, so that little is left to do after the last byte: to check the file and to
// keep it. All methods belong to the I/O thread, where each `then` is called too. Operations happen
// in the order of the calls.
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
  using KeptFile = std::shared_ptr<const Cache::OpenFile>;

  /// `cache` is not null.
  ClipFile(std::shared_ptr<http::IoThread> io, std::shared_ptr<Cache> cache, ClipIdentity identity);
  ClipFile(const ClipFile&) = delete;
  ClipFile& operator=(const ClipFile&) = delete;

  /// Lets pending operations end early. Their `then` is still called.
  void stop();

  /// Finds the kept file, if it has that size and hash, and its boxes are complete; else the file
  /// is null. A damaged file leaves the cache.
  void find_kept(std::uint64_t size, std::string sha256, std::function<void(KeptFile)> then);
  /// Removes the kept file from the cache, because it is damaged.
  void forget_kept();

  /// Makes a new file for the bytes, in place of the file before. Fails with cache.
  void open(std::function<void(Status)> then);
  /// Writes bytes to the file. Fails with cache. If the file could not be made, each call fails,
  /// and the file is null.
  void store(std::uint64_t offset, SharedBytes bytes, std::function<void(Status, File)> then);
  /// Checks that the boxes of the stored file are complete: see mp4::check_structure().
  void check(std::uint64_t size, std::function<void(Status)> then);
  /// Gives the file its name in the cache.
  void keep(std::uint64_t size, std::function<void(Result<CachedClip>)> then);

  /// Reads from a file, and blocks for as long as the disk takes. Any thread. Fails with cache.
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
