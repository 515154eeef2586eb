// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "sha256.h"
#include "shell.h"

namespace veo::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(Pipe, IsDecodedByFfmpeg) {
  const auto simulator = start_simulator("100ms");
  const Shell shell(simulator);
  const auto ended =
      shell.sh("set -o pipefail; veo generate 'a dog' -o - | ffmpeg -v error -i - -f framecrc -");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.output, HasSubstr("0,         47,"));
}

TEST(Pipe, CarriesTheVideoAloneAndJsonBesideIt) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto ended = shell.veo({"generate", "a dog", "-o", "-", "--layout=original", "--json"});
  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  EXPECT_EQ(simulator.state().at("tasks").at(0).at("sha256"), sha256(ended.output));
  EXPECT_EQ(last_event(ended.errors, "done").at("file"), "-");
}

// The test reads the first bytes while the simulator still withholds the last bytes.
TEST(Pipe, StartsBeforeTheDownloadEnds) {
  // The clip is so large that its moov is fetched beside the main download, which stalls.
  const auto simulator = Simulator::start(
      {"--generation-time", "0s", "--frames", "96", "--fault", "file:stall=60000*1"});
  const Shell shell(simulator);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  auto settings = shell.settings({"generate", "a dog", "-o", "-"});
  settings.output = pipe[1];
  Program running(settings);
  ::close(pipe[1]);
  std::array<char, 8> first{};
  ASSERT_EQ(::read(pipe[0], first.data(), first.size()), 8);
  EXPECT_EQ(std::string(first.data() + 4, 4), "ftyp");
  running.kill(SIGTERM);
  ::close(pipe[0]);
  EXPECT_EQ(running.wait().exit_code, 130);
}

TEST(Pipe, ThatIsClosedEndsQuietlyAndKeepsTheClip) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto ended =
      shell.sh("veo generate 'a dog' -o - -q | head -c 1000 >/dev/null; exit ${PIPESTATUS[0]}");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.errors, IsEmpty());
  // The second run reads the clip from the cache, and requests no file.
  const auto requests = simulator.state().at("file_requests");
  EXPECT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("file_requests"), requests);
  EXPECT_EQ(simulator.state().at("tasks").at(0).at("sha256"), sha256(shell.contents("dog.mp4")));
}

TEST(Pipe, ThatNobodyReadsCanBeInterrupted) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  auto settings = shell.settings({"generate", "a dog", "-o", "-"});
  settings.output = pipe[1];
  Program running(settings);
  ASSERT_TRUE(running.wait_for("Downloading"));
  running.kill(SIGINT);
  EXPECT_EQ(running.wait().exit_code, 130);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST(Pipe, WithANameIsWrittenInPlace) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(::mkfifo(shell.file("fifo").c_str(), 0600), 0);
  const auto ended =
      shell.sh("cat fifo >copy & veo generate 'a dog' -o fifo; code=$?; wait; exit $code");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_TRUE(std::filesystem::is_fifo(shell.file("fifo")));
  EXPECT_EQ(simulator.state().at("tasks").at(0).at("sha256"), sha256(shell.contents("copy")));
}

}  // namespace
}  // namespace veo::test
