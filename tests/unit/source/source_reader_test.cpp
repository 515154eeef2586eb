// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Opening alone; what a reader reads comes from tests/loopback.
#include "veo/source/source_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "command.h"
#include "veo/system/store_thread.h"

namespace veo {
namespace {

using testing::HasSubstr;

/// Without what the wait was for, a test says why.
template <class T>
void check(const Waited<T>& got) {
  ASSERT_TRUE(got) << "interrupted";
  ASSERT_TRUE(*got) << got->error().message;
}

class Opening : public testing::Test {
 protected:
  [[nodiscard]] Options priced() const {
    Options options;
    options.request.prompt = "a dog";
    options.dry_run = true;
    options.ledger = directory_.file("ledger.db");
    options.cache_directory = directory_.file("cache");
    return options;
  }

  const test::TemporaryDirectory directory_;
};

TEST_F(Opening, TellsThePriceBeforeAnythingIsStarted) {
  SourceReader reader;
  const auto opened = reader.open(priced());
  ASSERT_NO_FATAL_FAILURE(check(opened));
  EXPECT_GT((*opened)->credits.value_or(0), 0U);
  EXPECT_FALSE(reader.is_started());
  EXPECT_EQ(reader.snapshot().credits, std::nullopt) << "nothing is told of what is not started";
  reader.start();
  EXPECT_TRUE(reader.is_started());
  EXPECT_EQ(reader.snapshot().credits, (*opened)->credits);
  reader.close();
  EXPECT_FALSE(reader.is_started());
  EXPECT_EQ(reader.snapshot().credits, std::nullopt);
}

TEST_F(Opening, FailsAsTheSourceDoes) {
  SourceReader reader;
  auto options = priced();
  options.access.api_url = "http://api.example";  // no TLS
  const auto opened = reader.open(options);
  ASSERT_TRUE(opened);
  ASSERT_FALSE(*opened);
  EXPECT_EQ(opened->error().code, ErrorCode::invalid_request);
  options.access.api_url.clear();
  options.request.prompt.clear();
  const auto refused = reader.open(options);
  ASSERT_TRUE(refused);
  ASSERT_FALSE(*refused);
  EXPECT_EQ(refused->error().code, ErrorCode::invalid_request);
  EXPECT_THAT(refused->error().message, HasSubstr("prompt"));
  EXPECT_FALSE(reader.is_opening());
}

// A flush in the middle of the opening: the next wait goes on with the same opening.
TEST_F(Opening, GoesOnAfterAnInterruption) {
  const auto settings = StoreThread::acquire(StoreThread::Store::settings);
  std::promise<void> answers;
  settings->post([answered = answers.get_future().share()] { answered.wait(); });
  SourceReader reader;
  ASSERT_TRUE(reader.begin(priced()));
  {
    const std::jthread user([&] { reader.interrupt(); });
    EXPECT_FALSE(reader.wait_until_open());
  }
  EXPECT_FALSE(reader.wait_until_open()) << "until resume()";
  EXPECT_TRUE(reader.is_opening());
  reader.resume();
  answers.set_value();
  const auto opened = reader.wait_until_open();
  ASSERT_NO_FATAL_FAILURE(check(opened));
  EXPECT_GT((*opened)->credits.value_or(0), 0U);
  EXPECT_FALSE(reader.is_opening());
}

TEST_F(Opening, SaysWhichFileKeepsItWaiting) {
  const auto settings = StoreThread::acquire(StoreThread::Store::settings);
  std::promise<void> answers;
  settings->post([answered = answers.get_future().share()] { answered.wait(); });
  SourceReader reader;
  ASSERT_TRUE(reader.begin(priced()));
  int told = 0;
  const auto opened = reader.wait_until_open([&](const Error& trouble) {
    EXPECT_EQ(trouble.code, ErrorCode::cache);
    EXPECT_THAT(trouble.message, HasSubstr("within a second"));
    if (++told == 1) answers.set_value();
  });
  ASSERT_NO_FATAL_FAILURE(check(opened));
  EXPECT_GE(told, 1);
}

// The thread that would end the wait does not exist in a child of fork().
TEST_F(Opening, FailsAtOnceInAForkedChild) {
  SourceReader reader;
  ASSERT_TRUE(reader.begin(priced()));
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // ends a child that waits for ever
    const auto opened = reader.wait_until_open();
    const bool is_good = opened && !*opened && opened->error().code == ErrorCode::internal_error;
    SourceReader another;
    const auto begun = another.begin(priced());
    ::_exit(is_good && !begun && begun.error().charged == Charged::no ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_NO_FATAL_FAILURE(check(reader.wait_until_open()));
}

TEST_F(Opening, ADryRunHasNoBytes) {
  SourceReader reader;
  ASSERT_NO_FATAL_FAILURE(check(reader.open(priced())));
  reader.start();
  int looks = 0;
  const auto first =
      reader.wait_for_bytes(0, {.on_change = [&](const Source::Snapshot&) { ++looks; }});
  ASSERT_NO_FATAL_FAILURE(check(first));
  EXPECT_EQ(**first, 0U);
  EXPECT_EQ(looks, 1);
  reader.interrupt();
  EXPECT_FALSE(reader.wait_for_bytes(0)) << "an interruption comes before what is there";
}

}  // namespace
}  // namespace veo
