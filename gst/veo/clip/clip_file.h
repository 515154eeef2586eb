// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clip's way into the cache, and out of it: its pieces are written and hashed on the store thread
// as they come, so that little is left to do when the last one is here. I/O thread only, where each
// `then` is called too.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "spool.h"
#include "veo/clip/cache.h"
#include "veo/core/result.h"
#include "veo/http/io_thread.h"
#include "veo/system/store_thread.h"

namespace veo {

class ClipFile {
 public:
  explicit ClipFile(std::shared_ptr<http::IoThread> io);
  ClipFile(const ClipFile&) = delete;
  ClipFile& operator=(const ClipFile&) = delete;

  /// Nobody needs what is under way: it ends early, and `then` still comes.
  void stop();
  /// The sha256 of a whole file, in hex; empty: it cannot be read, or was stopped.
  void hash(Spool::File file, std::uint64_t size, std::function<void(std::string)> then);

  /// A new file to store pieces in, in place of the one before. Fails with cache.
  Result<Spool::File> begin(const std::shared_ptr<Cache>& cache, const ClipIdentity& identity);
  void store(Spool::Piece piece, std::function<void(Status)> then);
  /// Every byte was given to store(): gives the file its place in the cache.
  void keep(std::uint64_t size, std::function<void(Result<CachedClip>)> then);

 private:
  struct State;
  const std::shared_ptr<http::IoThread> io_;
  const std::shared_ptr<StoreThread> store_;
  std::shared_ptr<State> state_;
};

}  // namespace veo
