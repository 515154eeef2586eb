// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/io_thread_only.h"

#include <gtest/gtest.h>

#include <future>

namespace veo::http {
namespace {

TEST(IoThreadOnly, TheIoThreadReadsAndWritesTheValue) {
  IoThreadOnly<int> value(std::in_place, 1);
  std::promise<int> seen;
  IoThread::acquire()->post([&] {
    ++*value;
    seen.set_value(*value);
  });
  EXPECT_EQ(seen.get_future().get(), 2);
}

TEST(IoThreadOnlyDeathTest, AnotherThreadFailsTheAssertion) {
#ifdef NDEBUG
  GTEST_SKIP() << "built without assertions";
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  IoThreadOnly<int> value;
  EXPECT_DEATH(++*value, "is_io_thread");
}

}  // namespace
}  // namespace veo::http
