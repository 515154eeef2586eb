// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A service in the test's own process: it accepts one task after the other, says when each is
// completed, and serves one clip for all of them. A test can have it wait in any phase of a task,
// or answer with an error.
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

/// Where a task stands.
enum class Phase { submission, generation, download, none };

/// An answer of the API's error table.
struct ApiFault {
  const char* status = nullptr;  ///< with its reason; nullptr: there is no fault
  const char* code = "";
  const char* type = "";
};

struct Script {
  Phase hold = Phase::none;  ///< until go_on()
  ApiFault submission;
  ApiFault query;
  const char* failure = nullptr;  ///< the code with which each task fails
  std::string clip;               ///< what is served; empty: clip()
};

class Service {
 public:
  explicit Service(Script script = {});
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// The MP4 that is served unless the script says otherwise: `moov` is at its end.
  static const std::string& clip();

  [[nodiscard]] std::string api_url() const { return server_.url("/v1"); }

  /// Ends what the script holds.
  void go_on();
  /// Waits until a request begins with `head`. False: it did not come.
  [[nodiscard]] bool wait_for(const std::string& head) const;
  [[nodiscard]] unsigned count(const std::string& head) const;
  /// The bodies of the submissions, in order.
  [[nodiscard]] std::vector<std::string> submissions() const;

 private:
  void serve(RawConnection& connection);
  std::string answer(const std::string& request);
  void send_clip(RawConnection& connection, const std::string& request);
  [[nodiscard]] bool is_held(Phase phase) const;
  /// Waits for go_on(), if `phase` is what the script holds.
  void pass(Phase phase);

  Script script_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool held_ = true;                   // guarded by mutex_
  unsigned tasks_ = 0;                 // guarded by mutex_
  unsigned unanswered_ = 0;            // requests; guarded by mutex_
  std::vector<std::string> requests_;  // guarded by mutex_
  RawServer server_;                   // last: its threads use all that is above
};

}  // namespace veo::test
