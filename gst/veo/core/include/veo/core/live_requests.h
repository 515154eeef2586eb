// SPDX-License-Identifier: LGPL-2.1-or-later
//
// LiveRequests decides what a live source plays and what it generates. It does no I/O and reads no
// clock. A driver (the plugin's LivePlaylist) executes the commands of this machine, and reports to
// the machine what became of each clip. A repetition is a clip, too: it plays a task that was
// played before, and is never paid.
//
//   on_set ──► settling ──► read ──┐ on_read
//   request ───────────────────────┴──► queue ──► next ──► playing ──► (ended, failed, skipped)
//                                          │        │         │  ▲
//                                          │        │         │  │ choose(), while no next clip is
//                                          │        │         ▼  │ ready
//                                          │        │       repetition (one is prepared while the
//                                          │        │                   last clip plays)
//                                          │        └─ failed
//                                          └─ flush
//
// The rules:
//
//   A property that is set asks for one clip. The properties count as they are when none of them
//   was set for `settling`, so that a program may set them one by one, or at each key of a text
//   box. The queue is first in, first out. One clip of the queue is under way at a time (`next`)
//   beside the clip that plays: it is generated, or waits for its turn. When it begins to play,
//   ends or fails, the clip behind it is begun. flush() drops what was not begun. A clip that was
//   begun stays, because it is paid or may be. skip() ends the clip that plays. With `repeat`, the
//   last clip that was played to its end plays again while no next clip is ready. It gives way as
//   soon as the next clip is ready. After a skip, or after a failure, nothing is repeated until
//   another clip was played. So a repetition that fails is not tried again.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace veo {

/// The state machine of a live source. Not thread-safe.
class LiveRequests {
 public:
  /// Monotonic time. The driver passes it.
  using Time = std::chrono::steady_clock::time_point;
  /// The name of a clip: of one that was asked for, or of a repetition. No two clips share a name.
  using Id = std::uint64_t;

  /// The properties count when none was set for this time.
  static constexpr std::chrono::milliseconds settling{250};

  /// The next work of the driver.
  struct Command {
    enum class Kind {
      read,    ///< read the properties, then call on_read() or on_unreadable()
      begin,   ///< begin the clip `id`
      repeat,  ///< begin the clip `id`, which plays the task of the clip `of` again
      close,   ///< end the clip `id`
      forget,  ///< the properties of `id` are no longer needed
    };
    Kind kind = Kind::read;
    Id id = 0;
    Id of = 0;
    bool operator==(const Command&) const = default;
  };

  /// The clip whose frame is due.
  struct Playing {
    Id id = 0;
    bool is_repetition = false;
    bool operator==(const Playing&) const = default;
  };

  // --- What the application does ---

  /// A property that describes a request was set.
  void on_set(Time now);
  /// Asks for one more clip, whose properties the driver has read. What was set and has not settled
  /// is a part of these properties, and asks for no clip of its own. Returns the clip's name.
  Id request();
  /// Ends the clip that plays.
  void skip();
  /// Drops what was not begun.
  void flush();
  void set_repeat(bool repeat);
  /// From now on clips are begun. What is asked for before waits.
  void open();
  /// Ends all clips, drops everything, and begins nothing until open().
  void close();

  // --- What the driver reports. A name that is no longer used is ignored. ---

  /// The time next_timer() has come.
  void on_timer(Time now);
  /// The properties were read. Returns the name of the clip; nullopt: flush() came in between.
  std::optional<Id> on_read();
  /// The properties cannot be used, or ask for nothing.
  void on_unreadable();
  /// The clip can be played from its first frame to its last without a wait.
  void on_ready(Id id);
  /// The clip was played to its end.
  void on_ended(Id id);
  /// The clip has failed, or has no frames (a dry run).
  void on_failed(Id id);

  /// Decides which clip plays at this tick. nullopt: none.
  std::optional<Playing> choose();

  // --- State ---

  /// Returns the commands since the last call, in their order.
  [[nodiscard]] std::vector<Command> take_commands();
  [[nodiscard]] bool has_commands() const { return !commands_.empty(); }
  /// When on_timer() is due; nullopt: never.
  [[nodiscard]] std::optional<Time> next_timer() const { return settles_at_; }
  /// The clip that plays, as the last choose() left it.
  [[nodiscard]] const std::optional<Playing>& playing() const { return playing_; }
  /// The clip that is under way.
  [[nodiscard]] std::optional<Id> next() const;
  /// The repetition that is prepared.
  [[nodiscard]] std::optional<Id> repetition() const;
  /// How many clips are asked for and do not play yet.
  [[nodiscard]] std::size_t pending() const;

 private:
  struct Prepared {
    Id id = 0;
    bool is_ready = false;
  };

  void add(Command::Kind kind, Id id = 0, Id of = 0) { commands_.push_back({kind, id, of}); }
  Id enqueue();
  void begin_next();
  void begin_repetition();
  void close_repetition();
  void play_next();
  void play_repetition();
  void forget_last();

  Id newest_ = 0;
  bool is_open_ = false;
  bool is_repeat_ = false;
  bool is_reading_ = false;  // a `read` is with the driver
  std::optional<Time> settles_at_;
  std::deque<Id> queue_;
  std::optional<Prepared> next_;
  std::optional<Playing> playing_;
  std::optional<Prepared> repetition_;  // the prepared one; the one that plays is in playing_
  std::optional<Id> last_;              // the clip that may be repeated
  std::vector<Command> commands_;
};

}  // namespace veo
