// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveolog.h"

#include <gst/gst.h>

#include <array>
#include <cstddef>

#include "veo/core/log.h"

namespace veo::plugin {

namespace {

/// `trace` becomes GStreamer's LOG, so that GST_DEBUG=veo*:6 shows all lines.
constexpr GstDebugLevel level_of(log::Level level) {
  constexpr GstDebugLevel levels[] = {GST_LEVEL_ERROR, GST_LEVEL_WARNING, GST_LEVEL_INFO,
                                      GST_LEVEL_DEBUG, GST_LEVEL_LOG};
  return levels[static_cast<std::size_t>(level)];
}

constexpr const char* descriptions[log::category_count] = {
    "a task, from its claim to its end", "a clip's download and its cache",
    "requests to the service and the file hosts, and their answers", "the record of paid work",
    "continuations, and how they are joined"};

class GStreamerSink final : public log::Sink {
 public:
  GStreamerSink() {
    for (std::size_t i = 0; i < categories_.size(); ++i) {
      const auto name = nick(static_cast<log::Category>(i));
      categories_[i] = _gst_debug_category_new(name.data(), 0, descriptions[i]);
    }
  }

  [[nodiscard]] bool is_enabled(log::Category category, log::Level level) const override {
    const auto wanted = level_of(level);
    return wanted <= _gst_debug_min && wanted <= gst_debug_category_get_threshold(find(category));
  }

  void write(const log::At& at, log::Level level, const std::string& line) override {
    gst_debug_log_literal(find(at.category), level_of(level), at.file, at.function, at.line,
                          nullptr, line.c_str());
  }

 private:
  [[nodiscard]] GstDebugCategory* find(log::Category category) const {
    return categories_[static_cast<std::size_t>(category)];
  }

  std::array<GstDebugCategory*, log::category_count> categories_{};
};

}  // namespace

void log_to_gstreamer() {
  // Never destroy the sink, because the I/O thread may log until the process has ended.
  static auto* const sink = new GStreamerSink;
  log::set_sink(*sink);
}

}  // namespace veo::plugin
