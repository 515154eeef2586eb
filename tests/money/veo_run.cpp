// SPDX-License-Identifier: LGPL-2.1-or-later
//
// veo-run PROPERTY=VALUE… [--continue=PROMPT]… [--keep=FILE] [--first=PROPERTY=VALUE]
// [--name=NAME=ADDRESS,…] [--budget=CREDITS] [--exit-after=MICROSECONDS] [--fork]
//
// Runs `veosrc PROPERTY=VALUE… ! fakesink` to its end, over the files that VEO_TEST_FAULT asks for
// (FaultPlan::parse()), and prints the result as one line of JSON:
//
//   {"eos": true, "bytes": 224902, "sha256": "…", "error": null, "task-id": "…", "reused": false,
//    "operations": ["open cache", …], "steps": ["mkdir cache", …], "faults": []}
//   "error": {"code": "ledger", "task-id": "…", "charged": "unknown", "text": "…"}
//
// With `--continue` a veoextend follows for each prompt, with the same properties. `--keep` writes
// the output to a file. With `--first` another line, which differs in that property, plays first
// and keeps its connections open. `--name` resolves a name as Resolver does. `--budget` sets
// VEO_DAILY_BUDGET. `--exit-after` starts the line and ends the process normally after that time,
// without a stop of the pipeline. With `--fork` a child of fork() plays the line while the parent
// already plays it; the child's result is printed as `"child"`. The exit code is 0 after any run,
// whatever its result, and 2 if the line cannot run. SIGALRM ends a run that hangs.
#include <gst/gst.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "faulty_file_system.h"
#include "resolver.h"

namespace veo::test {
namespace {

using nlohmann::json;

// Much longer than a run takes, though a submission may wait a minute for its answer, and shorter
// than a test's timeout.
constexpr unsigned hang_seconds = 100;

template <class T>
struct Unref {
  void operator()(T* object) const { gst_object_unref(object); }
};
template <class T>
using Ptr = std::unique_ptr<T, Unref<T>>;
struct MessageUnref {
  void operator()(GstMessage* message) const { gst_message_unref(message); }
};
struct StructureFree {
  void operator()(GstStructure* structure) const { gst_structure_free(structure); }
};
struct GFree {
  void operator()(char* text) const { g_free(text); }
};
struct ChecksumFree {
  void operator()(GChecksum* sum) const { g_checksum_free(sum); }
};
using Text = std::unique_ptr<char, GFree>;

/// The output. Only the streaming thread uses it until that thread has ended.
struct Output {
  guint64 bytes = 0;
  std::unique_ptr<GChecksum, ChecksumFree> sum{g_checksum_new(G_CHECKSUM_SHA256)};

  static GstPadProbeReturn probe(GstPad*, GstPadProbeInfo* info, gpointer self) {
    static_cast<Output*>(self)->add(GST_PAD_PROBE_INFO_BUFFER(info));
    return GST_PAD_PROBE_OK;
  }
  void add(GstBuffer* buffer) {
    GstMapInfo map;
    if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return;
    bytes += map.size;
    g_checksum_update(sum.get(), map.data, static_cast<gssize>(map.size));
    gst_buffer_unmap(buffer, &map);
  }
};

json error_of(GstMessage* message) {
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  const std::unique_ptr<GError, decltype(&g_error_free)> owned(error, g_error_free);
  json out{{"text", error->message}, {"code", ""}, {"task-id", ""}, {"charged", ""}};
  const GstStructure* details = nullptr;
  gst_message_parse_error_details(message, &details);
  if (details == nullptr) return out;
  for (const auto* const name : {"code", "task-id", "charged"}) {
    if (const char* value = gst_structure_get_string(details, name)) out[name] = value;
  }
  return out;
}

void set(GstElement* element, const std::string& assignment) {
  const auto equals = assignment.find('=');
  const auto name = assignment.substr(0, equals);
  if (equals == std::string::npos ||
      g_object_class_find_property(G_OBJECT_GET_CLASS(element), name.c_str()) == nullptr) {
    throw std::invalid_argument("there is no property " + assignment);
  }
  gst_util_set_object_arg(G_OBJECT(element), name.c_str(), assignment.c_str() + equals + 1);
}

struct Arguments {
  std::vector<std::string> properties;
  std::vector<std::string> continuations;
  std::string kept;
  std::string first;
  std::optional<Resolver> resolver;
  std::optional<unsigned> exit_after;
  bool forks = false;

  Arguments(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      std::string_view word = argv[i];
      const auto takes = [&word](std::string_view option) {
        if (!word.starts_with(option)) return false;
        word.remove_prefix(option.size());
        return true;
      };
      if (takes("--continue=")) {
        continuations.emplace_back(word);
      } else if (takes("--keep=")) {
        kept = word;
      } else if (takes("--first=")) {
        first = word;
      } else if (takes("--exit-after=")) {
        exit_after = static_cast<unsigned>(std::stoul(std::string(word)));
      } else if (takes("--fork")) {
        forks = true;
      } else if (takes("--name=")) {
        set_resolver(word);
      } else if (takes("--budget=")) {
        ::setenv("VEO_DAILY_BUDGET", std::string(word).c_str(), 1);
      } else {
        properties.emplace_back(word);
      }
    }
  }

  void set_resolver(std::string_view text) {
    const std::string name(text.substr(0, text.find('=')));
    std::vector<std::string> addresses;
    for (auto comma = name.size(); comma < text.size();) {
      const auto from = comma + 1;
      comma = std::min(text.find(',', from), text.size());
      addresses.emplace_back(text.substr(from, comma - from));
    }
    if (addresses.empty()) throw std::invalid_argument("--name=NAME=ADDRESS,…");
    resolver.emplace(name, addresses);
  }
};

/// Plays `veosrc … ! veoextend … ! fakesink` to its end.
class Playing {
 public:
  explicit Playing(const std::vector<std::string>& properties,
                   const std::vector<std::string>& continuations = {},
                   const std::string& kept = "") {
    auto* const sink = gst_element_factory_make(kept.empty() ? "fakesink" : "filesink", nullptr);
    if (src_ == nullptr || sink == nullptr) throw std::runtime_error("no veosrc, or no fakesink");
    gst_bin_add_many(GST_BIN(pipeline_.get()), src_, sink, nullptr);
    for (const auto& property : properties) set(src_, property);
    auto* last = src_;
    for (const auto& prompt : continuations) {
      auto* const next = gst_element_factory_make("veoextend", nullptr);
      gst_bin_add(GST_BIN(pipeline_.get()), next);
      for (const auto& property : properties) set(next, property);
      set(next, "prompt=" + prompt);
      gst_element_link(last, next);
      last = next;
    }
    gst_element_link(last, sink);
    if (!kept.empty()) set(sink, "location=" + kept);
    const Ptr<GstPad> pad(gst_element_get_static_pad(sink, "sink"));
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, &Output::probe, &output_, nullptr);
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
  }
  ~Playing() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }
  Playing(const Playing&) = delete;
  Playing& operator=(const Playing&) = delete;

  /// Waits until the task has an id.
  void wait_for_task() {
    for (;;) {
      char* task_id = nullptr;
      g_object_get(src_, "task-id", &task_id, nullptr);
      const Text owned(task_id);
      if (task_id != nullptr && *task_id != '\0') return;
      ::usleep(1000);
    }
  }

  json wait() {
    const Ptr<GstBus> bus(gst_pipeline_get_bus(GST_PIPELINE(pipeline_.get())));
    const std::unique_ptr<GstMessage, MessageUnref> end(gst_bus_timed_pop_filtered(
        bus.get(), GST_CLOCK_TIME_NONE,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
    const bool eos = GST_MESSAGE_TYPE(end.get()) == GST_MESSAGE_EOS;

    char* task_id = nullptr;
    GstStructure* stats = nullptr;
    g_object_get(src_, "task-id", &task_id, "stats", &stats, nullptr);
    const Text owned_id(task_id);
    const std::unique_ptr<GstStructure, StructureFree> owned_stats(stats);
    gboolean reused = FALSE;
    gst_structure_get_boolean(stats, "reused", &reused);
    return {{"eos", eos},
            {"bytes", output_.bytes},
            {"sha256", g_checksum_get_string(output_.sum.get())},
            {"error", eos ? json() : error_of(end.get())},
            {"task-id", task_id != nullptr ? task_id : ""},
            {"reused", reused != FALSE}};
  }

 private:
  const Ptr<GstElement> pipeline_{gst_pipeline_new(nullptr)};
  GstElement* const src_ = gst_element_factory_make("veosrc", nullptr);  // owned by the pipeline
  Output output_;
};

json run(const Arguments& arguments) {
  std::optional<Playing> first;
  if (!arguments.first.empty()) {
    auto others = arguments.properties;
    others.push_back(arguments.first);
    const auto end = first.emplace(others).wait();
    if (!end.at("eos")) throw std::runtime_error("the first line failed: " + end.dump());
  }
  return Playing(arguments.properties, arguments.continuations, arguments.kept).wait();
}

/// Plays the line in a child of fork(), while the parent's threads run.
json run_in_child(const Arguments& arguments) {
  int pipe[2] = {-1, -1};
  if (::pipe(pipe) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe[0]);
    ::alarm(hang_seconds / 2);  // a fork clears the alarm
    const auto line = Playing(arguments.properties).wait().dump();
    const auto written = ::write(pipe[1], line.data(), line.size());
    std::exit(written == static_cast<ssize_t>(line.size()) ? 0 : 1);
  }
  ::close(pipe[1]);
  std::string line;
  for (char byte = 0; ::read(pipe[0], &byte, 1) == 1;) line += byte;
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  auto end = json::parse(line, nullptr, false);
  return {{"result", end.is_discarded() ? json() : end}, {"status", status}};
}

int run_all(int argc, char** argv) {
  ::alarm(hang_seconds);
  const char* const plan = std::getenv("VEO_TEST_FAULT");
  // Never destroy the file system: the library's I/O thread may use a file until the process ends.
  FaultyFileSystem* files = nullptr;
  if (plan != nullptr) {
    files = std::make_unique<FaultyFileSystem>(FaultPlan::parse(plan)).release();
    FileSystem::set(files);
  }
  gst_init(nullptr, nullptr);
  const Arguments arguments(argc, argv);
  if (arguments.exit_after) {
    // Never destroyed, as in a program that just ends.
    static_cast<void>(std::make_unique<Playing>(arguments.properties).release());
    ::usleep(*arguments.exit_after);
    return 0;
  }
  if (arguments.forks) {
    Playing playing(arguments.properties);
    playing.wait_for_task();
    const auto child = run_in_child(arguments);
    auto own = playing.wait();
    own["child"] = child;
    std::printf("%s\n", own.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    return 0;
  }
  auto line = run(arguments);
  const std::vector<std::string> none;
  line["operations"] = files != nullptr ? files->operations() : none;
  line["steps"] = files != nullptr ? files->steps() : none;
  line["faults"] = files != nullptr ? files->faults() : none;
  std::printf("%s\n", line.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace
}  // namespace veo::test

int main(int argc, char** argv) {
  try {
    return veo::test::run_all(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "veo-run: %s\n", error.what());
    return 2;
  }
}
