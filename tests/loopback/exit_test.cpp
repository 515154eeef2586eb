// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Once the exit of the process has begun, nothing new is sent.
#include "veo/system/exit_hold.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>

#include "at_start.h"
#include "client.h"
#include "raw_server.h"

namespace veo::test {
namespace {

/// Of the child. Never destroyed: the I/O thread uses it until the very end.
struct Exiting {
  Client client;
  std::promise<http::ApiAnswer> submission;
  http::Transport::Exchange exchange;
  std::string url;
};
Exiting* exiting = nullptr;

bool is_sure_not_sent(const http::ApiAnswer& answer) {
  const auto& evidence = answer.evidence;
  return !evidence.begun && !evidence.got_head && evidence.failure &&
         evidence.failure->message.find("nothing was sent") != std::string::npos;
}

/// Runs when the exit has begun, and ends the child with the result.
void judge() {
  if (!is_sure_not_sent(exiting->submission.get_future().get())) ::_exit(3);
  for (const auto& call : {get(exiting->url), post(exiting->url)}) {
    if (!is_sure_not_sent(exiting->client.call(call))) ::_exit(4);
  }
  if (exiting->client.fetch(file(exiting->url)).code() != ErrorCode::network) ::_exit(5);
  ::_exit(0);
}

// The exit begins when the connection is made, just before the first byte of the submission.
TEST(Exit, SendsNothingNew) {
  ASSERT_TRUE(threads_end("veo-io"));  // the child must start threads of its own
  int pipe[2] = {-1, -1};
  ASSERT_EQ(::pipe(pipe), 0);
  // Fork before the server starts, because its threads could hold a lock of GLib.
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // ends a child that waits for ever
    std::uint16_t port = 0;
    if (::read(pipe[0], &port, sizeof port) != sizeof port) ::_exit(6);
    exiting = new Exiting;
    exiting->url = "http://127.0.0.1:" + std::to_string(port) + "/";
    at_exit(ExitStep::submissions, judge);
    std::promise<void> starts;
    AtStart::get().call([&] {
      starts.set_value();
      while (!has_exit_begun()) std::this_thread::yield();
    });
    exiting->client.thread()->post([] {
      exiting->exchange = exiting->client.transport()->call(
          post(exiting->url),
          [](http::ApiAnswer answer) { exiting->submission.set_value(std::move(answer)); });
    });
    starts.get_future().wait();
    std::exit(2);
  }
  const RawServer server([](RawConnection& connection) { connection.read_request(); });
  const auto port = server.port();
  EXPECT_EQ(::write(pipe[1], &port, sizeof port), ssize_t{sizeof port});
  ::close(pipe[0]);
  ::close(pipe[1]);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(server.requests().empty());
}

}  // namespace
}  // namespace veo::test
