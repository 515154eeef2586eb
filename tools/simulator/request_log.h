// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The request log has one JSON line for each request. The line is in the file before the peer has
// the complete answer.
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
  unsigned status = 0;          ///< 0 if no head was sent
  std::uint64_t body_sent = 0;  ///< the bytes of the body that were sent
};

class RequestLog {
 public:
  /// Opens the log; an empty path means no log. Throws std::runtime_error if the file cannot be
  /// written.
  explicit RequestLog(const std::string& path);
  void write(const LogEntry& entry);

 private:
  std::mutex mutex_;
  std::ofstream file_;  // guarded by mutex_
};

}  // namespace simulator
