// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What veolivesrc plays: LivePlaylist and LiveClip against the simulator, without outputs and
// without a clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "clips.h"
#include "command.h"
#include "environment.h"
#include "live_run.h"

namespace veo::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

Simulator start_simulator(const std::vector<std::string>& more = {}) {
  auto args = more;
  if (std::ranges::find(args, "--generation-time") == args.end()) {
    args.insert(args.end(), {"--generation-time", "0s"});
  }
  return Simulator::start(args);
}

/// Returns the positions, in seconds, at which clicks begin: the simulator's sound is a tone of
/// 0.1, and each click adds 0.5.
std::vector<double> find_clicks(const std::vector<float>& sound, int rate) {
  std::vector<double> clicks;
  for (std::size_t i = 0; i < sound.size(); ++i) {
    if (std::abs(sound[i]) < 0.35F) continue;
    const double time = static_cast<double>(i) / rate;
    if (clicks.empty() || time > clicks.back() + 0.5) clicks.push_back(time);
  }
  return clicks;
}

TEST(LivePlaylist, PlaysEachFrameOnceWithItsSound) {
  const auto simulator = start_simulator({"--frames", "72"});
  LiveRun run(simulator);
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  EXPECT_EQ(run.shown(), numbers(0, 72));
  const auto first = std::ranges::find(run.frames(), 0) - run.frames().begin();
  EXPECT_EQ(run.sound().size(), run.frames().size() * 2000);
  // One click each second of the clip, within half a frame of its picture.
  const auto clicks = find_clicks(run.sound(), 48000);
  ASSERT_THAT(clicks, SizeIs(3));
  for (std::size_t i = 0; i < clicks.size(); ++i) {
    EXPECT_NEAR(clicks[i], static_cast<double>(first) / 24 + static_cast<double>(i), 0.5 / 24);
  }
  run.stop();
  ASSERT_THAT(run.states(), SizeIs(3));
  EXPECT_EQ(run.states()[0].state, "filler");
  EXPECT_EQ(run.states()[0].tick, 0U);
  EXPECT_EQ(run.states()[1].state, "playing");
  EXPECT_EQ(run.states()[1].tick, static_cast<guint64>(first));
  EXPECT_EQ(simulator.state().at("tasks")[0].at("id"), run.states()[1].task_id);
  EXPECT_EQ(run.states()[2].state, "filler");
  EXPECT_EQ(run.states()[2].tick, static_cast<guint64>(first) + 72);
  EXPECT_EQ(run.states()[2].task_id, "");
  EXPECT_THAT(run.warnings(), IsEmpty());
  EXPECT_THAT(run.progress(),
              ElementsAre("start submit", "complete submit", "start generate", "complete generate",
                          "start download", "complete download"));
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

TEST(LivePlaylist, ConvertsTheRatesExactly) {
  const auto simulator = start_simulator({"--frames", "48"});
  LiveRun run(simulator, {.rate = 30, .samples = 44100});
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  // 2 s are 60 ticks. Each frame is there once or twice, in order.
  const auto shown = run.shown();
  ASSERT_THAT(shown, SizeIs(60));
  EXPECT_TRUE(std::is_sorted(shown.begin(), shown.end()));
  for (const int number : numbers(0, 48)) {
    const auto count = std::ranges::count(shown, number);
    EXPECT_TRUE(count == 1 || count == 2) << number;
  }
  const auto first = std::ranges::find(run.frames(), 0) - run.frames().begin();
  EXPECT_EQ(run.sound().size(), run.frames().size() * 1470);
  const auto clicks = find_clicks(run.sound(), 44100);
  ASSERT_THAT(clicks, SizeIs(2));
  EXPECT_NEAR(clicks[0], static_cast<double>(first) / 30, 0.5 / 30);
  EXPECT_NEAR(clicks[1], static_cast<double>(first) / 30 + 1, 0.5 / 30);
}

TEST(LivePlaylist, HalfTheRateTakesEverySecondFrame) {
  const auto simulator = start_simulator({"--frames", "24"});
  LiveRun run(simulator, {.rate = 12});
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  EXPECT_THAT(run.shown(), ElementsAre(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22));
}

TEST(LivePlaylist, KeepsTheShapeOfThePicture) {
  const auto simulator = start_simulator({"--frames", "24"});
  LiveRun run(simulator, {.width = 1280, .height = 960});
  run.read_numbers_from(120);
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  EXPECT_EQ(run.shown(), numbers(0, 24));
  EXPECT_EQ(run.corner_and_middle().first, 16);
  EXPECT_NE(run.corner_and_middle().second, 16);
}

TEST(LivePlaylist, PlaysAClipOfOneFrame) {
  const auto simulator = start_simulator({"--frames", "1"});
  LiveRun run(simulator);
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  EXPECT_THAT(run.shown(), ElementsAre(0));
  EXPECT_THAT(run.warnings(), IsEmpty());
}

/// Makes a clip with a picture of one second with FFmpeg. Its frames have no numbers.
std::string make_clip(const TemporaryDirectory& directory, const std::string& arguments) {
  auto file = directory.file("clip.mp4");
  output_of("ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=24:duration=1 " + arguments +
            " " + file + " 2>&1");
  EXPECT_TRUE(std::filesystem::exists(file));
  return file;
}

TEST(LivePlaylist, AClipWithoutSoundIsSilent) {
  const TemporaryDirectory directory;
  const auto simulator =
      start_simulator({"--clip", make_clip(directory, "-c:v libx264 -pix_fmt yuv420p")});
  LiveRun run(simulator);
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  EXPECT_THAT(run.shown(), SizeIs(24));
  EXPECT_THAT(run.sound(), Each(0.0F));
  EXPECT_THAT(run.warnings(), IsEmpty());
}

TEST(LivePlaylist, LongerSoundIsCutAndShorterSoundIsFilledUp) {
  for (const char* const seconds : {"2", "0.5"}) {
    const TemporaryDirectory directory;
    const auto simulator =
        start_simulator({"--clip", make_clip(directory, std::string("-f lavfi -t ") + seconds +
                                                            " -i sine=sample_rate=44100 -c:v "
                                                            "libx264 -pix_fmt yuv420p -c:a aac")});
    LiveRun run(simulator);
    run.set_prompt("A");
    run.start();
    run.play_to_filler();
    for (int i = 0; i < 3; ++i) run.tick();
    EXPECT_THAT(run.shown(), SizeIs(24)) << seconds;
    // The sound of a second, in tenths: does it sound?
    const auto first =
        std::ranges::find_if(run.frames(), [](int number) { return number != LiveRun::filler; }) -
        run.frames().begin();
    std::string sounds;
    for (int tenth = 0; tenth < 11; ++tenth) {
      const auto begin = run.sound().begin() + first * 2000 + tenth * 4800;
      const bool is_silent =
          std::ranges::all_of(begin + 1200, std::min(begin + 4800, run.sound().end()),
                              [](float value) { return value == 0; });
      sounds += is_silent ? '.' : 'x';
    }
    EXPECT_EQ(sounds, seconds == std::string("2") ? "xxxxxxxxxx." : "xxxxx......");
  }
}

TEST(LivePlaylist, AClipThatCannotBeDecodedIsAWarning) {
  const TemporaryDirectory directory;
  const auto file = make_clip(directory, "-c:v libx264 -pix_fmt yuv420p");
  // Break the pictures, and nothing else: the file's boxes are in order.
  output_of("python3 -c \"d=bytearray(open('" + file +
            "','rb').read()); i=d.index(b'mdat')+4; "
            "n=int.from_bytes(d[i-8:i-4],'big')-8; d[i:i+n]=bytes([0xaa])*n; open('" +
            file + "','wb').write(d)\"");
  const auto simulator = start_simulator({"--clip", file});
  LiveRun run(simulator);
  run.set_prompt("A");
  run.start();
  run.tick_until("a warning", [&] { return !run.warnings().empty(); });
  const auto& warning = run.warnings().front();
  const std::string task = simulator.state().at("tasks")[0].at("id");
  EXPECT_EQ(warning.details.at("code"), "bad-media") << warning.text;
  EXPECT_EQ(warning.details.at("task-id"), task);
  EXPECT_EQ(warning.details.at("charged"), "unknown");
  EXPECT_THAT(warning.text, HasSubstr(task));
  EXPECT_THAT(warning.text, HasSubstr("paid"));
  EXPECT_THAT(run.shown(), IsEmpty());
  EXPECT_EQ(run.playlist().pending_requests(), 0U);
}

struct Fault {
  std::string fault;
  std::string code;
  std::string charged;
};

TEST(LivePlaylist, EachErrorIsAWarningAndTheNextRequestPlays) {
  const std::vector<Fault> faults{
      {"submit:error=invalid_request", "invalid-request", "no"},
      {"submit:error=model_not_found", "model-not-found", "no"},
      {"submit:error=invalid_api_key", "invalid-api-key", "no"},
      {"submit:error=ip_not_allowed", "ip-not-allowed", "no"},
      {"submit:error=insufficient_credits", "insufficient-credits", "no"},
      {"submit:error=spend_limit_exceeded", "spend-limit-exceeded", "no"},
      {"submit:error=upstream_error", "upstream-error", "refunded"},
      {"submit:error=internal_error", "submit-unknown", "unknown"},
      {"submit:lost-answer", "submit-unknown", "unknown"},
      {"task:failed", "task-failed", "refunded"},
      {"task:slow=1h", "timeout", "unknown"},
      {"query:url=ftp://127.0.0.1/v.mp4", "bad-response", "unknown"},
      {"file:status=404", "network", "unknown"},
      {"file:not-mp4", "bad-media", "unknown"},
      // The last one, because all later submissions wait for the service.
      {"submit:error=rate_limit_exceeded", "rate-limit-exceeded", "no"},
  };
  auto simulator = start_simulator({"--frames", "24", "--credits", "10000"});
  LiveRun run(simulator);
  run.change([](auto& settings) { settings.source.network.retries = 0; });
  run.start();
  std::size_t count = 0;
  for (const auto& one : faults) {
    const auto& fault = one.fault;
    simulator.set_faults({fault});
    run.change([&](auto& settings) {
      settings.source.request.prompt = fault;
      // Long enough for a submission on a busy machine.
      settings.source.generation_timeout = one.code == "timeout" ? 3s : 1800s;
    });
    ASSERT_TRUE(run.playlist().request());
    run.tick_until(fault, [&] { return run.warnings().size() > count; });
    const auto& warning = run.warnings()[count++];
    EXPECT_EQ(warning.details.at("code"), one.code) << warning.text;
    EXPECT_EQ(warning.details.at("charged"), one.charged) << warning.text;
    run.tick_until("the end", [&] { return run.playlist().pending_requests() == 0; });
  }
  EXPECT_THAT(run.shown(), IsEmpty());
  simulator.set_faults({});
  run.change([&](auto& settings) { settings.source.request.prompt = "good"; });
  ASSERT_TRUE(run.playlist().request());
  run.play_to_filler();
  EXPECT_EQ(run.shown(), numbers(0, 24));
  run.stop();
  EXPECT_THAT(run.warnings(), SizeIs(faults.size()));
  // Each PROGRESS that was started is ended.
  int open = 0;
  for (const auto& one : run.progress()) open += one.starts_with("start") ? 1 : -1;
  EXPECT_EQ(open, 0);
}

TEST(LivePlaylist, AClipThatBreaksOffIsAWarningAndStaysShown) {
  const auto simulator =
      start_simulator({"--frames", "96", "--layout", "moov-first", "--no-ranges", "--bandwidth",
                       "1000000", "--fault", "file:truncate=400000"});
  LiveRun run(simulator);
  run.change([](auto& settings) { settings.source.network.retries = 0; });
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  run.tick_until("a warning", [&] { return !run.warnings().empty(); });
  const auto& warning = run.warnings().front();
  EXPECT_EQ(warning.details.at("code"), "network") << warning.text;
  EXPECT_EQ(simulator.state().at("tasks")[0].at("id"), warning.details.at("task-id"));
  const auto shown = run.shown();
  ASSERT_GT(shown.size(), 0U);
  EXPECT_LT(shown.size(), 96U);
  // The frames come in order. Some of the last ones can be lost in the decoder, and the frame
  // before them stays.
  EXPECT_EQ(shown.front(), 0);
  EXPECT_TRUE(std::is_sorted(shown.begin(), shown.end()));
  EXPECT_EQ(run.frames().back(), LiveRun::filler);
  EXPECT_THAT(run.warnings(), SizeIs(1));
}

TEST(LivePlaylist, WithoutAKeyOrABudgetNothingIsSent) {
  const auto simulator = start_simulator();
  LiveRun run(simulator);
  run.change([](auto& settings) { settings.source.access.api_key = Secret(); });
  run.set_prompt("A");
  run.start();
  run.tick_until("a warning", [&] { return run.warnings().size() == 1; });
  EXPECT_EQ(run.warnings()[0].details.at("code"), "missing-api-key") << run.warnings()[0].text;
  run.change([&](auto& settings) {
    settings.source.access.api_key = Secret(simulator.key());
    settings.source.max_credits = 1;
  });
  ASSERT_TRUE(run.playlist().request());
  run.tick_until("a warning", [&] { return run.warnings().size() == 2; });
  EXPECT_EQ(run.warnings()[1].details.at("code"), "budget-exceeded");
  EXPECT_EQ(run.warnings()[1].details.at("charged"), "no");
  EXPECT_EQ(simulator.state().at("submissions"), 0);
}

TEST(LivePlaylist, ARequestThatAsksForNothingIsRefused) {
  const auto simulator = start_simulator();
  LiveRun run(simulator);
  run.start();
  const auto refused = run.playlist().request();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
  ASSERT_THAT(run.warnings(), SizeIs(1));
  EXPECT_EQ(run.warnings()[0].details.at("code"), "invalid-request");
  EXPECT_EQ(run.playlist().pending_requests(), 0U);
}

TEST(LivePlaylist, AThousandPromptsASecondAreOneSubmission) {
  const auto simulator = start_simulator({"--frames", "24"});
  LiveRun run(simulator);
  run.start();
  for (int i = 0; i < 1000; ++i) {
    run.set_prompt("prompt " + std::to_string(i));
    if (i % 10 == 0) run.tick();
  }
  EXPECT_EQ(run.playlist().pending_requests(), 1U);
  run.play_to_filler();
  EXPECT_EQ(simulator.state().at("submissions"), 1);
  EXPECT_EQ(simulator.state().at("tasks")[0].at("prompt"), "prompt 999");
}

TEST(LivePlaylist, TheSamePromptPlaysAgainAndIsPaidOnce) {
  const auto simulator = start_simulator({"--frames", "24"});
  LiveRun run(simulator);
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  run.set_prompt("A");
  run.play_to_filler();
  auto twice = numbers(0, 24);
  twice.insert(twice.end(), twice.begin(), twice.end());
  EXPECT_EQ(run.shown(), twice);
  EXPECT_EQ(simulator.state().at("submissions"), 1);
}

TEST(LivePlaylist, ReuseFalsePaysForEachRequestAndForAStartOnce) {
  const auto simulator = start_simulator({"--frames", "24"});
  LiveRun run(simulator);
  run.change([](auto& settings) { settings.source.reuse = false; });
  run.set_prompt("A");
  for (int i = 0; i < 2; ++i) {
    run.start();
    run.play_to_filler();
    run.stop();
  }
  EXPECT_EQ(simulator.state().at("submissions"), 1);
  run.start();
  ASSERT_TRUE(run.playlist().request());
  run.play_to_filler();
  run.tick_until("both", [&] { return run.shown().size() == 4 * 24; });
  EXPECT_EQ(simulator.state().at("submissions"), 2);
}

TEST(LivePlaylist, NoFillerIsBetweenTheClipsOfAList) {
  const auto simulator = start_simulator({"--frames", "24"});
  LiveRun run(simulator);
  run.start();
  for (const char* const prompt : {"A", "B", "C"}) {
    run.change([&](auto& settings) { settings.source.request.prompt = prompt; });
    ASSERT_TRUE(run.playlist().request());
  }
  EXPECT_EQ(run.playlist().pending_requests(), 3U);
  for (unsigned left = 2; left > 0; --left) {
    run.play(12);
    EXPECT_EQ(run.playlist().pending_requests(), left);
    // The next clip is generated while this one plays.
    run.await_ready_clip();
    run.play(12);
  }
  run.play_to_filler();
  auto expected = numbers(0, 24);
  for (int i = 0; i < 2; ++i)
    expected.insert(expected.end(), expected.begin(), expected.begin() + 24);
  EXPECT_EQ(run.shown(), expected);
  // The filler is before the first clip and behind the last.
  const auto& frames = run.frames();
  const auto first = std::ranges::find(frames, 0);
  EXPECT_EQ(std::ranges::count(first, first + 72, LiveRun::filler), 0);
  run.stop();
  EXPECT_THAT(run.states(), SizeIs(5));
}

TEST(LivePlaylist, RepeatsWithoutAGapUntilTheNextClip) {
  const auto simulator = start_simulator({"--frames", "24"});
  LiveRun run(simulator);
  // Each request is paid anew, but no repetition is.
  run.change([](auto& settings) { settings.source.reuse = false; });
  run.playlist().set_repeat(true);
  run.set_prompt("A");
  run.start();
  for (int i = 0; i < 3; ++i) {
    run.play(1);
    run.await_ready_clip();
    run.play(23);
  }
  EXPECT_EQ(simulator.state().at("submissions"), 1);
  // The repetitions are no news.
  EXPECT_EQ(std::ranges::count(run.tasks(), "none"), 1);
  // The next clip cuts the repetition off.
  run.play(5);
  run.set_prompt("B");
  while (run.playlist().pending_requests() != 0) {
    // A repetition lasts for a moment here, so the next one may need a wait.
    if (run.frames().back() == 23) run.await_ready_clip();
    run.tick();
  }
  run.play(5);
  const auto& frames = run.frames();
  const auto first = std::ranges::find(frames, 0);
  EXPECT_EQ(std::count(first, frames.end(), LiveRun::filler), 0);
  for (auto one = first; one + 1 != frames.end(); ++one) {
    EXPECT_TRUE(one[1] == one[0] + 1 || one[1] == 0) << one[0] << " " << one[1];
  }
  EXPECT_EQ(simulator.state().at("submissions"), 2);
  run.stop();
  const auto& states = run.states();
  ASSERT_GE(states.size(), 5U);
  EXPECT_FALSE(states[1].is_repetition);
  EXPECT_TRUE(states[2].is_repetition);
  EXPECT_EQ(states[2].tick, states[1].tick + 24);
  EXPECT_EQ(states[2].task_id, states[1].task_id);
  EXPECT_FALSE(states.back().is_repetition);
  EXPECT_NE(states.back().task_id, states[1].task_id);
  EXPECT_THAT(run.warnings(), IsEmpty());
}

// A tick of a second needs more sound than a waiting clip has decoded, so the first tick is late.
TEST(LivePlaylist, RepeatsAtOneFrameASecond) {
  const auto simulator = start_simulator({"--frames", "48"});
  LiveRun run(simulator, {.rate = 1});
  run.playlist().set_repeat(true);
  run.set_prompt("A");
  run.start();
  run.play(6);
  EXPECT_THAT(run.shown(), ElementsAre(0, 24, 0, 24, 0, 24));
  EXPECT_THAT(run.warnings(), IsEmpty());
}

TEST(LivePlaylist, ARepetitionThatFailsIsOneWarning) {
  auto simulator = start_simulator({"--frames", "24"});
  LiveRun run(simulator);
  // Nothing is kept, so that the repetition asks the file host.
  const Environment no_cache("VEO_CACHE_SIZE", "0");
  run.change([](auto& settings) { settings.source.network.retries = 0; });
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  run.tick_until("filler", [&] { return run.frames().back() == LiveRun::filler; });
  simulator.set_faults({"file:status=404"});
  run.playlist().set_repeat(true);
  run.tick_until("a warning", [&] { return !run.warnings().empty(); });
  for (int i = 0; i < 100; ++i) run.tick();
  EXPECT_THAT(run.warnings(), SizeIs(1));
  EXPECT_EQ(run.shown(), numbers(0, 24));
}

TEST(LivePlaylist, SkipEndsTheClipAtTheNextTick) {
  const auto simulator = start_simulator({"--frames", "48"});
  LiveRun run(simulator);
  run.playlist().set_repeat(true);
  run.set_prompt("A");
  run.start();
  run.play(10);
  run.playlist().skip();
  run.tick();
  EXPECT_EQ(run.frames().back(), LiveRun::filler);
  EXPECT_EQ(run.shown(), numbers(0, 10));
  // What was skipped is not repeated. The next clip follows a skip without filler.
  run.playlist().set_repeat(false);
  run.set_prompt("B");
  run.play(5);
  run.set_prompt("C");
  run.await_ready_clip();
  run.playlist().skip();
  run.tick();
  EXPECT_EQ(run.frames().back(), 0);
  run.stop();
  EXPECT_THAT(run.warnings(), IsEmpty());
}

TEST(LivePlaylist, FlushDropsWhatIsNotBegun) {
  const auto simulator = start_simulator({"--frames", "24", "--generation-time", "300ms"});
  LiveRun run(simulator);
  run.start();
  for (const char* const prompt : {"A", "B", "C"}) {
    run.change([&](auto& settings) { settings.source.request.prompt = prompt; });
    ASSERT_TRUE(run.playlist().request());
  }
  run.set_prompt("D");
  EXPECT_EQ(run.playlist().pending_requests(), 4U);
  run.tick_until("the submission", [&] { return simulator.state().at("submissions") == 1; });
  run.playlist().flush_requests();
  EXPECT_EQ(run.playlist().pending_requests(), 1U);
  run.play_to_filler();
  EXPECT_EQ(run.shown(), numbers(0, 24));
  EXPECT_EQ(run.playlist().pending_requests(), 0U);
  EXPECT_EQ(simulator.state().at("submissions"), 1);
}

TEST(LivePlaylist, ADryRunTellsThePriceAndPlaysNothing) {
  const auto simulator = start_simulator();
  LiveRun run(simulator);
  run.change([](auto& settings) { settings.source.dry_run = true; });
  run.set_prompt("A");
  run.start();
  run.tick_until("the price", [&] { return !run.tasks().empty(); });
  run.tick_until("the end", [&] { return run.playlist().pending_requests() == 0; });
  EXPECT_THAT(run.tasks(), ElementsAre("none"));
  EXPECT_THAT(run.warnings(), IsEmpty());
  EXPECT_THAT(run.shown(), IsEmpty());
  EXPECT_EQ(simulator.state().at("submissions"), 0);
}

TEST(LivePlaylist, ARunThatStopsIsJoinedByTheNext) {
  const auto simulator = start_simulator({"--frames", "24", "--generation-time", "1s"});
  {
    LiveRun run(simulator);
    run.set_prompt("A");
    run.start();
    run.tick_until("the task",
                   [&] { return std::ranges::count(run.progress(), "start generate") == 1; });
    EXPECT_NE(run.playlist().snapshot().job.task_id, "");
    run.stop();
    EXPECT_EQ(run.progress().back(), "canceled generate");
  }
  LiveRun run(simulator);
  run.set_prompt("A");
  run.start();
  run.play_to_filler();
  EXPECT_EQ(run.shown(), numbers(0, 24));
  EXPECT_EQ(simulator.state().at("submissions"), 1);
}

TEST(LivePlaylist, StopsAndStartsInEachPhase) {
  const auto simulator = start_simulator({"--frames", "24"});
  LiveRun run(simulator);
  run.set_prompt("A");
  for (int ticks = 0; ticks < 20; ++ticks) {
    run.start();
    for (int i = 0; i < ticks * 3; ++i) run.tick();
    run.stop();
    EXPECT_FALSE(run.playlist().take(2000, 0).has_value());
    EXPECT_FALSE(run.playlist().is_playing());
  }
  EXPECT_LE(simulator.state().at("submissions"), 1);
  EXPECT_THAT(run.warnings(), IsEmpty());
}

TEST(LivePlaylist, PlaysARealClip) {
  for (const char* const name : {"veo31-dialogue.mp4", "veo30-dialogue.mp4"}) {
    const auto path = clip_path(name);
    if (!path) GTEST_SKIP() << "needs the clip " << name;
    const auto simulator = start_simulator({"--clip", *path});
    LiveRun run(simulator);
    run.set_prompt("A");
    run.start();
    run.play_to_filler();
    // The frames have no numbers.
    EXPECT_EQ(run.shown(), std::vector<int>(192, LiveRun::unreadable)) << name;
    EXPECT_EQ(run.sound().size(), run.frames().size() * 2000);
    EXPECT_THAT(run.warnings(), IsEmpty());
  }
}

/// Uses the playlist in any order. VEO_TEST_STEPS=100000 makes a long run.
TEST(LivePlaylist, SurvivesAnyOrderOfUse) {
  const char* const given = std::getenv("VEO_TEST_STEPS");
  const int steps = given != nullptr ? std::stoi(given) : 600;
  auto simulator = start_simulator({"--frames", "12", "--credits", "1000000"});
  LiveRun run(simulator);
  run.change([](auto& settings) { settings.source.network.retries = 0; });
  std::mt19937 random(17);
  std::set<std::string> prompts;
  run.start();
  for (int step = 0; step < steps; ++step) {
    switch (random() % 40) {
      case 0:
      case 1: {
        const auto prompt = "prompt " + std::to_string(random() % 20);
        run.change([&](auto& settings) { settings.source.request.prompt = prompt; });
        prompts.insert(prompt);
        if (random() % 2 == 0) {
          run.playlist().on_property_set();
        } else {
          EXPECT_TRUE(run.playlist().request());
        }
        break;
      }
      case 2:
        run.playlist().skip();
        break;
      case 3:
        if (random() % 4 == 0) run.playlist().flush_requests();
        break;
      case 4:
        run.playlist().set_repeat(random() % 2 == 0);
        break;
      case 5:
        if (random() % 8 == 0) {
          run.stop();
          run.start();
        }
        break;
      case 6: {
        const char* const faults[] = {"task:failed*1", "file:not-mp4*1", "file:reset=3000*1"};
        simulator.set_faults({faults[random() % 3]});
        break;
      }
      default:
        run.tick();
    }
  }
  run.stop();
  // The frames of a clip are in order, from its first frame on, and none is left out.
  const auto& frames = run.frames();
  for (std::size_t i = 1; i < frames.size(); ++i) {
    if (frames[i] > 0) {
      ASSERT_EQ(frames[i], frames[i - 1] + 1) << i;
    } else {
      ASSERT_TRUE(frames[i] == 0 || frames[i] == LiveRun::filler) << i;
    }
  }
  EXPECT_LE(simulator.state().at("submissions"), prompts.size());
  int open = 0;
  for (const auto& one : run.progress()) open += one.starts_with("start") ? 1 : -1;
  EXPECT_EQ(open, 0);
}

}  // namespace
}  // namespace veo::test

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  gst_deinit();
  return result;
}
