// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The application ends a stream with EOS, in each phase of a task and in each kind of pipeline. The
// stream ends at once and without an error, each PROGRESS that was started is ended, nothing is
// paid twice, and an accepted task stays in the record. Flushes in each phase do the stream no
// harm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "await.h"
#include "command.h"
#include "mp4_boxes.h"
#include "test_pipeline.h"

namespace veo::test::eos {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using testing::IsEmpty;

/// Starts a simulator whose clips last a second. It would take longer to make its own clips.
Simulator start_simulator(std::vector<std::string> args) {
  static const TemporaryDirectory directory;
  for (const char* source : {"testsrc2", "testsrc"}) {
    const auto clip = directory.file(std::string(source) + ".mp4");
    if (!std::filesystem::exists(clip)) {
      output_of("ffmpeg -v error -f lavfi -i " + std::string(source) +
                "=size=640x360:rate=24 -f lavfi -i sine=sample_rate=48000 -frames:v 24 -t 1 "
                "-c:v libx264 -preset veryfast -bf 0 -crf 10 -pix_fmt yuv420p -c:a aac -ac 2 "
                "-movflags +faststart " +
                clip + " 2>&1");
    }
    args.insert(args.end(), {"--clip", clip});
  }
  return Simulator::start(args);
}

/// A pipeline in which the element `last` is the last one that generates.
class EndedRun {
 public:
  EndedRun(const std::string& line, const Simulator& simulator) : run_(line) {
    run_.use(simulator);
    const GstPtr<GstPad> src(gst_element_get_static_pad(run_.element("last").get(), "src"));
    gst_pad_add_probe(
        src.get(), GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo*, gpointer count) {
          ++*static_cast<std::atomic<int>*>(count);
          return GST_PAD_PROBE_OK;
        },
        &buffers_, nullptr);
  }

  TestPipeline& operator*() { return run_; }
  TestPipeline* operator->() { return &run_; }

  [[nodiscard]] int buffers() const { return buffers_; }
  void await_progress(const std::string& code) {
    while (run_.progress().empty() || run_.progress().back().code != code) {
      ASSERT_TRUE(run_.next(GST_MESSAGE_PROGRESS));
      ASSERT_FALSE(run_.failure()) << run_.failure()->text;
      ASSERT_FALSE(run_.eos());
    }
  }
  void await_buffers(int count = 1) {
    await("buffers", [this, count] { return buffers_ >= count; });
  }
  /// Waits until the film has come to this place, whatever the application has to do for it.
  void await_buffering() {
    while (const auto message = run_.next(GST_MESSAGE_BUFFERING)) {
      ASSERT_FALSE(run_.failure()) << run_.failure()->text;
      ASSERT_EQ(GST_MESSAGE_TYPE(message.get()), GST_MESSAGE_BUFFERING);
      gint percent = 100;
      gst_message_parse_buffering(message.get(), &percent);
      if (percent > 0) continue;
      run_.start(GST_STATE_PAUSED);
      return;
    }
    FAIL() << "no BUFFERING";
  }

  /// Ends the pipeline, as `gst-launch-1.0 -e` does, and heeds BUFFERING. Returns how long the
  /// message EOS took.
  Clock::duration end(GstElement* element = nullptr) {
    const auto begin = Clock::now();
    // The result says nothing: a bin with a sink pad that already has EOS makes it FALSE.
    gst_element_send_event(element != nullptr ? element : run_.pipeline(), gst_event_new_eos());
    while (!run_.eos()) {
      const auto message = run_.next(GST_MESSAGE_BUFFERING);
      if (!message || run_.failure()) break;
      if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_BUFFERING) run_.start();
    }
    const auto took = Clock::now() - begin;
    EXPECT_TRUE(run_.eos());
    EXPECT_FALSE(run_.failure()) << run_.failure()->text;
    // A hang would take longer. scripts/interrupts prints the times, and compares them with 250 ms.
    EXPECT_LT(took, 10s);
    return took;
  }
  void expect_balanced_progress() const {
    int open = 0;
    std::string all;
    for (const auto& one : run_.progress()) {
      all += one.type + " " + one.code + "\n";
      if (one.type == "start") ++open;
      if (one.type == "complete" || one.type == "canceled" || one.type == "error") --open;
    }
    EXPECT_EQ(open, 0) << all;
  }

 private:
  std::atomic<int> buffers_ = 0;  // outlives the pipeline
  TestPipeline run_;
};

struct Phase {
  const char* name;
  std::vector<std::string> simulator;
  std::vector<std::string> faults;
  std::function<void(EndedRun&, const Simulator&)> reach;
  long charges;             ///< in all, also after a second run
  bool has_bytes = false;   ///< bytes have gone downstream
  const char* source = "";  ///< in place of the default
};
void PrintTo(const Phase& phase, std::ostream* out) { *out << phase.name; }

struct Way {
  const char* name;
  const char* sink;
  bool is_played = false;  ///< a sink keeps to the clock
};
void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

void await_submissions(const Simulator& simulator, long count) {
  await("a submission", [&] { return simulator.state().at("submissions").get<long>() >= count; });
}

const Way ways[] = {
    {"fakesink", " ! fakesink"},
    {"decoder", " ! decodebin ! videoconvert ! fakesink sync=true", true},
    {"queue_and_tee",
     " ! queue ! tee name=t ! queue ! fakesink t. ! queue ! decodebin ! videoconvert ! fakesink"},
    {"demuxer_and_muxer", " ! qtdemux ! h264parse ! mp4mux ! fakesink"},
};

using Case = std::tuple<Phase, Way>;

/// Returns each phase in one pipeline, and each pipeline in some phases.
std::vector<Case> pair_up(const std::vector<Phase>& phases) {
  std::vector<Case> cases;
  for (const auto& phase : phases) cases.emplace_back(phase, ways[cases.size() % std::size(ways)]);
  return cases;
}

std::string name_of(const testing::TestParamInfo<Case>& row) {
  return std::string(std::get<0>(row.param).name) + "_" + std::get<1>(row.param).name;
}

class Eos : public testing::TestWithParam<Case> {};

TEST_P(Eos, EndsTheStream) {
  const auto& [phase, way] = GetParam();
  auto simulator = start_simulator(phase.simulator);
  simulator.set_faults(phase.faults);
  const std::string source = *phase.source != '\0' ? phase.source : "veosrc name=last prompt=x";
  {
    EndedRun run(source + way.sink, simulator);
    run->start();
    phase.reach(run, simulator);
    if (HasFatalFailure()) return;
    if (!run->eos()) {
      const auto took = run.end();
      std::printf("  %.1f ms\n", std::chrono::duration<double, std::milli>(took).count());
    }
    run.expect_balanced_progress();
    run->stop();
  }
  // The answer to a submission that was under way is still recorded. Then the same line again joins
  // the task.
  await("the answer",
        [&, charges = phase.charges] { return simulator.state().at("charges") == charges; });
  if (phase.charges == 0) return;
  const auto submissions = simulator.state().at("submissions").get<long>();
  simulator.set_faults({});
  EndedRun again(source + way.sink, simulator);
  again->start();
  again.await_progress("generate");
  again->stop();
  EXPECT_EQ(simulator.state().at("submissions"), submissions);
  EXPECT_EQ(simulator.state().at("charges"), phase.charges);
}

const std::vector<std::string> endless{"--generation-time", "1h"};
const std::vector<std::string> quick{"--generation-time", "0s"};
/// The download takes a second.
const std::vector<std::string> slow{"--generation-time", "0s", "--bandwidth", "200k"};
/// The buffers before the first ones with frames hold ftyp, free and moov.
constexpr int beyond_moov = 5;
const std::string film = "veosrc prompt=A ! veoextend name=last prompt=B ";
const std::string appended = film + "join=append";
const std::string chain =
    "veosrc prompt=A ! queue ! veoextend prompt=B ! queue ! veoextend name=last prompt=C";
const std::string film_in_bin = "veosrc prompt=A ! ( queue ! veoextend name=last prompt=B )";

const std::vector<Phase> phases_of_veosrc{
    Phase{"opening", endless, {}, [](EndedRun&, const Simulator&) {}, 0},
    Phase{"submit",
          endless,
          {"submit:delay=300ms*1"},
          [](EndedRun&, const Simulator& simulator) { await_submissions(simulator, 1); },
          1},
    Phase{"generate",
          endless,
          {},
          [](EndedRun& run, const Simulator&) { run.await_progress("generate"); },
          1},
    Phase{"before_the_first_byte",
          quick,
          {"file:stall=0"},
          [](EndedRun& run, const Simulator&) { run.await_progress("download"); },
          1},
    Phase{"download_begins",
          slow,
          {},
          [](EndedRun& run, const Simulator&) { run.await_buffers(); },
          1,
          true},
    Phase{"download",
          slow,
          {},
          [](EndedRun& run, const Simulator&) { run.await_buffers(beyond_moov); },
          1,
          true},
    Phase{"playing",
          quick,
          {},
          [](EndedRun& run, const Simulator&) { run.await_buffers(); },
          1,
          true},
    Phase{"after_the_end",
          quick,
          {},
          [](EndedRun& run, const Simulator&) {
            ASSERT_TRUE(run->next(GST_MESSAGE_EOS));
            EXPECT_TRUE(gst_element_send_event(run->pipeline(), gst_event_new_eos()));
          },
          1,
          true},
    Phase{"dry_run",
          endless,
          {},
          [](EndedRun&, const Simulator&) {},
          0,
          false,
          "veosrc name=last prompt=x dry-run=true"}};

INSTANTIATE_TEST_SUITE_P(Veosrc, Eos, testing::ValuesIn(pair_up(phases_of_veosrc)), name_of);
// --gtest_also_run_disabled_tests runs each phase in each pipeline.
INSTANTIATE_TEST_SUITE_P(DISABLED_AllVeosrc, Eos,
                         testing::Combine(testing::ValuesIn(phases_of_veosrc),
                                          testing::ValuesIn(ways)),
                         name_of);

const std::vector<Phase> phases_of_veoextend{
    Phase{"parent_generates",
          endless,
          {},
          [](EndedRun& run, const Simulator&) { run.await_progress("generate"); },
          1,
          false,
          film.c_str()},
    Phase{"parent_generates_in_a_chain",
          endless,
          {},
          [](EndedRun& run, const Simulator&) { run.await_progress("generate"); },
          1,
          false,
          chain.c_str()},
    Phase{"parent_generates_before_a_bin",
          endless,
          {},
          [](EndedRun& run, const Simulator&) { run.await_progress("generate"); },
          1,
          false,
          film_in_bin.c_str()},
    Phase{"submit",
          quick,
          {"task:slow=1h*1@2", "submit:delay=300ms*1@2"},
          [](EndedRun&, const Simulator& simulator) { await_submissions(simulator, 2); },
          2,
          false,
          film.c_str()},
    Phase{"generate",
          quick,
          {"task:slow=1h*1@2"},
          [](EndedRun&, const Simulator& simulator) { await_submissions(simulator, 2); },
          2,
          false,
          film.c_str()},
    Phase{"generate_in_a_bin",
          quick,
          {"task:slow=1h*1@2"},
          [](EndedRun&, const Simulator& simulator) { await_submissions(simulator, 2); },
          2,
          false,
          film_in_bin.c_str()},
    Phase{"generate_in_a_chain",
          quick,
          {"task:slow=1h*1@2"},
          [](EndedRun&, const Simulator& simulator) { await_submissions(simulator, 2); },
          2,
          false,
          chain.c_str()},
    Phase{"generate_while_the_parent_plays",
          quick,
          {"task:slow=1h*1@2"},
          [](EndedRun& run, const Simulator& simulator) {
            await_submissions(simulator, 2);
            run.await_buffers();
          },
          2,
          true,
          appended.c_str()},
    Phase{"after_the_end",
          quick,
          {},
          [](EndedRun& run, const Simulator&) {
            ASSERT_TRUE(run->next(GST_MESSAGE_EOS));
            EXPECT_TRUE(gst_element_send_event(run->pipeline(), gst_event_new_eos()));
          },
          2,
          true,
          film.c_str()},
    Phase{"dry_run",
          endless,
          {},
          [](EndedRun&, const Simulator&) {},
          0,
          false,
          "veosrc prompt=x dry-run=true ! veoextend name=last prompt=y dry-run=true"}};

INSTANTIATE_TEST_SUITE_P(Veoextend, Eos, testing::ValuesIn(pair_up(phases_of_veoextend)), name_of);
// --gtest_also_run_disabled_tests runs each phase in each pipeline.
INSTANTIATE_TEST_SUITE_P(DISABLED_AllVeoextend, Eos,
                         testing::Combine(testing::ValuesIn(phases_of_veoextend),
                                          testing::ValuesIn(ways)),
                         name_of);

// A film whose next clip is late is paused, and a paused sink takes no EOS.
TEST(EosBuffering, EndsThePause) {
  auto simulator = start_simulator(quick);
  simulator.set_faults({"task:slow=1h*1@2"});
  EndedRun run(appended + " ! decodebin ! videoconvert ! fakesink sync=true", simulator);
  run->start();
  run.await_buffering();
  run.end();
  run.expect_balanced_progress();
}

TEST(Eos, OfReadyEndsTheStreamBeforeItBegins) {
  for (const std::string source : {"veosrc name=last prompt=x", film.c_str()}) {
    for (const auto& way : std::span(ways).first(2)) {
      SCOPED_TRACE(source + way.sink);
      const auto simulator = start_simulator(endless);
      EndedRun run(source + way.sink, simulator);
      run->start(GST_STATE_READY);
      EXPECT_TRUE(gst_element_send_event(run->pipeline(), gst_event_new_eos()));
      run->start();
      ASSERT_TRUE(run->next(GST_MESSAGE_EOS));
      EXPECT_FALSE(run->failure()) << run->failure()->text;
      EXPECT_EQ(simulator.state().at("submissions"), 0);
      // The next run is a new one.
      run->start(GST_STATE_READY);
      run->start();
      await_submissions(simulator, 1);
    }
  }
}

// gst_element_send_event() holds the lock of the pipeline's state. If it waited for a thread that
// stands in a paused sink, nothing could play that sink any more.
TEST(Eos, OfAPausedPipelineIsSentWhenItPlays) {
  const auto simulator = start_simulator(quick);
  for (const std::string source : {"veosrc name=last prompt=x", film.c_str()}) {
    for (const auto& way : std::span(ways).first(2)) {
      SCOPED_TRACE(source + way.sink);
      EndedRun run(source + way.sink, simulator);
      run->start(GST_STATE_PAUSED);
      ASSERT_TRUE(run->next(GST_MESSAGE_ASYNC_DONE));
      EXPECT_TRUE(gst_element_send_event(run->pipeline(), gst_event_new_eos()));
      EXPECT_TRUE(gst_element_send_event(run->pipeline(), gst_event_new_eos()));
      run->start();
      ASSERT_TRUE(run->next(GST_MESSAGE_EOS));
      EXPECT_FALSE(run->failure()) << run->failure()->text;
    }
  }
  EXPECT_EQ(simulator.state().at("charges"), 3);  // x, A and B
}

TEST(Eos, EndsAPipelineThatIsNotLinkedYet) {
  for (const char* line :
       {"veosrc name=last prompt=x fakesink", "veosrc prompt=x ! veoextend name=last prompt=y"}) {
    SCOPED_TRACE(line);
    const auto simulator = start_simulator(endless);
    EndedRun run(line, simulator);
    run->start();
    run.await_progress("submit");
    run.end();
    run.expect_balanced_progress();
    EXPECT_EQ(simulator.state().at("submissions"), 0);
  }
}

// The application may end one source of several. A continuation of what was ended is no failure.
TEST(Eos, OfVeosrcAloneEndsTheFilmAndIsNoError) {
  for (const std::string& line : {film, appended, chain}) {
    for (const auto& way : std::span(ways).first(2)) {
      SCOPED_TRACE(line + way.sink);
      const auto simulator = start_simulator(endless);
      EndedRun run("veosrc name=first prompt=A " + line.substr(line.find('!')) + way.sink,
                   simulator);
      run->start();
      run.await_progress("generate");
      run.end(run->element("first").get());
      run.expect_balanced_progress();
      EXPECT_EQ(simulator.state().at("submissions"), 1);
    }
  }
}

// `filesrc` has sent its own EOS long before.
TEST(Eos, EndsAFilmThatContinuesAFile) {
  const TemporaryDirectory directory;
  auto simulator = start_simulator(quick);
  EndedRun first("veosrc name=last prompt=A ! filesink location=" + directory.file("a.mp4"),
                 simulator);
  ASSERT_TRUE(first->finish());
  simulator.set_faults({"task:slow=1h"});
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  for (const std::string join : {"auto", "append"}) {
    for (const auto& way : std::span(ways).first(2)) {
      SCOPED_TRACE(join + way.sink);
      EndedRun run("filesrc location=" + directory.file("a.mp4") +
                       " ! veoextend name=last prompt=B extend-task-id=" + id + " join=" + join +
                       way.sink,
                   simulator);
      run->start();
      await_submissions(simulator, 2);
      if (join == "append") run.await_buffers();
      run.end();
      run.expect_balanced_progress();
    }
  }
  EXPECT_EQ(simulator.state().at("charges"), 2);
}

/// Returns the file's bytes.
std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Eos, LeavesAFilmOfWholeFragments) {
  const TemporaryDirectory directory;
  auto simulator = start_simulator(quick);
  simulator.set_faults({"task:slow=1h*1@2"});
  const auto path = directory.file("film.mp4");
  EndedRun run(appended + " ! filesink location=" + path, simulator);
  run->start();
  await_submissions(simulator, 2);
  run.await_buffers();
  run.end();
  run->stop();
  const auto boxes = list_outermost_boxes(list_mp4_boxes(read_file(path)));  // throws if one is cut
  ASSERT_GE(boxes.size(), 4U);
  EXPECT_EQ(boxes.at(0), "ftyp");
  EXPECT_EQ(boxes.at(1), "moov");
  EXPECT_EQ(boxes.back(), "mdat");
}

TEST(Eos, LeavesAWholeFileOfAMuxer) {
  const TemporaryDirectory directory;
  const auto simulator = start_simulator(slow);
  const auto path = directory.file("muxed.mp4");
  EndedRun run(
      "veosrc prompt=x ! qtdemux ! h264parse ! mp4mux name=last ! filesink location=" + path,
      simulator);
  run->start();
  run.await_buffers(6);
  run.end();
  run->stop();
  const auto header = read_mp4_header(read_file(path));
  ASSERT_EQ(header.tracks.size(), 1U);
  EXPECT_GT(header.tracks.at(0).samples, 0U);
}

// --- flushes ---

struct Flush {
  const char* name;
  std::vector<std::string> simulator;
  std::function<void(EndedRun&, const Simulator&)> reach;
};
void PrintTo(const Flush& flush, std::ostream* out) { *out << flush.name; }

class EosFlush : public testing::TestWithParam<std::tuple<Flush, const char*>> {};

TEST_P(EosFlush, LetsTheStreamGoOn) {
  const auto& [flush, element] = GetParam();
  const std::string source = element == std::string("veosrc") ? "veosrc name=last prompt=x" : film;
  const TemporaryDirectory directory;
  const auto path = directory.file("flushed.mp4");
  const auto simulator = start_simulator(flush.simulator);
  EndedRun run(source + " ! queue ! filesink location=" + path, simulator);
  run->start();
  flush.reach(run, simulator);
  if (HasFatalFailure()) return;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(gst_element_send_event(run->pipeline(), gst_event_new_flush_start()));
    EXPECT_TRUE(gst_element_send_event(run->pipeline(), gst_event_new_flush_stop(TRUE)));
    const auto last = run->element("last");
    EXPECT_TRUE(gst_element_send_event(last.get(), gst_event_new_flush_start()));
    EXPECT_TRUE(gst_element_send_event(last.get(), gst_event_new_flush_stop(TRUE)));
  }
  ASSERT_TRUE(run->next(GST_MESSAGE_EOS));
  ASSERT_FALSE(run->failure()) << run->failure()->text;
  run->stop();
  run.expect_balanced_progress();
  const auto expected = directory.file("expected.mp4");
  EndedRun again(source + " ! filesink location=" + expected, simulator);
  ASSERT_TRUE(again->finish());
  ASSERT_FALSE(again->failure()) << again->failure()->text;
  again->stop();
  EXPECT_EQ(std::filesystem::file_size(path), std::filesystem::file_size(expected));
  EXPECT_TRUE(read_file(path) == read_file(expected));
  EXPECT_EQ(simulator.state().at("charges"), element == std::string("veosrc") ? 1 : 2);
}

INSTANTIATE_TEST_SUITE_P(
    Phases, EosFlush,
    testing::Combine(
        testing::Values(
            Flush{"submit",
                  {"--generation-time", "0s", "--latency", "50ms"},
                  [](EndedRun&, const Simulator& simulator) { await_submissions(simulator, 1); }},
            Flush{"generate",
                  {"--generation-time", "500ms"},
                  [](EndedRun& run, const Simulator&) { run.await_progress("generate"); }},
            Flush{"download", slow, [](EndedRun& run, const Simulator&) { run.await_buffers(); }}),
        testing::Values("veosrc", "veoextend")),
    [](const auto& row) {
      return std::string(std::get<0>(row.param).name) + "_" + std::get<1>(row.param);
    });

}  // namespace
}  // namespace veo::test::eos
