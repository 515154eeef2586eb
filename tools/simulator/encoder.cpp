// SPDX-License-Identifier: LGPL-2.1-or-later
#include "encoder.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include <functional>
#include <memory>
#include <stdexcept>

#include "picture.h"

namespace simulator {
namespace {

template <class T, void (*release)(T*)>
struct Release {
  void operator()(T* thing) const { release(thing); }
};
inline void unref_object(GstElement* element) { gst_object_unref(element); }
inline void unref_bus(GstBus* bus) { gst_object_unref(bus); }
inline void unref_app_sink(GstAppSink* sink) { gst_object_unref(sink); }
inline void unref_app_source(GstAppSrc* source) { gst_object_unref(source); }
using ElementPtr = std::unique_ptr<GstElement, Release<GstElement, unref_object>>;
using BusPtr = std::unique_ptr<GstBus, Release<GstBus, unref_bus>>;
using SinkPtr = std::unique_ptr<GstAppSink, Release<GstAppSink, unref_app_sink>>;
using SourcePtr = std::unique_ptr<GstAppSrc, Release<GstAppSrc, unref_app_source>>;
using SamplePtr = std::unique_ptr<GstSample, Release<GstSample, gst_sample_unref>>;
using MessagePtr = std::unique_ptr<GstMessage, Release<GstMessage, gst_message_unref>>;
using ErrorPtr = std::unique_ptr<GError, Release<GError, g_error_free>>;

std::string bytes_of(GstBuffer* buffer) {
  std::string bytes(gst_buffer_get_size(buffer), '\0');
  gst_buffer_extract(buffer, 0, bytes.data(), bytes.size());
  return bytes;
}

/// A pipeline `appsrc name=in ! … ! appsink name=out`. The caller first pushes everything, then
/// pulls everything.
class Pipeline {
 public:
  explicit Pipeline(const std::string& line) {
    GError* failure = nullptr;
    pipeline_.reset(
        gst_parse_launch_full(line.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &failure));
    if (const ErrorPtr error(failure); error)
      throw std::runtime_error(std::string("cannot encode: ") + error->message);
    source_.reset(GST_APP_SRC(child("in").release()));
    sink_.reset(GST_APP_SINK(child("out").release()));
  }
  ~Pipeline() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  void set(const char* element, const char* property, const std::string& text) {
    g_object_set(child(element).get(), property, text.c_str(), nullptr);
  }

  void start() { gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING); }

  /// Pushes a buffer. Blocks while the encoder is too slow.
  template <class T>
  void push(const std::vector<T>& data, GstClockTime pts, GstClockTime duration) {
    GstBuffer* buffer = gst_buffer_new_memdup(data.data(), data.size() * sizeof(T));
    GST_BUFFER_PTS(buffer) = pts;
    GST_BUFFER_DURATION(buffer) = duration;
    if (gst_app_src_push_buffer(source_.get(), buffer) != GST_FLOW_OK) fail();
  }

  void finish() { gst_app_src_end_of_stream(source_.get()); }

  /// Pulls a sample. Returns null at the end.
  SamplePtr pull() {
    SamplePtr sample(gst_app_sink_pull_sample(sink_.get()));
    if (!sample) check();
    return sample;
  }

 private:
  ElementPtr child(const char* name) {
    return ElementPtr(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name));
  }

  void check() {
    const BusPtr bus(gst_element_get_bus(pipeline_.get()));
    const MessagePtr message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
    if (!message) return;
    GError* failure = nullptr;
    gst_message_parse_error(message.get(), &failure, nullptr);
    const ErrorPtr error(failure);
    throw std::runtime_error(std::string("cannot encode: ") + error->message);
  }
  [[noreturn]] void fail() {
    check();
    throw std::runtime_error("cannot encode: the pipeline takes no more");
  }

  ElementPtr pipeline_;
  SourcePtr source_;
  SinkPtr sink_;
};

std::string video_caps(const Picture& picture) {
  return "video/x-raw,format=I420,width=" + std::to_string(picture.width()) +
         ",height=" + std::to_string(picture.height()) +
         ",framerate=" + std::to_string(frames_per_second) + "/1";
}

std::string source_line(const std::string& caps) {
  // The sink has no bound, so one thread can push everything before it pulls.
  return "appsrc name=in format=time block=true max-bytes=16000000 caps=\"" + caps + "\" ! ";
}
const char* const sink_line = "appsink name=out sync=false max-buffers=0";

GstClockTime time_of(std::uint64_t count, unsigned rate) {
  return gst_util_uint64_scale(count, GST_SECOND, rate);
}

/// Makes the background of a scene. GStreamer draws its texts, once for each scene.
Picture make_background(const ClipPlan& plan, const Scene& scene) {
  Picture picture(plan.width, plan.height);
  picture.paint_background(scene.task_id);
  Pipeline text(source_line(video_caps(picture)) +
                "textoverlay name=prompt valignment=center wrap-mode=wordchar "
                "font-desc=\"DejaVu Sans 16\" ! "
                "textoverlay name=task valignment=bottom font-desc=\"DejaVu Sans Mono 10\" ! " +
                sink_line);
  // A long prompt does not fit into the picture, so it is cut.
  const std::unique_ptr<gchar, Release<void, g_free>> prompt(g_utf8_substring(
      scene.prompt.c_str(), 0, std::min<glong>(g_utf8_strlen(scene.prompt.c_str(), -1), 300)));
  // The element reads Pango's markup. A prompt has no markup, so it is escaped.
  const std::unique_ptr<gchar, Release<void, g_free>> escaped(
      g_markup_escape_text(prompt.get(), -1));
  text.set("prompt", "text", escaped.get());
  text.set("task", "text", scene.task_id);
  text.start();
  text.push(picture.bytes(), 0, time_of(1, frames_per_second));
  text.finish();
  const auto sample = text.pull();
  if (!sample) throw std::runtime_error("cannot encode: no picture with words");
  const auto bytes = bytes_of(gst_sample_get_buffer(sample.get()));
  picture.bytes().assign(bytes.begin(), bytes.end());
  return picture;
}

/// Collects the packets. `find_index` finds the number of a buffer's frame.
Track collect(Pipeline& pipeline, const std::function<unsigned(GstBuffer*)>& find_index) {
  Track track;
  while (const auto sample = pipeline.pull()) {
    GstBuffer* buffer = gst_sample_get_buffer(sample.get());
    if (track.header.empty()) {
      const auto* caps = gst_caps_get_structure(gst_sample_get_caps(sample.get()), 0);
      const auto* header = gst_structure_get_value(caps, "codec_data");
      if (header == nullptr) throw std::runtime_error("cannot encode: no codec_data");
      track.header = bytes_of(gst_value_get_buffer(header));
    }
    track.packets.push_back({bytes_of(buffer), find_index(buffer),
                             !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT)});
  }
  return track;
}

Track encode_video(const ClipPlan& plan, const Stop& stop) {
  // One GOP, as in Veo's files. The number of threads is fixed, so a task has the same picture on
  // each machine.
  Pipeline pipeline(source_line(video_caps(Picture(plan.width, plan.height))) +
                    "x264enc speed-preset=superfast bitrate=" + std::to_string(plan.bitrate) +
                    " key-int-max=" + std::to_string(plan.frames() + 1) +
                    " bframes=3 b-adapt=false b-pyramid=true cabac=true dct8x8=true threads=2"
                    " option-string=\"scenecut=0\" ! "
                    "video/x-h264,profile=high,stream-format=avc,alignment=au ! " +
                    sink_line);
  pipeline.start();
  unsigned count = 0;
  for (const auto& scene : plan.scenes) {
    const auto background = make_background(plan, scene);
    for (unsigned i = 0; i < scene.frames; ++i, ++count) {
      if (stop.is_requested()) throw std::runtime_error("the program ends");
      auto picture = background;
      picture.paint_frame(scene.first_frame + i);
      const auto from = time_of(count, frames_per_second);
      pipeline.push(picture.bytes(), from, time_of(count + 1, frames_per_second) - from);
    }
  }
  pipeline.finish();

  // x264enc moves all times by the same amount. The first access unit belongs to the first frame.
  GstClockTime first = GST_CLOCK_TIME_NONE;
  return collect(pipeline, [&first](GstBuffer* buffer) {
    if (!GST_CLOCK_TIME_IS_VALID(first)) first = GST_BUFFER_PTS(buffer);
    return static_cast<unsigned>(
        gst_util_uint64_scale_round(GST_BUFFER_PTS(buffer) - first, frames_per_second, GST_SECOND));
  });
}

Track encode_audio(const ClipPlan& plan) {
  Pipeline pipeline(source_line("audio/x-raw,format=F32LE,layout=interleaved,channels=2,rate=" +
                                std::to_string(sample_rate)) +
                    "audioconvert ! avenc_aac bitrate=128000 ! audio/mpeg,mpegversion=4 ! " +
                    sink_line);
  pipeline.start();
  std::uint64_t at = 0;
  const auto push = [&](const std::vector<float>& samples) {
    const auto from = time_of(at, sample_rate);
    at += samples.size() / 2;
    pipeline.push(samples, from, time_of(at, sample_rate) - from);
  };
  push(std::vector<float>(std::size_t{2} * (audio_lead - audio_packet)));
  for (const auto& scene : plan.scenes) push(make_sound(scene));
  pipeline.finish();

  unsigned count = 0;
  auto track = collect(pipeline, [&count](GstBuffer*) { return count++; });
  // FFmpeg's encoder appends an SBR extension that says that there is no SBR. Veo's files do not
  // have it.
  track.header.resize(2);
  return track;
}

}  // namespace

Encoded encode(const ClipPlan& plan, const Stop& stop) {
  GError* failure = nullptr;
  if (gst_init_check(nullptr, nullptr, &failure) == FALSE) {
    const ErrorPtr error(failure);
    throw std::runtime_error(std::string("cannot encode: ") + error->message);
  }
  return {encode_video(plan, stop), encode_audio(plan)};
}

}  // namespace simulator
