// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A finished video's bytes. They come from the cache, if the cached file still has its hash; else
// the clip downloads them, and they can be read while they arrive. All readers share one download,
// which goes in the order in which they need the bytes, and fetches each byte once. A complete file
// is in the cache before the readers are told of the end.
//
// If the clip is not to be kept, the bytes never touch the disk: a few MiB of them are in memory,
// for one reader. If that reader goes back, the clip fetches the bytes again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "veo/clip/shared_bytes.h"
#include "veo/core/cached_clip.h"
#include "veo/core/result.h"
#include "veo/core/url_policy.h"
#include "veo/system/network_settings.h"
#include "veo/system/wakeup.h"

namespace veo {

class Cache;
class ClipDriver;
struct CachedClip;

class Clip {
 public:
  struct Settings {
    std::string url;    ///< may be empty if the cache has the clip
    FilePolicy policy;  ///< which file hosts and addresses are allowed
    NetworkSettings network;
    std::string api_url;  // with the next three, the clip's identity in the cache
    std::string task_id;
    std::string intent;
    LedgerIdentity ledger;
    std::shared_ptr<Cache> cache;  ///< not null
    bool keep = true;              ///< false: a download is not stored in the cache
    std::string sha256;            ///< of the file in the cache; empty: the ledger knows of none
    std::uint64_t size = 0;        ///< of that file
    /// Records that the clip is in the cache, and then calls `recorded`. Both run on the I/O
    /// thread.
    std::function<void(const CachedClip&, std::function<void(Status)> recorded)> kept;
  };

  /// What a reader finds at an offset: no bytes yet, a number of bytes, the end, or the clip's
  /// error.
  struct Pending {};
  struct Ready {
    std::uint64_t size = 0;  ///< > 0
  };
  struct End {};
  using Availability = std::variant<Pending, Ready, End, Error>;

  struct Stats {
    std::uint64_t bytes = 0;  ///< received
    unsigned requests = 0;
    unsigned retries = 0;
  };

  /// Begins to search the cache for the clip, and to download the clip if it is not there. Any
  /// thread; returns at once.
  static std::shared_ptr<Clip> open(Settings settings);
  ~Clip();
  Clip(const Clip&) = delete;
  Clip& operator=(const Clip&) = delete;

  /// Returns the file's size in bytes; nullopt until the file host has told the size, or the file
  /// is complete.
  [[nodiscard]] std::optional<std::uint64_t> size() const;
  /// Returns what is at `offset`. If no bytes are there yet, the clip fetches them. Never blocks.
  /// Any thread.
  [[nodiscard]] Availability at(std::uint64_t offset);
  /// Returns up to `most` bytes that at() has found, without a copy if they are in memory.
  /// `is_through`: the reader does not come back to these bytes. Fails with cache if the local copy
  /// cannot be read.
  Result<SharedBytes> take(std::uint64_t offset, std::size_t most, bool is_through);
  /// Returns the number of files that were found at the URL. If the file changes there before a
  /// reader has committed, the clip begins again with the new file, and the number grows by one.
  [[nodiscard]] unsigned version() const;
  /// The reader says that it uses the bytes that it has read: from now on a change of the file is
  /// an error. False: the clip has another version by now.
  bool commit(unsigned version);
  /// A reader reports that the file is broken. If no reader has committed, the clip forgets the
  /// file and fetches the file once more; else the fault becomes the clip's error.
  void report_broken(unsigned version, Error fault);
  [[nodiscard]] Stats stats() const;
  /// Returns why no more bytes will come; nullopt if more may come.
  [[nodiscard]] std::optional<Error> failure() const;
  /// Whether the file host will never serve this URL, so that the clip needs a fresh URL.
  [[nodiscard]] bool is_refused() const;
  /// Returns what the user should know although the clip plays; empty if there is nothing.
  [[nodiscard]] std::string notice() const;
  /// Returns the path of the complete file in the cache, bit for bit as it was delivered; empty if
  /// the cache does not have the file.
  [[nodiscard]] std::string kept_path() const;
  void subscribe(std::weak_ptr<Wakeup> wakeup);

 private:
  Clip();
  std::shared_ptr<ClipDriver> driver_;
};

}  // namespace veo
