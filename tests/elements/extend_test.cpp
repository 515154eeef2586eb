// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A film is what its clips are, one after the other: each frame once, at its time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <numeric>

#include "clips.h"
#include "command.h"
#include "frame_number.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr bool shares_cache = true;
const std::string three = "veosrc prompt=A ! veoextend prompt=B ! veoextend prompt=C";

std::vector<int> count_to(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

/// Of tasks that are over at once, with clips of 64 frames, the shortest of whole AAC frames.
Simulator quick(std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--generation-time", "0s", "--frames", "64"});
  return Simulator::start(more);
}

/// Until it is so; false: not within a time that is a hang.
bool comes(const std::function<bool()>& so) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (!so()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

class Extend : public testing::Test {
 protected:
  /// Runs a line into film().
  std::unique_ptr<TestPipeline> make(const Simulator& simulator, const std::string& line) {
    auto run = std::make_unique<TestPipeline>(line + " ! filesink location=" + film());
    run->use(simulator, shares_cache);
    EXPECT_TRUE(run->finish());
    run->stop();
    return run;
  }
  [[nodiscard]] std::string film() const { return directory_.file("film.mp4"); }
  [[nodiscard]] std::vector<int> numbers() const { return frame_numbers(film(), 1280, 720); }
  [[nodiscard]] std::string samples() const {
    return output_of(
        "ffprobe -v error -select_streams a:0 -show_entries frame=nb_samples -of "
        "csv=p=0 " +
        film() + " | awk '{s+=$1} END {print s}'");
  }
  /// A clip of that many frames, from that frame of testsrc2 on.
  std::string clip(const std::string& name, int first, int frames, const std::string& how = "",
                   const std::string& size = "320x180") {
    const auto seconds = [](int count) { return std::to_string(count / 24.0); };
    output_of("ffmpeg -v error -y -f lavfi -i testsrc2=size=" + size +
              ":rate=24:duration=" + seconds(first + frames) +
              " -f lavfi -i sine=sample_rate=48000:duration=" + seconds(frames) +
              " -vf trim=start_frame=" + std::to_string(first) +
              ",setpts=PTS-STARTPTS -c:v libx264 -preset veryfast -pix_fmt yuv420p " + how +
              " -c:a aac -ac 2 " + directory_.file(name) + " 2>&1");
    return directory_.file(name);
  }
  /// The checksums of the pictures.
  static std::string pictures(const std::string& file) {
    return output_of("ffmpeg -v error -i " + file +
                     " -map 0:v:0 -f framemd5 - | grep -v '^#' | awk -F, '{print $6}'");
  }

  TemporaryDirectory directory_;
};

struct Decoded {
  std::vector<Seen> video;
  std::vector<Seen> audio;
};

/// What a decoder makes of a line.
Decoded decode(const Simulator* simulator, const std::string& line) {
  TestPipeline run(line +
                   " d. ! video/x-raw ! queue max-size-bytes=0 max-size-time=0 ! fakesink "
                   "name=video sync=false d. ! audio/x-raw ! queue max-size-bytes=0 "
                   "max-size-time=0 ! fakesink name=audio sync=false");
  if (simulator != nullptr) run.use(*simulator, shares_cache);
  run.watch("video");
  run.watch("audio");
  EXPECT_TRUE(run.finish());
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  run.stop();
  return {run.seen("video"), run.seen("audio")};
}

/// Steps of exactly one frame, and sound without a break, from 0 to the end.
void expect_seamless(const Decoded& seen, std::size_t frames) {
  ASSERT_EQ(seen.video.size(), frames);
  for (std::size_t i = 0; i < frames; ++i) {
    const auto wanted = gst_util_uint64_scale_round(i, GST_SECOND, 24);
    EXPECT_LE(std::llabs(static_cast<long long>(seen.video[i].running_time - wanted)), 1) << i;
    EXPECT_FALSE(seen.video[i].discont) << i;
  }
  GstClockTime next = 0;
  GstClockTime total = 0;
  for (const auto& one : seen.audio) {
    EXPECT_LT(std::llabs(static_cast<long long>(one.running_time - next)), 1'000'000);
    EXPECT_FALSE(one.discont);
    next = one.running_time + one.duration;
    total += one.duration;
  }
  EXPECT_NEAR(static_cast<double>(total), static_cast<double>(frames) * 1e9 / 24, 1e6);
}

TEST_F(Extend, RealClipsMakeAFilmExactToTheFrameAndTheSample) {
  const auto a = clip_path("veo31-dialogue.mp4");
  const auto b = clip_path("veo30-dialogue.mp4");
  if (!a || !b) GTEST_SKIP() << "veo31-dialogue.mp4 and veo30-dialogue.mp4 are not here";
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", *a, "--clip", *b, "--clip", *b});
  const auto run = make(simulator, three);
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  // The last two are one clip: it is not longer than its parent, and does not contain it.
  EXPECT_THAT(run->joins(), ElementsAre("append 0", "append 0"));
  EXPECT_EQ(pictures(film()), pictures(*a) + pictures(*b) + pictures(*b));
  EXPECT_EQ(samples(), "1152000\n");

  std::vector<std::string> clips;
  const auto add = [&clips](const Decoded& clip) {
    for (const auto& one : clip.video) clips.push_back(one.sha256);
  };
  add(decode(nullptr, "filesrc location=" + *a + " ! decodebin name=d"));
  const auto second = decode(nullptr, "filesrc location=" + *b + " ! decodebin name=d");
  add(second);
  add(second);
  for (const std::string decoder : {" ! decodebin name=d", " ! decodebin3 name=d"}) {
    SCOPED_TRACE(decoder);
    const auto seen = decode(&simulator, three + decoder);
    expect_seamless(seen, 576);
    std::vector<std::string> pictures;
    for (const auto& one : seen.video) pictures.push_back(one.sha256);
    EXPECT_EQ(pictures, clips);
  }
  const std::unique_ptr<std::FILE, decltype(&::pclose)> pipe(
      ::popen(("cat " + film()).c_str(), "r"), ::pclose);
  expect_seamless(decode(nullptr, "fdsrc fd=" + std::to_string(::fileno(pipe.get())) +
                                      " ! video/quicktime ! decodebin3 name=d"),
                  576);
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

struct Delivery {
  const char* extend;
  std::vector<std::string> joins;
};
class ExtendDelivery : public Extend, public testing::WithParamInterface<Delivery> {};

// Encoded anew: the pictures are the same, and no byte is.
TEST_P(ExtendDelivery, GivesTheFilmOnce) {
  const auto simulator = quick({"--extend", GetParam().extend});
  const auto run = make(simulator, three);
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(run->joins(), GetParam().joins);
  EXPECT_EQ(numbers(), count_to(192));
  EXPECT_EQ(samples(), "384000\n");
  const auto seen = decode(&simulator, three + " ! decodebin name=d");
  EXPECT_EQ(seen.video.size(), 192U);
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ExtendDelivery,
                         testing::Values(Delivery{"continuation", {"append 0", "append 0"}},
                                         Delivery{"parent", {"replace 1", "replace 1"}},
                                         Delivery{"whole", {"replace 1", "replace 2"}}),
                         [](const auto& row) { return std::string(row.param.extend); });

TEST_F(Extend, ADeliveryOfTheSameBytesGivesTheFilmOnce) {
  const auto parent = clip("a.mp4", 0, 48);
  const auto more = clip("b.mp4", 48, 48);
  const auto whole = directory_.file("ab.mp4");
  output_of("printf \"file " + parent + "\\nfile " + more + "\\n\" > " + directory_.file("list") +
            "; ffmpeg -v error -f concat -safe 0 -i " + directory_.file("list") + " -c copy " +
            whole + " 2>&1");
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", parent, "--clip", whole});
  const auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_THAT(run->joins(), ElementsAre("replace 1"));
  EXPECT_EQ(pictures(film()), pictures(whole));
}

struct Ambiguous {
  const char* name;
  int first;   // frame of the continuation
  int frames;  // of it; the parent has 48, from 0 on
};
class ExtendAmbiguous : public Extend, public testing::WithParamInterface<Ambiguous> {};

TEST_P(ExtendAmbiguous, IsTakenForAContinuation) {
  const auto parent = clip("a.mp4", 0, 48);
  const auto more = clip("b.mp4", GetParam().first, GetParam().frames, "-crf 35");
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", parent, "--clip", more});
  const auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_THAT(run->joins(), ElementsAre("append 0"));
  EXPECT_EQ(pictures(film()), pictures(parent) + pictures(more));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ExtendAmbiguous,
                         testing::Values(Ambiguous{"TheSameLength", 0, 48},
                                         Ambiguous{"LongerByLessThanASecond", 0, 71},
                                         Ambiguous{"LongerAndOther", 48, 96},
                                         Ambiguous{"ShorterAndAlike", 0, 30}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(Extend, TheUserMayDecide) {
  const auto simulator = quick({"--extend", "whole"});
  auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B join=append");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(numbers().size(), 192U);
  run = make(simulator, "veosrc prompt=A ! veoextend prompt=B join=replace");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(numbers(), count_to(128));
  EXPECT_EQ(simulator.state().at("charges"), 2);
}

TEST_F(Extend, AppendShowsTheParentWhileItsContinuationIsGenerated) {
  const auto simulator = quick({"--fault", "task:slow=1h*1@2"});
  TestPipeline run(
      "veosrc prompt=A ! veoextend prompt=B join=append ! decodebin ! video/x-raw ! "
      "fakesink name=video sync=false");
  run.use(simulator);
  run.watch("video");
  run.start();
  ASSERT_TRUE(run.next(GST_MESSAGE_ASYNC_DONE));
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  ASSERT_TRUE(comes([&] { return simulator.state().at("tasks").size() == 2; }));
  EXPECT_NE(simulator.state().at("tasks").at(1).at("status"), "completed");
  const auto began = std::chrono::steady_clock::now();
  run.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s) << "a wait that is not cancelled";
  EXPECT_FALSE(run.seen("video").empty());
  // What goes on beside playback is told by `veo-task` alone.
  for (const auto& one : run.progress()) EXPECT_NE(one.type, "canceled");
}

TEST_F(Extend, RequestsLeaveWhileTheParentIsHeldUp) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "192"});
  TestPipeline run(
      "veosrc prompt=A ! veoextend prompt=B join=append ! queue max-size-buffers=1 ! "
      "veoextend prompt=C join=append ! identity ! fakesink");
  run.use(simulator);
  run.start(GST_STATE_PAUSED);
  // The sink holds the first buffer, and with it all that comes after.
  EXPECT_TRUE(comes([&] {
    const auto tasks = simulator.state().at("tasks");
    return tasks.size() == 3 && tasks.at(2).at("status") == "completed";
  }));
}

TEST_F(Extend, TheTaskTravelsThroughQueuesTeesAndBins) {
  const auto simulator = quick();
  const auto run =
      make(simulator,
           "veosrc prompt=A ! queue ! identity ! tee name=t ! queue ! ( veoextend prompt=B ) ! "
           "queue ! veoextend prompt=C");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(numbers(), count_to(192));
}

TEST_F(Extend, AForeignStreamIsContinuedByItsTasksId) {
  const auto simulator = quick();
  ASSERT_FALSE(make(simulator, "veosrc prompt=A")->failure());
  std::filesystem::rename(film(), directory_.file("a.mp4"));
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  const auto run =
      make(simulator, "filesrc location=" + directory_.file("a.mp4") +
                          " ! veoextend prompt=B extend-task-id=" + id + " ! veoextend prompt=C");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(numbers(), count_to(192));
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

TEST_F(Extend, AStreamWithoutATaskIsAnErrorAndCostsNothing) {
  const auto file = clip("a.mp4", 0, 24);
  const auto simulator = quick();
  auto run = make(simulator, "filesrc location=" + file + " ! veoextend prompt=B");
  ASSERT_TRUE(run->failure());
  EXPECT_EQ(run->failure()->details.at("code"), "invalid-request");
  EXPECT_THAT(run->failure()->text, HasSubstr("extend-task-id"));

  output_of("head -c 100000 /dev/zero > " + directory_.file("zero"));
  run = make(simulator, "filesrc location=" + directory_.file("zero") +
                            " ! veoextend prompt=B extend-task-id=x");
  ASSERT_TRUE(run->failure());
  EXPECT_EQ(run->failure()->details.at("code"), "bad-media");
  EXPECT_EQ(simulator.state().at("submissions"), 0);
}

TEST_F(Extend, AContinuationThatDoesNotFitLeavesTheParentWhole) {
  const auto parent = clip("a.mp4", 0, 48);
  const auto other = clip("b.mp4", 0, 24, "", "640x360");
  // The step after it has been submitted by then, and is not waited for.
  const auto simulator = Simulator::start(
      {"--generation-time", "0s", "--clip", parent, "--clip", other, "--fault", "task:slow=1h@3"});
  const auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B ! veoextend prompt=C");
  ASSERT_TRUE(run->failure());
  EXPECT_EQ(run->failure()->details.at("code"), "bad-media");
  EXPECT_EQ(run->failure()->details.at("task-id"),
            simulator.state().at("tasks").at(1).at("id").get<std::string>());
  EXPECT_THAT(run->failure()->text, HasSubstr("320x180"));
  EXPECT_THAT(run->failure()->text, HasSubstr("640x360"));
  EXPECT_EQ(pictures(film()), pictures(parent));
}

// The end of a step can be told by one thread while another tells what its film consists of.
TEST_F(Extend, AFailedParentIsFailedWhateverElseWasTold) {
  const auto simulator = quick({"--fault", "task:slow=1h@2"});
  ASSERT_FALSE(make(simulator, "veosrc prompt=A")->failure());
  const auto parent = directory_.file("parent.mp4");
  std::filesystem::rename(film(), parent);
  const std::string id = simulator.state().at("tasks").at(0).at("id");

  TestPipeline run("veoextend name=extend prompt=B join=append ! filesink location=" + film());
  run.use(simulator, shares_cache);
  const GstPtr<GstPad> source(GST_PAD(gst_object_ref_sink(gst_pad_new("src", GST_PAD_SRC))));
  const GstPtr<GstPad> sink(gst_element_get_static_pad(run.element("extend").get(), "sink"));
  ASSERT_EQ(gst_pad_link(source.get(), sink.get()), GST_PAD_LINK_OK);
  gst_pad_set_active(source.get(), TRUE);
  run.start();
  gst_pad_push_event(source.get(), gst_event_new_stream_start("parent"));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  gst_pad_push_event(source.get(), gst_event_new_segment(&segment));
  const auto tell = [&](const char* status, const char* field, const std::string& value) {
    auto* const task =
        gst_structure_new("veo-task", "task-id", G_TYPE_STRING, id.c_str(), "status", G_TYPE_STRING,
                          status, field, G_TYPE_STRING, value.c_str(), nullptr);
    gst_pad_push_event(source.get(), gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, task));
  };
  tell("completed", "steps", id + ":0:64");
  std::ifstream file(parent, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  ASSERT_EQ(gst_pad_push(source.get(), gst_buffer_new_memdup(bytes.data(), bytes.size())),
            GST_FLOW_OK);
  // It has begun with the parent by then.
  ASSERT_TRUE(comes([&] { return simulator.state().at("tasks").size() == 2; }));
  tell("failed", "of", "a film that could not be made");
  tell("completed", "steps", id + ":0:64");
  const std::unique_ptr<GstQuery, decltype(&gst_query_unref)> drain(gst_query_new_drain(),
                                                                    gst_query_unref);
  EXPECT_TRUE(gst_pad_peer_query(source.get(), drain.get()));
  run.stop();
  EXPECT_EQ(numbers(), count_to(64));
}

class ExtendFailure : public Extend, public testing::WithParamInterface<std::string> {};

TEST_P(ExtendFailure, LeavesTheStepsBeforeItWholeAndGoesOnAnotherTime) {
  const auto simulator = quick({"--fault", "task:failed*1@3"});
  const auto join = " join=" + GetParam();
  const auto line = "veosrc prompt=A ! veoextend prompt=B" + join +
                    " ! queue ! veoextend prompt=C" + join + " ! queue ! veoextend prompt=D" +
                    join + " ! queue";
  const auto run = make(simulator, line);
  ASSERT_TRUE(run->failure());
  EXPECT_EQ(run->failure()->details.at("code"), "task-failed");
  EXPECT_EQ(run->failure()->details.at("charged"), "refunded");
  EXPECT_THAT(run->failure()->text, HasSubstr("Step 3 of the film failed"));
  EXPECT_EQ(numbers(), count_to(128));

  // In another process: within this one, the failure stays.
  const auto again =
      output_of("VEO_API_URL=" + simulator.api_url() + " VEO_API_KEY=" + simulator.key() +
                " VEO_LEDGER=" + simulator.ledger() + " VEO_CACHE_DIR=" + simulator.cache() +
                "/shared VEO_POLL_INTERVAL=20 gst-launch-1.0 " + line +
                " ! filesink location=" + film() + " 2>&1");
  EXPECT_THAT(again, HasSubstr("Got EOS"));
  EXPECT_EQ(numbers(), count_to(256));
  EXPECT_EQ(simulator.state().at("charges"), 5);
  EXPECT_EQ(simulator.state().at("refunds"), 1);
}

INSTANTIATE_TEST_SUITE_P(Joins, ExtendFailure, testing::Values("auto", "append"),
                         [](const auto& row) { return row.param; });

TEST_F(Extend, APriceThatIsNotKnownIsOverAnyLimit) {
  const auto simulator = quick();
  const auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B max-credits=1000");
  ASSERT_TRUE(run->failure());
  EXPECT_EQ(run->failure()->details.at("code"), "budget-exceeded");
  EXPECT_THAT(run->failure()->text, HasSubstr("extend_credits"));
  EXPECT_EQ(simulator.state().at("charges"), 1);
  EXPECT_EQ(numbers(), count_to(64));
}

TEST_F(Extend, ADryRunSendsNothing) {
  const auto simulator = quick();
  const auto run = make(simulator,
                        "veosrc prompt=A dry-run=true ! veoextend prompt=B dry-run=true ! "
                        "veoextend prompt=C dry-run=true");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(run->tasks().size(), 3U);
  EXPECT_TRUE(simulator.log().empty());
}

TEST_F(Extend, TheUpstreamTasksIdIsSentAndTheTasksOwnIsPaidFor) {
  auto simulator = quick({"--fault", "query:upstream-id"});
  ASSERT_FALSE(make(simulator, "veosrc prompt=A ! veoextend prompt=B")->failure());
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  bool sent = false;
  for (const auto& entry : simulator.log()) {
    sent =
        sent || entry.at("body").get<std::string>().find("\"upstream-" + id) != std::string::npos;
  }
  EXPECT_TRUE(sent);
  // Nobody is asked for that id in another run, and the request is the same.
  ASSERT_FALSE(make(simulator, "veosrc prompt=A ! veoextend prompt=B")->failure());
  EXPECT_EQ(simulator.state().at("charges"), 2);
}

}  // namespace
}  // namespace veo::test
