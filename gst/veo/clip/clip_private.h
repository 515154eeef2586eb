// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a Clip is beneath: clip.cpp has what its readers call, clip_download.cpp what is fetched and
// when, clip_answers.cpp what becomes of what the file host answers.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "clip_file.h"
#include "spool.h"
#include "veo/clip/cache.h"
#include "veo/clip/clip.h"
#include "veo/http/io_thread.h"
#include "veo/http/transport.h"
#include "veo/system/wakeup.h"

namespace veo {

/// A reader waits for a running fetch that is this close: a request of its own would not be there
/// sooner. (A quarter of what 2 MB/s bring in a second.)
inline constexpr std::uint64_t clip_near = 512U << 10U;
/// What is fetched beside the start at once, before anything is known of the file: where `moov` is
/// last, a clip's fits, and the first picture is a round trip (or three, with TLS) nearer.
inline constexpr std::uint64_t clip_tail = 16U << 10U;
/// What stays in memory for readers who keep up, or without a file for the one reader.
inline constexpr std::size_t clip_memory = 8U << 20U;

// Two fetches at most. The main one runs from a point to the end of a hole, at first the whole
// file. The side one brings a small piece that somebody needs before the main one gets there; its
// first is the file's tail, on speculation, and what becomes of that one is of no consequence:
//
//   file   |ftyp uuid mdat····································moov|
//   main    ─────────────────►
//   side                                                      ────►
//
// Positions, sizes and the spool's map are shared with readers; all else belongs to the I/O thread.
struct Clip::Private : std::enable_shared_from_this<Clip::Private> {
  struct Fetch {
    const Spool::Writer writer;
    http::Transport::Exchange exchange;
    http::IoThread::Timer retry;
    bool active = false;                // guarded by mutex; so are the next two
    std::uint64_t position = 0;         // of the next byte to come
    std::optional<std::uint64_t> stop;  // one past the last byte wanted; unset: to the end
    bool is_tail = false;               // the position is not known until the head is here
    unsigned attempts = 0;

    [[nodiscard]] bool will_soon_bring(std::uint64_t offset) const {
      return active && !is_tail && offset >= position && offset - position < clip_near &&
             (!stop || offset < *stop);
    }
  };

  explicit Private(Settings from)
      : settings(std::move(from)), thread(http::IoThread::acquire()), file(thread) {}

  // --- any thread ---

  Availability at(std::uint64_t offset);
  Result<SharedBytes> take(std::uint64_t offset, std::size_t most, bool finally);
  [[nodiscard]] bool is_coming(std::uint64_t offset) const;

  // --- I/O thread ---

  void begin();
  void verified(const Spool::File& whole, const std::string& sha256);
  void download();

  /// False: given up.
  bool use_file();
  [[nodiscard]] ClipIdentity identity() const;
  void store(Spool::Piece piece);

  /// Nothing is added to the fetch's piece any more.
  void seal(const Fetch& fetch);
  void drop(Fetch& fetch);

  /// Every byte is here: gives the file its place in the cache.
  void settle();
  void settle_as(Status kept);

  /// After a fetch: what is still missing, if anything is.
  void go_on();
  void release();
  void serve_wanted();
  void start_tail();
  void start(Fetch& fetch, std::uint64_t first, std::optional<std::uint64_t> stop);
  void begin(Fetch& fetch, http::FileFetch request, std::uint64_t position,
             std::optional<std::uint64_t> stop, bool is_tail);
  bool head(Fetch& fetch, const http::FileHead& head);

  /// The tail is taken if it is one, of the same file; else it was just not to be had this way.
  bool tail(const http::FileHead& head);
  bool partial(Fetch& fetch, const http::FileHead& head);

  /// The whole file from its start: what a host without ranges answers, and one whose file is no
  /// longer the one that If-Range named.
  bool whole(Fetch& fetch, const http::FileHead& head);

  /// Another file is at the URL. False, as head() answers.
  bool changed(Fetch& fetch);

  /// What is here is of another file: begins anew, with nothing. False: given up.
  bool forget();
  [[nodiscard]] bool is_same_file(const http::FileHead& head) const;

  /// Where the next bytes go. Nowhere: they are here already, or too many wait to be read.
  http::Room room(Fetch& fetch);
  [[nodiscard]] bool is_too_early() const;
  void resume();
  void data(Fetch& fetch, std::size_t count);
  void end(Fetch& fetch, std::optional<Error> failure);
  void try_again(Fetch& fetch, Error failure, std::optional<std::chrono::seconds> retry_after);
  void refuse(Error failure);
  void give_up(Error failure);

  /// A download's failure costs nothing but the download, and the text says so.
  [[nodiscard]] Error explain(Error failure) const;

  const Settings settings;
  const std::shared_ptr<http::IoThread> thread;

  std::shared_ptr<http::Transport> transport;
  ClipFile file;
  std::string validator;  // strong; empty: none
  bool settling = false;
  bool released = false;

  Subscribers subscribers;
  mutable std::mutex mutex;
  // Guarded by mutex; written on the I/O thread alone, but for what readers say of themselves.
  Spool spool;
  std::optional<std::uint64_t> size;
  std::optional<Error> error;
  Stats stats;
  Fetch main{.writer = Spool::Writer::main};
  Fetch side{.writer = Spool::Writer::side};
  bool ranges = false;
  bool settled = false;  // in the cache, or known not to be
  bool refused = false;
  bool is_paused = false;  // the main fetch
  std::string notice;
  unsigned versions = 0;
  // Readers'.
  std::uint64_t wanted = 0;
  bool is_awaited = false;              // `wanted` was not here when it was looked for
  bool asked = false;                   // serve_wanted() is on its way
  bool committed = false;               // the file can no longer be exchanged
  std::optional<SharedBytes> promised;  // without a file: what at() has found last
};

}  // namespace veo
