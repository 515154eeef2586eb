// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A file that changes, ends early or is refused in mid-download: its bytes, or a clear error, never
// two versions in one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "environment.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

struct Row {
  const char* name;
  std::vector<std::string> faults;
  const char* error = nullptr;  ///< null: it plays
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class Download : public testing::Test {
 protected:
  // One task for all, since a clip takes its time to be encoded.
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

class Mishap : public Download, public testing::WithParamInterface<Row> {};

// The first two requests are those for the file and for its tail, in either order.
TEST_P(Mishap, GivesOneVersionOfTheFileOrAnError) {
  simulator_->set_faults(GetParam().faults);
  TestPipeline run("veosrc name=src task-id=" + id_ +
                   " layout=original ! fakesink name=sink sync=false");
  run.use(*simulator_);
  run.watch("sink");
  ASSERT_TRUE(run.finish());
  const auto& bytes = run.bytes("sink");
  if (GetParam().error == nullptr) {
    EXPECT_FALSE(run.failure()) << run.failure()->text;
    EXPECT_EQ(bytes, whole_);
    return;
  }
  ASSERT_TRUE(run.failure());
  EXPECT_EQ(run.failure()->details.at("code"), GetParam().error);
  EXPECT_EQ(run.failure()->details.at("task-id"), id_);
  ASSERT_LT(bytes.size(), whole_.size());
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), whole_.begin())) << "nothing of the other";
}

INSTANTIATE_TEST_SUITE_P(
    Each, Mishap,
    testing::Values(
        Row{"the_tail_is_of_another", {"file-tail:changed"}},
        Row{"changed_before_anything_was_pushed", {"file:reset=10*2", "file:changed*1"}},
        Row{"refused_before_anything_was_pushed", {"file:reset=10*2", "file:status=416*1@3"}},
        Row{"changed_in_the_middle", {"file:reset=100000", "file:changed@3"}, "bad-response"},
        Row{"refused_in_the_middle",
            {"file:reset=100000*2", "file:status=416*1@3"},
            "bad-response"},
        Row{"ranges_are_ignored", {"file:ignore-range"}}, Row{"without_a_length", {"file:chunked"}},
        Row{"broken_again_and_again", {"file:reset=60000*8"}}),
    [](const auto& row) { return row.param.name; });

// The tail's bytes are all here, but its answer does not end, when the main download meets them.
TEST_F(Download, IsKeptThoughTheTailsAnswerDoesNotEnd) {
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

TEST_F(Download, NothingIsKeptWhereNothingMay) {
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
  // Played again, it is downloaded again, and not paid again.
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
