// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveolivefiller.h"

#include <gst/app/gstappsink.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <system_error>
#include <thread>
#include <utility>

#include "gstveoerror.h"
#include "gstveolivecaps.h"
#include "gstveolivelog.h"
#include "gstveoowned.h"
#include "veo/system/threads.h"

#undef GST_CAT_DEFAULT
#define GST_CAT_DEFAULT veo::plugin::find_live_log()

namespace veo::plugin {

namespace {

/// Copies the buffer. The memory is shared.
Buffer share(const Buffer& buffer) { return Buffer(gst_buffer_copy(buffer.get())); }

/// Makes a frame of one colour. GStreamer's converter knows what black is in each format. Returns
/// null if there is no memory for the frame.
Buffer make_plain_frame(const GstVideoInfo& format, guint8 alpha) {
  GstVideoInfo plain;
  gst_video_info_set_format(&plain, GST_VIDEO_FORMAT_ARGB,
                            static_cast<guint>(GST_VIDEO_INFO_WIDTH(&format)),
                            static_cast<guint>(GST_VIDEO_INFO_HEIGHT(&format)));
  plain.fps_n = format.fps_n;
  plain.fps_d = format.fps_d;
  const Buffer from(gst_buffer_new_allocate(nullptr, plain.size, nullptr));
  Buffer to(gst_buffer_new_allocate(nullptr, format.size, nullptr));
  if (!from || !to) return nullptr;
  GstMapInfo pixels;
  if (gst_buffer_map(from.get(), &pixels, GST_MAP_WRITE) == FALSE) return nullptr;
  std::fill_n(pixels.data, pixels.size, guint8{0});
  for (gsize i = 0; i < pixels.size; i += 4) pixels.data[i] = alpha;
  gst_buffer_unmap(from.get(), &pixels);
  GstVideoInfo target = format;
  const std::unique_ptr<GstVideoConverter, decltype(&gst_video_converter_free)> converter(
      gst_video_converter_new(&plain, &target, nullptr), gst_video_converter_free);
  GstVideoFrame source;
  GstVideoFrame drain;
  if (!converter || gst_video_frame_map(&source, &plain, from.get(), GST_MAP_READ) == FALSE) {
    return nullptr;
  }
  const bool is_mapped = gst_video_frame_map(&drain, &target, to.get(), GST_MAP_WRITE) != FALSE;
  if (is_mapped) {
    gst_video_converter_frame(converter.get(), &source, &drain);
    gst_video_frame_unmap(&drain);
  }
  gst_video_frame_unmap(&source);
  return is_mapped ? std::move(to) : nullptr;
}

Buffer make_silence(const GstAudioInfo& format, std::size_t samples) {
  const auto size = samples * static_cast<std::size_t>(GST_AUDIO_INFO_BPF(&format));
  Buffer silence(gst_buffer_new_allocate(nullptr, size, nullptr));
  GstMapInfo map;
  if (!silence || gst_buffer_map(silence.get(), &map, GST_MAP_WRITE) == FALSE) return nullptr;
  gst_audio_format_info_fill_silence(format.finfo, map.data, map.size);
  gst_buffer_unmap(silence.get(), &map);
  return silence;
}

}  // namespace

/// Decodes one picture file on a thread of its own.
class PictureLoader {
 public:
  struct Settings {
    GstElement* element;
    std::string location;
    GstVideoInfo format;
    std::function<void(Buffer)> on_picture;
  };

  explicit PictureLoader(Settings settings) : settings_(std::move(settings)), bus_(gst_bus_new()) {
    auto thread = start_thread("veo-picture", [this] { run(); });
    if (thread) {
      thread_ = std::move(*thread);
    } else {
      warn(thread.error());
    }
  }

  /// Ends the thread at once, also in the middle of a file.
  ~PictureLoader() {
    gst_bus_post(bus_.get(), gst_message_new_application(
                                 nullptr, gst_structure_new_empty("veo-picture-canceled")));
    if (thread_.joinable()) thread_.join();
  }
  PictureLoader(const PictureLoader&) = delete;
  PictureLoader& operator=(const PictureLoader&) = delete;

 private:
  void warn(Error error) const {
    error.message = "The picture of filler-location cannot be shown: " + error.message +
                    " The filler is black, and clips play as usual. The file is “" +
                    settings_.location + "”.";
    GST_WARNING_OBJECT(settings_.element, "%s", error.message.c_str());
    post_warning(settings_.element, error);
  }

  void run() {
    auto picture = load();
    if (!picture) return warn(picture.error());
    if (*picture) settings_.on_picture(std::move(*picture));
  }

  [[nodiscard]] Caps make_caps() const {
    GstVideoInfo format = settings_.format;
    Caps caps(gst_video_info_to_caps(&format));
    // A picture has no frame rate.
    gst_structure_remove_field(gst_caps_get_structure(caps.get(), 0), "framerate");
    return caps;
  }

  /// Returns the picture, or null if the object is being destroyed.
  [[nodiscard]] Result<Buffer> load() const {
    // The destructor could not end an open() that waits for the writer of a FIFO.
    std::error_code none;
    if (std::filesystem::exists(settings_.location, none) &&
        !std::filesystem::is_regular_file(settings_.location, none)) {
      return fail(refuse("It is not a regular file."));
    }
    GError* error = nullptr;
    const Owned<GstElement> pipeline(gst_parse_launch(
        "filesrc name=file ! decodebin ! videoconvert ! videoscale add-borders=true ! "
        "appsink name=sink max-buffers=1 enable-last-sample=false",
        &error));
    if (error != nullptr) return fail(take(error, ErrorCode::bad_media));
    // Keep the destructor's message, which may be there already.
    gst_element_set_bus(pipeline.get(), bus_.get());
    const Owned<GstElement> file(gst_bin_get_by_name(GST_BIN(pipeline.get()), "file"));
    const Owned<GstElement> sink(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink"));
    g_object_set(file.get(), "location", settings_.location.c_str(), nullptr);
    g_object_set(sink.get(), "caps", make_caps().get(), nullptr);
    gst_element_set_state(pipeline.get(), GST_STATE_PAUSED);
    auto picture = wait_for_picture(GST_APP_SINK(sink.get()));
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    return picture;
  }

  [[nodiscard]] Result<Buffer> wait_for_picture(GstAppSink* sink) const {
    constexpr GstClockTime longest = 30 * GST_SECOND;
    const Owned<GstMessage> message(gst_bus_timed_pop_filtered(
        bus_.get(), longest,
        static_cast<GstMessageType>(GST_MESSAGE_ASYNC_DONE | GST_MESSAGE_ERROR | GST_MESSAGE_EOS |
                                    GST_MESSAGE_APPLICATION)));
    if (!message) return fail(refuse("GStreamer did not decode the file within 30 s."));
    switch (GST_MESSAGE_TYPE(message.get())) {
      case GST_MESSAGE_APPLICATION:
        return Buffer();
      case GST_MESSAGE_ERROR: {
        GError* error = nullptr;
        gst_message_parse_error(message.get(), &error, nullptr);
        return fail(take(error, error->domain == GST_RESOURCE_ERROR ? ErrorCode::invalid_request
                                                                    : ErrorCode::bad_media));
      }
      default:
        break;
    }
    const Owned<GstSample> sample(gst_app_sink_try_pull_preroll(sink, 0));
    if (!sample) return fail(refuse("The file has no picture."));
    Buffer picture(gst_buffer_new());
    // The picture is needed without the flags and times of its decoder.
    gst_buffer_copy_into(picture.get(), gst_sample_get_buffer(sample.get()), GST_BUFFER_COPY_MEMORY,
                         0, static_cast<gsize>(-1));
    return picture;
  }

  static Error refuse(std::string text) {
    return {.code = ErrorCode::bad_media, .message = std::move(text)};
  }

  static Error take(GError* error, ErrorCode code) {
    const Owned<GError> owned(error);
    return {.code = code, .message = owned->message};
  }

  const Settings settings_;
  const Owned<GstBus> bus_;
  std::thread thread_;  // the last member, because it uses the others
};

LiveFiller::LiveFiller(GstElement* element) : element_(element) {}

LiveFiller::~LiveFiller() { stop(); }

void LiveFiller::set_kind(Kind kind) {
  state_.lock()->kind = kind;
  warn_if_opaque();
}

LiveFiller::Kind LiveFiller::kind() const { return state_.lock()->kind; }

void LiveFiller::set_location(const std::string& location) {
  {
    const auto state = state_.lock();
    if (state->location == location) return;
    state->location = location;
    state->picture.reset();
    ++state->picture_number;
  }
  load_picture();
}

void LiveFiller::stop() {
  // Take the old objects out, so that their destructors run without a lock. A loader may wait for
  // the lock of the state.
  auto loader = std::exchange(*loader_.lock(), nullptr);
  loader.reset();
  const auto state = state_.lock();
  State kept;
  kept.kind = state->kind;
  kept.location = std::move(state->location);
  kept.picture_number = state->picture_number + 1;
  *state = std::move(kept);
}

void LiveFiller::set_format(const GstVideoInfo& format) {
  {
    const auto state = state_.lock();
    state->format = format;
    state->last.reset();
    state->picture.reset();
    ++state->picture_number;
    state->black = make_plain_frame(format, 0xff);
    state->transparent = GST_VIDEO_INFO_HAS_ALPHA(&format) ? make_plain_frame(format, 0) : nullptr;
  }
  warn_if_opaque();
  load_picture();
}

void LiveFiller::set_format(const GstAudioInfo& format, std::size_t samples) {
  const auto state = state_.lock();
  state->bytes_per_sample = static_cast<std::size_t>(GST_AUDIO_INFO_BPF(&format));
  state->silence = make_silence(format, samples);
}

Buffer LiveFiller::picture(Reason reason) const {
  const auto state = state_.lock();
  const bool holds = reason == Reason::late_clip || state->kind == Kind::freeze;
  if (holds && state->last) return share(state->last);
  if (state->kind == Kind::transparent && state->transparent) return share(state->transparent);
  if (state->picture) return share(state->picture);
  return state->black ? share(state->black) : nullptr;
}

Buffer LiveFiller::silence(std::size_t samples) const {
  const auto state = state_.lock();
  if (!state->silence) return nullptr;
  Buffer piece(gst_buffer_copy_region(state->silence.get(), GST_BUFFER_COPY_MEMORY, 0,
                                      samples * state->bytes_per_sample));
  GST_BUFFER_FLAG_SET(piece.get(), GST_BUFFER_FLAG_GAP);
  return piece;
}

void LiveFiller::on_frame(GstBuffer* frame) { state_.lock()->last.reset(gst_buffer_copy(frame)); }

void LiveFiller::load_picture() {
  std::string location;
  GstVideoInfo format;
  unsigned number = 0;
  {
    const auto state = state_.lock();
    if (!state->format) return;
    location = state->location;
    format = *state->format;
    number = state->picture_number;
  }
  auto replaced = std::exchange(*loader_.lock(), nullptr);
  replaced.reset();
  if (location.empty()) return;
  auto on_picture = [this, number](Buffer picture) {
    const auto state = state_.lock();
    // Another file or format can have come while this picture was decoded.
    if (state->picture_number == number) state->picture = std::move(picture);
  };
  auto loader = std::make_unique<PictureLoader>(
      PictureLoader::Settings{element_, std::move(location), format, std::move(on_picture)});
  std::swap(*loader_.lock(), loader);
}

void LiveFiller::warn_if_opaque() {
  {
    const auto state = state_.lock();
    if (state->kind != Kind::transparent || !state->format || state->transparent) return;
    if (std::exchange(state->has_warned, true)) return;
  }
  post_warning(element_,
               {.code = ErrorCode::invalid_request,
                .message = "The filler cannot be transparent, because the video has no alpha "
                           "channel. The filler is black. Set video-caps to a format with an alpha "
                           "channel, such as “video/x-raw, format=(string)AYUV”, and link the pad "
                           "“video” to an element that takes this format, such as compositor."});
}

}  // namespace veo::plugin
