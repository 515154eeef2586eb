// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/threads.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "../../support/await.h"
#include "veo/system/exit_hold.h"
#include "veo/system/store_thread.h"

namespace veo {
namespace {

/// Runs `work` in a child of its own, and returns the child's exit code; -1: a signal ended it.
int run_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) std::exit(work());
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Waits for the threads of the tests before. A store's thread ends after its last holder has gone.
void wait_until_alone() {
  const auto has_one_thread = [] {
    const auto threads = std::filesystem::directory_iterator("/proc/self/task");
    return std::distance(begin(threads), end(threads)) == 1;
  };
  test::await("the end of the other threads", has_one_thread);
}

TEST(Threads, HaveTheirNameAndEnd) {
  std::promise<std::string> name;
  auto started = start_thread("veo-test", [&] {
    char text[16] = {};
    ::pthread_getname_np(::pthread_self(), text, sizeof text);
    name.set_value(text);
  });
  ASSERT_TRUE(started);
  EXPECT_EQ(name.get_future().get(), "veo-test");
  started->join();
  EXPECT_TRUE(check_not_forked());
}

TEST(Threads, ThatCannotBeMadeAreAnError) {
  const auto code = run_child([] {
    // The limit holds for ordinary users only, so become the user nobody.
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_NPROC, &none);
    if (::geteuid() == 0 && ::setuid(65534) != 0) return 5;
    const auto started = start_thread("veo-test", [] {});
    const auto acquired = StoreThread::try_acquire(StoreThread::Store::ledger);
    if (started || acquired) return 1;
    if (acquired.error().code != ErrorCode::internal_error) return 2;
    if (acquired.error().message.find("Nothing was sent") == std::string::npos) return 3;
    return acquired.error().charged == Charged::no ? 0 : 4;
  });
  EXPECT_EQ(code, 0);
}

TEST(Threads, DoNotExistInAForkedChild) {
  std::promise<void> end;
  auto started = start_thread("veo-test", [&] { end.get_future().wait(); });
  ASSERT_TRUE(started);
  const auto store = StoreThread::acquire(StoreThread::Store::ledger);
  const auto code = run_child([&] {
    const auto here = check_not_forked();
    if (here || here.error().code != ErrorCode::internal_error) return 1;
    if (here.error().message.find("after the fork()") == std::string::npos) return 2;
    if (StoreThread::try_acquire(StoreThread::Store::ledger)) return 3;
    if (start_thread("veo-test", [] {})) return 4;
    // Work that the parent's thread would do is dropped, and what it holds is not destroyed: the
    // destruction could release a lock of the parent.
    const auto held = std::make_shared<int>(1);
    store->post([held] {});
    if (held.use_count() != 2) return 5;
    return 0;
  });
  EXPECT_EQ(code, 0);
  end.set_value();
  started->join();
}

TEST(Threads, OfAForkedChildStartAfterTheParentsThreadsHaveEnded) {
  auto started = start_thread("veo-test", [] {});
  ASSERT_TRUE(started);
  started->join();
  wait_until_alone();
  const auto code = run_child([] {
    auto own = start_thread("veo-test", [] {});
    if (!own) return 1;
    own->join();
    return 0;
  });
  EXPECT_EQ(code, 0);
}

// A thread that goes on while the process exits would use what the exit has destroyed.
TEST(Threads, AreParkedByAnExit) {
  wait_until_alone();
  const auto code = run_child([] {
    static auto* const store =
        new std::shared_ptr<StoreThread>(StoreThread::acquire(StoreThread::Store::ledger));
    static std::atomic<unsigned> rounds{0};
    struct Repeat {
      static void run() {
        ++rounds;
        (*store)->post(&Repeat::run);
      }
    };
    (*store)->post(&Repeat::run);
    while (rounds < 100) std::this_thread::yield();
    // The step runs after the one that parks the threads, because it is known later.
    at_exit(ExitStep::threads, [] {
      const unsigned before = rounds;
      for (int i = 0; i < 10000; ++i) std::this_thread::yield();
      if (rounds != before) ::_exit(7);
    });
    return 0;
  });
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace veo
