// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <utility>

#include "sha256.h"
#include "shell.h"

namespace veo::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

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

/// Returns the payload of the first box of this type at the top level.
std::string payload(const std::string& file, const std::string& type) {
  for (std::size_t at = 0; at + 8 <= file.size();) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i)
      size = size << 8U | static_cast<unsigned char>(file[at + i]);
    if (size < 8 || size > file.size() - at) break;
    if (file.compare(at + 4, 4, type) == 0) return file.substr(at + 8, size - 8);
    at += size;
  }
  return "";
}

// A manifest whose hash does not hold is worse than none, so no way out of the command may have
// one.
TEST(Pipe, IsTheSameEverywhereAndHasNoManifest) {
  const std::string manifest_type =
      "\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81";
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell.sh("veo generate 'a dog' -o - -q > piped").exit_code, 0);
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  const auto piped = shell.contents("piped");
  EXPECT_THAT(piped, Not(HasSubstr(manifest_type)));
  EXPECT_EQ(payload(piped, "uuid"), "");
  EXPECT_EQ(payload(piped, "free"), std::string(6104 - 8, '\0'));

  const std::pair<const char*, std::string> others[] = {
      {"again", "veo generate 'a dog' -o - -q > again"},
      {"download", "veo download " + id + " -o - -q > download"},
      {"flag", "veo download " + id + " --layout=streamable -o flag -q"},
      {"player", "veo play " + id + " -q --player 'cat > player'"},
      {"element", "gst-launch-1.0 -q veosrc task-id=" + id + " ! filesink location=element"},
      {"served",
       "\"$VEO_COMMAND\" serve -q > url & while [ ! -s url ] && kill -0 $!; do :; done; "
       "curl -s -o served $(cat url)task/" +
           id + "; kill $!; wait"},
  };
  for (const auto& [file, line] : others) {
    const auto ended = shell.sh(line);
    EXPECT_EQ(sha256(shell.contents(file)), sha256(piped)) << line << ": " << ended;
  }

  EXPECT_EQ(shell.veo({"download", id, "-o", "original.mp4"}).exit_code, 0);
  const auto original = shell.contents("original.mp4");
  EXPECT_EQ(simulator.state().at("tasks").at(0).at("sha256"), sha256(original));
  EXPECT_THAT(payload(original, "uuid"), StartsWith(manifest_type));
  EXPECT_EQ(payload(original, "mdat"), payload(piped, "mdat"));
  EXPECT_EQ(payload(original, "ftyp"), payload(piped, "ftyp"));

  // The record says where the original is.
  const auto record = json_lines(shell.veo({"history", "--json"}).output).at(0);
  const std::string path = record.at("file");
  EXPECT_EQ(sha256(shell.sh("cat '" + path + "'").output), sha256(original));
  EXPECT_THAT(shell.veo({"history", "--files"}).output,
              AllOf(HasSubstr("  FILE\n"), HasSubstr(id + "  " + path + "\n")));
  std::filesystem::remove(path);
  EXPECT_THAT(shell.veo({"history", "--files"}).output, HasSubstr(id + "  -\n"));
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
  auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto ended =
      shell.sh("veo generate 'a dog' -o - -q | head -c 1000 >/dev/null; exit ${PIPESTATUS[0]}");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.errors, IsEmpty());
  // The second run reads the clip from the cache, and requests no file.
  simulator.refuse_files();
  EXPECT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
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
