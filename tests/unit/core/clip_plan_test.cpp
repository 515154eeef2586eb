// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/clip_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "clip_plan_model.h"

namespace veo {
namespace {

using test::ClipWorld;
using Kind = ClipPlan::Command::Kind;
using Keeping = ClipPlan::Keeping;
using Found = ClipPlan::Found;

// --- random worlds ---------------------------------------------------------------------------

/// Reads a number from an environment variable; `otherwise` if the variable is not set.
std::size_t read_number(const char* variable, std::size_t otherwise) {
  const char* const set = std::getenv(variable);
  return set != nullptr ? std::stoul(set) : otherwise;
}
/// The number of steps of all worlds. VEO_TEST_STEPS=1000000 makes a long run.
std::size_t count_steps() { return read_number("VEO_TEST_STEPS", 100'000); }
/// The seed of the first world. A failure names its seed, and VEO_TEST_SEED begins with that seed.
unsigned find_first_seed() { return static_cast<unsigned>(read_number("VEO_TEST_SEED", 1)); }

/// A reader that reads from the start to the end, with jumps. It begins again with each version.
class Reader {
 public:
  explicit Reader(ClipWorld& world) : world_(world) {}

  void step(bool jumps) {
    auto& plan = world_.plan;
    if (plan.version() != version_) {
      EXPECT_FALSE(is_committed_) << "another version after the commit";
      version_ = plan.version();
      position_ = 0;
      furthest_ = 0;
    }
    const auto size = plan.size();
    if (!size) {
      has_failed_ = has_failed_ || plan.find(0).kind == Found::Kind::failed;
      return;
    }
    if (!is_committed_ && world_.draw(50) == 0 && furthest_ > 0) {
      is_committed_ = plan.commit(version_);
    }
    if (jumps && world_.draw(40) == 0) position_ = world_.draw(*size + 1);
    const auto found = plan.find(position_);
    if (found.kind == Found::Kind::failed) has_failed_ = true;
    if (found.kind == Found::Kind::end) {
      if (plan.is_storing() && !plan.error()) {
        EXPECT_GE(plan.keeping(), Keeping::kept) << "the end is told before the clip is safe";
      }
      has_ended_ = true;
      if (jumps) position_ = world_.draw(*size + 1);
    }
    position_ += world_.read(position_, 1 + world_.draw(300'000), is_committed_);
    furthest_ = std::max(furthest_, position_);
  }

  /// Reads to the end. Returns false if the end never comes.
  bool finish() {
    has_ended_ = false;
    for (int i = 0; i < 20'000; ++i) {
      step(false);
      if (has_ended_ || has_failed_) return true;
      world_.step();
    }
    return false;
  }

  [[nodiscard]] bool has_failed() const { return has_failed_; }
  [[nodiscard]] std::uint64_t position() const { return position_; }

 private:
  ClipWorld& world_;
  unsigned version_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t furthest_ = 0;
  bool is_committed_ = false;
  bool has_ended_ = false;
  bool has_failed_ = false;
};

double some(std::mt19937& random, double most) {
  return random() % 3 == 0 ? std::uniform_real_distribution<double>(0, most)(random) : 0;
}

ClipWorld::Habits draw_habits(std::mt19937& random) {
  ClipWorld::Habits habits;
  habits.has_ranges = random() % 4 != 0;
  habits.tells_length = random() % 4 != 0;
  habits.has_validator = random() % 3 != 0;
  habits.odd_status = some(random, 0.3);
  habits.other_file = some(random, 0.2);
  habits.error_page = some(random, 0.2);
  habits.wrong_part = some(random, 0.1);
  habits.open_size = some(random, 1);
  habits.short_part = some(random, 0.5);
  habits.breaks = some(random, 0.2);
  habits.cuts = some(random, 0.3);
  habits.bad_disk = some(random, 0.05);
  return habits;
}

TEST(ClipPlanModel, ReadersGetOneFileAndOnlyCompleteOnesAreKept) {
  std::size_t steps = 0;
  std::size_t ends = 0;
  std::size_t failures = 0;
  std::size_t kept = 0;
  for (unsigned seed = find_first_seed(); steps < count_steps() && !testing::Test::HasFailure();
       ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    auto habits = draw_habits(random);
    // Without a validator nothing distinguishes two files of the same size.
    if (!habits.has_validator) habits.other_file = 0;
    ClipPlan::Settings settings{.keep = random() % 3 != 0,
                                .retries = static_cast<int>(random() % 6)};
    const std::uint64_t size = 1 + random() % (random() % 4 == 0 ? 14U << 20U : 3U << 20U);
    ClipWorld world(settings, size, habits, seed);
    world.run(world.plan.begin());
    Reader reader(world);
    for (int i = 0; i < 300 && !testing::Test::HasFailure(); ++i, ++steps) {
      if (world.draw(3) == 0) reader.step(true);
      world.step();
    }
    // From here on nothing fails, so the clip must end.
    world.habits = {.has_ranges = habits.has_ranges,
                    .tells_length = habits.tells_length,
                    .has_validator = habits.has_validator};
    ASSERT_TRUE(reader.finish()) << "it does not end: keep " << settings.keep << ", ranges "
                                 << habits.has_ranges << ", length " << habits.tells_length
                                 << ", validator " << habits.has_validator << ", size "
                                 << world.size() << ", version " << world.plan.version()
                                 << ", requests " << world.requests() << ", in flight "
                                 << world.in_flight() << ", at " << reader.position()
                                 << ", keeping " << static_cast<int>(world.plan.keeping())
                                 << ", found " << static_cast<int>(world.plan.find(0).kind)
                                 << ", shown " << world.plan.size().value_or(0);
    if (!settings.keep) {
      EXPECT_FALSE(world.has_file()) << "a file, though nothing is to be kept";
    }
    ends += reader.has_failed() ? 0U : 1U;
    failures += reader.has_failed() ? 1U : 0U;
    kept += world.has_kept() ? 1U : 0U;
  }
  RecordProperty("ends", static_cast<int>(ends));
  // Each outcome occurred often enough to mean something.
  EXPECT_GT(ends, 20U);
  EXPECT_GT(failures, 20U);
  EXPECT_GT(kept, 20U);
}

TEST(ClipPlanModel, TheClipPlaysEvenIfTheSideFetchFails) {
  std::size_t steps = 0;
  for (unsigned seed = find_first_seed(); steps < count_steps() / 4 && !testing::Test::HasFailure();
       ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    ClipWorld::Habits habits{.has_validator = random() % 2 == 0,
                             .odd_status = some(random, 1),
                             .error_page = some(random, 0.5),
                             .wrong_part = some(random, 0.5),
                             .breaks = some(random, 0.5),
                             .only_side = true};
    ClipWorld world({.keep = random() % 2 == 0}, 1 + random() % (3U << 20U), habits, seed);
    world.run(world.plan.begin());
    Reader reader(world);
    for (int i = 0; i < 200; ++i, ++steps) {
      if (world.draw(3) == 0) reader.step(true);
      world.step();
    }
    world.habits = {.has_validator = habits.has_validator};
    ASSERT_TRUE(reader.finish());
    EXPECT_FALSE(reader.has_failed()) << world.plan.error()->message;
  }
}

// --- hosts that break each download at the same place ------------------------------------------

struct BreakingHost {
  bool keep;
  bool has_ranges;
  bool tells_length;
  bool has_validator;
  std::uint64_t breaks_at;
};

/// Lets everything happen that can happen; false: it never ends.
bool run_to_the_end(ClipWorld& world) {
  Reader reader(world);
  for (int i = 0; i < 200'000; ++i) {
    reader.step(false);
    if (world.plan.error() || reader.has_failed()) return true;
    const bool is_settled = world.plan.keeping() >= Keeping::kept || !world.plan.is_storing();
    if (is_settled && reader.position() >= world.size()) return true;
    world.step();
  }
  return false;
}

// Only a byte beyond the furthest one is progress, so such a host is asked `retries` times again,
// and the tail once.
TEST(ClipPlanModel, AHostThatBreaksAtTheSamePlaceIsGivenUpAfterTheRetries) {
  constexpr std::uint64_t size = 2U << 20U;
  for (unsigned i = 0; i < 16; ++i) {
    for (const auto at : {std::uint64_t{1}, std::uint64_t{100'000}, size - 1}) {
      const ClipWorld::Habits habits{.has_ranges = (i & 2U) != 0,
                                     .tells_length = (i & 4U) != 0,
                                     .has_validator = (i & 8U) != 0,
                                     .breaks_at = at};
      SCOPED_TRACE("case " + std::to_string(i) + ", breaks at " + std::to_string(at));
      ClipWorld world({.keep = (i & 1U) != 0, .retries = 2}, size, habits, i + 1);
      world.run(world.plan.begin());
      ASSERT_TRUE(run_to_the_end(world)) << world.requests() << " requests";
      ASSERT_TRUE(world.plan.error());
      // A reader that has used bytes cannot use those of an answer that begins anew.
      const bool cannot_resume = !habits.has_ranges || !habits.has_validator;
      EXPECT_TRUE(world.plan.error()->code == ErrorCode::network ||
                  (cannot_resume && world.plan.error()->code == ErrorCode::bad_response))
          << world.plan.error()->message;
      // The side fetches break, too: the tail is asked for once, a place of a reader as often as
      // the main fetch.
      EXPECT_LE(world.requests(), 8U);
    }
  }
}

// Every answer brings something new, but far too little.
TEST(ClipPlanModel, AHostOfTinyPartsIsGivenUp) {
  constexpr std::uint64_t size = 2U << 20U;
  for (const bool keep : {false, true}) {
    for (const std::uint64_t longest : {1U, 100U, 5'000U}) {
      SCOPED_TRACE(longest);
      ClipWorld world({.keep = keep}, size, {.longest_part = longest}, 1);
      world.run(world.plan.begin());
      ASSERT_TRUE(run_to_the_end(world));
      ASSERT_TRUE(world.plan.error());
      EXPECT_EQ(world.plan.error()->code, ErrorCode::bad_response);
      EXPECT_LE(world.requests(), 2 * (65 + size / ClipPlan::least_short_answer));
    }
  }
}

TEST(ClipPlanModel, AHostOfPartsPlays) {
  for (const bool keep : {false, true}) {
    for (const double open : {0.0, 1.0}) {
      for (const std::uint64_t longest : {20'000U, 300'000U, 10'000'000U}) {
        SCOPED_TRACE(std::to_string(longest) + (open > 0 ? ", of an open size" : ""));
        ClipWorld world({.keep = keep}, 2U << 20U, {.open_size = open, .longest_part = longest}, 1);
        world.run(world.plan.begin());
        ASSERT_TRUE(run_to_the_end(world));
        EXPECT_FALSE(world.plan.error()) << world.plan.error()->message;
        EXPECT_EQ(world.has_kept(), keep);
      }
    }
  }
}

// --- two fetches, every answer, every order ---------------------------------------------------

constexpr std::uint64_t file_size = 3U << 20U;

/// The answers of the host to a fetch.
enum class Told {
  part,           ///< 206 with the requested part
  same_file,      ///< 200 with the file's validator
  unproven_file,  ///< 200 with another size and no validator
  other_size,     ///< 206 of a file with another size
  other_tag,      ///< 206 with another validator
  other_small,    ///< 206 of a file that is smaller than a tail
  no_range,       ///< 416
  wrong_range,    ///< 206 with a part that begins one byte too late
  no_total,       ///< 206 without the file's size
  forbidden,
  not_found,
  busy,
  broken,   ///< no answer, because the connection breaks
  refused,  ///< no answer, because of a failure that is final
};
constexpr Told all_told[] = {
    Told::part,     Told::same_file, Told::unproven_file, Told::other_size, Told::other_tag,
    Told::no_range, Told::no_total,  Told::wrong_range,   Told::forbidden,  Told::not_found,
    Told::busy,     Told::broken,    Told::refused,       Told::other_small};

/// The outcomes for the clip.
enum class Outcome { plays, fails };

/// A plan and its two fetches.
class Pair {
 public:
  explicit Pair(bool has_validator) : tag_(has_validator ? "\"a\"" : "") { take(plan.begin()); }

  void tell(ClipPlan::Role role, Told told) {
    const auto& fetch = fetches_.at(role);
    if (!plan.is_live(fetch.fetch)) return;
    const bool is_end = told == Told::broken || told == Told::refused;
    if (!is_end && !answered_.insert(fetch.fetch).second) return;
    const auto first = fetch.is_suffix ? file_size - fetch.first : fetch.first;
    const auto end = fetch.is_suffix ? file_size : fetch.end.value_or(file_size);
    ClipPlan::Head head{
        .status = 206, .part = {{first, end - 1}}, .total = file_size, .validator = tag_};
    switch (told) {
      case Told::part:
        break;
      case Told::same_file:
        head = {.status = 200, .length = file_size, .validator = tag_};
        break;
      case Told::unproven_file:
        head = {.status = 200, .length = file_size + 7};
        break;
      case Told::other_size:
        head.total = file_size + 7;
        if (fetch.is_suffix) head.part = {{first + 7, file_size + 6}};
        head.validator.clear();
        break;
      case Told::other_tag:
        head.validator = "\"b\"";
        break;
      case Told::other_small:
        head = {.status = 206, .part = {{0, 999}}, .total = 1000, .validator = "\"c\""};
        break;
      case Told::no_range:
        head = {.status = 416, .total = file_size};
        break;
      case Told::wrong_range:
        head.part = {{first + 1, end - 2}};
        break;
      case Told::no_total:
        head.total.reset();
        break;
      case Told::forbidden:
        head = {.status = 403};
        break;
      case Told::not_found:
        head = {.status = 404};
        break;
      case Told::busy:
        head = {.status = 503};
        break;
      case Told::broken:
        return take(plan.on_end(fetch.fetch, Error{.code = ErrorCode::network}, 0));
      case Told::refused:
        return take(plan.on_end(fetch.fetch, Error{.code = ErrorCode::tls}, 0));
    }
    take(plan.on_head(fetch.fetch, head, 0));
  }

  /// Lets the main fetch bring bytes up to `up_to`, unless it is over.
  void bring(std::uint64_t up_to) {
    const auto id = fetches_.at(ClipPlan::Role::main).fetch;
    for (;;) {
      const auto place = plan.assign_place(id);
      if (place.kind != ClipPlan::Place::Kind::put || place.offset >= up_to) return;
      take(plan.on_data(id, std::min(place.size, up_to - place.offset)));
    }
  }

  void run_timers() {
    for (const auto id : std::exchange(waiting_, {})) take(plan.on_timer(id));
  }

  /// Ends the clip: from here on nothing fails.
  Outcome finish() {
    for (int i = 0; i < 100; ++i) {
      if (plan.error()) return Outcome::fails;
      if (plan.keeping() == Keeping::checking) take(plan.on_verdict(plan.version(), {}, 0));
      if (plan.keeping() == Keeping::keeping) take(plan.on_kept(plan.version(), {}));
      if (plan.keeping() == Keeping::kept) return Outcome::plays;
      for (const auto role : {ClipPlan::Role::main, ClipPlan::Role::side}) {
        run_timers();
        tell(role, Told::part);
        const auto now = fetches_.at(role).fetch;
        for (auto place = plan.assign_place(now); is_of_the_file(place);
             place = plan.assign_place(now)) {
          take(plan.on_data(now, place.size));
        }
        take(plan.on_end(now, {}, 0));
      }
    }
    return Outcome::fails;
  }

  ClipPlan plan{{.retries = 3}};

 private:
  [[nodiscard]] bool is_of_the_file(const ClipPlan::Place& place) const {
    using Place = ClipPlan::Place::Kind;
    const bool is_read = place.kind == Place::put || place.kind == Place::ignore;
    return is_read && place.offset < plan.size().value_or(0);
  }

  void take(const ClipPlan::Commands& commands) {
    for (const auto& command : commands) {
      if (command.kind == Kind::fetch) fetches_[command.role] = command;
      if (command.kind == Kind::wait) waiting_.insert(command.fetch);
      if (command.kind == Kind::store) {
        take(plan.on_stored(command.version, command.first, *command.end, {}));
      }
    }
  }

  const std::string tag_;
  std::map<ClipPlan::Role, ClipPlan::Command> fetches_;
  std::set<ClipPlan::FetchId> waiting_;
  std::set<ClipPlan::FetchId> answered_;
};

/// Whether this first answer to the main fetch ends the clip. A final refusal and nonsense do.
bool is_final_for_main(Told told) {
  switch (told) {
    case Told::wrong_range:
    case Told::no_range:
    case Told::forbidden:
    case Told::not_found:
    case Told::refused:
      return true;
    default:
      return false;
  }
}

class TwoFetches : public testing::TestWithParam<std::tuple<Told, Told, int, bool>> {};

// There are three orders: the side fetch has its answer first; the main fetch has its answer first;
// the main fetch has brought bytes before the side fetch has its answer.
TEST_P(TwoFetches, OnlyTheMainOneCanEndTheClip) {
  const auto [main, side, order, has_validator] = GetParam();
  Pair pair(has_validator);
  if (order == 0) pair.tell(ClipPlan::Role::side, side);
  pair.tell(ClipPlan::Role::main, main);
  if (order == 2) pair.bring(100'000);
  if (order > 0) pair.tell(ClipPlan::Role::side, side);
  const auto expected = is_final_for_main(main) ? Outcome::fails : Outcome::plays;
  EXPECT_EQ(pair.finish(), expected)
      << (pair.plan.error() ? pair.plan.error()->message : "no error");
}

INSTANTIATE_TEST_SUITE_P(EachAnswer, TwoFetches,
                         testing::Combine(testing::ValuesIn(all_told), testing::ValuesIn(all_told),
                                          testing::Values(0, 1, 2), testing::Bool()));

class Resumed : public testing::TestWithParam<std::tuple<Told, Told, bool, bool>> {};

// The main fetch breaks after 100,000 bytes and is sent again. The side fetch may have any answer.
// If a reader has committed, another file is an error. Otherwise the other file is fetched.
TEST_P(Resumed, GoesOnWithTheSameFileOrBeginsAnew) {
  const auto [main, side, is_committed, has_validator] = GetParam();
  Pair pair(has_validator);
  pair.tell(ClipPlan::Role::main, Told::part);
  pair.bring(100'000);
  if (is_committed) {
    ASSERT_TRUE(pair.plan.commit(0));
  }
  pair.tell(ClipPlan::Role::main, Told::broken);
  pair.run_timers();
  pair.tell(ClipPlan::Role::main, main);
  pair.tell(ClipPlan::Role::side, side);
  bool fails = false;
  switch (main) {
    case Told::part:
    case Told::busy:
    case Told::broken:
      break;
    case Told::same_file:
      fails = is_committed && !has_validator;
      break;
    case Told::other_tag:
      // Only a validator distinguishes two files of the same size.
      fails = is_committed && has_validator;
      break;
    case Told::unproven_file:
    case Told::other_size:
    case Told::no_range:
      fails = is_committed;
      break;
    case Told::no_total:
      // Without a size and a validator nothing says that it is the same file.
      fails = is_committed && !has_validator;
      break;
    case Told::other_small:  // begins at byte 0, but the request was for the rest
    case Told::wrong_range:
    case Told::forbidden:
    case Told::not_found:
    case Told::refused:
      fails = true;
  }
  EXPECT_EQ(pair.finish(), fails ? Outcome::fails : Outcome::plays)
      << (pair.plan.error() ? pair.plan.error()->message : "no error");
  const bool is_another = main == Told::unproven_file || main == Told::other_size ||
                          main == Told::no_range || (main == Told::other_tag && has_validator) ||
                          (main == Told::same_file && !has_validator) ||
                          (main == Told::no_total && !has_validator);
  EXPECT_EQ(pair.plan.version(), is_another && !is_committed ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(EachAnswer, Resumed,
                         testing::Combine(testing::ValuesIn(all_told), testing::ValuesIn(all_told),
                                          testing::Bool(), testing::Bool()));

// --- single rules -----------------------------------------------------------------------------

std::vector<Kind> kinds_of(const ClipPlan::Commands& commands) {
  std::vector<Kind> kinds;
  for (const auto& command : commands) kinds.push_back(command.kind);
  return kinds;
}

ClipPlan::Head part_of(std::uint64_t first, std::uint64_t end, std::uint64_t size) {
  return {.status = 206, .part = {{first, end - 1}}, .total = size, .validator = "\"a\""};
}

// A reader may come while the driver still looks for the clip in the cache.
TEST(ClipPlan, AReaderStartsNothingBeforeItHasBegun) {
  ClipPlan plan{{}};
  EXPECT_EQ(plan.find(0).kind, Found::Kind::pending);
  EXPECT_TRUE(plan.on_wanted().empty());
  EXPECT_EQ(kinds_of(plan.begin()), (std::vector{Kind::open_file, Kind::fetch, Kind::fetch}));
}

TEST(ClipPlan, WithoutAUrlThereIsNothingButTheCache) {
  ClipPlan plan{{.has_url = false}};
  EXPECT_TRUE(plan.begin().empty());
  EXPECT_EQ(plan.find(0).kind, Found::Kind::failed);
  EXPECT_TRUE(plan.is_refused());

  ClipPlan kept{{.has_url = false}};
  (void)kept.begin_with_kept(1000);
  EXPECT_EQ(kept.find(0).size, 1000U);
  EXPECT_EQ(kept.find(1000).kind, Found::Kind::end);
  // The kept file turns out to be broken and leaves the cache. Nothing replaces it.
  EXPECT_EQ(kinds_of(kept.on_verdict(0, Error{.code = ErrorCode::bad_media}, 0)),
            std::vector{Kind::forget_kept});
  EXPECT_TRUE(kept.is_refused());
}

TEST(ClipPlan, ABrokenKeptFileIsForgottenAndFetched) {
  for (const bool is_committed : {false, true}) {
    ClipPlan plan{{}};
    (void)plan.begin_with_kept(1000);
    if (is_committed) {
      EXPECT_TRUE(plan.commit(0));
    }
    const auto commands = plan.on_verdict(0, Error{.code = ErrorCode::bad_media}, 0);
    ASSERT_FALSE(commands.empty());
    EXPECT_EQ(commands.front().kind, Kind::forget_kept);
    if (is_committed) {
      EXPECT_EQ(plan.error()->code, ErrorCode::bad_media);
    } else {
      EXPECT_EQ(commands.back().kind, Kind::wait);
      EXPECT_EQ(kinds_of(plan.on_timer(commands.back().fetch)), std::vector{Kind::fetch});
      EXPECT_EQ(plan.version(), 1U);
      EXPECT_EQ(plan.find(0).kind, Found::Kind::pending);
    }
  }
}

// The host did not tell the length, and the connection broke exactly at the end of the file. The
// answer 416 shows that.
TEST(ClipPlan, AFileWithNothingLeftIsComplete) {
  ClipPlan plan{{.retries = 1}};
  const auto begun = plan.begin();
  const auto main = begun[1].fetch;
  (void)plan.on_head(main, {.status = 200}, 0);
  (void)plan.on_data(main, 1000);
  const auto broken = plan.on_end(main, Error{.code = ErrorCode::network}, 0);
  ASSERT_EQ(broken.back().kind, Kind::wait);
  const auto again = plan.on_timer(broken.back().fetch);
  ASSERT_EQ(again.back().kind, Kind::fetch);
  EXPECT_EQ(again.back().first, 1000U);
  EXPECT_EQ(plan.size(), std::nullopt);
  (void)plan.on_head(again.back().fetch, {.status = 416, .total = 1000}, 0);
  const auto stored = plan.on_stored(0, 0, 1000, {});
  EXPECT_EQ(kinds_of(stored), std::vector{Kind::check});
  EXPECT_EQ(plan.size(), std::nullopt) << "shown before it was checked";
  (void)plan.on_verdict(0, {}, 0);
  EXPECT_EQ(plan.size(), 1000U);
}

// A host whose answers all break at the same place never brings a new byte.
TEST(ClipPlan, OnlyAByteBeyondTheFurthestCountsAsProgress) {
  ClipPlan plan{{.retries = 3}};
  auto fetch = plan.begin()[1].fetch;
  int asked = 0;
  while (!plan.error() && asked < 100) {
    ++asked;
    (void)plan.on_head(fetch, {.status = 200}, 0);
    (void)plan.on_data(fetch, 1000);
    const auto broken = plan.on_end(fetch, Error{.code = ErrorCode::network}, 0);
    if (plan.error()) break;
    ASSERT_EQ(broken.back().kind, Kind::wait);
    fetch = plan.on_timer(broken.back().fetch).back().fetch;
  }
  EXPECT_EQ(asked, 4);
}

TEST(ClipPlan, AFailureOfTheDiskEndsNothingButTheKeeping) {
  ClipPlan plan{{}};
  const auto main = plan.begin()[1].fetch;
  (void)plan.on_head(main, part_of(0, 3000, 3000), 0);
  (void)plan.on_data(main, 1000);
  (void)plan.on_stored(0, 0, 1000, fail(Error{.code = ErrorCode::cache, .message = "full"}));
  ASSERT_NE(plan.unkept_reason(), nullptr);
  EXPECT_EQ(plan.unkept_reason()->message, "full");
  (void)plan.on_data(main, 2000);
  (void)plan.on_end(main, {}, 0);
  EXPECT_EQ(plan.find(0).size, 3000U);
  EXPECT_EQ(plan.find(3000).kind, Found::Kind::end);
}

TEST(ClipPlan, TheMainFetchPausesForASlowDiskAndForASlowReader) {
  for (const bool keep : {true, false}) {
    SCOPED_TRACE(keep);
    ClipPlan plan{{.keep = keep}};
    const auto commands = plan.begin();
    const auto main = commands[keep ? 1 : 0].fetch;
    constexpr std::uint64_t size = 100U << 20U;
    (void)plan.on_head(main, part_of(0, size, size), 0);
    std::uint64_t brought = 0;
    auto place = plan.assign_place(main);
    for (; place.kind == ClipPlan::Place::Kind::put; place = plan.assign_place(main)) {
      (void)plan.on_data(main, place.size);
      brought += place.size;
    }
    EXPECT_EQ(place.kind, ClipPlan::Place::Kind::pause);
    EXPECT_EQ(brought, keep ? ClipPlan::unwritten_limit : ClipPlan::memory_window);
    const auto resumed = keep ? plan.on_stored(0, 0, ClipPlan::piece_size, {})
                              : plan.on_taken(0, ClipPlan::piece_size);
    EXPECT_EQ(resumed.back().kind, Kind::resume);
  }
}

// A fetch that waits for its retry is over: a late answer to its old request cannot shorten the
// wait.
TEST(ClipPlan, APassingFailureIsWaitedFor) {
  ClipPlan plan{{}};
  const auto main = plan.begin()[1].fetch;
  const auto commands =
      plan.on_head(main, {.status = 503, .retry_after = std::chrono::seconds(7)}, 0.5);
  ASSERT_EQ(commands.back().kind, Kind::wait);
  EXPECT_GE(commands.back().delay, std::chrono::seconds(7));
  EXPECT_FALSE(plan.is_live(main));
}

/// Brings a complete file of `size` bytes and reports that the bytes are on the disk.
void bring_all(ClipPlan& plan, ClipPlan::FetchId main, std::uint64_t size) {
  (void)plan.on_head(main, part_of(0, size, size), 0);
  (void)plan.on_data(main, size);
  (void)plan.on_end(main, {}, 0);
  (void)plan.on_stored(plan.version(), 0, size, {});
}

TEST(ClipPlan, ABrokenFileIsFetchedOnceMore) {
  ClipPlan plan{{}};
  bring_all(plan, plan.begin()[1].fetch, 1000);
  const auto again = plan.on_verdict(0, Error{.code = ErrorCode::bad_media}, 0);
  ASSERT_FALSE(plan.error());
  ASSERT_EQ(again.back().kind, Kind::wait);
  bring_all(plan, plan.on_timer(again.back().fetch).back().fetch, 1000);
  (void)plan.on_verdict(1, Error{.code = ErrorCode::bad_media, .message = "no MP4"}, 0);
  ASSERT_TRUE(plan.error());
  EXPECT_EQ(plan.error()->message, "no MP4");
}

TEST(ClipPlan, AFileThatChangesEachTimeIsGivenUp) {
  ClipPlan plan{{.retries = -1}};
  auto fetch = plan.begin()[1].fetch;
  unsigned changes = 0;
  for (; !plan.error() && changes < 100; ++changes) {
    const auto size = 1000 + changes;
    (void)plan.on_head(fetch, part_of(0, size, size), 0);
    (void)plan.on_data(fetch, 10);
    const auto broken = plan.on_end(fetch, Error{.code = ErrorCode::network}, 0);
    fetch = plan.on_timer(broken.back().fetch).back().fetch;
    const auto restarted = plan.on_head(fetch, part_of(10, 2000 + changes, 2000 + changes), 0);
    if (!plan.error()) fetch = restarted.back().fetch;
  }
  EXPECT_EQ(changes, ClipPlan::max_versions + 1);
}

TEST(ClipPlan, AFetchThatBringsNewBytesBeforeEachFailureIsNotGivenUp) {
  ClipPlan plan{{.retries = 3}};
  auto fetch = plan.begin()[1].fetch;
  for (std::uint64_t at = 0; at < 20'000; at += 1000) {
    (void)plan.on_head(fetch, part_of(at, 20'000, 20'000), 0);
    (void)plan.on_data(fetch, 1000);
    const auto broken = plan.on_end(fetch, Error{.code = ErrorCode::network}, 0);
    ASSERT_FALSE(plan.error()) << at;
    if (at == 19'000) break;
    const auto again = plan.on_timer(broken.back().fetch);
    fetch = again.back().fetch;
    EXPECT_EQ(again.back().first, at + 1000);
    EXPECT_EQ(again.back().if_range, "\"a\"");
  }
  // Every byte is here, so the failure of the connection does not matter.
  EXPECT_EQ(kinds_of(plan.on_stored(0, 0, 20'000, {})), std::vector{Kind::check});
}

TEST(ClipPlan, PiecesLeaveTheMemoryWhenTheyAreStoredOrRead) {
  constexpr std::uint64_t size = 40U << 20U;
  for (const bool keep : {true, false}) {
    SCOPED_TRACE(keep);
    ClipPlan plan{{.keep = keep}};
    const auto main = plan.begin()[keep ? 1 : 0].fetch;
    (void)plan.on_head(main, part_of(0, size, size), 0);
    std::set<std::uint64_t> gone;
    for (std::uint64_t at = 0; at < size - ClipPlan::tail_size; at += ClipPlan::piece_size) {
      const auto place = plan.assign_place(main);
      ASSERT_EQ(place.kind, ClipPlan::Place::Kind::put);
      const auto end = at + ClipPlan::piece_size;
      auto commands = plan.on_data(main, place.size);
      const auto done = keep ? plan.on_stored(0, at, end, {}) : plan.on_taken(at, end);
      commands.insert(commands.end(), done.begin(), done.end());
      for (const auto& command : commands) {
        if (command.kind != Kind::evict) continue;
        EXPECT_TRUE(gone.insert(command.first).second);
      }
    }
    EXPECT_EQ(gone.size(), (size - ClipPlan::memory_window) / ClipPlan::piece_size);
    EXPECT_EQ(*gone.rbegin(), (gone.size() - 1) * ClipPlan::piece_size) << "the oldest first";
    // Bytes on the disk are still here. Bytes that were only in memory are not.
    EXPECT_EQ(plan.find(0).kind, keep ? Found::Kind::ready : Found::Kind::pending);
  }
}

/// A plan of a large file. Its main fetch has begun, and the fetch of the tail has failed.
struct Begun {
  explicit Begun(bool has_ranges, std::uint64_t size = 100U << 20U) {
    const auto commands = plan.begin();
    main = commands[1].fetch;
    (void)plan.on_head(commands[2].fetch, {.status = 404}, 0);
    (void)plan.on_head(
        main, has_ranges ? part_of(0, size, size) : ClipPlan::Head{.status = 200, .length = size},
        0);
    (void)plan.on_data(main, 1000);
  }
  ClipPlan::Commands want(std::uint64_t offset) {
    EXPECT_EQ(plan.find(offset).kind, Found::Kind::pending);
    return plan.is_fetch_needed() ? plan.on_wanted() : ClipPlan::Commands{};
  }
  ClipPlan plan{{}};
  ClipPlan::FetchId main = 0;
};

TEST(ClipPlan, AReaderGetsItsBytesByTheCheapestWay) {
  constexpr std::uint64_t size = 100U << 20U;
  // The main fetch will bring these bytes soon, so the reader waits.
  EXPECT_TRUE(Begun(true).want(1000 + ClipPlan::near - 1).empty());
  // The side fetch fills a small hole to its end.
  Begun beside(true);
  const auto piece = beside.want(size - 10'000);
  ASSERT_EQ(kinds_of(piece), std::vector{Kind::fetch});
  EXPECT_EQ(piece[0].role, ClipPlan::Role::side);
  EXPECT_EQ(piece[0].first, size - 10'000);
  EXPECT_EQ(piece[0].end, size);
  // For a large hole the main fetch moves.
  Begun moved(true);
  const auto move = moved.want(50U << 20U);
  ASSERT_EQ(kinds_of(move), std::vector{Kind::fetch});
  EXPECT_EQ(move[0].first, 50U << 20U);
  EXPECT_TRUE(moved.plan.is_live(moved.main)) << "until the host has answered";
  const auto answered = moved.plan.on_head(move[0].fetch, part_of(50U << 20U, size, size), 0);
  EXPECT_EQ(kinds_of(answered), (std::vector{Kind::store, Kind::stop}));
  EXPECT_FALSE(moved.plan.is_live(moved.main));
  EXPECT_TRUE(moved.plan.is_live(move[0].fetch));
  // If the host cannot serve the range, the main fetch goes on.
  Begun kept(true);
  EXPECT_TRUE(kept.plan.commit(0));
  const auto vain = kept.want(50U << 20U);
  (void)kept.plan.on_head(vain[0].fetch, {.status = 200, .length = size, .validator = "\"b\""}, 0);
  EXPECT_FALSE(kept.plan.error());
  EXPECT_TRUE(kept.plan.is_live(kept.main));
  EXPECT_TRUE(kept.want(50U << 20U).empty()) << "the main fetch brings it in its time";
  // If the host has no ranges, only the main fetch can bring a byte.
  EXPECT_TRUE(Begun(false).want(size - 10'000).empty());
  // After the host has refused a side fetch, no other side fetch is tried.
  (void)beside.plan.on_head(piece[0].fetch, {.status = 403}, 0);
  EXPECT_TRUE(beside.want(size - 10'000).empty());
  EXPECT_FALSE(beside.plan.error());
}

// If the side fetch fails in any way, the main fetch still brings its bytes.
TEST(ClipPlan, ASideFetchThatFailsIsStoppedAndNotTriedAgain) {
  constexpr std::uint64_t size = 100U << 20U;
  const ClipPlan::Head answers[] = {
      {.status = 200, .length = size, .validator = "\"a\""},
      {.status = 200, .length = size + 1},
      part_of(size - 10'000, size + 1, size + 1),
      {.status = 206, .part = {{0, size - 1}}, .total = size},
      {.status = 416, .total = size},
      {.status = 403},
  };
  for (const auto& answer : answers) {
    SCOPED_TRACE(answer.status);
    Begun begun(true);
    const auto piece = begun.want(size - 10'000);
    ASSERT_EQ(kinds_of(piece), std::vector{Kind::fetch});
    const auto left = begun.plan.on_head(piece[0].fetch, answer, 0);
    EXPECT_EQ(kinds_of(left), std::vector{Kind::stop});
    EXPECT_EQ(left[0].fetch, piece[0].fetch);
    EXPECT_TRUE(begun.want(size - 10'000).empty()) << "it is tried again";
    EXPECT_TRUE(begun.plan.is_live(begun.main));
    EXPECT_FALSE(begun.plan.error());
  }
  // A passing failure is retried after a delay.
  Begun busy(true);
  const auto piece = busy.want(size - 10'000);
  EXPECT_EQ(kinds_of(busy.plan.on_head(piece[0].fetch, {.status = 503}, 0)),
            (std::vector{Kind::stop, Kind::wait}));
  Begun broken(true);
  const auto other = broken.want(size - 10'000);
  EXPECT_EQ(kinds_of(broken.plan.on_end(other[0].fetch, Error{.code = ErrorCode::network}, 0)),
            (std::vector{Kind::stop, Kind::wait}));
  // A final failure is not retried.
  Begun refused(true);
  const auto third = refused.want(size - 10'000);
  EXPECT_EQ(kinds_of(refused.plan.on_end(third[0].fetch, Error{.code = ErrorCode::tls}, 0)),
            std::vector{Kind::stop});
  EXPECT_TRUE(refused.want(size - 10'000).empty());
}

TEST(ClipPlan, ANewVersionLeavesNothingOfTheOldOne) {
  Begun begun(true);
  const auto broken = begun.plan.on_end(begun.main, Error{.code = ErrorCode::network}, 0);
  const auto again = begun.plan.on_timer(broken.back().fetch);
  const auto changed = begun.plan.on_head(again.back().fetch, part_of(1000, 5000, 5000), 0);
  EXPECT_EQ(kinds_of(changed),
            (std::vector{Kind::stop, Kind::evict, Kind::open_file, Kind::fetch}));
  EXPECT_EQ(changed[2].version, 1U);
  EXPECT_EQ(begun.plan.find(0).kind, Found::Kind::pending);
}

TEST(ClipPlan, TheLastByteIsStoredThoughItsAnswerDoesNotEnd) {
  ClipPlan plan{{}};
  const auto main = plan.begin()[1].fetch;
  (void)plan.on_head(main, part_of(0, 1000, 1000), 0);
  const auto last = plan.on_data(main, 1000);
  ASSERT_EQ(kinds_of(last), std::vector{Kind::store});
  EXPECT_EQ(last[0].end, 1000U);
  // The driver can still read the end of the answer.
  EXPECT_EQ(plan.assign_place(main).kind, ClipPlan::Place::Kind::ignore);
  EXPECT_EQ(kinds_of(plan.on_stored(0, 0, 1000, {})), std::vector{Kind::check});
  // The failure of the connection does not matter.
  EXPECT_TRUE(plan.on_end(main, Error{.code = ErrorCode::network}, 0).empty());
  // The reader gets the end only after the clip is kept.
  EXPECT_EQ(plan.find(1000).kind, Found::Kind::pending);
  EXPECT_EQ(kinds_of(plan.on_verdict(0, {}, 0)).back(), Kind::keep);
  EXPECT_EQ(plan.find(1000).kind, Found::Kind::pending);
  (void)plan.on_kept(0, {});
  EXPECT_EQ(plan.find(1000).kind, Found::Kind::end);
}

// A host without ranges and lengths sends the file from its start again. Its answer ends before
// bytes that are here already, so this is not the end of the file.
TEST(ClipPlan, AnEndBeforeBytesThatAreHereIsNotTheEnd) {
  ClipPlan plan{{}};
  const auto main = plan.begin()[1].fetch;
  (void)plan.on_head(main, {.status = 200, .validator = "\"a\""}, 0);
  (void)plan.on_data(main, 1000);
  const auto broken = plan.on_end(main, Error{.code = ErrorCode::network}, 0);
  const auto again = plan.on_timer(broken.back().fetch).back().fetch;
  (void)plan.on_head(again, {.status = 200, .validator = "\"a\""}, 0);
  EXPECT_EQ(plan.assign_place(again).kind, ClipPlan::Place::Kind::ignore);
  EXPECT_EQ(plan.find_put_offset(again), std::nullopt);
  (void)plan.on_data(again, 500);
  EXPECT_EQ(kinds_of(plan.on_end(again, {}, 0)).back(), Kind::wait);
}

TEST(ClipPlan, APieceThatIsReadIntoStays) {
  constexpr std::uint64_t size = 100U << 20U;
  ClipPlan plan{{.keep = false}};
  const auto main = plan.begin()[0].fetch;
  (void)plan.on_head(main, {.status = 200, .length = size, .validator = "\"a\""}, 0);
  // A reader waits for the last byte. So the main fetch does not pause, although no byte is taken.
  EXPECT_EQ(plan.find(size - 1).kind, Found::Kind::pending);
  constexpr auto pieces = ClipPlan::memory_window / ClipPlan::piece_size + 8;
  for (std::uint64_t i = 0; i < pieces; ++i) (void)plan.on_data(main, ClipPlan::piece_size);
  const auto at = pieces * ClipPlan::piece_size;
  (void)plan.on_data(main, 1000);
  EXPECT_TRUE(plan.on_taken(at, at + 1000).empty()) << "the only one that could leave";
  EXPECT_EQ(kinds_of(plan.on_taken(0, ClipPlan::piece_size)), std::vector{Kind::evict});
}

TEST(ClipPlan, AReaderThatJumpsFreesTheMemory) {
  constexpr std::uint64_t size = 100U << 20U;
  ClipPlan plan{{.keep = false}};
  const auto begun = plan.begin();
  (void)plan.on_head(begun[0].fetch, part_of(0, size, size), 0);
  (void)plan.on_head(begun[1].fetch, {.status = 404}, 0);
  while (plan.assign_place(begun[0].fetch).kind == ClipPlan::Place::Kind::put) {
    (void)plan.on_data(begun[0].fetch, ClipPlan::piece_size);
  }
  EXPECT_EQ(plan.find(50U << 20U).kind, Found::Kind::pending);
  const auto moved = plan.on_wanted().back().fetch;
  (void)plan.on_head(moved, part_of(50U << 20U, size, size), 0);
  const auto next = plan.on_data(moved, ClipPlan::piece_size);
  EXPECT_EQ(kinds_of(next), std::vector{Kind::evict});
  EXPECT_EQ(plan.assign_place(moved).kind, ClipPlan::Place::Kind::put) << "the memory is not full";
}

TEST(ClipPlan, ATailThatNobodyNeedsIsLeft) {
  ClipPlan plan{{}};
  const auto begun = plan.begin();
  (void)plan.on_head(begun[1].fetch, part_of(0, 20'000, 20'000), 0);
  const auto needless = plan.on_head(begun[2].fetch, part_of(3616, 20'000, 20'000), 0);
  EXPECT_EQ(kinds_of(needless), std::vector{Kind::stop});
  EXPECT_EQ(needless[0].fetch, begun[2].fetch);
}

// Without a disk, a reader that goes back makes the plan fetch the start again. By then the host
// may serve another file.
TEST(ClipPlan, ASecondLookAtTheStartMayFindAnotherFile) {
  constexpr std::uint64_t size = 40U << 20U;
  for (const bool is_committed : {false, true}) {
    SCOPED_TRACE(is_committed);
    ClipPlan plan{{.keep = false}};
    const auto main = plan.begin()[0].fetch;
    (void)plan.on_head(main, part_of(0, size, size), 0);
    for (std::uint64_t at = 0; at < 20U << 20U; at += ClipPlan::piece_size) {
      (void)plan.on_data(main, plan.assign_place(main).size);
      (void)plan.on_taken(at, at + ClipPlan::piece_size);
    }
    if (is_committed) {
      EXPECT_TRUE(plan.commit(0));
    }
    // The side fetch asks for the start first, because the main fetch is further on. Then the main
    // fetch asks for it.
    EXPECT_EQ(plan.find(0).kind, Found::Kind::pending);
    const auto beside = plan.on_wanted();
    ASSERT_EQ(beside.back().kind, Kind::fetch);
    EXPECT_EQ(beside.back().first, 0U);
    (void)plan.on_head(beside.back().fetch, part_of(0, size + 1, size + 1), 0);
    EXPECT_FALSE(plan.error());
    EXPECT_EQ(plan.find(0).kind, Found::Kind::pending);
    const auto again = plan.on_wanted();
    ASSERT_EQ(again.back().kind, Kind::fetch);
    EXPECT_EQ(again.back().role, ClipPlan::Role::main);
    (void)plan.on_head(again.back().fetch, part_of(0, size + 1, size + 1), 0);
    if (is_committed) {
      ASSERT_TRUE(plan.error());
      EXPECT_EQ(plan.error()->code, ErrorCode::bad_response);
      EXPECT_EQ(plan.version(), 0U);
    } else {
      // This answer already brings the new version, so no new request is needed.
      EXPECT_TRUE(plan.is_live(again.back().fetch));
      EXPECT_EQ(plan.version(), 1U);
      EXPECT_EQ(plan.size(), size + 1);
    }
  }
}

TEST(ClipPlan, BytesOfTheSideFetchAreNotRequestedTwice) {
  ClipPlan plan{{}};
  const auto commands = plan.begin();
  (void)plan.on_head(commands[1].fetch, part_of(0, 1U << 20U, 1U << 20U), 0);
  (void)plan.on_head(commands[2].fetch, part_of((1U << 20U) - 16384, 1U << 20U, 1U << 20U), 0);
  (void)plan.on_data(commands[1].fetch, 1000);
  // The answer to the main fetch ends too early, but without a failure.
  (void)plan.on_end(commands[1].fetch, {}, 0);
  EXPECT_FALSE(plan.is_live(commands[1].fetch));
  (void)plan.on_data(commands[2].fetch, 16384);
  const auto rest = plan.on_end(commands[2].fetch, {}, 0);
  ASSERT_EQ(rest.back().kind, Kind::fetch);
  EXPECT_EQ(rest.back().first, 1000U);
  EXPECT_EQ(rest.back().end, (1U << 20U) - 16384);
}

TEST(ClipPlan, ARangeBeyondTheFileIsNonsense) {
  ClipPlan plan{{}};
  const auto main = plan.begin()[1].fetch;
  (void)plan.on_head(main, {.status = 206, .part = {{0, 1000}}, .total = 1000}, 0);
  ASSERT_TRUE(plan.error());
  EXPECT_EQ(plan.error()->code, ErrorCode::bad_response);
}

TEST(ClipPlan, MoreBytesThanWereAnnouncedAreAnError) {
  ClipPlan plan{{}};
  const auto main = plan.begin()[1].fetch;
  (void)plan.on_head(main, part_of(0, 1000, 1000), 0);
  (void)plan.on_data(main, 1001);
  ASSERT_TRUE(plan.error());
  EXPECT_EQ(plan.find(0).kind, Found::Kind::failed);
}

TEST(ClipPlan, AVersionThatReadersDidNotSeeCannotBeCommittedTo) {
  ClipPlan plan{{}};
  (void)plan.begin();
  EXPECT_FALSE(plan.commit(1));
  EXPECT_TRUE(plan.commit(0));
}

}  // namespace
}  // namespace veo
