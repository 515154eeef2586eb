// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The API's listener, and the tests' window into the simulator:
//
//   GET /simulator/state    counts, tasks, connections
//   PUT /simulator/faults   a JSON array of specs, in place of those in force
#pragma once

#include <functional>
#include <mutex>

#include "options.h"
#include "server.h"
#include "service.h"

namespace simulator {

class ApiHandler : public Handler {
 public:
  /// `connections` is asked for the state's member of that name.
  ApiHandler(const Options& options, Service& service, FaultPlan& faults,
             std::function<Json()> connections);

  [[nodiscard]] std::optional<Phase> phase(const Request& request) const override;
  [[nodiscard]] bool is_control(const Request& request) const override;
  Answer answer(const Request& request, const Effects& effects) override;

 private:
  Answer control(const Request& request);
  /// Throws ApiError.
  Json document(const Request& request);
  void check_key(const Request& request) const;
  bool within_rate();

  const std::string key_;
  const std::int64_t extend_credits_;
  Service& service_;
  FaultPlan& faults_;
  const std::function<Json()> connections_;

  const double rate_limit_;
  std::mutex mutex_;
  // A token bucket of one second's requests, guarded by mutex_.
  double tokens_;
  Clock::time_point filled_ = Clock::now();
};

}  // namespace simulator
