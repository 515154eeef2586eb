// SPDX-License-Identifier: LGPL-2.1-or-later
//
// veosrc and veoextend beside a live source. gst-launch-1.0 leaves a pipeline in PAUSED while a
// PROGRESS is open that was begun before the pipeline was PAUSED. A live pipeline must not wait so.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <future>
#include <string>
#include <vector>

#include "command.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string camera = "videotestsrc is-live=true ! fakesink async=false ";

class Liveness : public testing::TestWithParam<std::string> {
 protected:
  Liveness() : fifo_(directory_.file("fifo")) { EXPECT_EQ(::mkfifo(fifo_.c_str(), 0600), 0); }

  /// Returns an element whose change to PAUSED lasts until open_fifo(), as that of a camera lasts
  /// until the camera is open.
  [[nodiscard]] std::string slow_device() const {
    return "filesrc name=slow location=" + fifo_ + " ! fakesink async=false ";
  }
  void open_fifo() const { ::close(::open(fifo_.c_str(), O_WRONLY)); }

  /// Runs the line up to PAUSED, and returns the PROGRESS messages until the task is known.
  std::vector<Progress> pause(TestPipeline& run) const {
    const auto paused = std::async(std::launch::async, [&] { run.start(GST_STATE_PAUSED); });
    // The task is submitted while the state change is under way.
    while (run.tasks().empty() || !run.tasks().back().starts_with("pending")) {
      const auto message = run.next(GST_MESSAGE_ELEMENT);
      if (!message || run.failure()) break;
    }
    auto seen = run.progress();
    open_fifo();
    paused.wait();
    return seen;
  }

  const TemporaryDirectory directory_;
  const std::string fifo_;
};

TEST_P(Liveness, NoProgressKeepsALivePipelineFromPlaying) {
  const auto simulator = Simulator::start({"--generation-time", "1s", "--frames", "24"});
  TestPipeline run(slow_device() + GetParam() + camera);
  run.use(simulator);
  EXPECT_THAT(pause(run), IsEmpty());
  EXPECT_THAT(run.tasks(), Contains(HasSubstr("pending")))
      << "veo-task tells of the task meanwhile";
  // The application sees the waiting as soon as the pipeline plays.
  run.start();
  while (const auto message = run.next(GST_MESSAGE_PROGRESS)) {
    if (run.failure() || !run.progress().empty()) break;
  }
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  ASSERT_FALSE(run.progress().empty());
  EXPECT_EQ(run.progress().front().type, "start");
  run.stop();
  int open = 0;
  for (const auto& one : run.progress()) {
    if (one.type == "start") ++open;
    if (one.type == "complete" || one.type == "canceled") --open;
  }
  EXPECT_EQ(open, 0) << "each PROGRESS is ended";
}

INSTANTIATE_TEST_SUITE_P(
    Lines, Liveness,
    testing::Values("veosrc prompt=x ! fakesink ",
                    // The way to the top leads through bins.
                    "bin. ( async-handling=true veosrc prompt=x ! fakesink ) "));

// Applications that show a progress bar rely on this order.
TEST_F(Liveness, APipelineThatIsNotLiveSeesTheProgressAtOnce) {
  const auto simulator = Simulator::start({"--generation-time", "1s", "--frames", "24"});
  TestPipeline run(slow_device() + "veosrc prompt=x ! fakesink");
  run.use(simulator);
  const auto seen = pause(run);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front().type, "start");
  EXPECT_EQ(seen.front().code, "submit");
}

// What docs/live.md says of a branch of its own: `async=false` on the live sink lets the live
// branch flow while the task is generated.
TEST_F(Liveness, ALiveSinkWithAsyncFalseFlowsDuringTheGeneration) {
  const auto simulator = Simulator::start({"--generation-time", "60s"});
  TestPipeline run(
      "videotestsrc is-live=true num-buffers=8 ! fakesink name=live sync=true async=false "
      "veosrc prompt=x ! decodebin ! videoconvert ! fakesink sync=true");
  run.use(simulator);
  run.watch("live");
  std::promise<void> ended;
  const auto live = run.element("live");
  const GstPtr<GstPad> pad(gst_element_get_static_pad(live.get(), "sink"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo* info, gpointer promise) {
        if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS) {
          static_cast<std::promise<void>*>(promise)->set_value();
        }
        return GST_PAD_PROBE_OK;
      },
      &ended, nullptr);
  run.start();
  ASSERT_EQ(ended.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(run.seen("live").size(), 8U);
  ASSERT_TRUE(run.next(GST_MESSAGE_PROGRESS));
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  run.stop();
}

}  // namespace
}  // namespace veo::test
