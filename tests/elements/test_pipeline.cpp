// SPDX-License-Identifier: LGPL-2.1-or-later
#include "test_pipeline.h"

#include <sqlite3.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <mutex>

namespace veo::test {

using namespace std::chrono_literals;

namespace {

constexpr auto hang = 60s;

std::string string_field(const GstStructure* structure, const char* name) {
  const GValue* value = gst_structure_get_value(structure, name);
  if (value == nullptr) return "(missing)";
  if (G_VALUE_HOLDS_STRING(value))
    return g_value_get_string(value) ? g_value_get_string(value) : "";
  const std::unique_ptr<char, decltype(&g_free)> text(gst_value_serialize(value), g_free);
  return text.get();
}

std::string sha256_of(const GstMapInfo& map) {
  const std::unique_ptr<char, decltype(&g_free)> sum(
      g_compute_checksum_for_data(G_CHECKSUM_SHA256, map.data, map.size), g_free);
  return sum.get();
}

}  // namespace

struct TestPipeline::Watch {
  std::mutex mutex;
  std::vector<Seen> seen;           // guarded by mutex
  std::vector<std::uint8_t> bytes;  // guarded by mutex; only for byte streams
  GstSegment segment;               // used only by the streaming thread

  static GstPadProbeReturn probe(GstPad* pad, GstPadProbeInfo* info, gpointer self) {
    static_cast<Watch*>(self)->look(pad, info);
    return GST_PAD_PROBE_OK;
  }

  void look(GstPad*, GstPadProbeInfo* info) {
    if (GST_IS_EVENT(info->data)) {
      auto* event = GST_PAD_PROBE_INFO_EVENT(info);
      if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) gst_event_copy_segment(event, &segment);
      return;
    }
    auto* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    GstMapInfo map;
    if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return;
    const std::lock_guard lock(mutex);
    Seen one;
    if (segment.format == GST_FORMAT_TIME) {
      one.running_time =
          gst_segment_to_running_time(&segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    } else {
      bytes.insert(bytes.end(), map.data, map.data + map.size);
    }
    one.duration = GST_BUFFER_DURATION(buffer);
    one.size = map.size;
    one.discont = !seen.empty() && GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    one.sha256 = sha256_of(map);
    gst_buffer_unmap(buffer, &map);
    seen.push_back(std::move(one));
  }
};

TestPipeline::TestPipeline(const std::string& line) {
  GError* error = nullptr;
  pipeline_.reset(gst_parse_launch(line.c_str(), &error));
  const std::unique_ptr<GError, decltype(&g_error_free)> owned(error, g_error_free);
  if (error != nullptr) ADD_FAILURE() << line << ": " << error->message;
  if (!GST_IS_PIPELINE(pipeline_.get())) {
    // The line was a single element: put it into a pipeline.
    auto* pipeline = gst_pipeline_new(nullptr);
    gst_bin_add(GST_BIN(pipeline), pipeline_.release());
    pipeline_.reset(pipeline);
  }
  // Keep the messages that elements post on the way to NULL.
  gst_pipeline_set_auto_flush_bus(GST_PIPELINE(pipeline_.get()), FALSE);
  bus_.reset(gst_pipeline_get_bus(GST_PIPELINE(pipeline_.get())));
}

TestPipeline::~TestPipeline() { stop(); }

GstPtr<GstElement> TestPipeline::element(const char* name) const {
  return GstPtr<GstElement>(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
}

void TestPipeline::for_each_element(const std::function<void(GstElement*)>& look) const {
  const std::unique_ptr<GstIterator, decltype(&gst_iterator_free)> all(
      gst_bin_iterate_recurse(GST_BIN(pipeline_.get())), gst_iterator_free);
  gst_iterator_foreach(
      all.get(),
      [](const GValue* item, gpointer data) {
        (*static_cast<std::function<void(GstElement*)>*>(data))(
            GST_ELEMENT(g_value_get_object(item)));
      },
      const_cast<std::function<void(GstElement*)>*>(&look));
}

void TestPipeline::use(const Simulator& simulator, bool has_shared_cache) {
  static int caches = 0;
  const auto cache =
      simulator.cache() + (has_shared_cache ? "/shared" : "/own-" + std::to_string(++caches));
  for_each_element([&](GstElement* one) {
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(one), "api-url") == nullptr) return;
    g_object_set(one, "api-url", simulator.api_url().c_str(), "api-key", simulator.key().c_str(),
                 "ledger", simulator.ledger().c_str(), "cache-dir", cache.c_str(), "poll-interval",
                 20, nullptr);
  });
}

void TestPipeline::watch(const char* sink) {
  auto& watch = watches_[sink];
  watch = std::make_unique<Watch>();
  gst_segment_init(&watch->segment, GST_FORMAT_UNDEFINED);
  const auto found = element(sink);
  ASSERT_TRUE(found) << sink;
  const GstPtr<GstPad> pad(gst_element_get_static_pad(found.get(), "sink"));
  gst_pad_add_probe(
      pad.get(),
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      &Watch::probe, watch.get(), nullptr);
}

void TestPipeline::start(GstState state) { gst_element_set_state(pipeline_.get(), state); }

void TestPipeline::note(GstMessage* message) {
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_EOS:
      eos_ = true;
      break;
    case GST_MESSAGE_PROGRESS: {
      GstProgressType type;
      gchar* code = nullptr;
      gst_message_parse_progress(message, &type, &code, nullptr);
      int percent = -1;
      gst_structure_get_int(gst_message_get_structure(message), "percent", &percent);
      static const char* const names[] = {"start", "continue", "complete", "canceled", "error"};
      progress_.push_back({names[type], code, percent});
      g_free(code);
      break;
    }
    case GST_MESSAGE_ELEMENT:
      if (gst_message_has_name(message, "veo-task")) {
        const auto* task = gst_message_get_structure(message);
        const bool reused = string_field(task, "reused") == "true";
        tasks_.push_back(string_field(task, "status") + " " + string_field(task, "credits") +
                         (reused ? " reused" : ""));
      }
      if (gst_message_has_name(message, "veo-join")) {
        const auto* join = gst_message_get_structure(message);
        joins_.push_back(string_field(join, "join") + " " + string_field(join, "contained-steps"));
      }
      break;
    case GST_MESSAGE_WARNING: {
      GError* warning = nullptr;
      gst_message_parse_warning(message, &warning, nullptr);
      warnings_.emplace_back(warning->message);
      g_error_free(warning);
      break;
    }
    case GST_MESSAGE_ERROR: {
      if (failure_) break;
      GError* error = nullptr;
      gchar* debug = nullptr;
      gst_message_parse_error(message, &error, &debug);
      failure_.emplace();
      failure_->domain = error->domain == GST_RESOURCE_ERROR ? "resource"
                         : error->domain == GST_STREAM_ERROR ? "stream"
                                                             : "other";
      failure_->code = error->code;
      failure_->text = error->message;
      failure_->debug = debug != nullptr ? debug : "";
      g_error_free(error);
      g_free(debug);
      const GstStructure* details = nullptr;
      gst_message_parse_error_details(message, &details);
      if (details != nullptr && gst_structure_has_name(details, "veo-error")) {
        for (int i = 0; i < gst_structure_n_fields(details); ++i) {
          const char* name = gst_structure_nth_field_name(details, static_cast<guint>(i));
          failure_->details[name] = string_field(details, name);
        }
      }
      break;
    }
    default:
      break;
  }
}

MessagePtr TestPipeline::next(GstMessageType type) {
  const auto deadline = std::chrono::steady_clock::now() + hang;
  for (;;) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= 0s) return nullptr;
    MessagePtr message(gst_bus_timed_pop(
        bus_.get(), static_cast<GstClockTime>(
                        std::chrono::duration_cast<std::chrono::nanoseconds>(left).count())));
    if (!message) return nullptr;
    note(message.get());
    // Compare the type as a number, not as a mask: the extended types share bits with the others.
    const auto got = GST_MESSAGE_TYPE(message.get());
    if (got == type || got == GST_MESSAGE_ERROR || got == GST_MESSAGE_EOS) return message;
  }
}

bool TestPipeline::finish() {
  start();
  return next(GST_MESSAGE_EOS) != nullptr;
}

void TestPipeline::stop() {
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  while (const MessagePtr message{gst_bus_pop(bus_.get())}) note(message.get());
}

const std::vector<Seen>& TestPipeline::seen(const std::string& sink) const {
  return watches_.at(sink)->seen;
}

const std::vector<std::uint8_t>& TestPipeline::bytes(const std::string& sink) const {
  return watches_.at(sink)->bytes;
}

std::string decode_line(const std::string& source) {
  return source +
         " ! decodebin name=d"
         " d. ! video/x-raw ! queue max-size-bytes=0 max-size-time=0 ! fakesink name=video "
         "sync=false"
         " d. ! audio/x-raw ! queue max-size-bytes=0 max-size-time=0 ! fakesink name=audio "
         "sync=false";
}

void execute(const std::string& ledger, const char* sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(ledger.c_str(), &database), SQLITE_OK);
  sqlite3_busy_timeout(database, 10'000);  // the ledger's checkpoints lock the file for a moment
  EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
}

}  // namespace veo::test

namespace {

/// Checks at the end of the program, with GStreamer's leaks tracer, that no object is still alive.
class NoLeaks : public testing::Environment {
 public:
  void TearDown() override {
    gst_debug_set_threshold_for_name("GST_TRACER", GST_LEVEL_TRACE);
    gst_debug_remove_log_function(nullptr);
    // Call the function, not its macro: the macro compares a function pointer with a data pointer,
    // which C++ forbids.
    (gst_debug_add_log_function)(&NoLeaks::log, this, nullptr);
    gst_debug_set_active(TRUE);
    gst_deinit();
    EXPECT_EQ(alive_, "") << "objects that nobody released";
  }

 private:
  static void log(GstDebugCategory*, GstDebugLevel, const gchar*, const gchar*, gint, GObject*,
                  GstDebugMessage* message, gpointer self) noexcept {
    const std::string text = gst_debug_message_get(message);
    if (text.find("object-alive, ") != std::string::npos) {
      static_cast<NoLeaks*>(self)->alive_ += text + "\n";
    }
  }

  std::string alive_;
};

/// Gives elements that no test points elsewhere a ledger of their own, so that they leave the
/// user's ledger alone.
class Home : public testing::Environment {
 public:
  Home() {
    ::mkdtemp(path_.data());
    ::setenv("VEO_LEDGER", (path_ + "/ledger.db").c_str(), 1);
    ::setenv("VEO_CACHE_DIR", (path_ + "/cache").c_str(), 1);
  }
  ~Home() override {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "veo-tests-XXXXXX").string();
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  gst_init(&argc, &argv);
  testing::AddGlobalTestEnvironment(new Home);  // gtest deletes both environments
  testing::AddGlobalTestEnvironment(new NoLeaks);
  return RUN_ALL_TESTS();
}
