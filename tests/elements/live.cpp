// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The long runs of scripts/live: `live NAME [--seconds N] [--count N] [--seed N] [--latency
// SECONDS]`. Prints a table for each run. Exits with 1 if a figure is not as it must be.
#include <gst/gst.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "live_pipelines.h"

namespace {

using namespace veo::test;

struct Arguments {
  std::string name;
  std::optional<unsigned> seconds;
  std::optional<unsigned> count;
  unsigned seed = 1;
  double latency = 0.2;
};

/// Takes what the tracers of GStreamer log.
class Tracers {
 public:
  /// The variable must be set before gst_init().
  static void choose(const std::string& name) {
    ::setenv("GST_TRACERS", name == "mixer" ? "leaks;latency(flags=pipeline)" : "leaks", 0);
  }
  void listen() {
    gst_debug_set_threshold_for_name("GST_TRACER", GST_LEVEL_TRACE);
    gst_debug_remove_log_function(nullptr);
    // Call the function, not its macro: the macro compares a function pointer with a data pointer,
    // which C++ forbids.
    (gst_debug_add_log_function)(&Tracers::log, this, nullptr);
    gst_debug_set_active(TRUE);
  }
  /// Deinitializes GStreamer. Returns the objects that nobody released.
  std::vector<std::string> find_leaks() {
    gst_deinit();
    const std::lock_guard lock(mutex_);
    return alive_;
  }
  /// Takes the latencies of the mixer's pictures until now, in milliseconds: from the camera, or
  /// from veolivesrc, to the sink. The tracer knows one source of each picture.
  std::vector<double> take_latencies() {
    const std::lock_guard lock(mutex_);
    auto taken = std::move(latencies_);
    latencies_.clear();
    std::sort(taken.begin(), taken.end());
    return taken;
  }

 private:
  static void log(GstDebugCategory*, GstDebugLevel, const gchar*, const gchar*, gint, GObject*,
                  GstDebugMessage* message, gpointer data) noexcept {
    auto* self = static_cast<Tracers*>(data);
    const std::string text = gst_debug_message_get(message);
    const std::lock_guard lock(self->mutex_);
    if (text.find("object-alive, ") != std::string::npos) self->alive_.push_back(text);
    const auto time = text.find("time=(guint64)");
    if (text.starts_with("latency, ") &&
        text.find("sink-element=(string)video") != std::string::npos && time != std::string::npos) {
      self->latencies_.push_back(std::stod(text.substr(time + 14)) / 1e6);
    }
  }

  std::mutex mutex_;
  std::vector<std::string> alive_;  // this and the next: guarded by mutex_
  std::vector<double> latencies_;
};

/// The rows of a table, and what is wrong with them.
class Judge {
 public:
  void expect(bool is_so, const std::string& problem) {
    if (!is_so) problems_.push_back(problem);
  }
  /// Prints a row, and expects the figure.
  void row(const std::string& what, unsigned long long seen, unsigned long long expected) {
    std::printf("| %s | %llu | %llu |\n", what.c_str(), seen, expected);
    expect(seen == expected,
           what + ": " + std::to_string(seen) + " instead of " + std::to_string(expected));
  }
  void row_at_most(const std::string& what, unsigned seen, unsigned most) {
    std::printf("| %s | %u | at most %u |\n", what.c_str(), seen, most);
    expect(seen <= most,
           what + ": " + std::to_string(seen) + ", more than " + std::to_string(most));
  }
  static void head(const std::string& title) {
    std::printf("\n%s\n\n| | seen | expected |\n|---|---|---|\n", title.c_str());
  }
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  std::vector<std::string> problems_;
};

void judge_clips(Judge& judge, const std::string& clip, unsigned frames, unsigned rate,
                 unsigned seconds) {
  ClipsSettings settings;
  settings.clip = clip;
  settings.frames = frames;
  settings.rate = rate;
  settings.length = std::chrono::seconds(seconds);
  const auto report = play_clips(settings);
  Judge::head(std::to_string(seconds) + " s, three clips, " + std::to_string(frames) +
              " frames and " + std::to_string(rate) + " samples a second");
  judge.row("frames", report.frames, std::size_t{seconds} * frames);
  judge.row("frames at another time than n/" + std::to_string(frames) + " s", report.wrong_steps,
            0);
  judge.row("begin of the sound, in ns", report.sound.begin, report.begin);
  judge.row("samples", report.sound.samples, std::size_t{seconds} * rate);
  judge.row("gaps in the sound", report.sound.breaks, 0);
  judge.row("clips", report.clips.size(), 3);
  for (const auto& one : report.clips) {
    const auto begin = "clip at " + std::to_string(one.begin / GST_MSECOND) + " ms, ";
    judge.row(begin + "frames shown", one.frames, settings.clip_frames * frames / 24);
    judge.row(begin + "numbers", one.numbers.size(), settings.clip_frames);
    judge.row(begin + "in order", one.has_each_once_in_order() ? 1 : 0, 1);
  }
  judge.row("clicks", report.sound.clicks.size(), 24);
  std::printf("| farthest click from its frame, in µs | %llu | at most 20833 |\n",
              static_cast<unsigned long long>(report.clicks_apart / GST_USECOND));
  judge.expect(report.clicks_apart <= GST_SECOND / 48, "a click is far from its frame");
  judge.row("charges", static_cast<unsigned>(report.charges), 3);
  judge.row("warnings", report.messages.warnings.size(), 0);
}

void print_latencies(const char* what, const std::vector<double>& sorted) {
  if (sorted.empty()) return;
  const auto at = [&](double part) {
    return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
  };
  std::printf("| %s | %zu | %.1f | %.1f | %.1f |\n", what, sorted.size(), at(0.5), at(0.99), at(1));
}

void judge_mixer(Judge& judge, const std::string& clip, const Arguments& arguments,
                 Tracers& tracers) {
  MixerSettings settings;
  settings.clip = clip;
  settings.seed = arguments.seed;
  settings.generations = 0;
  settings.length = std::chrono::seconds(30);
  settings.latency = Seconds(arguments.latency);
  const auto alone = play_beside_camera(settings);
  const auto latencies_alone = tracers.take_latencies();
  settings.generations = arguments.count.value_or(30);
  settings.length = std::chrono::seconds(arguments.seconds.value_or(600));
  const auto report = play_beside_camera(settings);
  Judge::head(std::to_string(settings.generations) + " generations beside a camera, " +
              std::to_string(report.frames / 24) + " s, seed " + std::to_string(settings.seed));
  judge.row("camera alone: frames lost of " + std::to_string(alone.frames), alone.camera_lost, 0);
  judge.row("frames of the camera lost of " + std::to_string(report.frames), report.camera_lost, 0);
  judge.row("gaps in the microphone's " + std::to_string(report.samples) + " samples",
            report.samples_lost, 0);
  std::printf("| silence after the microphone's last sample, in s | %.3f | at most 1 |\n",
              report.silent_end.count());
  judge.expect(report.silent_end <= Seconds(1), "the microphone went silent");
  judge.row("clips that were not as they must be", report.broken, 0);
  judge.row("generations that were shown completely, skipped, or failed",
            report.played + report.skipped + report.failed, settings.generations);
  judge.row("warnings", report.messages.warnings.size(), report.failed);
  judge.row("charges", static_cast<unsigned>(report.charges),
            static_cast<unsigned>(report.expected_charges));
  std::printf("| shown completely / skipped / failed | %u / %u / %u | |\n", report.played,
              report.skipped, report.failed);
  std::printf("| farthest click from its frame, in µs | %llu | at most 20833 |\n",
              static_cast<unsigned long long>(report.clicks_apart / GST_USECOND));
  judge.expect(report.clicks_apart <= GST_SECOND / 48, "a click is far from its frame");
  const auto latencies = tracers.take_latencies();
  std::printf(
      "\nLatency of the mixer's pictures in ms (GST_TRACERS=latency)\n\n"
      "| | frames | median | 99 %% | largest |\n|---|---|---|---|---|\n");
  print_latencies("camera alone", latencies_alone);
  print_latencies("beside veolivesrc", latencies);
}

void judge_soak(Judge& judge, const std::string& clip, const Arguments& arguments) {
  SoakSettings settings;
  settings.clip = clip;
  settings.length = std::chrono::seconds(arguments.seconds.value_or(3600));
  if (arguments.count) settings.interval = settings.length / *arguments.count;
  std::printf(
      "\nveolivesrc ! fakesink, a clip each %.0f s\n\n"
      "| time | resident memory, KiB | heap, KiB | of SQLite, KiB | threads | open files | CPU, s "
      "|\n"
      "|---|---|---|---|---|---|---|\n",
      settings.interval.count());
  settings.on_sample = [](unsigned, Seconds time, const ProcessFigures& figures) {
    std::printf("| %.0f s | %.0f | %.0f | %.0f | %u | %u | %.1f |\n", time.count(),
                figures.resident_kib, figures.heap_kib, figures.sqlite_kib, figures.threads,
                figures.fds, figures.cpu_seconds);
    std::fflush(stdout);
  };
  const auto report = soak(settings);
  for (const auto& growth : find_growth(report.samples)) judge.expect(false, growth);
  Judge::head("In all");
  judge.row("clips", report.clips, report.samples.size());
  judge.row("charges", static_cast<unsigned>(report.charges), report.samples.size());
}

void judge_hours(Judge& judge, const std::string& clip, const Arguments& arguments) {
  HoursSettings settings;
  settings.clip = clip;
  settings.minutes = arguments.seconds.value_or(36'000) / 60;
  const auto step = std::max(1U, settings.minutes / 10);
  std::printf(
      "\n%u minutes with a fast clock, a clip of 2 s each minute\n\n"
      "| time | resident memory, KiB | heap, KiB | of SQLite, KiB | threads | open files |\n"
      "|---|---|---|---|---|---|\n",
      settings.minutes);
  settings.on_minute = [step](unsigned minute, const ProcessFigures& figures) {
    if (minute % step != 0) return;
    std::printf("| %u min | %.0f | %.0f | %.0f | %u | %u |\n", minute, figures.resident_kib,
                figures.heap_kib, figures.sqlite_kib, figures.threads, figures.fds);
    std::fflush(stdout);
  };
  const auto report = simulate_hours(settings);
  for (const auto& growth : find_growth(report.samples)) judge.expect(false, growth);
  Judge::head("In all");
  // The frame that begins at the end of the last minute may have passed, and its sound.
  std::printf("| frames | %llu | %u |\n", static_cast<unsigned long long>(report.frames),
              settings.minutes * 60 * 24);
  judge.expect(report.frames - settings.minutes * 60 * 24 <= 2, "the number of frames is wrong");
  std::printf("| samples | %llu | %llu |\n", static_cast<unsigned long long>(report.sound.samples),
              settings.minutes * 60 * 48'000ULL);
  judge.expect(report.sound.samples - settings.minutes * 60 * 48'000ULL <= 4000,
               "the number of samples is wrong");
  judge.row("frames at another time than n/24 s", report.wrong_steps, 0);
  judge.row("gaps in the sound", report.sound.breaks, 0);
  judge.row("clips with each frame once, in order", report.clips, settings.minutes);
  judge.row("other clips", report.broken, 0);
  std::printf("| frames held, because the decoder is slower than the clock | %llu | |\n",
              static_cast<unsigned long long>(report.held));
  judge.row("clicks", report.sound.clicks.size(), settings.minutes * 2ULL);
  judge.expect(report.clicks_apart <= GST_SECOND / 48, "a click is far from its frame");
  judge.row("charges", static_cast<unsigned>(report.charges), settings.minutes);
}

void judge_loops(Judge& judge, const std::string& title, const LoopsReport& report) {
  Judge::head(title);
  judge.row_at_most("threads", report.after.threads, report.before.threads);
  judge.row_at_most("open files", report.after.fds, report.before.fds);
  judge.row("frames of the camera lost", report.camera_lost, 0);
  judge.row("charges", static_cast<unsigned>(report.charges), 1);
  std::printf("| heap, KiB | %.0f | %.0f after half of them |\n", report.after.heap_kib,
              report.before.heap_kib);
  std::printf("| resident memory, KiB | %.0f | %.0f after half of them |\n",
              report.after.resident_kib, report.before.resident_kib);
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  if (argc > 1) arguments.name = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--seconds") arguments.seconds = static_cast<unsigned>(std::stoul(argv[i + 1]));
    if (flag == "--count") arguments.count = static_cast<unsigned>(std::stoul(argv[i + 1]));
    if (flag == "--seed") arguments.seed = static_cast<unsigned>(std::stoul(argv[i + 1]));
    if (flag == "--latency") arguments.latency = std::stod(argv[i + 1]);
  }
  return arguments;
}

int run(const Arguments& arguments) {
  Judge judge;
  Tracers tracers;
  tracers.listen();
  {
    const TemporaryDirectory directory;
    if (arguments.name == "clips") {
      const auto clip = make_clip(directory.path(), 192);
      judge_clips(judge, clip, 24, 48'000, arguments.seconds.value_or(60));
      judge_clips(judge, clip, 30, 44'100, arguments.seconds.value_or(60));
    } else if (arguments.name == "mixer") {
      judge_mixer(judge, make_clip(directory.path(), 192), arguments, tracers);
    } else if (arguments.name == "soak") {
      judge_soak(judge, make_clip(directory.path(), 192), arguments);
    } else if (arguments.name == "hours") {
      judge_hours(judge, make_clip(directory.path(), 48), arguments);
    } else if (arguments.name == "loops") {
      const auto clip = make_clip(directory.path(), 48);
      const auto loops = arguments.count.value_or(100);
      judge_loops(judge, std::to_string(loops) + " times from NULL to PLAYING and back",
                  start_and_stop({clip, loops}));
      judge_loops(
          judge, "Added to a mixer that runs, and removed, " + std::to_string(loops / 2) + " times",
          add_and_remove({clip, loops / 2}));
    } else {
      std::fprintf(stderr, "live: there is no run '%s'\n", arguments.name.c_str());
      return 2;
    }
  }
  auto problems = judge.problems();
  const auto leaks = tracers.find_leaks();
  std::printf("\nObjects that nobody released (GST_TRACERS=leaks): %zu\n", leaks.size());
  problems.insert(problems.end(), leaks.begin(), leaks.end());
  for (const auto& problem : problems) std::printf("WRONG: %s\n", problem.c_str());
  return problems.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse(argc, argv);
  Tracers::choose(arguments.name);
  gst_init(&argc, &argv);
  try {
    return run(arguments);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "live %s: %s\n", arguments.name.c_str(), problem.what());
    return 1;
  }
}
