// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Disks that do not answer, and ledgers that another program locks. Every caller can leave at once,
// nobody else is held up, and each payment is recorded when the store answers.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "command.h"
#include "freezable.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using testing::HasSubstr;

/// Longer than any step of these tests takes. A wait that exceeds it is a failure.
constexpr auto patience = 20s;
/// The contract's limit for "at once". Sanitizers make the program slow.
#if defined(__SANITIZE_ADDRESS__)
constexpr auto at_once = 2500ms;
#else
constexpr auto at_once = 250ms;
#endif

constexpr const char* line = "veosrc name=src prompt=\"a dog\" ! fakesink name=sink sync=false";

bool wait_until(const std::function<bool()>& is_so) {
  for (const auto end = Clock::now() + patience; Clock::now() < end; std::this_thread::yield()) {
    if (is_so()) return true;
  }
  return false;
}

long requests(const Simulator& simulator, const char* counter) {
  return simulator.state().at(counter).get<long>();
}

/// Returns the first column of the rows.
std::vector<std::string> select(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  std::vector<std::string> values;
  if (sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
    sqlite3_exec(
        database, sql.c_str(),
        [](void* into, int, char** row, char**) {
          static_cast<std::vector<std::string>*>(into)->emplace_back(row[0]);
          return 0;
        },
        &values, nullptr);
  }
  sqlite3_close(database);
  return values;
}

using Runs = std::vector<std::unique_ptr<TestPipeline>>;

/// Makes elements with their ledger and cache in `directory`, each with a task of its own.
Runs make_runs(const Simulator& simulator, const std::string& directory, int count) {
  Runs runs;
  for (int i = 0; i < count; ++i) {
    auto& run = *runs.emplace_back(std::make_unique<TestPipeline>(line));
    run.use(simulator);
    g_object_set(run.element("src").get(), "take", i + 1, "ledger",
                 (directory + "/state/ledger.db").c_str(), "cache-dir",
                 (directory + "/cache").c_str(), nullptr);
  }
  return runs;
}

/// Waits until each element has started the PROGRESS with this code.
void await(Runs& runs, const std::string& code) {
  for (auto& run : runs) {
    while (run->progress().empty() || run->progress().back().code != code) {
      ASSERT_TRUE(run->next(GST_MESSAGE_PROGRESS));
      ASSERT_FALSE(run->failure()) << run->failure()->text;
    }
  }
}

void await_bytes(Runs& runs) {
  for (auto& run : runs) {
    const auto src = run->element("src");
    ASSERT_TRUE(wait_until([&] {
      GstStructure* stats = nullptr;
      guint64 bytes = 0;
      g_object_get(src.get(), "stats", &stats, nullptr);
      gst_structure_get_uint64(stats, "bytes", &bytes);
      gst_structure_free(stats);
      return bytes > 0;
    }));
  }
}

/// Returns how long `work` took, or nothing if it did not end in time. Then `rescue` lets it end.
std::optional<Clock::duration> time(const std::function<void()>& work,
                                    const std::function<void()>& rescue) {
  const auto begin = Clock::now();
  auto done = std::async(std::launch::async, [&] {
    work();
    return Clock::now();
  });
  if (done.wait_for(patience) == std::future_status::ready) return done.get() - begin;
  rescue();
  return std::nullopt;
}

/// Expects that each element returns to NULL at once, from any state.
void expect_to_stop(Runs& runs, const std::function<void()>& rescue) {
  Clock::duration longest{};
  for (auto& run : runs) {
    const auto took = time([&] { run->stop(); }, rescue);
    ASSERT_TRUE(took) << "set_state(NULL) waits for the disk";
    longest = std::max(longest, *took);
  }
  std::printf("  longest of %zu: %.1f ms\n", runs.size(),
              std::chrono::duration<double, std::milli>(longest).count());
  EXPECT_LT(longest, at_once);
}

/// Expects that EOS of the application ends the stream at once.
void expect_to_end(TestPipeline& run, const std::function<void()>& rescue) {
  run.start();
  const auto took = time(
      [&] {
        gst_element_send_event(run.pipeline(), gst_event_new_eos());
        static_cast<void>(run.next(GST_MESSAGE_EOS));
      },
      rescue);
  ASSERT_TRUE(took) << "EOS waits for the disk";
  EXPECT_TRUE(run.eos());
  EXPECT_FALSE(run.failure()) << run.failure()->text;
}

/// An element with a ledger on another disk. Its task takes an hour.
class Beside {
 public:
  Beside() {
    runs_ = make_runs(simulator_, directory_.path(), 1);
    runs_.front()->start(GST_STATE_PAUSED);
    await(runs_, "generate");
  }
  /// Expects that the task is still polled.
  void expect_to_go_on() const {
    const auto before = requests(simulator_, "queries");
    EXPECT_TRUE(wait_until([&] { return requests(simulator_, "queries") > before + 3; }))
        << "an element with another ledger is held up";
  }

 private:
  const Simulator simulator_ = Simulator::start({"--generation-time", "1h"});
  const TemporaryDirectory directory_;
  Runs runs_;
};

struct Phase {
  const char* name;
  std::vector<std::string> simulator;
  std::vector<std::string> faults;
  /// Brings the elements to this phase, and freezes the disk there.
  std::function<void(Runs&, const Simulator&, Freezable&)> reach;
  bool holds_a_thread = true;
  bool has_a_ledger = true;  ///< the ledger exists before the phase begins
};
void PrintTo(const Phase& phase, std::ostream* out) { *out << phase.name; }

void start(Runs& runs) {
  for (auto& run : runs) run->start(GST_STATE_PAUSED);
}

const std::vector<Phase>& phases() {
  static const std::vector<Phase> all{
      {.name = "finding",
       .reach =
           [](Runs& runs, const Simulator&, Freezable& disk) {
             disk.freeze();
             start(runs);
           },
       .has_a_ledger = false},
      {.name = "claiming",
       .reach =
           [](Runs& runs, const Simulator&, Freezable& disk) {
             disk.freeze();
             start(runs);
           }},
      // The disk freezes when a row that waits for its turn is to become `sending`.
      {.name = "sending",
       .faults = {"submit:error=rate_limit_exceeded,retry-after=1*100"},
       .reach =
           [](Runs& runs, const Simulator& simulator, Freezable& disk) {
             const auto before = requests(simulator, "submissions");
             start(runs);
             ASSERT_TRUE(wait_until([&] { return requests(simulator, "submissions") > before; }));
             disk.freeze();
           }},
      // The disk freezes when the service's answer, with the task id, is to be written.
      {.name = "accepted",
       .faults = {"submit:delay=300ms"},
       .reach =
           [](Runs& runs, const Simulator& simulator, Freezable& disk) {
             const auto before = requests(simulator, "submissions");
             start(runs);
             ASSERT_TRUE(wait_until([&] { return requests(simulator, "submissions") > before; }));
             disk.freeze();
           }},
      {.name = "waiting",
       .simulator = {"--generation-time", "1h"},
       .reach =
           [](Runs& runs, const Simulator&, Freezable& disk) {
             start(runs);
             await(runs, "generate");
             disk.freeze();
           },
       .holds_a_thread = false,
       .has_a_ledger = false},
      {.name = "completed",
       .simulator = {"--generation-time", "1s"},
       .reach =
           [](Runs& runs, const Simulator&, Freezable& disk) {
             start(runs);
             await(runs, "generate");
             disk.freeze();
           },
       .has_a_ledger = false},
      {.name = "downloading",
       .faults = {"file:stall=1000"},
       .reach =
           [](Runs& runs, const Simulator&, Freezable& disk) {
             start(runs);
             await_bytes(runs);
             disk.freeze();
           },
       .holds_a_thread = false,
       .has_a_ledger = false},
      {.name = "keeping",
       .faults = {"file:drip=30000"},
       .reach =
           [](Runs& runs, const Simulator&, Freezable& disk) {
             start(runs);
             await_bytes(runs);
             disk.freeze();
           },
       .has_a_ledger = false},
  };
  return all;
}

using Row = std::tuple<Phase, int, bool>;

class FrozenDisk : public testing::TestWithParam<Row> {};

TEST_P(FrozenDisk, HoldsNobodyUpAndLosesNothing) {
  const auto& [phase, count, is_real] = GetParam();
  std::string why;
  const auto disk = is_real ? mount_freezable_file_system(why) : make_freezable_directory();
  if (!disk) GTEST_SKIP() << why;
  std::vector<std::string> arguments{"--frames", "2", "--credits", "1000000"};
  if (phase.simulator.empty()) arguments.insert(arguments.end(), {"--generation-time", "0s"});
  arguments.insert(arguments.end(), phase.simulator.begin(), phase.simulator.end());
  auto simulator = Simulator::start(arguments);
  const auto home = disk->path() + "/home";
  const auto ledger = home + "/state/ledger.db";
  ::mkdir(home.c_str(), 0700);
  const Beside beside;
  if (phase.has_a_ledger) {
    auto first = make_runs(simulator, home, 1);
    g_object_set(first.front()->element("src").get(), "take", 1000, nullptr);
    ASSERT_TRUE(first.front()->finish());
    ASSERT_FALSE(first.front()->failure()) << first.front()->failure()->text;
  }
  simulator.set_faults(phase.faults);
  auto runs = make_runs(simulator, home, count);
  const auto thaw = [&disk = *disk] { disk.thaw(); };
  ASSERT_NO_FATAL_FAILURE(phase.reach(runs, simulator, *disk));
  if (phase.holds_a_thread) {
    EXPECT_TRUE(wait_until([&] { return disk->holds_a_thread(); }))
        << "no thread met the frozen disk";
  }
  beside.expect_to_go_on();
  if (count > 1) {
    ASSERT_NO_FATAL_FAILURE(expect_to_end(*runs.front(), thaw));
  }
  expect_to_stop(runs, thaw);
  beside.expect_to_go_on();
  runs.clear();
  disk->thaw();
  // Each charge has its row, and no row stays `reserved` or `sending`, although the elements are
  // gone.
  const auto in_between = [&] {
    return select(ledger, "SELECT id FROM submission WHERE state IN ('reserved', 'sending')");
  };
  EXPECT_TRUE(wait_until([&] {
    return in_between().empty() &&
           select(ledger, "SELECT id FROM submission WHERE task_id <> ''").size() ==
               static_cast<std::size_t>(requests(simulator, "charges"));
  })) << in_between().size()
      << " of " << select(ledger, "SELECT id FROM submission").size() << " rows are pending";
  EXPECT_LE(requests(simulator, "charges"), count + (phase.has_a_ledger ? 1 : 0));
}

std::string name_of(const testing::TestParamInfo<Row>& row) {
  const auto& [phase, count, is_real] = row.param;
  return std::string(phase.name) + "_" + std::to_string(count);
}
INSTANTIATE_TEST_SUITE_P(Seam, FrozenDisk,
                         testing::Combine(testing::ValuesIn(phases()), testing::Values(1, 50),
                                          testing::Values(false)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Kernel, FrozenDisk,
                         testing::Combine(testing::ValuesIn(phases()), testing::Values(1, 50),
                                          testing::Values(true)),
                         name_of);

/// A key file that makes its readers wait: a pipe, through which the key comes later.
class HeldKey {
 public:
  explicit HeldKey(std::string key) : key_(std::move(key)) {
    // A reader may leave before the key comes.
    ::signal(SIGPIPE, SIG_IGN);
    ::mkfifo(path_.c_str(), 0600);
  }
  ~HeldKey() { let_go(); }
  HeldKey(const HeldKey&) = delete;
  HeldKey& operator=(const HeldKey&) = delete;

  /// Lets the elements take their key from the file.
  void hold(const Runs& runs) const {
    for (const auto& run : runs) {
      g_object_set(run->element("src").get(), "api-key", "", "api-key-file", path_.c_str(),
                   nullptr);
    }
  }
  /// Returns whether a thread reads the key, and so waits for our bytes.
  [[nodiscard]] bool is_read() {
    if (writer_ < 0) writer_ = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return writer_ >= 0;
  }
  /// Gives the key to the reader and to all later ones.
  void let_go() {
    if (writer_ < 0) return;
    const auto file = directory_.file("regular");
    std::ofstream(file) << key_;
    ::chmod(file.c_str(), 0600);
    std::filesystem::rename(file, path_);
    const bool is_written = ::write(writer_, key_.data(), key_.size()) > 0;
    EXPECT_TRUE(is_written || errno == EPIPE);
    ::close(std::exchange(writer_, -1));
  }

 private:
  const std::string key_;
  const TemporaryDirectory directory_;
  const std::string path_ = directory_.file("key");
  int writer_ = -1;
};

class Opening : public testing::TestWithParam<int> {};

TEST_P(Opening, CanBeLeftAndBegunAgain) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "2"});
  const TemporaryDirectory directory;
  const Beside beside;
  {
    HeldKey key(simulator.key());
    auto runs = make_runs(simulator, directory.path(), GetParam());
    key.hold(runs);
    start(runs);
    ASSERT_TRUE(wait_until([&] { return key.is_read(); }));
    beside.expect_to_go_on();
    expect_to_stop(runs, [&] { key.let_go(); });
    // The same element starts again, and this time it plays.
    runs.front()->start(GST_STATE_PLAYING);
    key.let_go();
    EXPECT_TRUE(runs.front()->finish());
    EXPECT_FALSE(runs.front()->failure()) << runs.front()->failure()->text;
  }
  EXPECT_EQ(requests(simulator, "charges"), 1);
}
INSTANTIATE_TEST_SUITE_P(Elements, Opening, testing::Values(1, 50));

TEST(Abandon, WhileItIsOpenedSubmitsNothing) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "2"});
  const TemporaryDirectory directory;
  auto runs = make_runs(simulator, directory.path(), 1);
  HeldKey key(simulator.key());
  key.hold(runs);
  runs.front()->start();
  ASSERT_TRUE(wait_until([&] { return key.is_read(); }));
  g_signal_emit_by_name(runs.front()->element("src").get(), "abandon");
  key.let_go();
  ASSERT_TRUE(runs.front()->next(GST_MESSAGE_EOS));
  EXPECT_TRUE(runs.front()->eos());
  runs.clear();
  EXPECT_EQ(requests(simulator, "submissions"), 0);
}

/// Waits for a PROGRESS message that contains `part`. Returns its text, or nothing if none comes.
std::string await_text(TestPipeline& run, const std::string& part) {
  while (const auto message = run.next(GST_MESSAGE_PROGRESS)) {
    if (GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_PROGRESS) break;
    gchar* text = nullptr;
    gst_message_parse_progress(message.get(), nullptr, nullptr, &text);
    const std::string said = text;
    g_free(text);
    if (said.find(part) != std::string::npos) return said;
  }
  return "";
}

TEST(SlowStore, IsNamedAndEndsWithTheGenerationTimeout) {
  const auto disk = make_freezable_directory();
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "2"});
  auto runs = make_runs(simulator, disk->path(), 1);
  auto& run = *runs.front();
  g_object_set(run.element("src").get(), "generation-timeout", 3, nullptr);
  disk->freeze();
  run.start(GST_STATE_PAUSED);
  EXPECT_THAT(await_text(run, "has not answered"),
              testing::AllOf(HasSubstr(disk->path()), HasSubstr("nothing is lost")));
  ASSERT_TRUE(run.next(GST_MESSAGE_ERROR));
  ASSERT_TRUE(run.failure());
  EXPECT_EQ(run.failure()->details.at("code"), "timeout");
  EXPECT_EQ(run.failure()->details.at("charged"), "no");
  EXPECT_THAT(run.failure()->text, testing::AllOf(HasSubstr(disk->path()), HasSubstr("not")));
  disk->thaw();
  EXPECT_EQ(requests(simulator, "submissions"), 0);
}

// The task is paid, but the ledger cannot record it yet. The element must report the task id at
// once.
TEST(SlowStore, ThePaidTaskIsNamedWhileItsRecordWaits) {
  const auto disk = make_freezable_directory();
  auto simulator = Simulator::start({"--generation-time", "1h"});
  ::mkdir((disk->path() + "/state").c_str(), 0700);
  simulator.set_faults({"submit:delay=500ms"});
  auto runs = make_runs(simulator, disk->path(), 1);
  auto& run = *runs.front();
  g_object_set(run.element("src").get(), "generation-timeout", 3, nullptr);
  run.start(GST_STATE_PAUSED);
  ASSERT_TRUE(wait_until([&] { return requests(simulator, "submissions") == 1; }));
  disk->freeze();
  ASSERT_TRUE(run.next(GST_MESSAGE_ERROR));
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  ASSERT_TRUE(run.failure());
  EXPECT_EQ(run.failure()->details.at("code"), "ledger");
  EXPECT_EQ(run.failure()->details.at("charged"), "unknown");
  EXPECT_EQ(run.failure()->details.at("task-id"), id);
  EXPECT_THAT(run.warnings(), testing::Contains(HasSubstr(id)));
  EXPECT_EQ(requests(simulator, "queries"), 0) << "a poll came before the record";
  runs.clear();
  disk->thaw();
  const auto ledger = disk->path() + "/state/ledger.db";
  EXPECT_TRUE(wait_until([&] {
    return select(ledger, "SELECT task_id FROM submission WHERE state = 'accepted'") ==
           std::vector<std::string>{id};
  }));
}

/// Changes the working directory for a scope.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const std::string& path) { std::filesystem::current_path(path); }
  ~WorkingDirectory() { std::filesystem::current_path(before_); }
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;

 private:
  const std::filesystem::path before_ = std::filesystem::current_path();
};

TEST(RelativePaths, KeepTheirMeaningAfterTheApplicationHasChangedItsDirectory) {
  auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "2"});
  simulator.set_faults({"submit:delay=300ms"});
  const TemporaryDirectory begin;
  const TemporaryDirectory end;
  auto runs = make_runs(simulator, begin.path(), 1);
  auto& run = *runs.front();
  g_object_set(run.element("src").get(), "ledger", "state/ledger.db", "cache-dir", "cache",
               nullptr);
  {
    const WorkingDirectory first(begin.path());
    run.start();
    ASSERT_TRUE(wait_until([&] { return requests(simulator, "submissions") == 1; }));
    std::filesystem::current_path(end.path());
    ASSERT_TRUE(run.finish());
  }
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_THAT(run.warnings(), testing::IsEmpty());
  EXPECT_EQ(select(begin.file("state/ledger.db"), "SELECT state FROM submission"),
            std::vector<std::string>{"completed"});
  EXPECT_TRUE(std::filesystem::exists(begin.file("cache")));
  EXPECT_TRUE(std::filesystem::is_empty(end.path()));
}

/// A write transaction of another program.
class WriteLock {
 public:
  explicit WriteLock(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }
  ~WriteLock() {
    sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
    sqlite3_close(database_);
  }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  sqlite3* database_ = nullptr;
};

TEST(LockedLedger, HoldsNobodyUp) {
  constexpr int count = 50;
  auto simulator =
      Simulator::start({"--generation-time", "0s", "--frames", "24", "--credits", "1000000"});
  const TemporaryDirectory directory;
  auto first = make_runs(simulator, directory.path(), 1);
  g_object_set(first.front()->element("src").get(), "take", 1000, nullptr);
  ASSERT_TRUE(first.front()->finish());
  simulator.set_faults({"file:drip=60000"});
  const TemporaryDirectory elsewhere;
  auto download = make_runs(simulator, elsewhere.path(), 1);
  g_object_set(download.front()->element("src").get(), "take", 1001, nullptr);
  start(download);
  await_bytes(download);

  auto runs = make_runs(simulator, directory.path(), count);
  {
    const WriteLock lock(directory.file("state/ledger.db"));
    for (auto& run : runs) {
      const auto took = time(
          [&] {
            gboolean accepted = FALSE;
            g_signal_emit_by_name(run->element("src").get(), "prepare", &accepted);
            EXPECT_TRUE(accepted);
          },
          [] {});
      ASSERT_TRUE(took);
      EXPECT_LT(*took, at_once);
    }
    start(runs);
    expect_to_stop(runs, [] {});
    // The download from another ledger ends while the lock is still held.
    ASSERT_TRUE(download.front()->finish());
    EXPECT_FALSE(download.front()->failure()) << download.front()->failure()->text;
  }
  runs.clear();
  EXPECT_LE(requests(simulator, "charges"), 2);
}

}  // namespace
}  // namespace veo::test
