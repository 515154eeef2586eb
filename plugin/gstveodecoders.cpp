// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveodecoders.h"

#include <atomic>
#include <memory>
#include <string>

#include "gstveoowned.h"
#include "gstveopeer.h"

namespace veo::plugin {

namespace {

struct Need {
  const char* what;
  GstElementFactoryListType kind;
  const char* caps;
  const char* package;  ///< Debian's
};

constexpr Need needs[] = {
    {"demuxer for MP4", GST_ELEMENT_FACTORY_TYPE_DEMUXER, "video/quicktime",
     "gstreamer1.0-plugins-good"},
    {"decoder for H.264", GST_ELEMENT_FACTORY_TYPE_DECODER, "video/x-h264", "gstreamer1.0-libav"},
    {"decoder for AAC", GST_ELEMENT_FACTORY_TYPE_DECODER, "audio/mpeg, mpegversion=(int)4",
     "gstreamer1.0-libav"},
};

/// Whether decodebin would find such an element.
bool is_here(const Need& need) {
  const Owned<GstCaps> caps(gst_caps_from_string(need.caps));
  GList* const all = gst_element_factory_list_get_elements(need.kind, GST_RANK_MARGINAL);
  GList* const fitting = gst_element_factory_list_filter(all, caps.get(), GST_PAD_SINK, FALSE);
  const bool has_one = fitting != nullptr;
  gst_plugin_feature_list_free(fitting);
  gst_plugin_feature_list_free(all);
  return has_one;
}

bool is_plain_sink(GstElement* element) {
  return GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SINK) && !GST_IS_BIN(element);
}

/// Appends to the list `a`, `a and b`, or `a, b and c`; `rest` is the number of parts that follow.
void append_part(std::string& list, const std::string& part, std::size_t rest) {
  if (!list.empty()) list += rest == 0 ? " and " : ", ";
  list += part;
}

}  // namespace

void warn_of_missing_decoders(GstElement* element, GstPad* pad) {
  static std::atomic<bool> is_told = false;
  if (is_told) return;
  const auto receiver = find_receiver(pad);
  if (!receiver || is_plain_sink(receiver.get())) return;
  std::size_t left = 0;
  for (const auto& need : needs) left += is_here(need) ? 0U : 1U;
  if (left == 0 || is_told.exchange(true)) return;
  std::string missing;
  std::string packages;
  for (const auto& need : needs) {
    if (is_here(need)) continue;
    append_part(missing, std::string("no ") + need.what, --left);
    if (packages.find(need.package) == packages.npos) packages += std::string(" ") + need.package;
  }
  const std::string text =
      "GStreamer has " + missing +
      " on this machine, so nothing here can show or transcode the video. Install Debian's "
      "packages: apt install" +
      packages +
      ". The run goes on, because a file needs no decoder. What is paid is not lost: the clip is "
      "kept, and the same line plays the clip later and pays nothing.";
  GST_ELEMENT_WARNING(element, CORE, MISSING_PLUGIN, ("%s", text.c_str()), (nullptr));
}

}  // namespace veo::plugin
