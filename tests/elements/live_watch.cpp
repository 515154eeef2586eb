// SPDX-License-Identifier: LGPL-2.1-or-later
#include "live_watch.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

namespace veo::test {
namespace {

constexpr int counts = 1 << 15;          // a sample count begins anew here
constexpr double count_scale = 1 << 16;  // a float holds each count exactly
constexpr double click_level = 0.3;      // the tone of a clip has 0.1, a click 0.5

GstPtr<GstPad> pad_of(GstElement* element, const char* name) {
  GstPtr<GstPad> pad(gst_element_get_static_pad(element, name));
  if (!pad) throw std::runtime_error(std::string("there is no pad ") + name);
  return pad;
}

/// Calls a function with each buffer of a pad, which it may change.
void change_buffers(GstElement* element, const char* pad,
                    std::function<void(GstPad*, GstBuffer*)> change) {
  using Change = std::function<void(GstPad*, GstBuffer*)>;
  gst_pad_add_probe(
      pad_of(element, pad).get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad* from, GstPadProbeInfo* info, gpointer data) {
        auto* buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
        GST_PAD_PROBE_INFO_DATA(info) = buffer;
        (*static_cast<Change*>(data))(from, buffer);
        return GST_PAD_PROBE_OK;
      },
      new Change(std::move(change)), [](gpointer data) { delete static_cast<Change*>(data); });
}

/// The caps of a pad that has a buffer.
struct CapsUnref {
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
};
std::unique_ptr<GstCaps, CapsUnref> caps_of(GstPad* pad) {
  return std::unique_ptr<GstCaps, CapsUnref>(gst_pad_get_current_caps(pad));
}

/// Changes one channel of a buffer of F32LE: each sample becomes `next()`.
template <class Next>
void write_channel(GstPad* pad, GstBuffer* buffer, int channel, bool silence_others, Next next) {
  GstAudioInfo info;
  gst_audio_info_from_caps(&info, caps_of(pad).get());
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READWRITE)) return;
  const auto width = static_cast<std::size_t>(GST_AUDIO_INFO_CHANNELS(&info));
  auto* samples = reinterpret_cast<float*>(map.data);
  if (silence_others) std::fill_n(samples, map.size / sizeof(float), 0.0F);
  for (std::size_t i = static_cast<std::size_t>(channel); i < map.size / sizeof(float); i += width)
    samples[i] = next();
  gst_buffer_unmap(buffer, &map);
}

}  // namespace

bool ShownClip::has_each_once_in_order() const {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != static_cast<int>(i)) return false;
  }
  return true;
}

VideoWatch::VideoWatch(GstElement* element, const char* pad, std::vector<NumberPlace> places,
                       GstClockTime limit)
    : pad_(pad_of(element, pad)), places_(std::move(places)), limit_(limit) {
  gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
  probe_ = gst_pad_add_probe(
      pad_.get(),
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      &VideoWatch::probe, this, nullptr);
}

VideoWatch::~VideoWatch() { gst_pad_remove_probe(pad_.get(), probe_); }

GstPadProbeReturn VideoWatch::probe(GstPad*, GstPadProbeInfo* info, gpointer self) {
  auto* watch = static_cast<VideoWatch*>(self);
  if (GST_IS_EVENT(info->data)) {
    watch->on_event(GST_PAD_PROBE_INFO_EVENT(info));
  } else {
    watch->on_buffer(GST_PAD_PROBE_INFO_BUFFER(info));
  }
  return GST_PAD_PROBE_OK;
}

void VideoWatch::on_event(GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) gst_event_copy_segment(event, &segment_);
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    gst_video_info_from_caps(&info_, caps);
  }
}

void VideoWatch::on_buffer(GstBuffer* buffer) {
  LiveFrame one;
  one.time = gst_segment_to_running_time(&segment_, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  one.duration = GST_BUFFER_DURATION(buffer);
  if (first_ == GST_CLOCK_TIME_NONE) first_ = one.time;
  const bool counts_here = one.time - first_ < limit_;
  GstVideoFrame picture;
  if (counts_here && !places_.empty() &&
      gst_video_frame_map(&picture, &info_, buffer, GST_MAP_READ)) {
    const auto* luma = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&picture, 0));
    const int stride = GST_VIDEO_FRAME_PLANE_STRIDE(&picture, 0);
    for (const auto& place : places_) {
      const auto number = read_frame_number(
          luma + place.y * stride + place.x, stride, GST_VIDEO_FRAME_WIDTH(&picture) - place.x,
          GST_VIDEO_FRAME_HEIGHT(&picture) - place.y, place.block);
      one.numbers.push_back(number ? static_cast<int>(*number) : -1);
    }
    gst_video_frame_unmap(&picture);
  }
  const std::lock_guard lock(mutex_);
  is_over_ = !counts_here;
  if (counts_here) frames_.push_back(std::move(one));
}

std::vector<LiveFrame> VideoWatch::frames() const {
  const std::lock_guard lock(mutex_);
  return frames_;
}

std::size_t VideoWatch::count() const {
  const std::lock_guard lock(mutex_);
  return frames_.size();
}

std::vector<LiveFrame> VideoWatch::take_frames() {
  const std::lock_guard lock(mutex_);
  return std::exchange(frames_, {});
}

bool VideoWatch::is_over() const {
  const std::lock_guard lock(mutex_);
  return is_over_;
}

AudioWatch::AudioWatch(GstElement* element, const char* pad, int click_channel, int counted_channel,
                       GstClockTime limit)
    : pad_(pad_of(element, pad)),
      click_channel_(click_channel),
      counted_channel_(counted_channel),
      limit_(limit) {
  gst_segment_init(&segment_, GST_FORMAT_UNDEFINED);
  probe_ = gst_pad_add_probe(
      pad_.get(),
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      &AudioWatch::probe, this, nullptr);
}

AudioWatch::~AudioWatch() { gst_pad_remove_probe(pad_.get(), probe_); }

GstPadProbeReturn AudioWatch::probe(GstPad*, GstPadProbeInfo* info, gpointer self) {
  auto* watch = static_cast<AudioWatch*>(self);
  if (GST_IS_EVENT(info->data)) {
    watch->on_event(GST_PAD_PROBE_INFO_EVENT(info));
  } else {
    watch->on_buffer(GST_PAD_PROBE_INFO_BUFFER(info));
  }
  return GST_PAD_PROBE_OK;
}

void AudioWatch::on_event(GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) gst_event_copy_segment(event, &segment_);
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    gst_audio_info_from_caps(&info_, caps);
  }
}

double AudioWatch::value(const std::uint8_t* frame, int channel) const {
  if (GST_AUDIO_INFO_FORMAT(&info_) == GST_AUDIO_FORMAT_F32LE) {
    float sample = 0;
    std::memcpy(&sample, frame + sizeof sample * static_cast<std::size_t>(channel), sizeof sample);
    return sample;
  }
  std::int16_t sample = 0;  // S16LE
  std::memcpy(&sample, frame + sizeof sample * static_cast<std::size_t>(channel), sizeof sample);
  return sample / 32768.0;
}

void AudioWatch::on_buffer(GstBuffer* buffer) {
  const auto begin =
      gst_segment_to_running_time(&segment_, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  if (first_ == GST_CLOCK_TIME_NONE) first_ = begin;
  GstMapInfo map;
  if (begin - first_ >= limit_ || !gst_buffer_map(buffer, &map, GST_MAP_READ)) return;
  const auto rate = static_cast<std::uint64_t>(GST_AUDIO_INFO_RATE(&info_));
  const auto size = static_cast<std::size_t>(GST_AUDIO_INFO_BPF(&info_));
  const auto count = map.size / size;
  const auto time_of = [rate](std::uint64_t samples) {
    return gst_util_uint64_scale(samples, GST_SECOND, rate);
  };
  std::vector<GstClockTime> clicks;
  std::uint64_t lost = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (std::abs(value(map.data + i * size, click_channel_)) > click_level) {
      const auto time = begin + time_of(i);
      if (last_click_ == GST_CLOCK_TIME_NONE || time > last_click_ + GST_SECOND / 20)
        clicks.push_back(time);
      last_click_ = time;
    }
    if (counted_channel_ == none) continue;
    const int number =
        static_cast<int>(value(map.data + i * size, counted_channel_) * count_scale + 0.5);
    if (last_count_ == -1 && number == 0) continue;  // a mixer may begin before the sound
    const bool goes_on = last_count_ == -1 || number == (last_count_ + 1) % counts;
    if (number == 0 && (!goes_on || silent_ > 0)) {
      ++silent_;
      continue;
    }
    if (!goes_on || silent_ > 0) ++lost;
    silent_ = 0;
    last_count_ = number;
  }
  gst_buffer_unmap(buffer, &map);
  const std::lock_guard lock(mutex_);
  if (sound_.samples == 0) sound_.begin = begin;
  const auto expected = sound_.begin + time_of(sound_.samples);
  const auto apart = begin > expected ? begin - expected : expected - begin;
  if (apart > time_of(1)) ++sound_.breaks;
  sound_.samples += count;
  sound_.lost += lost;
  sound_.silent_end = silent_;
  sound_.clicks.insert(sound_.clicks.end(), clicks.begin(), clicks.end());
}

LiveSound AudioWatch::sound() const {
  const std::lock_guard lock(mutex_);
  return sound_;
}

void count_frames(GstElement* element, const char* pad, int block) {
  change_buffers(element, pad, [block, number = 0U](GstPad* from, GstBuffer* buffer) mutable {
    GstVideoInfo info;
    gst_video_info_from_caps(&info, caps_of(from).get());
    GstVideoFrame picture;
    if (!gst_video_frame_map(&picture, &info, buffer, GST_MAP_READWRITE)) return;
    draw_frame_number(static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&picture, 0)),
                      GST_VIDEO_FRAME_PLANE_STRIDE(&picture, 0), number++, block);
    gst_video_frame_unmap(&picture);
  });
}

void count_samples(GstElement* element, const char* pad, int channel) {
  change_buffers(element, pad, [channel, number = 0](GstPad* from, GstBuffer* buffer) mutable {
    gst_buffer_unset_flags(buffer, GST_BUFFER_FLAG_GAP);
    write_channel(from, buffer, channel, true, [&] {
      const auto value = static_cast<float>(number / count_scale);
      number = (number + 1) % counts;
      return value;
    });
  });
}

void silence_channel(GstElement* element, const char* pad, int channel) {
  change_buffers(element, pad, [channel](GstPad* from, GstBuffer* buffer) {
    if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) return;
    write_channel(from, buffer, channel, false, [] { return 0.0F; });
  });
}

std::vector<ShownClip> find_clips(const std::vector<LiveFrame>& frames, std::size_t place) {
  std::vector<ShownClip> clips;
  int last = -1;
  for (const auto& frame : frames) {
    const int number = frame.numbers.at(place);
    if (number != -1 && (last == -1 || number < last)) {
      clips.emplace_back().begin = frame.time;
      last = -1;
    }
    if (number != -1) {
      auto& clip = clips.back();
      ++clip.frames;
      if (number != last) clip.numbers.push_back(number);
      if (number != last && number % 24 == 0) clip.seconds.push_back(frame.time);
    }
    last = number;
  }
  return clips;
}

GstClockTime distance_of_clicks(const std::vector<ShownClip>& clips,
                                const std::vector<GstClockTime>& clicks) {
  const auto apart = [](GstClockTime a, GstClockTime b) { return a > b ? a - b : b - a; };
  std::vector<GstClockTime> seconds;
  for (const auto& clip : clips)
    seconds.insert(seconds.end(), clip.seconds.begin(), clip.seconds.end());
  if (seconds.size() != clicks.size()) return GST_CLOCK_TIME_NONE;
  GstClockTime largest = 0;
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    largest = std::max(largest, apart(seconds[i], clicks[i]));
  }
  return largest < GST_SECOND / 2 ? largest : GST_CLOCK_TIME_NONE;
}

}  // namespace veo::test
