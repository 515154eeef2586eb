// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Byte seeks, during the download and after it.
#include <gtest/gtest.h>

#include <algorithm>

#include "environment.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

struct Link {
  std::vector<std::string> arguments;
  const char* cache_size = "";  ///< VEO_CACHE_SIZE; empty for no limit
};

class Seek : public testing::TestWithParam<Link> {};

TEST_P(Seek, EveryPlaceReadsAsInOnePass) {
  const Environment cache_size("VEO_CACHE_SIZE", GetParam().cache_size);
  auto arguments = GetParam().arguments;
  arguments.insert(arguments.end(), {"--generation-time", "50ms"});
  const auto simulator = Simulator::start(arguments);
  TestPipeline whole("veosrc name=src prompt=x ! fakesink name=sink sync=false");
  whole.use(simulator);
  whole.watch("sink");
  ASSERT_TRUE(whole.finish());
  ASSERT_FALSE(whole.failure()) << whole.failure()->text;
  const auto& all = whole.bytes("sink");
  const std::string id = simulator.state().at("tasks").at(0).at("id");

  TestPipeline run("veosrc name=src task-id=" + id + " ! fakesink name=sink sync=false");
  run.use(simulator);
  run.watch("sink");
  run.start(GST_STATE_PAUSED);
  ASSERT_TRUE(run.next(GST_MESSAGE_ASYNC_DONE));
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  gint64 duration = 0;
  EXPECT_TRUE(gst_element_query_duration(run.pipeline(), GST_FORMAT_BYTES, &duration));
  EXPECT_EQ(duration, static_cast<gint64>(all.size()));

  const auto size = all.size();
  for (const auto offset :
       {size - 1, size / 2, std::size_t{0}, size / 3, size - 70'000, size / 2 - 1}) {
    const auto before = run.bytes("sink").size();
    ASSERT_TRUE(gst_element_seek_simple(run.pipeline(), GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH,
                                        static_cast<gint64>(offset)));
    ASSERT_TRUE(run.next(GST_MESSAGE_ASYNC_DONE));
    ASSERT_FALSE(run.failure()) << run.failure()->text;
    // The pipeline has prerolled again: the sink holds the first buffer from the new position.
    const auto& bytes = run.bytes("sink");
    ASSERT_GT(bytes.size(), before);
    EXPECT_TRUE(std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(before), bytes.end(),
                           all.begin() + static_cast<std::ptrdiff_t>(offset)))
        << "at " << offset;
  }
  const auto before = run.bytes("sink").size();
  ASSERT_TRUE(gst_element_seek_simple(run.pipeline(), GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH, 1000));
  run.start();
  ASSERT_TRUE(run.next(GST_MESSAGE_EOS));
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  run.stop();
  const auto& bytes = run.bytes("sink");
  EXPECT_EQ(std::vector(bytes.begin() + static_cast<std::ptrdiff_t>(before), bytes.end()),
            std::vector(all.begin() + 1000, all.end()));
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

INSTANTIATE_TEST_SUITE_P(Links, Seek,
                         testing::Values(Link{}, Link{{"--bandwidth", "4M"}}, Link{{"--no-ranges"}},
                                         Link{{"--layout", "fragmented"}}, Link{{}, "0"},
                                         Link{{"--bandwidth", "4M"}, "0"}));

TEST(Seek, AFlushWhileTheTaskIsGeneratedSubmitsNothingAnew) {
  const auto simulator = Simulator::start({"--generation-time", "1s", "--frames", "24"});
  TestPipeline run("veosrc name=src prompt=x ! fakesink name=sink sync=false");
  run.use(simulator);
  run.start();
  ASSERT_TRUE(run.next(GST_MESSAGE_PROGRESS));
  for (int i = 0; i < 20; ++i) {
    const auto src = run.element("src");
    gst_element_send_event(src.get(), gst_event_new_flush_start());
    gst_element_send_event(src.get(), gst_event_new_flush_stop(TRUE));
  }
  ASSERT_TRUE(run.next(GST_MESSAGE_EOS));
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

}  // namespace
}  // namespace veo::test
