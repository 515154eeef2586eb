// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A finished video's bytes: those in the cache, if they are what they were, else downloaded, and
// readable while they arrive. One download, in the order in which its readers need the bytes; each
// byte is fetched once. What has come whole is in the cache before the end is told.
//
// Where nothing is to be kept, the bytes never touch the disk: a few MiB of them are in memory, for
// one reader, and who goes back has them fetched again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "veo/clip/shared_bytes.h"
#include "veo/core/result.h"
#include "veo/system/network_settings.h"
#include "veo/system/wakeup.h"

namespace veo {

class Cache;
class ClipDriver;
struct CachedClip;

class Clip {
 public:
  struct Settings {
    std::string url;               ///< may be empty, as long as the cache has the clip
    bool api_is_loopback = false;  ///< then, and only then, the file host may be a loopback one
    NetworkSettings network;
    std::string api_url;  // with the next two, the clip's name in the cache
    std::string task_id;
    std::string intent;
    std::shared_ptr<Cache> cache;  ///< not null
    bool keep = true;              ///< false: what is not in the cache will not be
    std::string sha256;            ///< of the file in the cache; empty: none has been there
    std::uint64_t size = 0;        ///< of that file
    /// Records that the clip is in the cache, and calls `recorded` then. Both on the I/O thread.
    std::function<void(const CachedClip&, std::function<void(Status)> recorded)> kept;
  };

  /// What a reader finds at an offset: nothing yet, that many bytes, or nothing ever.
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

  /// Begins to download. Any thread; at once.
  static std::shared_ptr<Clip> open(Settings settings);
  ~Clip();
  Clip(const Clip&) = delete;
  Clip& operator=(const Clip&) = delete;

  /// The file's size in bytes; nullopt until the server has said it, or the end has come.
  [[nodiscard]] std::optional<std::uint64_t> size() const;
  /// Looks, and where nothing is there yet, sees to it that it comes. Never blocks. Any thread.
  [[nodiscard]] Availability at(std::uint64_t offset);
  /// Up to `most` bytes that at() has promised, without a copy where they are in memory.
  /// `is_through`: the reader does not come back to them. Fails with cache (the local copy cannot
  /// be read).
  Result<SharedBytes> take(std::uint64_t offset, std::size_t most, bool is_through);
  /// Counts the files that were found at the URL. A file that changed there is another one, as long
  /// as nobody has committed to it.
  [[nodiscard]] unsigned version() const;
  /// What was read so far is used: from now on a change is an error. False: it is another version.
  bool commit(unsigned version);
  /// A reader has found that the file is broken. It is forgotten, and fetched once more if nobody
  /// has committed to it; else this is the clip's error.
  void report_broken(unsigned version, Error fault);
  [[nodiscard]] Stats stats() const;
  /// Why nothing more will come; nullopt: it may.
  [[nodiscard]] std::optional<Error> failure() const;
  /// The file host will not serve this URL, now or later: it takes a fresh one.
  [[nodiscard]] bool is_refused() const;
  /// What the user should know, though the clip plays; empty: nothing.
  [[nodiscard]] std::string notice() const;
  void subscribe(std::weak_ptr<Wakeup> wakeup);

 private:
  Clip();
  std::shared_ptr<ClipDriver> driver_;
};

}  // namespace veo
