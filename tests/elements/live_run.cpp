// SPDX-License-Identifier: LGPL-2.1-or-later
#include "live_run.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <thread>
#include <utility>

#include "await.h"
#include "frame_number.h"

namespace veo::test {

using namespace std::chrono_literals;

namespace {

constexpr auto longest_run = 60s;
/// Between two ticks while nothing plays: a live source takes a tick each 40 ms.
constexpr auto pause = 2ms;

std::string field_of(const GstStructure* structure, const char* name) {
  const char* const text = gst_structure_get_string(structure, name);
  return text != nullptr ? text : "";
}

plugin::LiveFormats make_formats(const LiveShape& shape) {
  plugin::LiveFormats formats;
  gst_video_info_set_format(&formats.video, GST_VIDEO_FORMAT_I420, static_cast<guint>(shape.width),
                            static_cast<guint>(shape.height));
  formats.video.fps_n = shape.rate;
  formats.video.fps_d = 1;
  gst_audio_info_set_format(&formats.audio, GST_AUDIO_FORMAT_F32LE, shape.samples, 2, nullptr);
  return formats;
}

}  // namespace

LiveRun::LiveRun(const Simulator& simulator, LiveShape shape)
    : shape_(shape),
      formats_(make_formats(shape)),
      element_(GST_ELEMENT(gst_object_ref_sink(gst_bin_new("live")))),
      bus_(gst_bus_new()) {
  gst_element_set_bus(element_.get(), bus_.get());
  settings_.source.access.api_url = simulator.api_url();
  settings_.source.access.api_key = Secret(simulator.key());
  settings_.source.ledger = simulator.ledger();
  settings_.source.cache_directory = simulator.cache();
  settings_.source.poll_interval = 20ms;
  playlist_ = std::make_unique<plugin::LivePlaylist>(
      plugin::LivePlaylist::Settings{.element = element_.get(), .read_settings = [this] {
                                       const std::lock_guard lock(mutex_);
                                       return settings_;
                                     }});
}

LiveRun::~LiveRun() {
  playlist_.reset();
  gst_element_set_bus(element_.get(), nullptr);
}

void LiveRun::change(const std::function<void(plugin::ElementSettings&)>& how) {
  const std::lock_guard lock(mutex_);
  how(settings_);
}

void LiveRun::set_prompt(const std::string& prompt) {
  change([&](auto& settings) { settings.source.request.prompt = prompt; });
  playlist_->on_property_set();
}

void LiveRun::set_task(const std::string& id) {
  change([&](auto& settings) { settings.source.task_id = id; });
  playlist_->on_property_set();
}

void LiveRun::start() {
  playlist_->start();
  playlist_->start_requests(formats_);
}

void LiveRun::stop() { playlist_->stop(); }

guint64 LiveRun::samples_before(guint64 tick) const {
  return tick * static_cast<guint64>(shape_.samples) / static_cast<guint64>(shape_.rate);
}

void LiveRun::tick() {
  const auto samples = samples_before(tick_ + 1) - samples_before(tick_);
  const auto taken = playlist_->take(samples, tick_ * GST_SECOND);
  if (!taken) {
    if (playlist_->is_playing()) {
      ++late_;
    } else {
      frames_.push_back(filler);
      sound_.resize(sound_.size() + samples);
      ++tick_;
    }
    std::this_thread::sleep_for(pause);
    return;
  }
  ++tick_;
  EXPECT_EQ(gst_buffer_get_size(taken->video.get()), GST_VIDEO_INFO_SIZE(&formats_.video));
  EXPECT_EQ(GST_BUFFER_PTS(taken->video.get()), GST_CLOCK_TIME_NONE);
  EXPECT_EQ(GST_BUFFER_PTS(taken->audio.get()), GST_CLOCK_TIME_NONE);
  GstMapInfo map;
  if (gst_buffer_map(taken->video.get(), &map, GST_MAP_READ) != FALSE) {
    const int stride = GST_VIDEO_INFO_PLANE_STRIDE(&formats_.video, 0);
    const auto number = read_frame_number(map.data + first_line_ * stride, stride, shape_.width,
                                          shape_.height - first_line_);
    brightness_ = {map.data[0], map.data[shape_.height / 2 * stride + shape_.width / 2]};
    frames_.push_back(number ? static_cast<int>(*number) : unreadable);
    gst_buffer_unmap(taken->video.get(), &map);
  }
  if (gst_buffer_map(taken->audio.get(), &map, GST_MAP_READ) != FALSE) {
    EXPECT_EQ(map.size, samples * 2 * sizeof(float));
    const auto* const values = reinterpret_cast<const float*>(map.data);
    for (guint64 i = 0; i < samples; ++i) sound_.push_back(values[2 * i]);
    gst_buffer_unmap(taken->audio.get(), &map);
  }
}

void LiveRun::tick_until(const std::string& what, const std::function<bool()>& is_so) {
  const auto end = std::chrono::steady_clock::now() + longest_run;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) {
      collect();
      std::string said;
      for (const auto& one : warnings_) said += " | " + one.text;
      throw std::runtime_error("waited in vain: " + what + said);
    }
    tick();
  }
}

void LiveRun::play_to_filler() {
  tick_until("a clip begins", [this] { return playlist_->is_playing(); });
  tick_until("the clip ends", [this] { return !playlist_->is_playing(); });
}

void LiveRun::await_ready_clip() {
  await("a ready clip", [this] { return playlist_->has_ready_clip(); });
}

void LiveRun::play(std::size_t count) {
  const auto end = shown().size() + count;
  tick_until("clips play", [&] { return shown().size() >= end; });
}

std::vector<int> LiveRun::shown() const {
  auto shown = frames_;
  std::erase(shown, filler);
  return shown;
}

const std::vector<LiveRun::State>& LiveRun::states() {
  collect();
  return states_;
}

const std::vector<LiveRun::Warning>& LiveRun::warnings() {
  collect();
  return warnings_;
}

const std::vector<std::string>& LiveRun::progress() {
  collect();
  return progress_;
}

const std::vector<std::string>& LiveRun::tasks() {
  collect();
  return tasks_;
}

void LiveRun::collect() {
  while (GstMessage* const message = gst_bus_pop(bus_.get())) {
    note(message);
    gst_message_unref(message);
  }
}

void LiveRun::note(GstMessage* message) {
  EXPECT_EQ(GST_MESSAGE_SRC(message), GST_OBJECT(element_.get()));
  const auto* const structure = gst_message_get_structure(message);
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ELEMENT:
      if (gst_structure_has_name(structure, "veo-task") != FALSE) {
        tasks_.push_back(field_of(structure, "status"));
      } else if (gst_structure_has_name(structure, "veo-live") != FALSE) {
        State state{.state = field_of(structure, "state"),
                    .task_id = field_of(structure, "task-id")};
        guint64 time = 0;
        gboolean is_repetition = FALSE;
        EXPECT_TRUE(gst_structure_get_uint64(structure, "running-time", &time));
        EXPECT_TRUE(gst_structure_get_boolean(structure, "repeat", &is_repetition));
        state.tick = time / GST_SECOND;
        state.is_repetition = is_repetition != FALSE;
        states_.push_back(std::move(state));
      }
      break;
    case GST_MESSAGE_WARNING: {
      GError* error = nullptr;
      const GstStructure* details = nullptr;
      gst_message_parse_warning(message, &error, nullptr);
      gst_message_parse_warning_details(message, &details);
      Warning warning{.text = error->message};
      g_error_free(error);
      for (gint i = 0; details != nullptr && i < gst_structure_n_fields(details); ++i) {
        const char* const name = gst_structure_nth_field_name(details, static_cast<guint>(i));
        warning.details[name] = field_of(details, name);
      }
      warnings_.push_back(std::move(warning));
      break;
    }
    case GST_MESSAGE_PROGRESS: {
      GstProgressType type = GST_PROGRESS_TYPE_START;
      gchar* code = nullptr;
      gst_message_parse_progress(message, &type, &code, nullptr);
      static const char* const types[] = {"start", "continue", "complete", "canceled", "error"};
      if (type != GST_PROGRESS_TYPE_CONTINUE) {
        progress_.push_back(std::string(types[type]) + " " + code);
      }
      g_free(code);
      break;
    }
    case GST_MESSAGE_ERROR:
      ADD_FAILURE() << "an ERROR was posted";
      break;
    default:
      break;
  }
}

std::vector<int> numbers(int first, int end) {
  std::vector<int> all(static_cast<std::size_t>(end - first));
  std::iota(all.begin(), all.end(), first);
  return all;
}

}  // namespace veo::test
