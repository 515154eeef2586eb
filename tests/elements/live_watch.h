// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Looks at each frame and at each sample that passes a pad of a live pipeline: the times, the frame
// numbers in the pictures, the clicks in the sound.
#pragma once

#include <gst/audio/audio.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <cstdint>
#include <limits>
#include <mutex>
#include <vector>

#include "frame_number.h"
#include "test_pipeline.h"

namespace veo::test {

/// The place of a frame number in a picture.
struct NumberPlace {
  int x = 0;
  int y = 0;
  int block = frame_number_block;  ///< the size of a block in pixels
};

/// One frame, as it passed the pad.
struct LiveFrame {
  GstClockTime time = GST_CLOCK_TIME_NONE;  ///< running time
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  std::vector<int> numbers;  ///< one for each place; -1 where there is none
};

/// A clip, as its frames passed the pad.
struct ShownClip {
  GstClockTime begin = 0;             ///< the running time of its first frame
  std::vector<int> numbers;           ///< of its frames, without those that were repeated
  std::vector<GstClockTime> seconds;  ///< the times of the frames 0, 24, 48, …
  unsigned frames = 0;                ///< all its frames, with those that were repeated
  [[nodiscard]] bool has_each_once_in_order() const;
};

/// Watches raw video. Only frames that begin less than `limit` behind the first one count.
class VideoWatch {
 public:
  VideoWatch(GstElement* element, const char* pad, std::vector<NumberPlace> places,
             GstClockTime limit = GST_CLOCK_TIME_NONE);
  ~VideoWatch();
  VideoWatch(const VideoWatch&) = delete;
  VideoWatch& operator=(const VideoWatch&) = delete;

  [[nodiscard]] std::vector<LiveFrame> frames() const;
  [[nodiscard]] std::size_t count() const;
  /// Returns the frames, and forgets them.
  [[nodiscard]] std::vector<LiveFrame> take_frames();
  /// A frame behind the limit has passed.
  [[nodiscard]] bool is_over() const;

 private:
  static GstPadProbeReturn probe(GstPad* pad, GstPadProbeInfo* info, gpointer self);
  void on_event(GstEvent* event);
  void on_buffer(GstBuffer* buffer);

  const GstPtr<GstPad> pad_;
  const std::vector<NumberPlace> places_;
  const GstClockTime limit_;
  gulong probe_ = 0;
  GstSegment segment_{};  // this and the next two: used only by the streaming thread
  GstVideoInfo info_{};
  GstClockTime first_ = GST_CLOCK_TIME_NONE;
  mutable std::mutex mutex_;
  std::vector<LiveFrame> frames_;  // guarded by mutex_
  bool is_over_ = false;           // guarded by mutex_
};

/// What is known about the sound of a pad.
struct LiveSound {
  std::uint64_t samples = 0;                 ///< of each channel
  GstClockTime begin = GST_CLOCK_TIME_NONE;  ///< the running time of the first sample
  std::uint64_t breaks = 0;  ///< buffers that begin a sample or more beside the end of the last
  std::vector<GstClockTime> clicks;  ///< the running times of the clicks
  /// Places of the counted channel at which the count does not go on. Silence is such a place only
  /// if the count comes back after it.
  std::uint64_t lost = 0;
  std::uint64_t silent_end = 0;  ///< samples after the last one of the counted channel
};

/// Watches raw sound. Only buffers that begin less than `limit` behind the first one count.
class AudioWatch {
 public:
  static constexpr int none = -1;
  /// Looks for clicks in one channel. A second channel may count its samples (see count_samples()).
  AudioWatch(GstElement* element, const char* pad, int click_channel, int counted_channel = none,
             GstClockTime limit = GST_CLOCK_TIME_NONE);
  ~AudioWatch();
  AudioWatch(const AudioWatch&) = delete;
  AudioWatch& operator=(const AudioWatch&) = delete;

  [[nodiscard]] LiveSound sound() const;

 private:
  static GstPadProbeReturn probe(GstPad* pad, GstPadProbeInfo* info, gpointer self);
  void on_event(GstEvent* event);
  void on_buffer(GstBuffer* buffer);
  [[nodiscard]] double value(const std::uint8_t* frame, int channel) const;

  const GstPtr<GstPad> pad_;
  const int click_channel_;
  const int counted_channel_;
  const GstClockTime limit_;
  gulong probe_ = 0;
  GstSegment segment_{};  // this and the next five: used only by the streaming thread
  GstAudioInfo info_{};
  GstClockTime first_ = GST_CLOCK_TIME_NONE;
  GstClockTime last_click_ = GST_CLOCK_TIME_NONE;
  int last_count_ = -1;
  std::uint64_t silent_ = 0;  // samples since then
  mutable std::mutex mutex_;
  LiveSound sound_;  // guarded by mutex_
};

/// Draws the frame number of a camera: the n-th buffer of the pad gets the number n.
void count_frames(GstElement* element, const char* pad, int block);
/// Writes the count of the samples into one channel of the sound (F32LE, interleaved) and silence
/// into the others.
void count_samples(GstElement* element, const char* pad, int channel);
/// Silences one channel of the sound (F32LE, interleaved).
void silence_channel(GstElement* element, const char* pad, int channel);

/// Cuts the frames into clips by the numbers of one place. A number that is not larger than the
/// one before begins a clip.
std::vector<ShownClip> find_clips(const std::vector<LiveFrame>& frames, std::size_t place = 0);

/// The largest time between a click and the frame of the same second. Each frame 0, 24, 48, … of a
/// clip must have a click within half a second, and each click a frame; otherwise the result is
/// GST_CLOCK_TIME_NONE.
GstClockTime distance_of_clicks(const std::vector<ShownClip>& clips,
                                const std::vector<GstClockTime>& clicks);

}  // namespace veo::test
