// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "veo/core/log.h"
#include "veo/system/guarded.h"

namespace veo::test {

/// Calls a function at the moment when an exchange starts, on the I/O thread.
class AtStart final : public log::Sink {
 public:
  static AtStart& get() {
    static auto* const instance = new AtStart;  // never destroyed: threads may log until the end
    log::set_sink(*instance);
    return *instance;
  }
  /// Arms the sink for the next start.
  void call(std::function<void()> function) { *function_.lock() = std::move(function); }

  [[nodiscard]] bool is_enabled(log::Category category, log::Level /*level*/) const override {
    return category == log::Category::http;
  }
  void write(const log::At& /*at*/, log::Level /*level*/, const std::string& line) override {
    if (line.find(" starts: ") == std::string::npos) return;
    if (const auto function = std::exchange(*function_.lock(), nullptr)) function();
  }

 private:
  Guarded<std::function<void()>> function_;
};

}  // namespace veo::test
