// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveolivecaps.h"

#include <gst/audio/audio.h>
#include <gst/video/video.h>

#include <cstdint>
#include <string>
#include <utility>

namespace veo::plugin {

namespace {

constexpr int default_width = 1280;
constexpr int default_height = 720;

// The formats to prefer, the best one first. Behind the last one any other format will do.
constexpr const char* opaque_formats[] = {"I420", "YV12", "NV12", "Y42B", "Y444", "RGB"};
constexpr const char* alpha_formats[] = {"A420", "AYUV", "BGRA", "RGBA", "ARGB", "ABGR", "VUYA"};
constexpr const char* sound_formats[] = {"F32LE", "F32BE", "S16LE", "S16BE", "S32LE", "F64LE"};

Caps parse_caps(const char* text) { return Caps(gst_caps_from_string(text)); }

Caps intersect(const GstCaps* one, const GstCaps* other) {
  // GStreamer's function takes pointers that are not const, and does not change the caps.
  return Caps(gst_caps_intersect_full(const_cast<GstCaps*>(one), const_cast<GstCaps*>(other),
                                      GST_CAPS_INTERSECT_FIRST));
}

std::string text_of(const GstCaps* caps) {
  const Owned<char> text(gst_caps_to_string(caps));
  return text.get();
}

Error refuse(const char* property, const GstCaps* caps, const std::string& reason) {
  return {.code = ErrorCode::invalid_request,
          .message = "The property " + std::string(property) + " is “" + text_of(caps) + "”, and " +
                     reason + " Nothing was sent, and nothing was paid."};
}

struct Fraction {
  int numerator = 0;
  int denominator = 1;
};

/// Returns the frame rate of the first structure, the one nearest to the default if there are more.
Fraction find_frame_rate(const GstCaps* caps) {
  const Owned<GstStructure> first(gst_structure_copy(gst_caps_get_structure(caps, 0)));
  gst_structure_fixate_field_nearest_fraction(first.get(), "framerate", 24, 1);
  Fraction rate;
  gst_structure_get_fraction(first.get(), "framerate", &rate.numerator, &rate.denominator);
  return rate;
}

int find_sample_rate(const GstCaps* caps) {
  const Owned<GstStructure> first(gst_structure_copy(gst_caps_get_structure(caps, 0)));
  gst_structure_fixate_field_nearest_int(first.get(), "rate", 48'000);
  int rate = 0;
  gst_structure_get_int(first.get(), "rate", &rate);
  return rate;
}

/// Narrows the caps to the first of these formats that they have. False: they have none.
bool prefer_format(Caps& caps, const char* media, const char* format) {
  const Caps wanted(gst_caps_new_simple(media, "format", G_TYPE_STRING, format, nullptr));
  auto narrowed = intersect(caps.get(), wanted.get());
  if (gst_caps_is_empty(narrowed.get()) != FALSE) return false;
  caps = std::move(narrowed);
  return true;
}

/// Keeps the first structure, which the caller may then change.
GstStructure* keep_first(Caps& caps) {
  caps.reset(gst_caps_make_writable(gst_caps_truncate(caps.release())));
  return gst_caps_get_structure(caps.get(), 0);
}

bool is_fixed(const GstStructure* structure, const char* field, int& value) {
  return gst_structure_get_int(structure, field, &value) != FALSE;
}

Result<Caps> read_video_caps(const GstCaps* property) {
  const auto usable =
      parse_caps(GST_VIDEO_CAPS_MAKE(GST_VIDEO_FORMATS_ALL) ", interlace-mode=(string)progressive");
  const auto standard = parse_caps("video/x-raw, framerate=(fraction)24/1");
  const auto* const given = property != nullptr ? property : standard.get();
  const auto caps = intersect(given, usable.get());
  if (gst_caps_is_empty(caps.get()) != FALSE) {
    return fail(refuse("video-caps", given,
                       "has no raw, progressive video in system memory, such as “" +
                           std::string(default_video_caps) + "”."));
  }
  const auto rate = find_frame_rate(caps.get());
  const bool is_variable =
      gst_structure_has_field(gst_caps_get_structure(caps.get(), 0), "max-framerate") != FALSE;
  if (rate.numerator <= 0 || is_variable || rate.numerator < rate.denominator) {
    return fail(refuse("video-caps", given,
                       "a live stream needs a constant frame rate of 1/1 or more, such as 24/1."));
  }
  const Caps wanted(gst_caps_new_simple("video/x-raw", "framerate", GST_TYPE_FRACTION,
                                        rate.numerator, rate.denominator, nullptr));
  return intersect(caps.get(), wanted.get());
}

Result<Caps> read_audio_caps(const GstCaps* property) {
  const auto usable =
      parse_caps(GST_AUDIO_CAPS_MAKE(GST_AUDIO_FORMATS_ALL) ", layout=(string)interleaved");
  const auto standard = parse_caps("audio/x-raw, rate=(int)48000");
  const auto* const given = property != nullptr ? property : standard.get();
  const auto caps = intersect(given, usable.get());
  if (gst_caps_is_empty(caps.get()) != FALSE) {
    return fail(refuse(
        "audio-caps", given,
        "has no raw, interleaved sound, such as “" + std::string(default_audio_caps) + "”."));
  }
  const Caps wanted(gst_caps_new_simple("audio/x-raw", "rate", G_TYPE_INT,
                                        find_sample_rate(caps.get()), nullptr));
  return intersect(caps.get(), wanted.get());
}

}  // namespace

Result<LiveCaps> read_live_caps(const GstCaps* video, const GstCaps* audio) {
  auto pictures = read_video_caps(video);
  if (!pictures) return fail(std::move(pictures.error()));
  auto sound = read_audio_caps(audio);
  if (!sound) return fail(std::move(sound.error()));
  const auto frames = find_frame_rate(pictures->get());
  const FrameGrid grid(static_cast<std::uint32_t>(frames.numerator),
                       static_cast<std::uint32_t>(frames.denominator),
                       static_cast<std::uint32_t>(find_sample_rate(sound->get())));
  return LiveCaps{std::move(*pictures), std::move(*sound), grid};
}

Caps fixate_video(Caps caps, bool prefers_alpha) {
  bool is_found = false;
  if (prefers_alpha) {
    for (const char* format : alpha_formats) {
      if ((is_found = prefer_format(caps, "video/x-raw", format))) break;
    }
  }
  for (const char* format : opaque_formats) {
    if (is_found || (is_found = prefer_format(caps, "video/x-raw", format))) break;
  }
  auto* const first = keep_first(caps);
  // If downstream decides one side, the other one keeps the default's shape.
  int side = 0;
  if (is_fixed(first, "width", side)) {
    gst_structure_fixate_field_nearest_int(
        first, "height",
        static_cast<int>(gst_util_uint64_scale_int_round(static_cast<guint64>(side), default_height,
                                                         default_width)));
  } else if (is_fixed(first, "height", side)) {
    gst_structure_fixate_field_nearest_int(
        first, "width",
        static_cast<int>(gst_util_uint64_scale_int_round(static_cast<guint64>(side), default_width,
                                                         default_height)));
  }
  gst_structure_fixate_field_nearest_int(first, "width", default_width);
  gst_structure_fixate_field_nearest_int(first, "height", default_height);
  if (gst_structure_has_field(first, "pixel-aspect-ratio") != FALSE) {
    gst_structure_fixate_field_nearest_fraction(first, "pixel-aspect-ratio", 1, 1);
  } else {
    gst_structure_set(first, "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, nullptr);
  }
  return Caps(gst_caps_fixate(caps.release()));
}

Caps fixate_audio(Caps caps) {
  for (const char* format : sound_formats) {
    if (prefer_format(caps, "audio/x-raw", format)) break;
  }
  auto* const first = keep_first(caps);
  gst_structure_fixate_field_nearest_int(first, "channels", 2);
  int channels = 0;
  gst_structure_get_int(first, "channels", &channels);
  // More than two channels need to know their places.
  if (channels > 2 && gst_structure_has_field(first, "channel-mask") == FALSE) {
    gst_structure_set(first, "channel-mask", GST_TYPE_BITMASK,
                      gst_audio_channel_get_fallback_mask(channels), nullptr);
  }
  return Caps(gst_caps_fixate(caps.release()));
}

}  // namespace veo::plugin
