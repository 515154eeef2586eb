// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoenums.h"

#include "veo/core/request.h"
#include "veo/core/task.h"
#include "veo/source/film.h"
#include "veo/source/source.h"

namespace {

template <class Enum>
constexpr int number(Enum value) {
  return static_cast<int>(value);
}

/// `values` must live as long as the process.
GType register_enum(const char* name, const GEnumValue* values) {
  return g_enum_register_static(name, values);
}

}  // namespace

GType gst_veo_mode_get_type() {
  static const GEnumValue values[] = {
      {number(veo::Mode::fast), "Fast: the default", "fast"},
      {number(veo::Mode::quality), "Best quality, highest price", "quality"},
      {number(veo::Mode::lite), "Lowest price", "lite"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstVeoMode", values);
  return type;
}

GType gst_veo_resolution_get_type() {
  static const GEnumValue values[] = {
      {number(veo::Resolution::p720), "1280x720, or 720x1280", "720p"},
      {number(veo::Resolution::p1080), "1920x1080, or 1080x1920", "1080p"},
      {number(veo::Resolution::k4), "3840x2160, or 2160x3840", "4k"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstVeoResolution", values);
  return type;
}

GType gst_veo_aspect_ratio_get_type() {
  static const GEnumValue values[] = {
      {number(veo::AspectRatio::landscape), "Landscape", "16:9"},
      {number(veo::AspectRatio::portrait), "Portrait", "9:16"},
      {number(veo::AspectRatio::automatic), "The service decides (sent as Auto)", "auto"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstVeoAspectRatio", values);
  return type;
}

GType gst_veo_generation_type_get_type() {
  static const GEnumValue values[] = {
      {0, "Not sent: the service decides by whether there are images", "unset"},
      {1 + number(veo::GenerationType::text), "From the prompt alone", "text"},
      {1 + number(veo::GenerationType::first_and_last_frames),
       "The first image is the first frame, a second one the last", "first-and-last-frames"},
      {1 + number(veo::GenerationType::reference), "1 to 3 images as reference (mode fast only)",
       "reference"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstVeoGenerationType", values);
  return type;
}

GType gst_veo_layout_get_type() {
  static const GEnumValue values[] = {
      {number(veo::LayoutMode::streamable),
       "moov first, whatever was delivered: plays while it downloads", "streamable"},
      {number(veo::LayoutMode::original), "Bit for bit as delivered", "original"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstVeoLayout", values);
  return type;
}

GType gst_veo_on_unknown_get_type() {
  static const GEnumValue values[] = {
      {0, "Report it, and how to go on: nothing is paid twice", "fail"},
      {1, "Submit anew, which may pay a second time", "resubmit"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstVeoOnUnknown", values);
  return type;
}

GType gst_veo_task_status_get_type() {
  static const GEnumValue values[] = {
      {number(veo::TaskStatus::none), "No task yet", "none"},
      {number(veo::TaskStatus::pending), "Accepted, not begun", "pending"},
      {number(veo::TaskStatus::processing), "Being generated", "processing"},
      {number(veo::TaskStatus::completed), "Completed", "completed"},
      {number(veo::TaskStatus::failed), "Failed", "failed"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstVeoTaskStatus", values);
  return type;
}

GType gst_veo_join_get_type() {
  static const GEnumValue values[] = {
      {number(veo::Join::automatic), "Waits for the continuation, and sees what it contains",
       "auto"},
      {number(veo::Join::append), "The parent flows at once, and the continuation after it",
       "append"},
      {number(veo::Join::replace), "The continuation's file is the film", "replace"},
      {0, nullptr, nullptr}};
  static const GType type = register_enum("GstVeoJoin", values);
  return type;
}
