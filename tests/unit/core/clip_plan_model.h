// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A model of the world around a ClipPlan: a file host, a disk, a memory and a reader. The model is
// so simple that a reader of this code can see that it is right. It executes the commands of the
// plan, in any order that can happen in reality, and checks:
//
//   - a reader gets the bytes of one file, each at its place
//   - a kept file is one file, and complete
//   - a piece that has left the memory is on the disk, or is no longer here
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "veo/core/clip_plan.h"

namespace veo::test {

class ClipWorld {
 public:
  using Plan = ClipPlan;
  using Kind = Plan::Command::Kind;
  using Role = Plan::Role;

  /// The faults of the host and the disk, as probabilities. With zeros nothing fails.
  struct Habits {
    bool has_ranges = true;
    bool tells_length = true;
    bool has_validator = true;
    double odd_status = 0;  ///< the status is 403, 404, 416, 429, 503, or 200 in place of 206
    double other_file = 0;  ///< the host exchanges the file before the answer
    double error_page = 0;  ///< the answer is a 200 with a short page
    double wrong_part = 0;  ///< the answer is a 206 with another range
    double open_size = 0;   ///< the answer is a 206 without a total
    double short_part = 0;  ///< the answer is a 206 with less than was asked for
    /// Every connection breaks at this offset.
    std::optional<std::uint64_t> breaks_at = {};
    std::uint64_t longest_part = UINT64_MAX;  ///< no 206 has more bytes
    double breaks = 0;                        ///< the connection breaks after some bytes
    double cuts = 0;                          ///< the answer ends too early, without a failure
    double bad_disk = 0;                      ///< a store fails
    bool only_side = false;                   ///< the faults concern only the side fetch
  };

  ClipWorld(Plan::Settings settings, std::uint64_t size, Habits first_habits, unsigned seed)
      : plan(settings), habits(first_habits), random_(seed) {
    files_.push_back({.size = size});
  }

  // --- the file host ---

  /// The value of each byte depends on the file and on the offset.
  static std::uint8_t byte_of(std::size_t file, std::uint64_t offset) {
    return static_cast<std::uint8_t>(file * 37 + offset / 1000);
  }

  void exchange_file() {
    files_.push_back({.size = 1 + draw(3U << 20U)});
    current_ = files_.size() - 1;
  }
  [[nodiscard]] std::uint64_t size() const { return files_[current_].size; }

  void run(Plan::Commands commands) {
    for (auto& command : commands) obey(command);
  }

  // --- steps: each lets one event happen outside the plan ---

  void answer_one() { step_fetch(pick_fetch()); }

  /// Lets one event happen. Returns false if no event is possible.
  bool step() {
    std::vector<int> possible;
    if (!fetches_.empty()) possible.insert(possible.end(), 4, 0);
    if (!stores_.empty()) possible.insert(possible.end(), 2, 1);
    if (!timers_.empty()) possible.push_back(2);
    if (check_) possible.push_back(3);
    if (keep_) possible.push_back(4);
    if (plan.is_fetch_needed()) possible.push_back(5);
    if (possible.empty()) return false;
    switch (possible[draw(possible.size())]) {
      case 0:
        step_fetch(pick_fetch());
        break;
      case 1:
        store_one();
        break;
      case 2: {
        const auto at =
            std::next(timers_.begin(), static_cast<std::ptrdiff_t>(draw(timers_.size())));
        const auto id = *at;
        timers_.erase(at);
        run(plan.on_timer(id));
        break;
      }
      case 3: {
        const auto version = *std::exchange(check_, std::nullopt);
        const auto fault = is_one_complete_file(version)
                               ? std::nullopt
                               : std::optional(Error{.code = ErrorCode::bad_media});
        run(plan.on_verdict(version, fault, chance()));
        break;
      }
      case 4: {
        const auto version = *std::exchange(keep_, std::nullopt);
        run(plan.on_kept(version, {}));
        break;
      }
      default:
        run(plan.on_wanted());
    }
    return true;
  }

  // --- the reader ---

  /// Reads up to `most` bytes at `offset`, if any are here. Returns the number of bytes.
  std::uint64_t read(std::uint64_t offset, std::uint64_t most, bool is_through) {
    const auto found = plan.find(offset);
    if (found.kind != Plan::Found::Kind::ready) return 0;
    auto count = std::min(found.size, most);
    const auto piece = offset - offset % Plan::piece_size;
    if (const auto memory = memory_.find(piece); memory != memory_.end()) {
      count = std::min(count, piece + Plan::piece_size - offset);
      // A piece in memory may lack the byte. Then the byte is on the disk.
      if (memory->second.here[offset - piece]) {
        const auto from = memory->second.here.begin() + static_cast<std::ptrdiff_t>(offset - piece);
        const auto till = from + static_cast<std::ptrdiff_t>(count);
        count = static_cast<std::uint64_t>(std::find(from, till, 0) - from);
        check_bytes(offset, {memory->second.bytes.data() + (offset - piece), count});
        if (is_through) run(plan.on_taken(offset, offset + count));
        return count;
      }
    }
    count = std::min(count, plan.count_stored_from(offset));
    EXPECT_GT(count, 0U) << "promised, but neither in the memory nor on the disk: " << offset;
    if (count == 0) return 0;
    const auto& disk = disks_[plan.version()];
    EXPECT_LE(offset + count, disk.size());
    if (offset + count > disk.size()) return 0;
    check_bytes(offset, {disk.data() + offset, count});
    if (is_through) run(plan.on_taken(offset, offset + count));
    return count;
  }

  [[nodiscard]] bool is_one_complete_file(unsigned version) {
    const auto& disk = plan.is_storing() ? disks_[version] : joined_memory();
    for (std::size_t file = 0; file < files_.size(); ++file) {
      if (files_[file].is_page || disk.size() != files_[file].size) continue;
      bool same = true;
      for (std::uint64_t at = 0; same && at < disk.size(); at += 500) {
        same = disk[at] == byte_of(file, at);
      }
      if (same && !disk.empty() && disk.back() == byte_of(file, disk.size() - 1)) return true;
    }
    return false;
  }

  /// The files that the bytes of this version may belong to, by the bytes that were read.
  std::set<std::size_t>& files_of(unsigned version) {
    auto [at, is_new] = read_of_.try_emplace(version);
    if (is_new) {
      for (std::size_t file = 0; file < files_.size(); ++file) at->second.insert(file);
    }
    return at->second;
  }

  double chance() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  std::uint64_t draw(std::uint64_t below) { return random_() % below; }
  [[nodiscard]] bool has_kept() const { return has_kept_; }
  [[nodiscard]] bool has_file() const { return !disks_.empty(); }
  [[nodiscard]] std::size_t requests() const { return requests_; }
  [[nodiscard]] std::size_t in_flight() const { return fetches_.size(); }
  [[nodiscard]] std::uint64_t in_memory() const { return memory_.size() * Plan::piece_size; }

  Plan plan;
  Habits habits;

 private:
  struct File {
    std::uint64_t size = 0;
    bool is_page = false;
  };
  struct Piece {
    std::size_t generation = 0;  // a piece that left and came back has another number
    std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(Plan::piece_size);
    std::vector<std::uint8_t> here = std::vector<std::uint8_t>(Plan::piece_size);
  };
  struct Fetch {
    Plan::Command command;
    bool has_answered = false;
    bool is_paused = false;
    std::size_t file = 0;
    std::uint64_t position = 0;
    std::uint64_t end = 0;
    std::optional<std::uint64_t> cut_at;
    std::optional<Plan::Place> place;  // the place of the read that has begun
    std::size_t generation = 0;
  };

  void obey(const Plan::Command& command) {
    switch (command.kind) {
      case Kind::open_file:
        disks_[command.version].clear();
        break;
      case Kind::fetch:
        ++requests_;
        fetches_[command.fetch] = {.command = command};
        break;
      case Kind::stop:
        fetches_.erase(command.fetch);
        timers_.erase(command.fetch);
        break;
      case Kind::resume:
        if (fetches_.contains(command.fetch)) fetches_[command.fetch].is_paused = false;
        break;
      case Kind::wait:
        fetches_.erase(command.fetch);
        timers_.insert(command.fetch);
        break;
      case Kind::store: {
        Stored stored{command.version, command.first, *command.end, {}};
        // The bytes to store lie within one piece, and the piece is in memory.
        const auto piece = command.first - command.first % Plan::piece_size;
        const auto first = static_cast<std::ptrdiff_t>(command.first - piece);
        const auto end = static_cast<std::ptrdiff_t>(*command.end - piece);
        const auto found = memory_.find(piece);
        ASSERT_TRUE(found != memory_.end() && *command.end <= piece + Plan::piece_size);
        const auto& here = found->second.here;
        ASSERT_EQ(std::find(here.begin() + first, here.begin() + end, 0), here.begin() + end);
        const auto& bytes = found->second.bytes;
        stored.bytes.assign(bytes.begin() + first, bytes.begin() + end);
        stores_.push_back(std::move(stored));
        break;
      }
      case Kind::evict:
        memory_.erase(command.first);
        break;
      case Kind::check:
        if (plan.is_storing()) {
          const auto waits = [&](const Stored& stored) {
            return stored.version == command.version;
          };
          EXPECT_TRUE(std::ranges::none_of(stores_, waits)) << "checked before it was stored";
          EXPECT_EQ(disks_[command.version].size(), plan.checked_size());
        }
        check_ = command.version;
        break;
      case Kind::keep:
        EXPECT_TRUE(is_one_complete_file(command.version)) << "kept, but not complete";
        has_kept_ = true;
        keep_ = command.version;
        break;
      case Kind::forget_kept:
        has_kept_ = false;
        break;
    }
  }

  std::map<Plan::FetchId, Fetch>::iterator pick_fetch() {
    return std::next(fetches_.begin(), static_cast<std::ptrdiff_t>(draw(fetches_.size())));
  }

  [[nodiscard]] bool is_odd(const Fetch& fetch, double probability) {
    const bool may_be = !habits.only_side || fetch.command.role == Role::side;
    return may_be && chance() < probability;
  }

  void step_fetch(std::map<Plan::FetchId, Fetch>::iterator at) {
    auto& fetch = at->second;
    const auto id = at->first;
    if (!fetch.has_answered) return answer(id, fetch);
    if (fetch.is_paused) return;
    if (!fetch.place) {
      const auto place = plan.assign_place(id);
      if (place.kind == Plan::Place::Kind::pause) {
        fetch.is_paused = true;
      } else if (place.kind == Plan::Place::Kind::stop) {
        fetches_.erase(id);
        run(plan.on_end(id, std::nullopt, chance()));
      } else {
        fetch.place = place;
        if (place.kind == Plan::Place::Kind::put) fetch.generation = open_piece(place.offset);
      }
      return;
    }
    const auto place = *std::exchange(fetch.place, std::nullopt);
    if (is_odd(fetch, habits.breaks)) {
      fetches_.erase(id);
      return run(plan.on_end(id, Error{.code = ErrorCode::network}, chance()));
    }
    if (habits.breaks_at && fetch.position >= *habits.breaks_at) {
      fetches_.erase(id);
      return run(plan.on_end(id, Error{.code = ErrorCode::network}, chance()));
    }
    const auto stop = std::min(
        {fetch.end, fetch.cut_at.value_or(fetch.end), habits.breaks_at.value_or(fetch.end)});
    if (fetch.position >= stop) {
      const bool is_told = habits.tells_length && stop < fetch.end;
      fetches_.erase(id);
      return run(plan.on_end(
          id, is_told ? std::optional(Error{.code = ErrorCode::network}) : std::nullopt, chance()));
    }
    const auto count = std::min({place.size, stop - fetch.position, 1 + draw(200'000)});
    if (place.kind == Plan::Place::Kind::put) put(place.offset, fetch, count);
    fetch.position += count;
    run(plan.on_data(id, count));
  }

  std::size_t open_piece(std::uint64_t offset) {
    auto& piece = memory_[offset - offset % Plan::piece_size];
    if (piece.generation == 0) piece.generation = ++generations_;
    return piece.generation;
  }

  void put(std::uint64_t offset, const Fetch& fetch, std::uint64_t count) {
    EXPECT_EQ(offset, fetch.position);
    const auto piece = offset - offset % Plan::piece_size;
    EXPECT_LE(offset + count, piece + Plan::piece_size);
    auto& there = memory_[piece];
    EXPECT_EQ(there.generation, fetch.generation) << "left the memory while it was read into";
    const auto at = static_cast<std::ptrdiff_t>(offset - piece);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto run = std::min(count - i, 1000 - (offset + i) % 1000);
      std::fill_n(there.bytes.begin() + at + static_cast<std::ptrdiff_t>(i), run,
                  byte_of(fetch.file, offset + i));
      i += run - 1;
    }
    std::fill_n(there.here.begin() + at, count, std::uint8_t{1});
  }

  void answer(Plan::FetchId id, Fetch& fetch) {
    if (is_odd(fetch, habits.other_file)) exchange_file();
    Plan::Head head{.status = 206};
    fetch.has_answered = true;
    fetch.file = current_;
    if (is_odd(fetch, habits.odd_status)) {
      constexpr unsigned statuses[] = {403, 404, 416, 429, 503};
      head.status = statuses[draw(5)];
      fetches_.erase(id);
      run(plan.on_head(id, head, chance()));
      return;
    }
    if (is_odd(fetch, habits.error_page)) {
      files_.push_back({.size = 100 + draw(50'000), .is_page = true});
      fetch.file = files_.size() - 1;
      head.status = 200;
    }
    const auto file_size = files_[fetch.file].size;
    const auto first = fetch.command.is_suffix
                           ? file_size - std::min(file_size, fetch.command.first)
                           : fetch.command.first;
    const bool is_exchanged =
        !fetch.command.if_range.empty() && fetch.command.if_range != validator_of(fetch.file);
    if (head.status == 200 || !habits.has_ranges || is_exchanged) {
      head.status = 200;
      fetch.position = 0;
      fetch.end = file_size;
      if (habits.tells_length) head.length = file_size;
    } else if (first >= file_size) {
      head.status = 416;
      head.total = file_size;
      fetches_.erase(id);
      run(plan.on_head(id, head, chance()));
      return;
    } else {
      fetch.position = first;
      fetch.end = std::min(file_size, fetch.command.end.value_or(file_size));
      if (is_odd(fetch, habits.short_part)) fetch.end -= draw(fetch.end - first);
      fetch.end = std::min(fetch.end, first + std::min(habits.longest_part, file_size));
      head.part = Plan::Head::Part{first, fetch.end - 1};
      head.total = file_size;
      if (is_odd(fetch, habits.wrong_part)) {
        if (head.part->first < head.part->last) fetch.position = ++head.part->first;
      }
      if (is_odd(fetch, habits.open_size)) head.total.reset();
    }
    head.validator = validator_of(fetch.file);
    if (is_odd(fetch, habits.cuts)) {
      fetch.cut_at = fetch.position + draw(fetch.end - fetch.position + 1);
    }
    run(plan.on_head(id, head, chance()));
    if (!plan.is_live(id)) fetches_.erase(id);
  }

  [[nodiscard]] std::string validator_of(std::size_t file) const {
    return habits.has_validator ? "\"" + std::to_string(file) + "\"" : "";
  }

  void store_one() {
    auto stored = std::move(stores_.front());
    stores_.pop_front();
    Status outcome;
    if (chance() < habits.bad_disk) {
      outcome = fail(Error{.code = ErrorCode::cache, .message = "full"});
    } else {
      auto& disk = disks_[stored.version];
      if (disk.size() < stored.end) disk.resize(stored.end);
      std::ranges::copy(stored.bytes, disk.begin() + static_cast<std::ptrdiff_t>(stored.first));
    }
    run(plan.on_stored(stored.version, stored.first, stored.end, outcome));
  }

  std::vector<std::uint8_t>& joined_memory() {
    joined_.clear();
    for (const auto& [piece, held] : memory_) {
      const auto count = std::find(held.here.begin(), held.here.end(), 0) - held.here.begin();
      joined_.resize(piece);
      joined_.insert(joined_.end(), held.bytes.begin(), held.bytes.begin() + count);
    }
    return joined_;
  }

  void check_bytes(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
    auto& files = files_of(plan.version());
    for (std::uint64_t i = 0; i < bytes.size(); i += std::min<std::uint64_t>(97, bytes.size())) {
      std::erase_if(files, [&](std::size_t file) {
        return offset + i >= files_[file].size || byte_of(file, offset + i) != bytes[i];
      });
    }
    EXPECT_FALSE(files.empty()) << "bytes of two files in one version";
  }

  std::mt19937 random_;
  std::vector<File> files_;
  std::size_t current_ = 0;
  std::map<Plan::FetchId, Fetch> fetches_;
  std::set<Plan::FetchId> timers_;
  struct Stored {
    unsigned version;
    std::uint64_t first;
    std::uint64_t end;
    std::vector<std::uint8_t> bytes;
  };
  std::deque<Stored> stores_;
  std::map<std::uint64_t, Piece> memory_;
  std::map<unsigned, std::vector<std::uint8_t>> disks_;
  std::optional<unsigned> check_;
  std::optional<unsigned> keep_;
  std::map<unsigned, std::set<std::size_t>> read_of_;
  std::vector<std::uint8_t> joined_;
  std::size_t generations_ = 0;
  bool has_kept_ = false;
  std::size_t requests_ = 0;
};

}  // namespace veo::test
