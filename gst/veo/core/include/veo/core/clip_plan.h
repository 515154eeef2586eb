// SPDX-License-Identifier: LGPL-2.1-or-later
//
// ClipPlan decides how one clip is downloaded. It does no I/O and reads no clock. A driver
// (clip/clip_driver.h) executes the commands of the plan (fetch, store, wait, …) and reports each
// result to it. The plan decides about every byte that a reader gets and every file that is kept.
//
// Versions. A version is one file at the URL. All bytes that are here belong to the same version.
// If the file host turns out to serve another file, the plan forgets all bytes at once and
// increments the version. After a reader has used bytes (commit()), another file is an error.
//
// Fetches. At most two fetches run at a time. The main fetch runs from some offset to the end of a
// hole; at first it fetches the complete file. The side fetch brings a small piece that a reader
// needs before the main fetch gets there. The first side fetch asks for the file's tail before
// anything about the file is known, because Veo's files have their `moov` there:
//
//   file         |ftyp uuid mdat····································moov|
//   main fetch    ─────────────────►
//   side fetch                                                      ────►
//
// If a reader needs bytes that are far from the main fetch, the main fetch moves: a side fetch asks
// for these bytes, and becomes the main fetch when the host has answered well. If the host cannot
// serve ranges, the side fetch fails, and the main fetch has lost nothing.
//
// The main fetch decides, the side fetch only adds. The answer to the main fetch says which file
// the host serves, and its final failure ends the clip. The answer to the side fetch describes the
// file only until the main fetch has its answer. If the side fetch fails, nothing else fails,
// because the main fetch brings every byte sooner or later.
//
// Late reports. Each fetch has an id, and no id is used twice. Each report of the disk names its
// version. The plan ignores a report if its fetch or its version is over.
//
// Memory and disk. The file is cut into pieces on a fixed grid. A byte is *here* if it is in memory
// or on the disk. If more than a window of memory is in use, the oldest pieces that are on the disk
// leave the memory. Without a disk (nothing is to be kept, or the disk has failed) a piece may
// leave the memory after its reader has taken it; a reader that goes back makes the plan fetch it
// again. The main fetch pauses while too many bytes wait to be written, or to be read.
//
// Completeness. A clip is complete when all its bytes are here. When all of them are also on the
// disk, the driver checks the box structure of the file to its last byte. Only after this check the
// file is kept. If the host has not told the size, size() is unset until this check, and no reader
// can play the file before it. A broken file is fetched once more, because it may have been an
// error page or a truncated answer; a second broken file is the error of the clip. A kept file that
// turns out to be broken is forgotten and fetched like any other.
//
//                 all bytes are on the disk        sound
//   downloading ─────────────────────────► checking ────► keeping ──► kept
//        ▲                                    │              └──────► not kept: it plays on
//        └────────────── broken ──────────────┘
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/clip_contents.h"
#include "veo/core/result.h"
#include "veo/core/retry.h"

namespace veo {

/// The plan of one clip's download. Not thread-safe: the driver holds a lock during each call.
class ClipPlan {
 public:
  static constexpr std::uint64_t piece_size = ClipContents::piece_size;  ///< in bytes
  /// If the pieces in memory have more bytes than this, old pieces leave.
  static constexpr std::uint64_t memory_window = 8U << 20U;
  /// The main fetch pauses while this many bytes wait to be written, because the disk is slower
  /// than the network.
  static constexpr std::uint64_t unwritten_limit = 32U << 20U;
  /// The size of a file's tail in bytes. The `moov` of a Veo clip has about 7 KiB.
  static constexpr std::uint64_t tail_size = 16U << 10U;
  /// If a running fetch is at most this many bytes before the offset that a reader needs, the
  /// reader waits for it: a new request would not bring the bytes sooner. (This is a quarter of a
  /// second at 2 MB/s.)
  static constexpr std::uint64_t near = 512U << 10U;
  /// The side fetch fills a hole of up to this many bytes. For a larger hole the main fetch moves.
  static constexpr std::uint64_t small_hole = 1U << 20U;
  /// Without a disk, this many bytes may be held in memory for a reader that needs later bytes
  /// first. More than this is an error.
  static constexpr std::uint64_t unread_limit = 512U << 20U;
  /// A host may answer with less than it was asked for. The plan takes this many such answers, and
  /// one more for each `least_short_answer` bytes of the file. Then it gives up.
  static constexpr std::uint64_t allowed_short_answers = 64;
  static constexpr std::uint64_t least_short_answer = 16U << 10U;
  /// After this many versions the plan gives up on a file that changes again and again.
  static constexpr unsigned max_versions = 4;

  enum class Role { main, side };
  using FetchId = std::uint64_t;  ///< 0 is no fetch

  struct Settings {
    bool keep = true;     ///< false if no byte may be written to the disk
    bool has_url = true;  ///< false if the cache is the only source
    int retries = 5;      ///< consecutive failures of a fetch that are retried; -1 for any number
    Backoff backoff;      ///< the delay before each retry
  };

  /// The head of the file host's answer (RFC 9110).
  struct Head {
    struct Part {
      std::uint64_t first = 0;
      std::uint64_t last = 0;  ///< the offset of the last byte
    };
    unsigned status = 0;
    std::optional<std::uint64_t> length = {};  ///< Content-Length of a 200, in bytes
    std::optional<Part> part = {};             ///< the range of a 206, from Content-Range
    std::optional<std::uint64_t> total = {};   ///< the file's size in bytes, from Content-Range;
                                               ///< nullopt: the host left the size open (`*`)
    std::string validator = {};                ///< a strong validator; empty if there is none
    std::optional<std::chrono::seconds> retry_after = {};
  };

  /// One command for the driver. The driver executes the commands of a list in their order.
  struct Command {
    enum class Kind {
      open_file,    ///< open a new, empty file for `version`; the file before it is over
      fetch,        ///< fetch [first, end) of the URL, or its last `first` bytes (is_suffix)
      stop,         ///< stop `fetch`: the plan needs nothing more of it
      resume,       ///< read on from `fetch`: its bytes have a place again
      wait,         ///< wait for `delay`, then call on_timer(fetch)
      store,        ///< write [first, end) of `version` to the file, then call on_stored()
      evict,        ///< remove the piece that begins at `first` from the memory
      check,        ///< check the complete box structure of `version`, then call on_verdict()
      keep,         ///< keep the file of `version` in the cache, then call on_kept()
      forget_kept,  ///< remove the kept file from the cache: it is damaged
    };
    Kind kind = Kind::stop;
    FetchId fetch = 0;
    Role role = Role::main;  ///< of the fetch when it begins
    unsigned version = 0;
    std::uint64_t first = 0;
    std::optional<std::uint64_t> end = {};  ///< unset for the end of the file
    bool is_suffix = false;
    std::string if_range = {};  ///< the If-Range header; empty for none
    std::chrono::milliseconds delay{0};
  };
  using Commands = std::vector<Command>;

  /// The place for the next bytes of a fetch.
  struct Place {
    enum class Kind {
      put,     ///< put up to `size` bytes at `offset`
      ignore,  ///< discard up to `size` bytes: they are here already, or beyond the end
      pause,   ///< read nothing until the command `resume`
      stop,    ///< the next bytes are here already: end the fetch and call on_end()
    };
    Kind kind = Kind::stop;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  /// The result of find().
  struct Found {
    enum class Kind {
      pending,  ///< not here yet
      ready,    ///< `size` bytes are here
      end,      ///< the offset is at or beyond the end of the clip
      failed,   ///< the bytes will not come: see error()
    };
    Kind kind = Kind::pending;
    std::uint64_t size = 0;
  };

  enum class Keeping { downloading, checking, keeping, kept, not_kept };

  explicit ClipPlan(Settings settings) : settings_(settings) {}

  // --- Inputs. `random` is a random number from [0, 1), for jitter. ---

  /// Begins the download. Nothing is in the cache. Called once, or begin_with_kept() instead.
  Commands begin();
  /// Begins with a kept file of `size` bytes. Its hash is the one that it had when it was kept.
  Commands begin_with_kept(std::uint64_t size);
  /// The head of the answer to `fetch` has come.
  Commands on_head(FetchId fetch, const Head& head, double random);
  /// Finds the place for the next bytes of `fetch`, before they are read. Pauses the fetch if there
  /// is no room.
  Place assign_place(FetchId fetch);
  /// Finds the offset at which the next bytes of `fetch` are put; nullopt if they are ignored.
  [[nodiscard]] std::optional<std::uint64_t> find_put_offset(FetchId fetch) const;
  /// `count` bytes have come and are at the place that assign_place() returned.
  Commands on_data(FetchId fetch, std::uint64_t count);
  /// The answer to `fetch` has ended: well, or with `failure`. The plan retries after the codes
  /// network and timeout; any other code is final.
  Commands on_end(FetchId fetch, std::optional<Error> failure, double random);
  /// The delay of the command `wait` is over.
  Commands on_timer(FetchId fetch);
  /// The bytes [first, end) of `version` are on the disk, or the disk has failed.
  Commands on_stored(unsigned version, std::uint64_t first, std::uint64_t end,
                     const Status& stored);
  /// The box structure of `version` is sound, or has the fault `fault`. The driver reports the
  /// result of `check`; a reader reports a fault that it finds before that. The code `cache` means
  /// that the disk has failed, not the file.
  Commands on_verdict(unsigned version, std::optional<Error> fault, double random);
  /// The file of `version` is in the cache, or cannot be kept.
  Commands on_kept(unsigned version, const Status& kept);

  // --- Readers ---

  /// Finds the bytes at `offset`. If they are not here, the plan takes note that a reader waits for
  /// them: see is_fetch_needed().
  Found find(std::uint64_t offset);
  /// Whether a reader waits for bytes that no fetch will bring soon. Then the driver calls
  /// on_wanted().
  [[nodiscard]] bool is_fetch_needed() const { return is_fetch_needed_; }
  /// Starts a fetch for the bytes that a reader waits for.
  Commands on_wanted();
  /// A reader has taken the bytes [first, end) and does not need them again.
  Commands on_taken(std::uint64_t first, std::uint64_t end);
  /// A reader has used bytes of `version`: from now on another file is an error. Returns false,
  /// without effect, if `version` is over.
  bool commit(unsigned version);

  // --- State ---

  /// The number of the version. The first version is 0.
  [[nodiscard]] unsigned version() const { return version_; }
  /// Whether every byte is here. The driver keeps a complete clip even if no reader is left.
  [[nodiscard]] bool is_complete() const;
  /// Whether the plan still needs bytes of the fetch.
  [[nodiscard]] bool is_live(FetchId fetch) const;
  /// The size of the clip in bytes. nullopt if it is not known, or if only the end of a connection
  /// tells it and the box structure is not checked yet.
  [[nodiscard]] std::optional<std::uint64_t> size() const;
  /// The size in bytes of the file that a `check` or a `keep` is about.
  [[nodiscard]] std::uint64_t checked_size() const { return contents_.size.value_or(0); }
  /// The reason why the clip has failed; nullopt while it has not.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  /// Whether the file host refuses this URL for good.
  [[nodiscard]] bool is_refused() const { return is_refused_; }
  [[nodiscard]] Keeping keeping() const { return keeping_; }
  /// The reason why the clip plays but is not kept. Null if it is kept, or was never to be kept.
  [[nodiscard]] const Error* unkept_reason() const { return unkept_ ? &*unkept_ : nullptr; }
  /// Whether the bytes that come are written to a file. False if nothing may be kept, and after the
  /// disk has failed.
  [[nodiscard]] bool is_storing() const { return settings_.keep; }
  /// Counts the bytes that are on the disk from `offset` up to the next hole.
  [[nodiscard]] std::uint64_t count_stored_from(std::uint64_t offset) const;
  /// The number of retries so far, of all fetches.
  [[nodiscard]] unsigned retries() const { return total_retries_; }

 private:
  enum class FetchState { idle, waiting, asked, receiving, paused };
  struct Fetch {
    Role role;
    FetchId id = 0;
    FetchState state = FetchState::idle;
    std::uint64_t position = 0;             // the offset of the next byte
    std::optional<std::uint64_t> end = {};  // the end of the range; unset for the file's end
    bool is_tail = false;         // asks for the tail: `position` is unknown until the head is here
    bool is_move = false;         // becomes the main fetch when the host has answered well
    bool passes_over = false;     // ignores bytes that are here already instead of stopping at them
    bool is_open_part = false;    // brings a part of a file whose size the host left open
    unsigned attempts = 0;        // consecutive failures
    std::uint64_t unflushed = 0;  // the bytes from here to `position` await their `store`

    [[nodiscard]] bool is_active() const { return state != FetchState::idle; }
    [[nodiscard]] bool will_soon_bring(std::uint64_t offset) const;
  };

  enum class Event;
  enum class Action;
  struct Transition;
  static const Transition transitions[];

  // The knowledge about one version. It is forgotten with the version.
  struct Contents {
    std::optional<std::uint64_t> size;
    bool is_size_told = false;   // the file host told the size, not the end of a connection
    bool is_size_shown = false;  // the box structure confirms the size
    std::string validator;       // strong; empty if there is none
    bool is_known = false;       // the main fetch has its answer; before it, only the side fetch
    bool has_ranges = false;     // the host has sent a 206
    bool is_side_useless = false;
    ClipContents bytes;
  };

  [[nodiscard]] Event classify(const Fetch& fetch, const Head& head) const;
  [[nodiscard]] bool is_same_file(const Head& head) const;
  void act(Fetch& fetch, Event event, const Head& head, Error failure, double random);
  void finish(Fetch& fetch, Event event);
  void accept(Fetch& fetch, const Head& head);
  void learn_file(const Head& head);
  void begin_version();
  void restart();
  void leave(Fetch& fetch);
  void retry(Fetch& fetch, const Error& failure, std::optional<std::chrono::seconds> retry_after,
             double random);
  void drop(Fetch& fetch);
  void give_up(Error error);
  void start(Fetch& fetch, std::uint64_t first, std::optional<std::uint64_t> end);
  void start_tail();
  void ask(Fetch& fetch);
  void advance();
  void check_if_complete();
  void flush(Fetch& fetch);
  void resume_if_there_is_room();
  void shrink();
  void stop_storing(const Error& reason);
  void serve_wanted();
  [[nodiscard]] bool is_over() const;
  [[nodiscard]] bool is_too_early() const;
  [[nodiscard]] bool is_coming(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t count_here_from(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t find_next_here(std::uint64_t offset) const;
  [[nodiscard]] Fetch* find_fetch(FetchId id);
  Command& command(Command::Kind kind);
  Commands take_commands();

  Settings settings_;
  Commands commands_;
  Fetch main_{.role = Role::main};
  Fetch side_{.role = Role::side};
  FetchId last_id_ = 0;
  unsigned version_ = 0;
  Contents contents_;
  Keeping keeping_ = Keeping::downloading;
  bool has_begun_ = false;
  bool is_committed_ = false;
  bool was_broken_ = false;      // a version had a broken box structure
  std::uint64_t furthest_ = 0;   // the highest position that a fetch of any version has reached
  std::uint64_t most_held_ = 0;  // the most bytes that were here at once
  unsigned total_retries_ = 0;
  std::uint64_t short_answers_ = 0;  // of all fetches: less than they asked for
  std::uint64_t wanted_ = 0;         // the offset that a reader looked for last, and did not find
  bool is_awaited_ = false;          // the reader still waits for `wanted_`
  bool is_fetch_needed_ = false;
  bool is_refused_ = false;
  std::optional<Error> error_;
  std::optional<Error> unkept_;
};

/// For the log.
std::string_view nick(ClipPlan::Role role);
std::string_view nick(ClipPlan::Keeping keeping);

}  // namespace veo
