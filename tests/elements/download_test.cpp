// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Downloads in which the file changes, ends early or is refused. A run gives the bytes of one
// version of the file or a clear error, and never a mixture of two versions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "environment.h"
#include "sha256.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

struct DownloadCase {
  const char* name;
  std::vector<std::string> faults;
  const char* error = nullptr;  ///< the expected error; null if the clip plays
};
void PrintTo(const DownloadCase& row, std::ostream* out) { *out << row.name; }

class Download : public testing::Test {
 protected:
  // All tests share one task, because the simulator needs some time to encode a clip.
  static void SetUpTestSuite() {
    simulator_.emplace(Simulator::start({"--generation-time", "0s", "--bandwidth", "2M"}));
    TestPipeline clean("veosrc name=src prompt=x layout=original ! fakesink name=sink sync=false");
    clean.use(*simulator_);
    clean.watch("sink");
    ASSERT_TRUE(clean.finish());
    ASSERT_FALSE(clean.failure()) << clean.failure()->text;
    whole_ = clean.bytes("sink");
    id_ = simulator_->state().at("tasks").at(0).at("id");
  }
  static void TearDownTestSuite() { simulator_.reset(); }

  static inline std::optional<Simulator> simulator_;
  static inline std::vector<std::uint8_t> whole_;
  static inline std::string id_;
};

class Mishap : public Download, public testing::WithParamInterface<DownloadCase> {};

// The first two requests are for the file and for its tail, in either order. A run must not keep a
// file that it could not use: the second run, with a host that behaves, has to play the file.
TEST_P(Mishap, GivesOneVersionOfTheFileOrAnError) {
  simulator_->set_faults(GetParam().faults);
  TestPipeline run("veosrc name=src retries=3 task-id=" + id_ +
                   " layout=original ! fakesink name=sink sync=false");
  run.use(*simulator_, true);
  run.watch("sink");
  ASSERT_TRUE(run.finish());
  const auto bytes = run.bytes("sink");
  if (GetParam().error == nullptr) {
    EXPECT_FALSE(run.failure()) << run.failure()->text;
    EXPECT_EQ(bytes, whole_);
  } else {
    ASSERT_TRUE(run.failure());
    EXPECT_EQ(run.failure()->details.at("code"), GetParam().error);
    EXPECT_EQ(run.failure()->details.at("task-id"), id_);
    EXPECT_LT(bytes.size(), whole_.size());
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), whole_.begin())) << "mixed versions";
  }
  run.stop();

  simulator_->set_faults({});
  TestPipeline again("veosrc name=src task-id=" + id_ +
                     " layout=original ! fakesink name=sink sync=false");
  again.use(*simulator_, true);
  again.watch("sink");
  ASSERT_TRUE(again.finish());
  EXPECT_FALSE(again.failure()) << again.failure()->text;
  EXPECT_EQ(again.bytes("sink"), whole_);
  std::filesystem::remove_all(simulator_->cache() + "/shared");
}

INSTANTIATE_TEST_SUITE_P(
    Each, Mishap,
    testing::Values(
        DownloadCase{"the_tail_is_of_another", {"file-tail:changed"}},
        DownloadCase{"the_tail_is_of_another_size", {"file-tail:wrong-total"}},
        DownloadCase{"the_tail_is_refused", {"file-tail:status=403"}},
        DownloadCase{"the_tail_is_not_there", {"file-tail:status=404"}},
        DownloadCase{"the_tail_has_no_range", {"file-tail:status=416"}},
        DownloadCase{"the_tail_is_a_page", {"file-tail:not-mp4"}},
        DownloadCase{"the_tail_is_the_whole_file", {"file-tail:ignore-range"}},
        DownloadCase{"the_tail_breaks", {"file-tail:reset=100"}},
        DownloadCase{"changed_before_anything_was_pushed", {"file:reset=10*2", "file:changed*1"}},
        DownloadCase{"refused_before_anything_was_pushed",
                     {"file:reset=10*2", "file:status=416*1@3"}},
        DownloadCase{
            "changed_in_the_middle", {"file:reset=100000", "file:changed@3"}, "bad-response"},
        DownloadCase{
            "refused_in_the_middle", {"file:reset=100000*2", "file:status=403@3"}, "network"},
        DownloadCase{"ranges_are_ignored", {"file:ignore-range"}},
        DownloadCase{"without_a_length", {"file:chunked"}},
        DownloadCase{"broken_again_and_again", {"file:reset=60000*8"}},
        // A file that is no video or is incomplete is not kept, and is requested a second time.
        DownloadCase{"a_page_once", {"file:not-mp4*2"}},
        DownloadCase{"a_page_always", {"file:not-mp4"}, "bad-media"},
        DownloadCase{"cut_once", {"file:no-ranges,chunked-cut-unterminated=100000*2"}},
        DownloadCase{"cut_properly_once", {"file:no-ranges,chunked-cut=100000*2"}},
        DownloadCase{"cut_always", {"file:no-ranges,chunked-cut-unterminated=100000"}, "network"},
        DownloadCase{"cut_within_the_last_box", {"file:no-ranges,chunked-cut=40000*2"}}),
    [](const auto& row) { return row.param.name; });

// The host sends all bytes of the tail, but does not end that answer. The main download then
// reaches the tail.
TEST_F(Download, IsCompleteThoughTheTailsAnswerDoesNotEnd) {
  simulator_->set_faults({"file-tail:chunked,stall=16384"});
  TestPipeline run("veosrc name=src task-id=" + id_ +
                   " layout=original ! fakesink name=sink sync=false");
  run.use(*simulator_);
  run.watch("sink");
  ASSERT_TRUE(run.finish());
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(run.bytes("sink"), whole_);
  EXPECT_THAT(run.warnings(), testing::IsEmpty());
}

// A cut file with its moov first seems to play well: 46 of its 192 frames, and then the end of the
// stream. The source must report an error instead.
TEST_F(Download, ACutFileIsAnErrorWhereverItsMoovIs) {
  for (const char* const layout : {"moov-first", "moov-last", "fragmented"}) {
    SCOPED_TRACE(layout);
    auto simulator = Simulator::start({"--generation-time", "0s", "--layout", layout, "--no-ranges",
                                       "--fault", "file:chunked-cut-unterminated=300000"});
    TestPipeline run("veosrc name=src prompt=x retries=1 ! fakesink name=sink sync=false");
    run.use(simulator, true);
    run.watch("sink");
    ASSERT_TRUE(run.finish());
    ASSERT_TRUE(run.failure());
    EXPECT_EQ(run.failure()->details.at("code"), "network");
    EXPECT_TRUE(run.bytes("sink").empty());
    run.stop();
    simulator.set_faults({});
    TestPipeline again("veosrc name=src prompt=x ! fakesink name=sink sync=false");
    again.use(simulator, true);
    again.watch("sink");
    ASSERT_TRUE(again.finish());
    EXPECT_FALSE(again.failure()) << again.failure()->text;
    EXPECT_GT(again.bytes("sink").size(), 300'000U);
    EXPECT_EQ(simulator.state().at("charges"), 1);
  }
}

// A demuxer ends the stream after its last sample, perhaps before the disk has all bytes of the
// file. The file must be kept nevertheless, and the second run must not pay.
TEST_F(Download, IsKeptThoughItsReaderLeavesAtTheLastByte) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  for (int runs = 0; runs < 2; ++runs) {
    TestPipeline run(
        "veosrc name=src prompt=x ! qtdemux name=d  d. ! fakesink name=sink sync=false async=false "
        " d. ! fakesink sync=false async=false");
    run.use(simulator, true);
    ASSERT_TRUE(run.finish());
    EXPECT_FALSE(run.failure()) << run.failure()->text;
    run.stop();
    const auto is_kept = [&] {
      return std::ranges::any_of(
          std::filesystem::directory_iterator(simulator.cache() + "/shared"),
          [](const auto& entry) { return entry.path().extension() == ".mp4"; });
    };
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_kept() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_TRUE(is_kept());
  }
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

// An older version did not check the files that it kept, and a disk can damage a file and its
// record together. Here the kept file is no video, though its hash agrees with the record.
TEST_F(Download, AKeptFileThatIsNoVideoIsForgottenAndFetchedAgain) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  TestPipeline run("veosrc name=src prompt=x layout=original ! fakesink name=sink sync=false");
  run.use(simulator, true);
  run.watch("sink");
  ASSERT_TRUE(run.finish());
  const auto whole = run.bytes("sink");
  run.stop();
  // Replace the kept file by other bytes, and record the hash of these bytes.
  const std::string page(whole.size(), 'x');
  for (const auto& entry : std::filesystem::directory_iterator(simulator.cache() + "/shared")) {
    if (entry.path().extension() != ".mp4") continue;
    std::ofstream(entry.path(), std::ios::binary) << page;
  }
  execute(simulator.ledger(),
          ("UPDATE submission SET clip_sha256 = '" + sha256(page) + "'").c_str());
  TestPipeline again("veosrc name=src prompt=x layout=original ! fakesink name=sink sync=false");
  again.use(simulator, true);
  again.watch("sink");
  ASSERT_TRUE(again.finish());
  EXPECT_FALSE(again.failure()) << again.failure()->text;
  EXPECT_EQ(again.bytes("sink"), whole);
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

TEST_F(Download, NothingIsKeptWithACacheSizeOfZeroAndAHostWithoutRanges) {
  const Environment size("VEO_CACHE_SIZE", "0");
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--frames", "24", "--no-ranges"});
  TestPipeline run("veosrc name=src prompt=x ! fakesink name=sink sync=false");
  run.use(simulator, true);
  run.watch("sink");
  ASSERT_TRUE(run.finish());
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_FALSE(run.bytes("sink").empty());
  EXPECT_FALSE(std::filesystem::exists(simulator.cache() + "/shared"));
}

TEST_F(Download, NothingIsKeptWithACacheSizeOfZero) {
  const Environment size("VEO_CACHE_SIZE", "0");
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  TestPipeline run("veosrc name=src prompt=x layout=original ! fakesink name=sink sync=false");
  run.use(simulator, true);
  run.watch("sink");
  ASSERT_TRUE(run.finish());
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  const auto first = run.bytes("sink");
  EXPECT_FALSE(first.empty());
  std::error_code none;
  for (const auto& file :
       std::filesystem::directory_iterator(simulator.cache() + "/shared", none)) {
    ADD_FAILURE() << file.path();
  }
  // A second run downloads the clip again, but pays nothing.
  run.stop();
  TestPipeline again("veosrc name=src prompt=x layout=original ! fakesink name=sink sync=false");
  again.use(simulator, true);
  again.watch("sink");
  ASSERT_TRUE(again.finish());
  EXPECT_EQ(again.bytes("sink"), first);
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

}  // namespace
}  // namespace veo::test
