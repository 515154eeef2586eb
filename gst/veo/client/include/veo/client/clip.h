// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A finished video's bytes: those in the cache, if they are what they were, else downloaded, and
// readable while they arrive. One download, in the order in which its readers need the bytes; each
// byte is fetched once. What has come whole is in the cache before the end is told.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "veo/client/access.h"
#include "veo/client/wakeup.h"
#include "veo/core/result.h"

namespace veo {

class Cache;
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
    std::string sha256;            ///< of the file in the cache; empty: none has been there
    std::uint64_t size = 0;        ///< of that file
    /// Records that the clip is in the cache. I/O thread.
    std::function<Status(const CachedClip&)> kept;
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
  /// Copies bytes that at() has promised. Fails with cache (the local copy cannot be read).
  Status read(std::uint64_t offset, std::span<std::uint8_t> into) const;
  [[nodiscard]] Stats stats() const;
  [[nodiscard]] bool has_failed() const;
  /// The file host will not serve this URL, now or later: it takes a fresh one.
  [[nodiscard]] bool is_refused() const;
  /// What the user should know, though the clip plays; empty: nothing.
  [[nodiscard]] std::string notice() const;
  void subscribe(std::weak_ptr<Wakeup> wakeup);

 private:
  Clip();
  struct Private;
  std::shared_ptr<Private> p_;
};

}  // namespace veo
