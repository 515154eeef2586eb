// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A service in the test's own process: the service accepts one task after the other, completes
// each, and serves one clip for all of them. A test can make the service wait in any phase of a
// task, or answer with an error.
//
//   POST /v1/videos/generations ──► task-1, task-2, …
//   GET /v1/tasks/ID            ──► processing (while generation is held), completed, or failed
//   GET /ID.mp4                 ──► the clip, with ranges
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "raw_server.h"

namespace veo::test {

/// A phase of a task.
enum class Phase { submission, generation, download, none };

/// An answer from the API's table of errors.
struct ApiFault {
  const char* status = nullptr;  ///< the status and its reason; nullptr: there is no fault
  const char* code = "";
  const char* type = "";
};

struct Script {
  Phase hold = Phase::none;  ///< the phase in which the service waits until go_on()
  ApiFault submission;
  ApiFault query;
  const char* failure = nullptr;  ///< the code with which each task fails
  std::string clip;               ///< the file that the service serves; empty: clip()
};

class Service {
 public:
  explicit Service(Script script = {});
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Returns the MP4 that the service serves unless the script names another. Its `moov` is at its
  /// end.
  static const std::string& clip();

  [[nodiscard]] std::string api_url() const { return server_.url("/v1"); }

  /// Ends the wait of the script.
  void go_on();
  /// Waits until a request begins with `head`. False: no such request came.
  [[nodiscard]] bool wait_for(const std::string& head) const;
  [[nodiscard]] unsigned count(const std::string& head) const;
  /// Returns the bodies of the submissions, in order.
  [[nodiscard]] std::vector<std::string> submissions() const;

 private:
  void serve(RawConnection& connection);
  std::string answer(const std::string& request);
  void send_clip(RawConnection& connection, const std::string& request);
  [[nodiscard]] bool is_held(Phase phase) const;
  /// Waits for go_on(), if the script holds `phase`.
  void pass(Phase phase);

  Script script_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool held_ = true;                   // guarded by mutex_
  unsigned tasks_ = 0;                 // guarded by mutex_
  unsigned unanswered_ = 0;            // requests; guarded by mutex_
  std::vector<std::string> requests_;  // guarded by mutex_
  RawServer server_;                   // the last member, because its threads use all members above
};

}  // namespace veo::test
