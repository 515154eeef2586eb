// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The download of one clip, without I/O and without a clock: whoever drives it fetches, stores and
// waits as it says, and reports what came of it. Every byte that a reader gets, and every file that
// is kept, was decided here.
//
// One version. A version is one file at the URL. What is here is always of one version: when the
// file host turns out to serve another file, all that is here is forgotten at once and the version
// counts up. Once a reader has used what he read (commit()), another file is an error.
//
// Two fetches. The main one runs from a point to the end of a hole, at first the whole file. The
// side one brings a small piece that somebody needs before the main one gets there; its first is
// the file's tail, on speculation, before anything is known of the file:
//
//   file   |ftyp uuid mdat····································moov|
//   main    ─────────────────►
//   side                                                      ────►
//
// A reader who wants what is far away has the main fetch moved there: a side fetch asks for it, and
// takes the main one's place when the host has answered well. So a host that cannot serve parts
// loses nobody's download.
//
// The main fetch decides, the side one only adds. The main one says which file it is, and its final
// failure ends the clip. What the side one says of the file holds until the main one has answered;
// its failure costs nothing but itself, since the main one brings every byte in its time.
//
// Late events drop themselves. Each fetch has an id that is never used twice, each report of the
// disk the version that it is of: what is of another fetch or version changes nothing.
//
// Memory and disk. The file is cut into pieces on a fixed grid. A byte is *here* if it is in memory
// or on the disk. Pieces that are on the disk leave the memory, the oldest first, beyond a window.
// Without a disk (nothing is to be kept, or the disk has failed) a piece may leave once its reader
// is through with it; who goes back has it fetched again. The main fetch pauses while more is
// waiting to be written, or to be read, than may wait.
//
// Whole is what the boxes say. When every byte is here and on the disk, the file's box structure is
// checked to its last byte, and only then is the file kept. A file whose size nobody has told is
// shown to no reader before that check. A broken file is fetched once more, for it may have been an
// error page or a cut answer; after that, it is the clip's error. A kept file that turns out broken
// is forgotten and fetched like any other.
//
//                 all bytes are on the disk        whole
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

/// Not thread-safe: its driver locks.
class ClipPlan {
 public:
  /// Bytes of a piece, and of the memory window.
  static constexpr std::uint64_t piece_size = ClipContents::piece_size;
  static constexpr std::uint64_t memory_window = 8U << 20U;
  /// Bytes that may wait for a disk that is slower than the network.
  static constexpr std::uint64_t unwritten_limit = 32U << 20U;
  /// Bytes at the file's end that are fetched at once, on speculation. A clip's `moov` has 7 KiB.
  static constexpr std::uint64_t tail_size = 16U << 10U;
  /// A reader waits for a running fetch that is this close: a request of its own would not be there
  /// sooner. (A quarter of what 2 MB/s bring in a second.)
  static constexpr std::uint64_t near = 512U << 10U;
  /// A hole up to this size is fetched beside the main fetch; for a larger one that one moves.
  static constexpr std::uint64_t small_hole = 1U << 20U;
  /// Without a disk, so many bytes may wait for a reader who needs what comes behind them.
  static constexpr std::uint64_t unread_limit = 512U << 20U;
  /// Of a file that changes each time it is looked at.
  static constexpr unsigned max_versions = 4;

  enum class Role { main, side };
  using FetchId = std::uint64_t;  ///< 0: none

  struct Settings {
    bool keep = true;     ///< false: the bytes never touch the disk
    bool has_url = true;  ///< false: there is nothing but what is in the cache
    int retries = 5;      ///< failures of the main fetch in a row; -1: no end
    Backoff backoff;
  };

  /// The head of what the file host answered (RFC 9110).
  struct Head {
    struct Part {
      std::uint64_t first = 0;
      std::uint64_t last = 0;  ///< included
    };
    unsigned status = 0;
    std::optional<std::uint64_t> length = {};  ///< of a 200's body
    std::optional<Part> part = {};             ///< of a 206
    std::optional<std::uint64_t> total = {};   ///< the file's size, from Content-Range
    std::string validator = {};                ///< strong; empty: none
    std::optional<std::chrono::seconds> retry_after = {};
  };

  /// What the driver has to do, in this order.
  struct Command {
    enum class Kind {
      open_file,    ///< a new, empty file for `version`, in place of the one before
      fetch,        ///< [first, end) of the URL, or its last `first` bytes (is_suffix)
      stop,         ///< the fetch: nothing of it is wanted any more
      resume,       ///< the fetch: there is a place for its bytes again
      wait,         ///< for `delay`, then call on_timer(fetch); the fetch before it was stopped
      store,        ///< [first, end) of `version` in the file, then call on_stored()
      evict,        ///< the piece that begins at `first` leaves the memory
      check,        ///< the box structure of `version`, whole, then call on_verdict()
      keep,         ///< the file of `version`, then call on_kept()
      forget_kept,  ///< the kept file is damaged: it leaves the cache
    };
    Kind kind = Kind::stop;
    FetchId fetch = 0;
    Role role = Role::main;  ///< of the fetch, when it begins
    unsigned version = 0;
    std::uint64_t first = 0;
    std::optional<std::uint64_t> end = {};  ///< unset: to the file's end
    bool is_suffix = false;
    std::string if_range = {};  ///< empty: none
    std::chrono::milliseconds delay{0};
  };
  using Commands = std::vector<Command>;

  /// Where a fetch's next bytes go.
  struct Place {
    enum class Kind {
      put,     ///< at `offset`, up to `size` of them
      ignore,  ///< nowhere: up to `size` are here already, or beyond the end
      pause,   ///< nowhere just now: a `resume` follows
      stop,    ///< what comes is here already: the driver ends the fetch, by on_end()
    };
    Kind kind = Kind::stop;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  /// What a reader finds at an offset.
  struct Found {
    enum class Kind { pending, ready, end, failed };
    Kind kind = Kind::pending;
    std::uint64_t size = 0;  ///< if ready: bytes from there on, without a hole
  };

  enum class Keeping { downloading, checking, keeping, kept, not_kept };

  explicit ClipPlan(Settings settings) : settings_(settings) {}

  // --- Inputs. `random` is a draw from [0, 1), for jitter. ---

  /// Nothing is in the cache: the download begins.
  Commands begin();
  /// A kept file of that size is here, with the hash that it had when it was kept.
  Commands begin_with_kept(std::uint64_t size);
  Commands on_head(FetchId fetch, const Head& head, double random);
  Place place(FetchId fetch);
  /// Where the bytes that come next are to be put; nullopt: they are ignored.
  [[nodiscard]] std::optional<std::uint64_t> next_put(FetchId fetch) const;
  /// So many bytes came, and went to their place.
  Commands on_data(FetchId fetch, std::uint64_t count);
  /// `failure`: network and timeout pass, any other is final.
  Commands on_end(FetchId fetch, std::optional<Error> failure, double random);
  Commands on_timer(FetchId fetch);
  Commands on_stored(unsigned version, std::uint64_t first, std::uint64_t end,
                     const Status& stored);
  /// The box structure of `version` is whole, or has that fault. From the driver's check, and from
  /// a reader who met the fault earlier.
  Commands on_verdict(unsigned version, std::optional<Error> fault, double random);
  Commands on_kept(unsigned version, const Status& kept);

  // --- Readers ---

  /// Looks. What is not here is wanted from then on: see is_asked().
  Found find(std::uint64_t offset);
  /// Somebody wants what no fetch brings: the driver is to call on_wanted().
  [[nodiscard]] bool is_asked() const { return is_asked_; }
  Commands on_wanted();
  /// A reader is through with these bytes.
  Commands on_taken(std::uint64_t first, std::uint64_t end);
  /// What was read so far is used: from now on another file is an error. False: it is of another
  /// version.
  bool commit(unsigned version);

  // --- What there is ---

  /// Counts the files that were found at the URL.
  [[nodiscard]] unsigned version() const { return version_; }
  /// Whether every byte is here. What is whole is worth keeping, whoever has left.
  [[nodiscard]] bool is_whole() const;
  /// Whether anything of that fetch is still wanted.
  [[nodiscard]] bool is_live(FetchId fetch) const;
  /// In bytes. nullopt: not known, or known by the end of a connection alone and not yet checked.
  [[nodiscard]] std::optional<std::uint64_t> size() const;
  /// The same, of the file that a `check` or a `keep` is about.
  [[nodiscard]] std::uint64_t checked_size() const { return contents_.size.value_or(0); }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  /// The file host will not serve this URL, now or later.
  [[nodiscard]] bool is_refused() const { return is_refused_; }
  [[nodiscard]] Keeping keeping() const { return keeping_; }
  /// Why the clip plays but is not kept; null: it is kept, or nothing was to be.
  [[nodiscard]] const Error* unkept_reason() const { return unkept_ ? &*unkept_ : nullptr; }
  /// Whether bytes are still to be written to a file.
  [[nodiscard]] bool is_stored() const { return settings_.keep; }
  /// Bytes from `offset` on that are on the disk, without a hole.
  [[nodiscard]] std::uint64_t stored_at(std::uint64_t offset) const;
  [[nodiscard]] unsigned retries() const { return total_retries_; }

 private:
  enum class FetchState { idle, waiting, asked, receiving, paused };
  struct Fetch {
    Role role;
    FetchId id = 0;
    FetchState state = FetchState::idle;
    std::uint64_t position = 0;             // of the next byte to come
    std::optional<std::uint64_t> end = {};  // one past the last byte wanted; unset: to the end
    bool is_tail = false;                   // the position is not known until the head is here
    bool is_move = false;      // of the main fetch: it takes its place when the host has answered
    bool passes_over = false;  // what is here already, rather than to stop there
    unsigned attempts = 0;     // failures in a row
    std::uint64_t unflushed = 0;  // where the run begins that no `store` has told yet

    [[nodiscard]] bool is_active() const { return state != FetchState::idle; }
    [[nodiscard]] bool will_soon_bring(std::uint64_t offset) const;
  };

  enum class Event;
  enum class Action;
  struct Transition;
  static const Transition transitions[];

  // Of a version, and gone with it.
  struct Contents {
    std::optional<std::uint64_t> size;
    bool is_size_told = false;  // by the file host, not by the end of a connection
    bool is_size_shown = false;
    std::string validator;
    bool is_known = false;  // the main fetch has answered; before, it is the side's word
    bool has_ranges = false;
    bool is_side_useless = false;
    ClipContents bytes;
  };

  [[nodiscard]] Event classify(const Fetch& fetch, const Head& head) const;
  [[nodiscard]] bool is_same_file(const Head& head) const;
  void act(Fetch& fetch, Event event, const Head& head, Error failure, double random);
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
  [[nodiscard]] std::uint64_t run_at(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t next_here(std::uint64_t offset) const;
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
  bool was_broken_ = false;      // a version
  std::uint64_t furthest_ = 0;   // byte that any version's main fetch has brought
  std::uint64_t most_held_ = 0;  // bytes here at once
  unsigned total_retries_ = 0;
  std::uint64_t wanted_ = 0;
  bool is_awaited_ = false;  // `wanted_` was not here when it was looked for
  bool is_asked_ = false;
  bool is_refused_ = false;
  std::optional<Error> error_;
  std::optional<Error> unkept_;
};

/// For the log.
std::string_view nick(ClipPlan::Role role);
std::string_view nick(ClipPlan::Keeping keeping);

}  // namespace veo
