// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A film shows its clips one after the other: each frame once, and at its time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <iterator>
#include <mutex>
#include <numeric>
#include <optional>
#include <string_view>
#include <thread>

#include "clips.h"
#include "command.h"
#include "frame_number.h"
#include "mp4_boxes.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

struct PipeClose {
  void operator()(std::FILE* pipe) const { ::pclose(pipe); }
};

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

const std::string three = "veosrc prompt=A ! veoextend prompt=B ! veoextend prompt=C";

std::vector<int> count_to(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

/// Starts a simulator whose tasks complete at once, with clips of 64 frames. 64 is the smallest
/// number of frames that fills AAC frames exactly.
Simulator start_quick(std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--generation-time", "0s", "--frames", "64"});
  return Simulator::start(more);
}

/// Waits until the condition holds. Returns false after 30 s, which counts as a hang.
bool comes(const std::function<bool()>& so) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (!so()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

class Extend : public testing::Test {
 protected:
  /// Runs this line into the file film().
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
  /// Returns the type of the film's first sample entry.
  [[nodiscard]] std::string sample_entry() const {
    std::ifstream file(film(), std::ios::binary);
    const auto boxes = list_mp4_boxes({std::istreambuf_iterator<char>(file), {}});
    return contents_of(boxes, "moov.trak.mdia.minf.stbl.stsd").at(0).substr(12, 4);
  }
  /// Makes a clip of this many frames of testsrc2, from the frame `first` on.
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
  /// Returns the checksums of the file's pictures.
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

/// Decodes the output of this line, and returns what the sinks saw.
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

/// Expects that each video buffer lasts exactly one frame, and that the sound has no gap from 0 to
/// the end.
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
  if (!a || !b) GTEST_SKIP() << "veo31-dialogue.mp4 and veo30-dialogue.mp4 are missing";
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", *a, "--clip", *b, "--clip", *b});
  const auto run = make(simulator, three);
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  // The last two clips are the same file. A clip that is no longer than its parent cannot contain
  // the parent, so it is appended.
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
  const std::unique_ptr<std::FILE, PipeClose> pipe(::popen(("cat " + film()).c_str(), "r"));
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

// The simulator encodes the delivered film anew: it shows the same pictures, but no byte is the
// same.
TEST_P(ExtendDelivery, GivesTheFilmOnce) {
  const auto simulator = start_quick({"--extend", GetParam().extend});
  const auto run = make(simulator, three);
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(run->joins(), GetParam().joins);
  EXPECT_EQ(numbers(), count_to(192));
  EXPECT_EQ(samples(), "384000\n");
  EXPECT_EQ(sample_entry(), "avc1");
  const auto seen = decode(&simulator, three + " ! decodebin name=d");
  EXPECT_EQ(seen.video.size(), 192U);
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

INSTANTIATE_TEST_SUITE_P(Kinds, ExtendDelivery,
                         testing::Values(Delivery{"continuation", {"append 0", "append 0"}},
                                         Delivery{"parent", {"replace 1", "replace 1"}},
                                         Delivery{"whole", {"replace 1", "replace 2"}}),
                         [](const auto& row) { return std::string(row.param.extend); });

/// Collects the lines of GStreamer's category veo-film. The parentheses around the functions' names
/// keep GStreamer's macros of these names out, which compare functions with `void*`.
class FilmLog {
 public:
  FilmLog() : to_stderr_((gst_debug_remove_log_function)(gst_debug_log_default)) {
    gst_debug_set_threshold_for_name("veo-film", GST_LEVEL_DEBUG);
    (gst_debug_add_log_function)(&FilmLog::write, this, nullptr);
  }
  ~FilmLog() {
    gst_debug_remove_log_function_by_data(this);
    gst_debug_unset_threshold_for_name("veo-film");
    if (to_stderr_ > 0) (gst_debug_add_log_function)(gst_debug_log_default, nullptr, nullptr);
  }
  FilmLog(const FilmLog&) = delete;
  FilmLog& operator=(const FilmLog&) = delete;

  [[nodiscard]] std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  static void write(GstDebugCategory* category, GstDebugLevel, const gchar*, const gchar*, gint,
                    GObject*, GstDebugMessage* message, gpointer self) {
    if (std::string_view(gst_debug_category_get_name(category)) != "veo-film") return;
    auto& log = *static_cast<FilmLog*>(self);
    const std::lock_guard lock(log.mutex_);
    log.text_.append(gst_debug_message_get(message)).append("\n");
  }

  const guint to_stderr_;
  mutable std::mutex mutex_;
  std::string text_;
};

// A decoder of `avc1` takes no parameter sets from the pictures, so the film's first bytes can
// promise `avc1` only if all clips are known by then.
TEST_F(Extend, TheFilmIsAvc3IfItsClipsAreNotKnownToShareTheirParameterSets) {
  const auto a = clip("a.mp4", 0, 24);
  const auto same = clip("same.mp4", 24, 24);
  const auto other = clip("other.mp4", 24, 24, "-x264-params cabac=0:ref=1");
  const struct {
    std::string continuation;
    std::string join;
    std::string entry;
  } cases[] = {{same, "auto", "avc1"}, {same, "append", "avc3"}, {other, "auto", "avc3"}};
  for (const auto& one : cases) {
    SCOPED_TRACE(one.continuation + " " + one.join);
    const auto simulator =
        Simulator::start({"--generation-time", "0s", "--clip", a, "--clip", one.continuation});
    const auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B join=" + one.join);
    ASSERT_FALSE(run->failure()) << run->failure()->text;
    EXPECT_EQ(sample_entry(), one.entry);
    EXPECT_EQ(pictures(film()), pictures(a) + pictures(one.continuation));
  }
}

TEST_F(Extend, TheLogSaysHowTheFilmIsJoined) {
  const auto simulator = start_quick({"--extend", "parent"});
  const FilmLog log;
  ASSERT_FALSE(make(simulator, three)->failure());
  const auto text = log.text();
  const auto id = [&](std::size_t step) {
    return simulator.state().at("tasks").at(step - 1).at("id").get<std::string>();
  };
  for (const auto& line : {
           "step 2: continues task " + id(1),
           "step 2: task " + id(2) + " is completed",
           std::string("the file of 128 frames begins as step 1, task ") + id(1) + ", does: yes",
           std::string("step 2: the file of 128 frames begins with step 1 of 2"),
           "step 3: continues task " + id(2),
           "step 3: upstream's film has task " + id(2) +
               ", whose file of 128 frames begins with "
               "step 1",
           std::string(
               "the file of 128 frames does not contain step 1: the film from there has 128"),
           std::string("step 3: the file of 128 frames begins with step 2 of 3"),
           "step 3: " + id(1) + " is in the film, which has 64 frames",
           std::string("step 3: our file is in the film, which has 192 frames"),
           std::string("step 3: the film ends after "),
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, testing::Not(HasSubstr(simulator.key())));
}

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
  int first;   // the continuation's first frame in testsrc2
  int frames;  // the continuation's length; the parent has the frames 0 to 47
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
  const auto simulator = start_quick({"--extend", "whole"});
  auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B join=append");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(numbers().size(), 192U);
  run = make(simulator, "veosrc prompt=A ! veoextend prompt=B join=replace");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(numbers(), count_to(128));
  EXPECT_EQ(simulator.state().at("charges"), 2);
}

TEST_F(Extend, AppendShowsTheParentWhileItsContinuationIsGenerated) {
  const auto simulator = start_quick({"--fault", "task:slow=1h*1@2"});
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
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s) << "stopping waited for the task";
  EXPECT_FALSE(run.seen("video").empty());
  // The generation goes on beside playback, so it is reported by `veo-task` messages, not by
  // PROGRESS.
  for (const auto& one : run.progress()) EXPECT_NE(one.type, "canceled");
}

TEST_F(Extend, RequestsLeaveWhileTheParentIsHeldUp) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "192"});
  TestPipeline run(
      "veosrc prompt=A ! veoextend prompt=B join=append ! queue max-size-buffers=1 ! "
      "veoextend prompt=C join=append ! identity ! fakesink");
  run.use(simulator);
  run.start(GST_STATE_PAUSED);
  // The sink is paused: it blocks on the first buffer, and holds up all data behind it.
  EXPECT_TRUE(comes([&] {
    const auto tasks = simulator.state().at("tasks");
    return tasks.size() == 3 && tasks.at(2).at("status") == "completed";
  }));
}

TEST_F(Extend, TheTaskTravelsThroughQueuesTeesAndBins) {
  const auto simulator = start_quick();
  const auto run =
      make(simulator,
           "veosrc prompt=A ! queue ! identity ! tee name=t ! queue ! ( veoextend prompt=B ) ! "
           "queue ! veoextend prompt=C");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(numbers(), count_to(192));
}

TEST_F(Extend, AForeignStreamIsContinuedByItsTasksId) {
  const auto simulator = start_quick();
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
  const auto simulator = start_quick();
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

/// The ways to join in which the film contains the parent.
class ExtendParent : public Extend, public testing::WithParamInterface<const char*> {};

// The parent comes from the veosrc upstream, and no film can contain its video.
TEST_P(ExtendParent, IsCheckedBeforeItsContinuationIsPaid) {
  const auto parent = directory_.file("a.mp4");
  output_of("ffmpeg -v error -y -f lavfi -i testsrc2=size=320x180:rate=24:duration=2 -c:v mpeg4 " +
            parent + " 2>&1");
  for (const auto* const layout : {"streamable", "original"}) {
    SCOPED_TRACE(layout);
    const auto simulator = Simulator::start({"--generation-time", "0s", "--clip", parent});
    const auto run = make(simulator, "veosrc prompt=A layout=" + std::string(layout) +
                                         " ! veoextend prompt=B join=" + GetParam());
    ASSERT_TRUE(run->failure());
    EXPECT_EQ(run->failure()->details.at("code"), "bad-media");
    EXPECT_EQ(run->failure()->details.at("charged"), "no");
    EXPECT_THAT(run->failure()->text, HasSubstr("mpeg4"));
    EXPECT_THAT(run->failure()->text, HasSubstr("was not submitted"));
    EXPECT_EQ(simulator.state().at("submissions"), 1) << "of the parent";
  }
}

// The last frame of the parent is a tick short, so that its average rate is no film's.
TEST_P(ExtendParent, MayHaveALastFrameOfAnotherDuration) {
  // Without B-frames the last frame in the file is the last one that is shown.
  const auto clean = clip("clean.mp4", 0, 48, "-bf 0");
  const auto parent = directory_.file("a.mp4");
  output_of("ffmpeg -v error -y -i " + clean +
            " -c copy -bsf:v \"setts=duration=if(eq(N\\,47)\\,511\\,512)\" " + parent + " 2>&1");
  const auto more = clip("b.mp4", 48, 24);
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", parent, "--clip", more});
  const auto run =
      make(simulator, std::string("veosrc prompt=A ! veoextend prompt=B join=") + GetParam());
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(pictures(film()), pictures(clean) + pictures(more));
}
INSTANTIATE_TEST_SUITE_P(All, ExtendParent, testing::Values("auto", "append"));

// The film has nothing of the parent, so the parent may be of any kind.
TEST_F(Extend, ReplaceTakesAnyParent) {
  const auto parent = directory_.file("a.mp4");
  output_of("ffmpeg -v error -y -f lavfi -i testsrc2=size=320x180:rate=24:duration=2 -c:v mpeg4 " +
            parent + " 2>&1");
  const auto more = clip("b.mp4", 48, 24);
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", parent, "--clip", more});
  const auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B join=replace");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(pictures(film()), pictures(more));
  EXPECT_EQ(simulator.state().at("charges"), 2);
}

TEST_F(Extend, AContinuationThatDoesNotFitLeavesTheParentComplete) {
  const auto parent = clip("a.mp4", 0, 48);
  const auto other = clip("b.mp4", 0, 24, "", "640x360");
  // The third step has been submitted by the time of the error. The film does not wait for it.
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

/// Makes the event `veo-task`, out of band, of a task that is a film of its own. A foreign element
/// may claim any `step`.
GstEvent* make_task_event(const std::string& id, const char* status, guint64 frames,
                          guint step = 1) {
  auto* const task = gst_structure_new("veo-task", "task-id", G_TYPE_STRING, id.c_str(), "status",
                                       G_TYPE_STRING, status, "step", G_TYPE_UINT, step, nullptr);
  if (frames > 0) {
    GValue steps = G_VALUE_INIT;
    gst_value_list_init(&steps, 1);
    GValue one = G_VALUE_INIT;
    g_value_init(&one, GST_TYPE_STRUCTURE);
    g_value_take_boxed(
        &one, gst_structure_new("step", "task-id", G_TYPE_STRING, id.c_str(), "first", G_TYPE_UINT,
                                0U, "frames", G_TYPE_UINT64, frames, nullptr));
    gst_value_list_append_and_take_value(&steps, &one);
    gst_structure_take_value(task, "steps", &steps);
  }
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, task);
}

// One thread can report the end of a step while another thread reports the steps of the film. Here
// `completed` follows `failed` for the same parent.
TEST_F(Extend, AFailedParentStaysFailed) {
  const auto simulator = start_quick({"--fault", "task:slow=1h@2"});
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
  const auto tell = [&](const char* status, guint64 frames) {
    gst_pad_push_event(source.get(), make_task_event(id, status, frames));
  };
  tell("completed", 64);
  std::ifstream file(parent, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  ASSERT_EQ(gst_pad_push(source.get(), gst_buffer_new_memdup(bytes.data(), bytes.size())),
            GST_FLOW_OK);
  // When the second task exists, the film has begun with the parent.
  ASSERT_TRUE(comes([&] { return simulator.state().at("tasks").size() == 2; }));
  tell("failed", 0);
  tell("completed", 64);
  const std::unique_ptr<GstQuery, decltype(&gst_query_unref)> drain(gst_query_new_drain(),
                                                                    gst_query_unref);
  EXPECT_TRUE(gst_pad_peer_query(source.get(), drain.get()));
  run.stop();
  EXPECT_EQ(numbers(), count_to(64));
}

/// Stands in for the elements upstream of veoextend: pushes a task's file from a thread of its own.
class Upstream {
 public:
  Upstream(GstElement* extend, const std::string& file)
      : pad_(GST_PAD(gst_object_ref_sink(gst_pad_new("src", GST_PAD_SRC)))) {
    const GstPtr<GstPad> sink(gst_element_get_static_pad(extend, "sink"));
    EXPECT_EQ(gst_pad_link(pad_.get(), sink.get()), GST_PAD_LINK_OK);
    gst_pad_set_active(pad_.get(), TRUE);
    std::ifstream stream(file, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(stream), {});
  }
  ~Upstream() {
    join();
    gst_pad_set_active(pad_.get(), FALSE);
  }
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  void begin(GstEvent* task) {
    push(gst_event_new_stream_start("parent"));
    push(task);
  }
  bool push(GstEvent* event) { return gst_pad_push_event(pad_.get(), event) != FALSE; }

  /// Pushes the file from the offset `from` to its end, and then EOS. Stops early if a push does
  /// not return OK.
  void start(std::size_t from, bool has_offsets) {
    join();
    pushed_ = 0;
    is_over_ = false;
    thread_ = std::thread([this, from, has_offsets] {
      GstSegment segment;
      gst_segment_init(&segment, GST_FORMAT_BYTES);
      segment.start = segment.time = segment.position = from;
      push(gst_event_new_segment(&segment));
      constexpr std::size_t piece = 60'000;
      flow_ = GST_FLOW_OK;
      for (auto at = from; at < bytes_.size() && flow_ == GST_FLOW_OK; at += piece) {
        const auto size = std::min(piece, bytes_.size() - at);
        auto* const buffer = gst_buffer_new_memdup(bytes_.data() + at, size);
        if (has_offsets) GST_BUFFER_OFFSET(buffer) = at;
        flow_ = gst_pad_push(pad_.get(), buffer);
        if (flow_ == GST_FLOW_OK) pushed_ = at + size;
      }
      if (flow_ == GST_FLOW_OK) push(gst_event_new_eos());
      is_over_ = true;
    });
  }
  /// Waits for the thread. Returns the result of the last push.
  GstFlowReturn join() {
    if (thread_.joinable()) thread_.join();
    return flow_;
  }
  [[nodiscard]] bool is_over() const { return is_over_; }
  [[nodiscard]] std::size_t pushed() const { return pushed_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }

 private:
  const GstPtr<GstPad> pad_;
  std::string bytes_;
  std::thread thread_;
  std::atomic<GstFlowReturn> flow_ = GST_FLOW_OK;
  std::atomic<std::size_t> pushed_ = 0;
  std::atomic<bool> is_over_ = false;
};

/// A foreign element upstream sends events of any content.
class ExtendForeign : public Extend {
 protected:
  void SetUp() override {
    ASSERT_FALSE(make(simulator_, "veosrc prompt=A")->failure());
    parent_ = directory_.file("parent.mp4");
    std::filesystem::rename(film(), parent_);
    id_ = simulator_.state().at("tasks").at(0).at("id");
  }
  /// Sends these events and the parent's file, and expects the film of both steps.
  void expect_film(const std::vector<GstEvent*>& events) {
    TestPipeline run("veoextend name=extend prompt=B ! filesink location=" + film());
    run.use(simulator_, shares_cache);
    Upstream upstream(run.element("extend").get(), parent_);
    run.start();
    upstream.begin(events.front());
    for (std::size_t i = 1; i < events.size(); ++i) upstream.push(events[i]);
    upstream.start(0, true);
    ASSERT_TRUE(run.next(GST_MESSAGE_EOS));
    ASSERT_FALSE(run.failure()) << run.failure()->text;
    EXPECT_EQ(upstream.join(), GST_FLOW_OK);
    run.stop();
    EXPECT_EQ(numbers(), count_to(128));
    EXPECT_EQ(simulator_.state().at("submissions"), 2);
  }

  const Simulator simulator_ = start_quick({});
  std::string parent_;
  std::string id_;
};

// veoextend submits nothing for an event that it refuses, and takes the next event.
TEST_F(ExtendForeign, BadEventsAreRefused) {
  auto* const text = gst_event_new_custom(
      GST_EVENT_CUSTOM_DOWNSTREAM_OOB,
      gst_structure_new("veo-task", "task-id", G_TYPE_STRING, "other", "status", G_TYPE_STRING,
                        "completed", "steps", G_TYPE_STRING, "other:0:64", nullptr));
  ASSERT_NO_FATAL_FAILURE(
      expect_film({text, make_task_event("not\nan id", "completed", 0),
                   make_task_event("other", "completed", 0, G_MAXUINT),
                   make_task_event("other", "done", 0), make_task_event(id_, "completed", 64)}));
}

// The foreign element claims to be an extension, and never sends the steps of its film.
TEST_F(ExtendForeign, StepsThatNeverComeAreAwaitedToTheEndOfTheStreamOnly) {
  ASSERT_NO_FATAL_FAILURE(expect_film({make_task_event(id_, "completed", 0, 2)}));
}

/// Downstream takes no data until let_go(), so that the parent's bytes wait in veoextend.
class ExtendFlush : public Extend {
 protected:
  static constexpr std::size_t window = 1U << 20U;  // veoextend holds at least this many bytes

  void SetUp() override {
    parent_ = clip("a.mp4", 0, 96, "-qp 1 -g 1 -movflags faststart", "640x360");
    more_ = clip("b.mp4", 96, 24, "", "640x360");
    // Downstream holds the film's first fragment, and veoextend holds a window. The parent is
    // larger than both, so upstream has to wait.
    ASSERT_GT(std::filesystem::file_size(parent_), 2 * window);
    simulator_.emplace(
        Simulator::start({"--generation-time", "0s", "--clip", parent_, "--clip", more_}));
    ASSERT_FALSE(make(*simulator_, "veosrc prompt=A")->failure());
    const std::string id = simulator_->state().at("tasks").at(0).at("id");
    run_ = std::make_unique<TestPipeline>(
        "veoextend name=extend prompt=B join=append ! filesink location=" + film());
    run_->use(*simulator_, shares_cache);
    src_.reset(gst_element_get_static_pad(run_->element("extend").get(), "src"));
    probe_ = block(src_.get());
    upstream_ = std::make_unique<Upstream>(run_->element("extend").get(), parent_);
    run_->start();
    upstream_->begin(make_task_event(id, "completed", 96));
    ASSERT_NO_FATAL_FAILURE(push_until_it_waits(0, true));
    ASSERT_TRUE(comes([&] { return !task_id().empty(); }));
  }
  void TearDown() override {
    if (run_) run_->stop();
    upstream_.reset();
  }
  static gulong block(GstPad* pad) {
    return gst_pad_add_probe(
        pad, static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
        [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
  }
  void push_until_it_waits(std::size_t from, bool has_offsets) {
    upstream_->start(from, has_offsets);
    ASSERT_TRUE(comes([&] { return upstream_->pushed() >= window; }));
    EXPECT_FALSE(upstream_->is_over());
  }
  void flush() {
    EXPECT_TRUE(upstream_->push(gst_event_new_flush_start()));
    ASSERT_TRUE(comes([&] { return upstream_->is_over(); })) << "upstream's thread is stuck";
    EXPECT_EQ(upstream_->join(), GST_FLOW_FLUSHING);
    EXPECT_TRUE(upstream_->push(gst_event_new_flush_stop(TRUE)));
  }
  void let_go() { gst_pad_remove_probe(src_.get(), probe_); }
  void expect_film() {
    ASSERT_TRUE(run_->next(GST_MESSAGE_EOS));
    ASSERT_FALSE(run_->failure()) << run_->failure()->text;
    EXPECT_EQ(upstream_->join(), GST_FLOW_OK);
    run_->stop();
    EXPECT_EQ(pictures(film()), pictures(parent_) + pictures(more_));
    EXPECT_EQ(simulator_->state().at("charges"), 2);
    EXPECT_EQ(simulator_->state().at("submissions"), 2);
  }
  [[nodiscard]] std::string task_id() const {
    gchar* id = nullptr;
    g_object_get(run_->element("extend").get(), "task-id", &id, nullptr);
    const std::unique_ptr<char, decltype(&g_free)> owned(id, g_free);
    return id == nullptr ? "" : id;
  }

  std::string parent_;
  std::string more_;
  std::optional<Simulator> simulator_;
  std::unique_ptr<TestPipeline> run_;
  GstPtr<GstPad> src_;
  gulong probe_ = 0;
  std::unique_ptr<Upstream> upstream_;
};

// A seek on another branch of a tee makes upstream begin anew, for example. Here upstream begins at
// several offsets, with and without offsets in its buffers.
TEST_F(ExtendFlush, EachByteIsUsedOnceWhereverUpstreamBeginsAgain) {
  ASSERT_NO_FATAL_FAILURE(flush());
  for (const std::size_t from : {0UL, 500'001UL, 1'000'000UL}) {
    for (const bool has_offsets : {true, false}) {
      ASSERT_NO_FATAL_FAILURE(push_until_it_waits(from, has_offsets));
      ASSERT_NO_FATAL_FAILURE(flush());
    }
  }
  let_go();
  upstream_->start(100'000, true);
  expect_film();
}

TEST_F(ExtendFlush, ASeekOfAnotherBranchIsNotHeldUp) {
  run_->stop();
  std::filesystem::remove(film());
  TestPipeline run(
      "veosrc prompt=A ! tee name=t ! queue ! fakesink name=other async=false sync=false t. ! "
      "veoextend name=extend prompt=B join=append ! filesink async=false location=" +
      film());
  run.use(*simulator_, shares_cache);
  const GstPtr<GstPad> src(gst_element_get_static_pad(run.element("extend").get(), "src"));
  const auto probe = block(src.get());
  std::atomic<std::size_t> arrived = 0;
  const GstPtr<GstPad> other(gst_element_get_static_pad(run.element("other").get(), "sink"));
  gst_pad_add_probe(
      other.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo* info, gpointer into) {
        *static_cast<std::atomic<std::size_t>*>(into) +=
            gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info));
        return GST_PAD_PROBE_OK;
      },
      &arrived, nullptr);
  run.start();
  ASSERT_TRUE(comes([&] { return arrived >= window; }));
  auto seek = std::async(std::launch::async, [&run] {
    return gst_element_seek_simple(run.element("other").get(), GST_FORMAT_BYTES,
                                   GST_SEEK_FLAG_FLUSH, 0);
  });
  const bool has_returned = seek.wait_for(30s) == std::future_status::ready;
  EXPECT_TRUE(has_returned) << "the seek waits for the film";
  gst_pad_remove_probe(src.get(), probe);
  EXPECT_TRUE(seek.get());
  ASSERT_TRUE(run.next(GST_MESSAGE_EOS));
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  run.stop();
  EXPECT_EQ(pictures(film()), pictures(parent_) + pictures(more_));
  EXPECT_EQ(simulator_->state().at("charges"), 2);
}

TEST_F(ExtendFlush, BytesThatWereLeftOutAreAnError) {
  ASSERT_NO_FATAL_FAILURE(flush());
  upstream_->start(upstream_->size() - 100'000, true);
  ASSERT_TRUE(run_->next(GST_MESSAGE_EOS));
  ASSERT_TRUE(run_->failure());
  EXPECT_EQ(run_->failure()->details.at("code"), "bad-media");
  EXPECT_EQ(run_->failure()->details.at("task-id"),
            simulator_->state().at("tasks").at(1).at("id").get<std::string>());
  EXPECT_THAT(run_->failure()->text, HasSubstr("A seek upstream skipped the bytes"));
  EXPECT_EQ(upstream_->join(), GST_FLOW_ERROR);
  run_->stop();
  EXPECT_EQ(simulator_->state().at("charges"), 2);
}

TEST_F(ExtendFlush, ASeekOfTheFilmIsRefusedAndChangesNothing) {
  EXPECT_FALSE(gst_element_seek_simple(run_->element("extend").get(), GST_FORMAT_BYTES,
                                       GST_SEEK_FLAG_FLUSH, 0));
  let_go();
  expect_film();
}

TEST_F(Extend, ABrokenContinuationLeavesTheParentCompleteAndEnds) {
  const auto parent = clip("a.mp4", 0, 48);
  const auto more = clip("b.mp4", 48, 48);
  // Damage the composition offset (ISO/IEC 14496-12, 8.6.1.3) of the last picture, so that the
  // picture is shown two days later.
  std::fstream file(more, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  const auto table = bytes.find("ctts");
  ASSERT_NE(table, bytes.npos);
  const auto count = static_cast<std::size_t>(static_cast<unsigned char>(bytes[table + 11]));
  ASSERT_GT(count, 2U);
  file.clear();
  file.seekp(static_cast<std::streamoff>(table + 12 + 8 * count - 4));
  file << "\x7F\xFF\xFF\xFF" << std::flush;
  file.close();
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", parent, "--clip", more});
  const auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B join=append");
  ASSERT_TRUE(run->failure());
  EXPECT_EQ(run->failure()->details.at("code"), "bad-media");
  EXPECT_EQ(run->failure()->details.at("task-id"),
            simulator.state().at("tasks").at(1).at("id").get<std::string>());
  EXPECT_THAT(run->failure()->text, HasSubstr("timestamps are damaged"));
  // The film begins with all pictures of the parent, and is not much larger than the two clips.
  const auto whole = pictures(parent);
  EXPECT_EQ(pictures(film()).substr(0, whole.size()), whole);
  EXPECT_LT(std::filesystem::file_size(film()),
            2 * (std::filesystem::file_size(parent) + std::filesystem::file_size(more)));
}

TEST_F(Extend, ARunThatCannotBeginLeavesNothing) {
  const auto simulator = start_quick();
  for (int i = 0; i < 20; ++i) {
    TestPipeline run("veoextend name=extend prompt=B ! fakesink");
    run.use(simulator);
    const auto extend = run.element("extend");
    for (const char* name : {"src", "sink"}) {
      const GstPtr<GstPad> pad(gst_element_get_static_pad(extend.get(), name));
      auto* const activate = GST_PAD_ACTIVATEMODEFUNC(pad.get());
      gst_pad_set_activatemode_function(
          pad.get(), [](GstPad*, GstObject*, GstPadMode, gboolean) -> gboolean { return FALSE; });
      EXPECT_EQ(gst_element_set_state(extend.get(), GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
      gst_pad_set_activatemode_function(pad.get(), activate);
    }
    // After the failed state change the element can start normally. Half of the runs do so.
    if (i % 2 == 0) {
      EXPECT_NE(gst_element_set_state(extend.get(), GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    }
    gst_element_set_state(extend.get(), GST_STATE_NULL);
  }
  EXPECT_EQ(simulator.state().at("submissions"), 0);
}

TEST_F(Extend, AWaitIsEndedAHundredTimes) {
  const auto simulator = start_quick({"--fault", "task:slow=1h"});
  for (const std::string join : {"auto", "append"}) {
    TestPipeline run("veosrc prompt=A ! veoextend prompt=B join=" + join + " ! fakesink");
    run.use(simulator, shares_cache);
    for (int i = 0; i < 100; ++i) {
      EXPECT_NE(gst_element_set_state(run.pipeline(), GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
      EXPECT_EQ(gst_element_set_state(run.pipeline(), GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
    }
    EXPECT_FALSE(run.failure());
  }
  EXPECT_LE(simulator.state().at("charges"), 1);
}

class ExtendFailure : public Extend, public testing::WithParamInterface<std::string> {};

TEST_P(ExtendFailure, LeavesTheStepsBeforeItCompleteAndCanBeContinuedLater) {
  const auto simulator = start_quick({"--fault", "task:failed*1@3"});
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

  // The second run is another process, because within one process a failed task stays failed.
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
  const auto simulator = start_quick();
  const auto run = make(simulator, "veosrc prompt=A ! veoextend prompt=B max-credits=1000");
  ASSERT_TRUE(run->failure());
  EXPECT_EQ(run->failure()->details.at("code"), "budget-exceeded");
  EXPECT_THAT(run->failure()->text, HasSubstr("extend_credits"));
  EXPECT_EQ(simulator.state().at("charges"), 1);
  EXPECT_EQ(numbers(), count_to(64));
}

TEST_F(Extend, ADryRunSendsNothing) {
  const auto simulator = start_quick();
  const auto run = make(simulator,
                        "veosrc prompt=A dry-run=true ! veoextend prompt=B dry-run=true ! "
                        "veoextend prompt=C dry-run=true");
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  EXPECT_EQ(run->tasks().size(), 3U);
  EXPECT_TRUE(simulator.log().empty());
}

TEST_F(Extend, TheUpstreamIdIsSentAndTheRequestStaysTheSame) {
  auto simulator = start_quick({"--fault", "query:upstream-id"});
  ASSERT_FALSE(make(simulator, "veosrc prompt=A ! veoextend prompt=B")->failure());
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  bool sent = false;
  for (const auto& entry : simulator.log()) {
    sent =
        sent || entry.at("body").get<std::string>().find("\"upstream-" + id) != std::string::npos;
  }
  EXPECT_TRUE(sent);
  // The second run sends no query for that id, but its request must be equal to the first one.
  ASSERT_FALSE(make(simulator, "veosrc prompt=A ! veoextend prompt=B")->failure());
  EXPECT_EQ(simulator.state().at("charges"), 2);
}

}  // namespace
}  // namespace veo::test
