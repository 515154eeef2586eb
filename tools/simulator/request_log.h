// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One JSON line for each request, complete in the file before its answer is complete at the peer.
#pragma once

#include <fstream>
#include <mutex>
#include <string>

#include "http.h"

namespace simulator {

struct LogEntry {
  std::string listener;  ///< "api" or "files"
  std::uint64_t connection = 0;
  const Request& request;
  std::string fault;
  unsigned status = 0;  ///< 0: no head was sent
  std::uint64_t body_sent = 0;
};

class RequestLog {
 public:
  /// An empty path keeps no log. Throws std::runtime_error where the file cannot be written.
  explicit RequestLog(const std::string& path);
  void write(const LogEntry& entry);

 private:
  std::mutex mutex_;
  std::ofstream file_;  // guarded by mutex_
};

}  // namespace simulator
