// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Code that reaches guarded data without its lock does not compile with clang. Each case is a pair:
// the wrong code, and its twin that differs in the lock alone and must compile.
#include "veo/system/thread_safety.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "command.h"
#include "veo/system/guarded.h"

namespace veo {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Pair {
  const char* name;
  const char* wrong;
  const char* right;
  const char* diagnosis;  ///< a part of what clang says of `wrong`
};

void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.name; }

class ThreadSafety : public testing::TestWithParam<Pair> {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<test::TemporaryDirectory>();
    std::ofstream(header()) << "#include \"veo/system/guarded.h\"\n"
                               "struct Counter {\n"
                               "  mutable veo::Mutex mutex;\n"
                               "  veo::ConditionVariable changed;\n"
                               "  int count VEO_GUARDED_BY(mutex) = 0;\n"
                               "  void add() VEO_REQUIRES(mutex) { ++count; }\n"
                               "};\n"
                               "inline Counter counter;\n"
                               "inline veo::Guarded<int> guarded;\n";
    // The header is compiled once, since the library's headers take most of the time.
    compile_file("-x c++-header -o " + header() + ".pch " + header());
  }
  static void TearDownTestSuite() { directory_.reset(); }

  void SetUp() override {
    if (std::string(VEO_CLANG).empty()) GTEST_SKIP() << "there is no clang++";
  }

  /// What clang says, and `compiled` if it has no objection.
  static std::string compile(const std::string& code) {
    const auto path = directory_->file("code.cpp");
    std::ofstream(path) << code << "\n";
    return compile_file("-fsyntax-only -include-pch " + header() + ".pch " + path);
  }

 private:
  static std::string header() { return directory_->file("header.h"); }
  static std::string compile_file(const std::string& arguments) {
    return test::output_of(VEO_CLANG
                           " -std=c++20 -Wall -Wthread-safety -Wthread-safety-beta -Werror"
                           " -I" VEO_SYSTEM_INCLUDE " " +
                           arguments + " 2>&1 && echo compiled");
  }

  static inline std::unique_ptr<test::TemporaryDirectory> directory_;
};

TEST_P(ThreadSafety, TheWrongCodeDoesNotCompileAndItsTwinDoes) {
  const auto wrong = compile(GetParam().wrong);
  EXPECT_THAT(wrong, HasSubstr(GetParam().diagnosis));
  EXPECT_THAT(wrong, Not(HasSubstr("compiled\n")));
  EXPECT_EQ(compile(GetParam().right), "compiled\n");
}

INSTANTIATE_TEST_SUITE_P(
    Code, ThreadSafety,
    testing::Values(
        Pair{"a_read", "int f() { return counter.count; }",
             "int f() { const veo::MutexLock lock(counter.mutex); return counter.count; }",
             "reading variable 'count' requires holding mutex 'counter.mutex'"},
        Pair{"a_write", "void f() { counter.count = 1; }",
             "void f() { const veo::MutexLock lock(counter.mutex); counter.count = 1; }",
             "writing variable 'count' requires holding mutex"},
        Pair{"a_call", "void f() { counter.add(); }",
             "void f() { const veo::MutexLock lock(counter.mutex); counter.add(); }",
             "calling function 'add' requires holding mutex"},
        Pair{"a_read_after_an_early_unlock",
             "int f() { veo::MutexLock lock(counter.mutex); lock.unlock(); return counter.count; }",
             "int f() { veo::MutexLock lock(counter.mutex); lock.unlock(); lock.lock();"
             " return counter.count; }",
             "reading variable 'count' requires holding mutex"},
        Pair{"a_wait", "void f() { while (counter.count == 0) {} }",
             "void f() { veo::MutexLock lock(counter.mutex);"
             " while (counter.count == 0) counter.changed.wait(lock); }",
             "reading variable 'count' requires holding mutex"},
        Pair{"a_mutex_locked_twice",
             "void f() { const veo::MutexLock a(counter.mutex);"
             " const veo::MutexLock b(counter.mutex); }",
             "void f() { { const veo::MutexLock a(counter.mutex); }"
             " const veo::MutexLock b(counter.mutex); }",
             "acquiring mutex 'counter.mutex' that is already held"},
        Pair{"the_value_of_a_guarded", "int f() { return guarded.value_; }",
             "int f() { return *guarded.lock(); }", "is a private member"},
        Pair{"a_reference_that_outlives_the_expression",
             "int f() { auto& value = *guarded.lock(); return value; }",
             "int f() { auto locked = guarded.lock(); auto& value = *locked; return value; }",
             "will be destroyed at the end of the full-expression"},
        Pair{"a_reference_returned_from_under_its_lock",
             "int& f() { auto locked = guarded.lock(); return *locked; }",
             "int f() { auto locked = guarded.lock(); return *locked; }",
             "returned [-Werror,-Wreturn-stack-address]"},
        Pair{"a_reference_returned_with_a_temporary_lock", "int& f() { return *guarded.lock(); }",
             "int f() { return *guarded.lock(); }", "-Wreturn-stack-address"},
        Pair{"a_write_by_a_reader",
             "void f(const veo::Guarded<int>& shared) { *shared.lock() = 1; }",
             "void f(veo::Guarded<int>& shared) { *shared.lock() = 1; }", "const"}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(ConditionVariable, AWaitEndsAtItsMoment) {
  Mutex mutex;
  ConditionVariable changed;
  MutexLock lock(mutex);
  while (changed.wait_until(lock, std::chrono::steady_clock::now())) {
  }
}

TEST(Guarded, AWaitEndsWithItsConditionOrItsTime) {
  Guarded<int> value(0);
  ConditionVariable changed;
  std::jthread other([&] {
    *value.lock() = 1;
    changed.notify_all();
  });
  auto locked = value.lock();
  locked.wait(changed, [](int now) { return now == 1; });
  EXPECT_EQ(*locked, 1);
  EXPECT_TRUE(locked.wait_for(changed, std::chrono::hours(1), [](int now) { return now == 1; }));
  EXPECT_FALSE(
      locked.wait_for(changed, std::chrono::milliseconds(1), [](int now) { return now == 2; }));
}

}  // namespace
}  // namespace veo
