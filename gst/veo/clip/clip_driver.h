// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The driver of a ClipPlan. The driver fetches, stores and waits as the plan commands, and tells
// the plan the results. It decides nothing.
//
//   readers              I/O thread                              store thread
//   ───────              ──────────                              ────────────
//   find(), take() ◄──► [ plan, spool ]  ◄── head, data, end     write, hash, check,
//   wanted ── post ────► commands ──► fetch, stop, wait          sync, rename
//                                 ──► store, check, keep ──────►
//                        on_stored(), on_verdict(), on_kept() ◄──
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "clip_file.h"
#include "spool.h"
#include "veo/clip/clip.h"
#include "veo/core/clip_plan.h"
#include "veo/core/log.h"
#include "veo/http/io_thread.h"
#include "veo/http/io_thread_only.h"
#include "veo/http/transport.h"
#include "veo/system/guarded.h"
#include "veo/system/wakeup.h"

namespace veo {

/// Keeps itself alive through the callbacks that it waits for.
class ClipDriver : public std::enable_shared_from_this<ClipDriver> {
 public:
  explicit ClipDriver(Clip::Settings settings);

  // --- any thread ---

  /// See Clip for these.
  Clip::Availability at(std::uint64_t offset);
  Result<SharedBytes> take(std::uint64_t offset, std::size_t most, bool is_through);
  void report_broken(unsigned version, Error fault);
  bool commit(unsigned version) { return shared_.lock()->plan.commit(version); }
  [[nodiscard]] std::optional<std::uint64_t> size() const { return shared_.lock()->plan.size(); }
  [[nodiscard]] unsigned version() const { return shared_.lock()->plan.version(); }
  [[nodiscard]] std::optional<Error> failure() const;
  [[nodiscard]] bool is_refused() const { return shared_.lock()->plan.is_refused(); }
  [[nodiscard]] Clip::Stats stats() const;
  [[nodiscard]] std::string notice() const;
  [[nodiscard]] std::string kept_path() const;
  void subscribe(std::weak_ptr<Wakeup> wakeup) { subscribers_.add(std::move(wakeup)); }

  /// Called once each, at the clip's begin and at its end.
  void begin();
  void release();

 private:
  /// State that the I/O thread and the readers share.
  struct Shared {
    explicit Shared(ClipPlan::Settings settings) : plan(settings) {}

    ClipPlan plan;
    Spool spool;
    ClipFile::File file;    // of the plan's version; null until bytes are in it
    std::string kept_path;  // of the last file that the cache kept
    Clip::Stats stats;
    std::optional<Error> unrecorded;      // why the ledger does not know that the clip is kept
    std::optional<SharedBytes> promised;  // to the one reader, if the bytes are in memory only
    std::uint64_t promised_at = 0;
  };

  /// A fetch of the plan, or the wait before its next try. `fetch` is 0 if the slot is free.
  struct Slot {
    ClipPlan::FetchId fetch = 0;
    http::Transport::Exchange exchange;
    http::IoThread::Timer timer;
  };

  /// Tells the plan that the reader has finished with bytes that are in memory only. Any thread.
  void tell_taken(Shared& shared, std::uint64_t first, std::uint64_t end);
  /// Gives the plan an input, and does what the plan commands.
  template <class Input>
  void put_in(Input input);
  /// Logs what an input has changed: `keeping` and `version` are from before the input.
  void log_changes(const ClipPlan& plan, ClipPlan::Keeping keeping, unsigned version);
  [[nodiscard]] log::Text label() const { return log::text(label_); }
  void obey(const ClipPlan::Command& command);
  void fetch(const ClipPlan::Command& command);
  void stop(ClipPlan::FetchId fetch);
  void wait(const ClipPlan::Command& command);
  void store(const ClipPlan::Command& command);
  void check(unsigned version);
  void keep(unsigned version);
  void on_kept(unsigned version, Result<CachedClip> kept);
  void find_in_cache();
  void download();
  void ask_for_wanted();
  [[nodiscard]] Slot* find_slot(ClipPlan::FetchId fetch);
  [[nodiscard]] Slot& find_free_slot();
  Status read(std::uint64_t offset, std::span<std::uint8_t> into);

  bool on_head(ClipPlan::FetchId fetch, const http::FileHead& head);
  http::Room make_room(ClipPlan::FetchId fetch);
  void on_data(ClipPlan::FetchId fetch, std::size_t count);
  void on_end(ClipPlan::FetchId fetch, std::optional<Error> failure);

  /// Makes the text for the user, who must learn that the task is not lost.
  [[nodiscard]] Error explain(Error failure) const;

  const Clip::Settings settings_;
  const std::shared_ptr<http::IoThread> thread_;
  const std::string label_;  // for the log

  /// State that only the I/O thread uses.
  struct Io {
    Io(const std::shared_ptr<http::IoThread>& thread, const Clip::Settings& settings);

    std::shared_ptr<http::Transport> transport;
    ClipFile file;
    std::array<Slot, 2> slots;
    bool is_released = false;
    bool is_failure_logged = false;
    bool is_unkept_logged = false;
    std::shared_ptr<const void> exit_hold;  // until a complete clip is kept
  };
  http::IoThreadOnly<Io> io_;

  Subscribers subscribers_;
  Guarded<Shared> shared_;
};

}  // namespace veo
