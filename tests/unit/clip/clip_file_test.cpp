// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip_file.h"

#include <gtest/gtest.h>

#include <future>

#include "command.h"

namespace veo {
namespace {

// An empty clip stores no byte, so its check is the first step that notices the missing file.
TEST(ClipFile, ChecksNoFileThatCouldNotBeMade) {
  const test::TemporaryDirectory directory;
  const auto cache = Cache::open(directory.file("cache"), 0);
  ASSERT_TRUE(cache);
  const auto io = http::IoThread::acquire();
  std::promise<Status> opened;
  std::promise<Status> checked;
  ClipFile file(io, *cache, {.api_url = "http://127.0.0.1/v1", .task_id = "T", .intent = ""});
  io->post([&] {
    file.open([&](const Status& status) { opened.set_value(status); });
    file.check(0, [&](const Status& status) { checked.set_value(status); });
  });
  EXPECT_FALSE(opened.get_future().get());
  const auto whole = checked.get_future().get();
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, ErrorCode::cache);
}

}  // namespace
}  // namespace veo
