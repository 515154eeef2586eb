// SPDX-License-Identifier: LGPL-2.1-or-later
#include "request_log.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace simulator {

RequestLog::RequestLog(const std::string& path) {
  if (path.empty()) return;
  file_.open(path, std::ios::app);
  if (!file_) throw std::runtime_error("cannot write the log " + path);
}

void RequestLog::write(const LogEntry& entry) {
  Json headers = Json::object();
  for (const auto& [name, value] : entry.request.headers) headers[name].push_back(value);
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  const Json line = {{"time", now.count()},
                     {"listener", entry.listener},
                     {"connection", entry.connection},
                     {"method", entry.request.method},
                     {"target", entry.request.target},
                     {"headers", std::move(headers)},
                     {"body", entry.request.body},
                     {"status", entry.status},
                     {"body_sent", entry.body_sent},
                     {"fault", entry.fault}};
  const std::lock_guard lock(mutex_);
  if (!file_.is_open()) return;
  // A body may have bytes that are not UTF-8.
  file_ << line.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
}

}  // namespace simulator
