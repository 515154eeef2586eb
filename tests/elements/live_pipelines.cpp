// SPDX-License-Identifier: LGPL-2.1-or-later
#include "live_pipelines.h"

#include <gst/check/gsttestclock.h>
#include <malloc.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>

#include "await.h"

namespace veo::test {

using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

/// The height of the pictures in front of the mixer, and the size of the blocks of a clip that is
/// scaled to it.
constexpr int mixer_height = 360;
constexpr int mixer_block = 16;

std::string milliseconds(Seconds time) {
  return std::to_string(static_cast<long>(std::max(0.0, time.count()) * 1000)) + "ms";
}

GstClockTime nanoseconds(Seconds time) {
  return static_cast<GstClockTime>(std::llround(time.count() * GST_SECOND));
}

void set_prompt(GstElement* live, const std::string& prompt) {
  g_object_set(live, "prompt", prompt.c_str(), nullptr);
}

unsigned count_entries(const char* folder) {
  return static_cast<unsigned>(std::distance(std::filesystem::directory_iterator(folder),
                                             std::filesystem::directory_iterator()));
}

Simulator start_simulator(const std::string& clip, const std::vector<std::string>& faults = {}) {
  std::vector<std::string> args{"--generation-time", "0s", "--clip", clip, "--credits", "1000000"};
  for (const auto& fault : faults) args.insert(args.end(), {"--fault", fault});
  return Simulator::start(args);
}

std::string caps_of_live(unsigned frames, unsigned rate) {
  return " video-caps=\"video/x-raw,format=I420,width=1280,height=720,framerate=" +
         std::to_string(frames) +
         "/1\" audio-caps=\"audio/x-raw,format=F32LE,channels=2,rate=" + std::to_string(rate) +
         "\" ";
}

/// A veolivesrc with small pictures. Its branches have queues, as beside a mixer.
constexpr const char* small_live =
    "veolivesrc name=live video-caps=\"video/x-raw,format=I420,width=640,height=360,"
    "framerate=24/1\" audio-caps=\"audio/x-raw,format=F32LE,channels=2,rate=48000\" ";

/// A camera and a microphone, which are live, before a compositor and an audiomixer. Each picture
/// of the mix has the camera above and room for a clip below.
std::string mixer_line(Seconds latency) {
  const auto time = std::to_string(nanoseconds(latency));
  return "compositor name=mix background=black latency=" + time +
         " sink_0::ypos=0 sink_1::ypos=360"
         " ! video/x-raw,format=I420,width=640,height=720,framerate=24/1 ! queue"
         " ! fakesink name=video sync=true"
         " videotestsrc is-live=true pattern=black name=camera"
         " ! video/x-raw,format=I420,width=640,height=360,framerate=24/1"
         " ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=240 ! mix.sink_0"
         " audiomixer name=sound latency=" +
         time +
         " ! audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2 ! queue"
         " ! fakesink name=audio sync=true"
         " audiotestsrc is-live=true wave=silence samplesperbuffer=480 name=microphone"
         " ! audio/x-raw,format=F32LE,layout=interleaved,rate=48000,channels=2"
         " ! queue max-size-time=10000000000 max-size-bytes=0 max-size-buffers=0 ! sound.sink_0 ";
}

/// The camera's pictures and the microphone's left channel are counted before the mixers.
void count_camera(const LivePipeline& run) {
  count_frames(run.element("camera").get(), "src", mixer_block);
  count_samples(run.element("microphone").get(), "src", 0);
}

/// The places at which the camera's numbers do not go on by one, from number 0 on. The frames at
/// the end that have no new number are left out: the camera's EOS may come before the EOS of the
/// others.
std::size_t count_lost(std::vector<LiveFrame> frames) {
  const auto is_old = [&] {
    const int number = frames.back().numbers[0];
    return number == -1 || (frames.size() > 1 && number == frames[frames.size() - 2].numbers[0]);
  };
  while (!frames.empty() && is_old()) frames.pop_back();
  std::size_t lost = 0;
  int last = -1;
  for (const auto& frame : frames) {
    const int number = frame.numbers[0];
    const bool is_before_first = last == -1 && number == -1;
    if (is_before_first) continue;
    if (number != last + 1) ++lost;
    last = number;
  }
  return lost;
}

std::string code_of(GstMessage* message) {
  const GstStructure* details = nullptr;
  gst_message_parse_warning_details(message, &details);
  if (details != nullptr && gst_structure_has_name(details, "veo-error")) {
    const auto* code = gst_structure_get_string(details, "code");
    if (code != nullptr) return code;
  }
  GError* warning = nullptr;
  gst_message_parse_warning(message, &warning, nullptr);
  std::string text = warning->message;
  g_error_free(warning);
  return text;
}

}  // namespace

std::string make_clip(const std::string& folder, unsigned frames) {
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--frames", std::to_string(frames)});
  auto file = folder + "/clip-" + std::to_string(frames) + ".mp4";
  LivePipeline run("veosrc name=live prompt=clip layout=original ! filesink location=" + file);
  use(run.element("live").get(), simulator);
  run.start();
  run.run_until("the simulator makes a clip", [&] { return run.messages().eos; });
  return file;
}

std::size_t LiveMessages::count(const std::string& state) const {
  return static_cast<std::size_t>(std::count(states.begin(), states.end(), state));
}

LivePipeline::LivePipeline(const std::string& line) {
  GError* error = nullptr;
  pipeline_.reset(gst_parse_launch(line.c_str(), &error));
  if (error != nullptr) {
    const std::string text = error->message;
    g_error_free(error);
    throw std::runtime_error(line + ": " + text);
  }
  bus_.reset(gst_element_get_bus(pipeline_.get()));
}

LivePipeline::~LivePipeline() { stop(); }

GstPtr<GstElement> LivePipeline::element(const std::string& name) const {
  GstPtr<GstElement> found(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name.c_str()));
  if (!found) throw std::runtime_error("there is no element " + name);
  return found;
}

void LivePipeline::start() { gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING); }

void LivePipeline::stop() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }

void LivePipeline::take_messages(GstClockTime wait) {
  MessagePtr message(gst_bus_timed_pop(bus_.get(), wait));
  for (; message; message.reset(gst_bus_pop(bus_.get()))) {
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_EOS:
        messages_.eos = true;
        break;
      case GST_MESSAGE_ERROR: {
        GError* error = nullptr;
        gst_message_parse_error(message.get(), &error, nullptr);
        messages_.error = error->message;
        g_error_free(error);
        break;
      }
      case GST_MESSAGE_WARNING:
        messages_.warnings.push_back(code_of(message.get()));
        break;
      case GST_MESSAGE_ELEMENT:
        if (gst_message_has_name(message.get(), "veo-live")) {
          const auto* state =
              gst_structure_get_string(gst_message_get_structure(message.get()), "state");
          messages_.states.emplace_back(state != nullptr ? state : "(none)");
        }
        break;
      default:
        break;
    }
  }
}

void LivePipeline::run_until(const std::string& what, const std::function<bool()>& is_over,
                             Seconds limit) {
  const auto deadline = Clock::now() + limit;
  while (!is_over()) {
    if (messages_.error) throw std::runtime_error("an error came: " + *messages_.error);
    if (Clock::now() > deadline) throw std::runtime_error("waited in vain: " + what);
    take_messages(10 * GST_MSECOND);
  }
}

void LivePipeline::run_for(Seconds time) {
  const auto end = Clock::now() + time;
  run_until(
      "time goes on", [end] { return Clock::now() >= end; }, time + 60s);
}

void LivePipeline::end() {
  gst_element_send_event(pipeline_.get(), gst_event_new_eos());
  run_until("EOS comes", [this] { return messages_.eos; });
}

void use(GstElement* element, const Simulator& simulator) {
  g_object_set(element, "api-url", simulator.api_url().c_str(), "api-key", simulator.key().c_str(),
               "ledger", simulator.ledger().c_str(), "cache-dir", simulator.cache().c_str(),
               "poll-interval", 20, nullptr);
}

ProcessFigures figures_of_process() {
  ProcessFigures figures;
  std::ifstream statm("/proc/self/statm");
  long size = 0;
  long resident = 0;
  statm >> size >> resident;
  figures.resident_kib =
      static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
  const auto heap = mallinfo2();
  figures.sqlite_kib = static_cast<double>(sqlite3_memory_used()) / 1024;
  figures.heap_kib = static_cast<double>(heap.uordblks + heap.hblkhd) / 1024 - figures.sqlite_kib;
  figures.threads = count_entries("/proc/self/task");
  figures.fds = count_entries("/proc/self/fd") - 1;  // without the one that reads the folder
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  figures.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  return figures;
}

namespace {

/// The times of the frames: each is a multiple of the frame's time, rounded down. No rounding adds
/// up.
class Grid {
 public:
  explicit Grid(unsigned frames) : frames_(frames) {}
  bool is_next(GstClockTime time) {
    if (!next_) next_ = gst_util_uint64_scale_round(time, frames_, GST_SECOND);
    const bool is_right = time == gst_util_uint64_scale(*next_, GST_SECOND, frames_);
    ++*next_;
    return is_right;
  }

 private:
  const unsigned frames_;
  std::optional<std::uint64_t> next_;
};

}  // namespace

ClipsReport play_clips(const ClipsSettings& settings) {
  // A request is made when the clip before begins to play. An element waits 250 ms for more
  // settings before it makes a request.
  constexpr Seconds settling{0.25};
  std::vector<std::string> faults;
  for (std::size_t i = 0; i < settings.arrivals.size(); ++i) {
    const auto wait =
        i == 0 ? settings.arrivals[0] : settings.arrivals[i] - settings.arrivals[i - 1] - settling;
    faults.push_back("task:slow=" + milliseconds(wait) + "*1@" + std::to_string(i + 1));
  }
  const auto simulator = start_simulator(settings.clip, faults);
  LivePipeline run("veolivesrc name=live prompt=\"clip 1\"" +
                   caps_of_live(settings.frames, settings.rate) +
                   "live.video ! queue ! fakesink name=video sync=true"
                   " live.audio ! queue ! fakesink name=audio sync=true");
  use(run.element("live").get(), simulator);
  const auto limit = settings.length ? nanoseconds(*settings.length) : GST_CLOCK_TIME_NONE;
  const auto hang = settings.length.value_or(Seconds(0)) + 60s;
  ClipsReport report;
  {
    const VideoWatch video(run.element("video").get(), "sink", {NumberPlace{}}, limit);
    const AudioWatch audio(run.element("audio").get(), "sink", 0, AudioWatch::none, limit);
    run.start();
    for (std::size_t i = 1; i < settings.arrivals.size(); ++i) {
      run.run_until(
          "a clip begins", [&] { return run.messages().count("playing") == i; }, hang);
      set_prompt(run.element("live").get(), "clip " + std::to_string(i + 1));
    }
    if (settings.length) {
      const auto samples =
          static_cast<std::uint64_t>(std::llround(settings.length->count() * settings.rate));
      run.run_until(
          "the time is over", [&] { return video.is_over() && audio.sound().samples >= samples; },
          hang);
    } else {
      run.run_until("the last clip ends", [&] {
        return run.messages().count("playing") == settings.arrivals.size() &&
               run.messages().states.back() == "filler";
      });
    }
    run.end();
    run.stop();
    const auto frames = video.frames();
    report.frames = frames.size();
    report.begin = frames.at(0).time;
    Grid grid(settings.frames);
    for (const auto& frame : frames) report.wrong_steps += grid.is_next(frame.time) ? 0U : 1U;
    report.clips = find_clips(frames);
    report.sound = audio.sound();
  }
  report.clicks_apart = distance_of_clicks(report.clips, report.sound.clicks);
  report.charges = simulator.state()["charges"].get<int>();
  report.messages = run.messages();
  return report;
}

namespace {

/// What happens to one generation.
struct Fate {
  std::string fault;  ///< empty: the clip is generated
  Seconds generation{0};
  std::optional<Seconds> skipped_after;  ///< from its first frame
  Seconds pause{0};                      ///< before the request
  bool is_charged = true;
  bool is_refunded = false;
};

/// The same numbers for the same seed, in each C++ library.
class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() % limit); }
  double fraction() { return below(1000) / 1000.0; }

 private:
  std::mt19937 engine_;
};

std::vector<Fate> throw_dice(const MixerSettings& settings) {
  Dice dice(settings.seed);
  const Seconds clip(settings.clip_frames / 24.0);
  // On the average: half a clip, and the rest is generation and pause.
  const auto rest = settings.length / std::max(settings.generations, 1U) - clip * 0.6;
  const auto unit = std::max(Seconds(0.1), rest * 0.5);
  std::vector<Fate> fates(settings.generations);
  for (unsigned i = 0; i < settings.generations; ++i) {
    auto& fate = fates[i];
    fate.generation = unit * 2 * dice.fraction();
    fate.pause = unit * 2 * dice.fraction();
    // The first four have each kind, so that a short run has each kind.
    switch (i < 4 ? i : dice.below(6)) {
      case 0:
      case 4:
        break;
      case 1:
      case 5:
        // A short run skips at once, so that a busy machine has skipped before the clip has ended.
        fate.skipped_after = i < 4 ? Seconds(0) : clip * 0.8 * dice.fraction();
        break;
      case 2:
        fate.fault = "task:failed*1";
        fate.is_refunded = true;
        break;
      default:
        if (dice.below(2) == 0) {
          fate.fault = "submit:error=insufficient_credits*1";
          fate.is_charged = false;
        } else {
          fate.fault = "file:not-mp4";
        }
    }
  }
  return fates;
}

}  // namespace

MixerReport play_beside_camera(const MixerSettings& settings) {
  auto simulator = start_simulator(settings.clip);
  const bool is_alone = settings.generations == 0;
  LivePipeline run(
      mixer_line(settings.latency) +
      (is_alone ? std::string()
                : small_live + std::string("live.video ! queue ! mix.sink_1"
                                           " live.audio ! queue name=voice ! sound.sink_1")));
  const auto live = is_alone ? nullptr : run.element("live");
  count_camera(run);
  if (!is_alone) {
    use(live.get(), simulator);
    silence_channel(run.element("voice").get(), "src", 0);
  }
  MixerReport report;
  {
    const VideoWatch video(
        run.element("video").get(), "sink",
        {NumberPlace{0, 0, mixer_block}, NumberPlace{0, mixer_height, mixer_block}});
    const AudioWatch audio(run.element("audio").get(), "sink", 1, 0);
    std::vector<bool> completes;  // of the clips that are to be shown: not skipped
    run.start();
    run.run_until("the mixers begin", [&] { return video.count() > 24; });
    if (is_alone) run.run_for(settings.length);
    unsigned number = 0;
    for (const auto& fate : throw_dice(settings)) {
      run.run_for(fate.pause);
      std::vector<std::string> faults{"task:slow=" + milliseconds(fate.generation)};
      if (!fate.fault.empty()) faults.push_back(fate.fault);
      simulator.set_faults(faults);
      const auto plays = run.messages().count("playing");
      const auto fillers = run.messages().count("filler");
      const auto warnings = run.messages().warnings.size();
      report.expected_charges += fate.is_charged ? 1 : 0;
      set_prompt(live.get(), "scene " + std::to_string(++number));
      if (!fate.fault.empty()) {
        run.run_until(
            "a generation fails", [&] { return run.messages().warnings.size() > warnings; },
            fate.generation + 60s);
        ++report.failed;
        continue;
      }
      run.run_until(
          "a clip begins", [&] { return run.messages().count("playing") > plays; },
          fate.generation + 60s);
      if (fate.skipped_after) {
        run.run_for(*fate.skipped_after);
        g_signal_emit_by_name(live.get(), "skip");
      }
      run.run_until("a clip ends", [&] { return run.messages().count("filler") > fillers; });
      completes.push_back(!fate.skipped_after);
    }
    // What is shown has left the mixers only after their latency.
    run.run_for(settings.latency + 1s);
    run.end();
    run.stop();
    const auto frames = video.frames();
    report.frames = frames.size();
    report.camera_lost = count_lost(frames);
    const auto clips = find_clips(frames, 1);
    for (std::size_t i = 0; i < std::max(clips.size(), completes.size()); ++i) {
      const bool is_whole = i < clips.size() && clips[i].has_each_once_in_order() &&
                            (clips[i].numbers.size() == settings.clip_frames || !completes.at(i));
      if (i >= completes.size() || !is_whole) {
        ++report.broken;
      } else {
        ++(completes[i] ? report.played : report.skipped);
      }
    }
    const auto sound = audio.sound();
    report.samples = sound.samples;
    report.samples_lost = sound.lost;
    report.silent_end = Seconds(static_cast<double>(sound.silent_end) / 48'000);
    report.clicks_apart = distance_of_clicks(clips, sound.clicks);
  }
  const auto state = simulator.state();
  report.charges = state["charges"].get<int>();
  report.refunds = state["refunds"].get<int>();
  report.messages = run.messages();
  return report;
}

std::vector<std::string> find_growth(const std::vector<ProcessFigures>& samples) {
  if (samples.size() < 6) return {"there are too few samples"};
  // The first samples see what is made once: threads of pools, tables, caches of the allocator.
  const auto third = samples.size() / 3;
  const auto median = [&](std::size_t from, std::size_t count, double ProcessFigures::*figure) {
    std::vector<double> values;
    for (std::size_t i = from; i < from + count; ++i) values.push_back(samples[i].*figure);
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count / 2),
                     values.end());
    return values[count / 2];
  };
  // A sample may see a clip that is about to be closed. What is never closed raises the smallest,
  // too.
  const auto smallest = [&](std::size_t from, std::size_t count, unsigned ProcessFigures::*figure) {
    unsigned least = std::numeric_limits<unsigned>::max();
    for (std::size_t i = from; i < from + count; ++i) least = std::min(least, samples[i].*figure);
    return least;
  };
  std::vector<std::string> grown;
  const auto compare = [&](const char* name, double before, double after, double allowed) {
    if (after > before + allowed) {
      grown.push_back(std::string(name) + " grew from " + std::to_string(std::llround(before)) +
                      " to " + std::to_string(std::llround(after)));
    }
  };
  const auto last = samples.size() - third;
  // malloc() keeps freed memory in the arenas of the decoder's threads, and gives it back at times.
  // So the resident memory goes up and down by some MiB. What malloc() has given out is exact.
  compare("resident memory (KiB)", median(third, third, &ProcessFigures::resident_kib),
          median(last, third, &ProcessFigures::resident_kib), 16'384);
  compare("heap (KiB)", median(third, third, &ProcessFigures::heap_kib),
          median(last, third, &ProcessFigures::heap_kib), 512);
  compare("threads", smallest(third, third, &ProcessFigures::threads),
          smallest(last, third, &ProcessFigures::threads), 0);
  compare("open files", smallest(third, third, &ProcessFigures::fds),
          smallest(last, third, &ProcessFigures::fds), 0);
  return grown;
}

SoakReport soak(const SoakSettings& settings) {
  const auto simulator = start_simulator(settings.clip);
  LivePipeline run(
      "veolivesrc name=live live.video ! queue ! fakesink sync=true"
      " live.audio ! queue ! fakesink sync=true");
  const auto live = run.element("live");
  use(live.get(), simulator);
  SoakReport report;
  run.start();
  const auto began = Clock::now();
  const auto count = static_cast<unsigned>(settings.length / settings.interval);
  for (unsigned i = 1; i <= count; ++i) {
    set_prompt(live.get(), "minute " + std::to_string(i));
    run.run_until(
        "the next minute begins", [&] { return Clock::now() - began >= settings.interval * i; },
        settings.interval + 60s);
    report.samples.push_back(figures_of_process());
    if (settings.on_sample) {
      settings.on_sample(i, settings.interval * i, report.samples.back());
    }
  }
  run.end();
  run.stop();
  report.clips = run.messages().count("playing");
  report.charges = simulator.state()["charges"].get<int>();
  return report;
}

namespace {

/// Gives a pipeline a clock, and lets it go on from tick to tick when both outputs wait for it.
class FastClock {
 public:
  explicit FastClock(GstElement* pipeline) : clock_(GST_TEST_CLOCK(gst_test_clock_new())) {
    gst_pipeline_use_clock(GST_PIPELINE(pipeline), GST_CLOCK(clock_));
  }
  ~FastClock() { gst_object_unref(clock_); }
  FastClock(const FastClock&) = delete;
  FastClock& operator=(const FastClock&) = delete;

  /// Goes on to the next time that somebody waits for. Returns false if fewer than `outputs` wait.
  bool go_on(unsigned outputs) {
    if (gst_test_clock_peek_id_count(clock_) < outputs) return false;
    return gst_test_clock_crank(clock_) == TRUE;
  }
  [[nodiscard]] GstClockTime time() const { return gst_clock_get_time(GST_CLOCK(clock_)); }

 private:
  GstTestClock* clock_;
};

}  // namespace

HoursReport simulate_hours(const HoursSettings& settings) {
  constexpr unsigned outputs = 2;
  const auto simulator = start_simulator(settings.clip);
  // A sink that prerolls would hold one output back, and the clock waits for both.
  LivePipeline run(std::string(small_live) +
                   "live.video ! fakesink name=video sync=false async=false"
                   " live.audio ! fakesink name=audio sync=false async=false");
  const auto live = run.element("live");
  use(live.get(), simulator);
  FastClock clock(run.get());
  HoursReport report;
  {
    VideoWatch video(run.element("video").get(), "sink", {NumberPlace{0, 0, mixer_block}});
    const AudioWatch audio(run.element("audio").get(), "sink", 0);
    run.start();
    Grid grid(24);
    std::vector<GstClockTime> seconds;
    for (unsigned minute = 1; minute <= settings.minutes; ++minute) {
      const auto plays = run.messages().count("playing");
      set_prompt(live.get(), "minute " + std::to_string(minute));
      auto last_tick = Clock::now();
      while (clock.time() < minute * 60 * GST_SECOND) {
        if (clock.go_on(outputs)) {
          last_tick = Clock::now();
        } else {
          std::this_thread::yield();
        }
        if (Clock::now() - last_tick > 60s) throw std::runtime_error("the pipeline hangs");
        run.take_messages();
        if (run.messages().error) throw std::runtime_error(*run.messages().error);
        // The service, the network and the decoder have no simulated clock. Until the clip has
        // ended, the clock goes eight times as fast as the real one.
        const bool has_played =
            run.messages().count("playing") > plays && run.messages().states.back() == "filler";
        if (!has_played) std::this_thread::sleep_for(2600us);
      }
      const auto frames = video.take_frames();
      report.frames += frames.size();
      for (const auto& frame : frames) report.wrong_steps += grid.is_next(frame.time) ? 0U : 1U;
      for (const auto& clip : find_clips(frames)) {
        const bool is_whole =
            clip.has_each_once_in_order() && clip.numbers.size() == settings.clip_frames;
        ++(is_whole ? report.clips : report.broken);
        report.held += clip.frames - clip.numbers.size();
        seconds.insert(seconds.end(), clip.seconds.begin(), clip.seconds.end());
      }
      report.samples.push_back(figures_of_process());
      if (settings.on_minute) settings.on_minute(minute, report.samples.back());
    }
    report.sound = audio.sound();
    ShownClip all;
    all.seconds = seconds;
    report.clicks_apart = distance_of_clicks({all}, report.sound.clicks);
    run.stop();
  }
  report.charges = simulator.state()["charges"].get<int>();
  return report;
}

namespace {

/// Threads of pools end a while after their work.
ProcessFigures figures_at_rest(unsigned threads = 0) {
  if (threads != 0) {
    try {
      await(
          "the threads end", [threads] { return figures_of_process().threads <= threads; }, 20s);
    } catch (const std::runtime_error&) {
      return figures_of_process();  // the figures say it
    }
  }
  return figures_of_process();
}

}  // namespace

LoopsReport start_and_stop(const LoopsSettings& settings) {
  const auto simulator = start_simulator(settings.clip);
  LivePipeline run(std::string(small_live) +
                   "prompt=loop live.video ! queue ! fakesink name=video sync=true"
                   " live.audio ! queue ! fakesink sync=true");
  use(run.element("live").get(), simulator);
  LoopsReport report;
  const auto warm = settings.loops / 2;
  for (; report.loops < settings.loops; ++report.loops) {
    if (report.loops == warm) report.before = figures_at_rest();
    const auto plays = run.messages().count("playing");
    const VideoWatch video(run.element("video").get(), "sink", {});
    run.start();
    // Every second loop ends while a clip plays, and the others while the filler does, or while a
    // clip is about to begin.
    run.run_until("frames come", [&] {
      return report.loops % 2 == 0 ? video.count() > report.loops % 8
                                   : run.messages().count("playing") > plays;
    });
    run.stop();
  }
  report.after = figures_at_rest(report.before.threads);
  report.charges = simulator.state()["charges"].get<int>();
  return report;
}

namespace {

/// The elements that are added to a mixer that runs, and are removed again.
class Guest {
 public:
  Guest(const LivePipeline& run, const Simulator& simulator) : run_(run) {
    GError* error = nullptr;
    bin_ = gst_parse_bin_from_description(
        (std::string(small_live) +
         "prompt=guest live.video ! queue name=picture live.audio ! queue name=voice")
            .c_str(),
        FALSE, &error);
    if (error != nullptr) throw std::runtime_error(error->message);
    const GstPtr<GstElement> live(gst_bin_get_by_name(GST_BIN(bin_), "live"));
    use(live.get(), simulator);
    gst_bin_add(GST_BIN(run.get()), bin_);
    video_ = add_pad("picture", "mix");
    audio_ = add_pad("voice", "sound");
    g_object_set(video_.mixer_pad, "ypos", mixer_height, nullptr);
    silence_channel(bin_, "voice", 0);
    // Link only now: the buffers of the element have nowhere to go before.
    gst_pad_link(video_.pad, video_.mixer_pad);
    gst_pad_link(audio_.pad, audio_.mixer_pad);
    gst_element_sync_state_with_parent(bin_);
  }
  ~Guest() {
    remove_pad(video_);
    remove_pad(audio_);
    gst_element_set_state(bin_, GST_STATE_NULL);
    gst_bin_remove(GST_BIN(run_.get()), bin_);
  }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

 private:
  struct Link {
    GstElement* mixer = nullptr;
    GstPad* mixer_pad = nullptr;
    GstPad* pad = nullptr;  // the bin owns it
  };
  Link add_pad(const char* queue, const char* mixer) {
    Link link;
    const GstPtr<GstElement> inner(gst_bin_get_by_name(GST_BIN(bin_), queue));
    const GstPtr<GstPad> target(gst_element_get_static_pad(inner.get(), "src"));
    link.pad = gst_ghost_pad_new(queue, target.get());
    gst_pad_set_active(link.pad, TRUE);
    gst_element_add_pad(bin_, link.pad);
    link.mixer = run_.element(mixer).release();
    link.mixer_pad = gst_element_request_pad_simple(link.mixer, "sink_%u");
    return link;
  }
  static void remove_pad(Link& link) {
    gst_pad_unlink(link.pad, link.mixer_pad);
    gst_element_release_request_pad(link.mixer, link.mixer_pad);
    gst_object_unref(link.mixer_pad);
    gst_object_unref(link.mixer);
  }

  const LivePipeline& run_;
  GstElement* bin_ = nullptr;  // the pipeline owns it
  Link video_;
  Link audio_;
};

}  // namespace

LoopsReport add_and_remove(const LoopsSettings& settings) {
  const auto simulator = start_simulator(settings.clip);
  // The mixers wait for each other's pads no longer than this.
  LivePipeline run(mixer_line(3s));
  count_camera(run);
  LoopsReport report;
  {
    const VideoWatch video(
        run.element("video").get(), "sink",
        {NumberPlace{0, 0, mixer_block}, NumberPlace{0, mixer_height, mixer_block}});
    run.start();
    run.run_until("the mixer begins", [&] { return video.count() > 0; });
    const auto warm = settings.loops / 2;
    for (; report.loops < settings.loops; ++report.loops) {
      if (report.loops == warm) report.before = figures_of_process();
      const auto plays = run.messages().count("playing");
      const Guest guest(run, simulator);
      run.run_until("the guest plays", [&] { return run.messages().count("playing") > plays; });
      run.run_for(50ms * (report.loops % 4));
    }
    report.after = figures_at_rest(report.before.threads);
    run.end();
    run.stop();
    report.camera_lost = count_lost(video.frames());
  }
  report.charges = simulator.state()["charges"].get<int>();
  return report;
}

}  // namespace veo::test
