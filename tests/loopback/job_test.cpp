// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Jobs and their readers against the simulator, where the order of events matters.
#include "veo/job/job.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "command.h"
#include "simulated_options.h"
#include "simulator.h"
#include "veo/http/io_thread.h"
#include "veo/source/source.h"
#include "veo/system/store_thread.h"

namespace veo::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Longer than any step of these tests takes. A wait that exceeds it is a failure.
constexpr auto patience = 20s;

/// A reader of a source, with a wakeup of its own.
class Reader {
 public:
  explicit Reader(const Options& settings) {
    auto opened = Source::open(settings, wakeup_);
    if (!opened || !*opened) throw std::runtime_error("it cannot be opened");
    source_ = std::move(**opened);
    source_->start();
  }

  /// Waits as readers do, until `is_so` holds for the bytes at the start. Returns false if it never
  /// does.
  template <class Condition>
  bool wait(Condition is_so) {
    const auto end = Clock::now() + patience;
    bool came = false;
    const auto look = [&] {
      came = is_so(source_->at(0));
      return came || Clock::now() >= end;
    };
    static_cast<void>(wakeup_->wait_for(look, [end] { return end; }));
    return came;
  }

  [[nodiscard]] Source& source() const { return *source_; }

 private:
  const std::shared_ptr<Wakeup> wakeup_ = std::make_shared<Wakeup>();
  std::unique_ptr<Source> source_;
};

bool is_ready(const Clip::Availability& there) {
  return std::holds_alternative<Clip::Ready>(there);
}

void execute(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  sqlite3_busy_timeout(database, 10'000);  // the ledger's checkpoints lock the file for a moment
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
}

std::string state_of_the_row(const std::string& path) {
  sqlite3* database = nullptr;
  std::string state;
  if (sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
    sqlite3_exec(
        database, "SELECT state FROM submission",
        [](void* into, int, char** values, char**) {
          *static_cast<std::string*>(into) = values[0];
          return 0;
        },
        &state, nullptr);
  }
  sqlite3_close(database);
  return state;
}

class Renew : public testing::TestWithParam<const char*> {};

// The URL has expired, and two readers read the clip. The second one learns of the refusal only
// after the first one has renewed the URL.
TEST_P(Renew, OfAReaderThatComesAfterAnother) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  auto settings = make_options(simulator);
  {
    Reader first(settings);
    ASSERT_TRUE(first.wait(is_ready));
  }
  // The clip is not in this folder. The first reader's clip may still be on its way into the other.
  settings.cache_directory += "-other";
  execute(simulator.ledger(),
          "UPDATE submission SET url = url || '.gone', clip_sha256 = '', state = 'completed'");
  ::setenv("VEO_CACHE_SIZE", GetParam(), 1);
  Reader one(settings);
  Reader other(settings);
  // Both readers have the clip with the refused URL. The second one does not ask for its URL again.
  const auto has_clip = [](const Reader& reader) { return reader.source().snapshot().downloading; };
  ASSERT_TRUE(other.wait([&](const auto&) { return has_clip(other); }));
  ASSERT_TRUE(one.wait(is_ready));
  EXPECT_TRUE(other.wait(is_ready)) << "the renewed URL did not reach this reader";
  ::unsetenv("VEO_CACHE_SIZE");
  EXPECT_EQ(simulator.state().at("charges"), 1);
}
INSTANTIATE_TEST_SUITE_P(Keeping, Renew, testing::Values("100M", "0"),
                         [](const auto& row) { return std::string(row.param) + "_of_cache"; });

// reuse=false keeps a task apart from equal requests, but one name is paid once: an element that
// starts again, or a command that opens its Source again, brings the name.
TEST(Reuse, OffIsPaidOnceForEachName) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  const auto charges = [&] { return simulator.state().at("charges").get<int>(); };
  auto settings = make_options(simulator);
  settings.reuse = false;
  const auto play = [&] {
    Reader reader(settings);
    ASSERT_TRUE(reader.wait(is_ready));
  };
  play();
  play();
  EXPECT_EQ(charges(), 2) << "each Source makes a name of its own";
  settings.instance = make_instance();
  play();
  play();
  EXPECT_EQ(charges(), 3) << "the caller's name";
  settings.reuse = true;
  play();
  settings.instance = make_instance();
  play();
  EXPECT_EQ(charges(), 3) << "with reuse the name does not count";
}

/// Settings of a job that queries a task forever, at an address where nobody listens.
Job::Settings endless(const TemporaryDirectory& directory) {
  Job::Settings settings;
  settings.access.api_url = "http://127.0.0.1:1/v1";
  settings.key = Secret("sk-one");
  settings.catalog = std::make_shared<const Catalog>(Catalog{.extend_credits = 40});
  settings.task_id = "a-task";
  settings.claim.record.api_url = settings.access.api_url;
  settings.ledger = directory.file("state/ledger.db");
  settings.cache_directory = directory.file("cache");
  return settings;
}

// A job is shared only between callers with equal settings. Any difference gives a job of its own.
TEST(JobJoin, SharesAJobOfTheVerySameSettingsAlone) {
  const TemporaryDirectory directory;
  const auto first = Job::join(endless(directory));
  EXPECT_FALSE(first.was_there);
  const std::vector<std::pair<const char*, std::function<void(Job::Settings&)>>> differences{
      {"key", [](auto& it) { it.key = Secret("sk-other"); }},
      {"no key", [](auto& it) { it.key = fail({.code = ErrorCode::missing_api_key}); }},
      {"catalog",
       [](auto& it) {
         it.catalog = std::shared_ptr<const Catalog>(
             std::make_shared<Catalog>(Catalog{.extend_credits = 41}));
       }},
      {"request", [](auto& it) { it.request.callback_url = "https://me.example/"; }},
      {"parent", [](auto& it) { it.parent_upstream_id = "parent"; }},
      {"claim", [](auto& it) { it.claim.resubmit = true; }},
      {"budget", [](auto& it) { it.claim.daily_budget = 7; }},
      {"callback-listen",
       [](auto& it) { it.listen_address = ListenAddress{.address = "127.0.0.1"}; }},
      {"cache-dir", [](auto& it) { it.cache_directory += "-other"; }},
      {"cache limit", [](auto& it) { it.cache_limit = 0; }},
      {"network", [](auto& it) { it.network.retries = 6; }},
      {"poll-interval", [](auto& it) { it.poll_interval = 1s; }},
      {"generation-timeout", [](auto& it) { it.generation_timeout = 1799s; }},
  };
  for (const auto& [name, change] : differences) {
    auto settings = endless(directory);
    change(settings);
    auto same = settings;
    const auto joined = Job::join(std::move(settings));
    EXPECT_FALSE(joined.was_there) << name;
    EXPECT_NE(joined.job, first.job) << name;
    const auto again = Job::join(std::move(same));
    if (joined.job->snapshot().phase != Job::Phase::failed) {
      EXPECT_EQ(again.job, joined.job) << name;
    }
    EXPECT_EQ(Job::join(endless(directory)).job, first.job) << "the first job is lost: " << name;
  }
}

/// Waits until the I/O thread and the ledger's thread have done all tasks posted so far.
void settle() {
  std::promise<void> done;
  http::IoThread::acquire()->post(
      [&] { StoreThread::acquire(StoreThread::Store::ledger)->post([&] { done.set_value(); }); });
  ASSERT_EQ(done.get_future().wait_for(patience), std::future_status::ready);
}

// The only reader leaves while another program locks the ledger. The job must release its claim
// when the lock is gone.
TEST(Job, AReleaseIsRepeatedUntilItSucceeds) {
  const auto simulator = Simulator::start(
      {"--fault", "submit:error=rate_limit_exceeded,retry-after=600", "--frames", "2"});
  sqlite3* other = nullptr;
  {
    Reader reader(make_options(simulator));
    ASSERT_TRUE(reader.wait(
        [&](const auto&) { return reader.source().snapshot().job.trouble.has_value(); }));
    ASSERT_EQ(state_of_the_row(simulator.ledger()), "reserved");
    ASSERT_EQ(sqlite3_open(simulator.ledger().c_str(), &other), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }
  settle();
  EXPECT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  const auto end = Clock::now() + patience;
  while (state_of_the_row(simulator.ledger()) != "released" && Clock::now() < end) settle();
  EXPECT_EQ(state_of_the_row(simulator.ledger()), "released");
  EXPECT_EQ(simulator.state().at("charges"), 0);
}

}  // namespace
}  // namespace veo::test
