// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The handler of the API. It also has two paths with which tests control the simulator:
//
//   GET /simulator/state    returns counts, tasks and connections
//   PUT /simulator/faults   replaces the faults by those of a JSON array
#pragma once

#include <functional>
#include <mutex>

#include "handler.h"
#include "options.h"
#include "service.h"

namespace simulator {

class ApiHandler : public Handler {
 public:
  /// `connections` returns the member `connections` of the state.
  ApiHandler(const Options& options, Service& service, FaultPlan& faults,
             std::function<Json()> connections);

  [[nodiscard]] std::optional<Phase> find_phase(const Request& request) const override;
  [[nodiscard]] bool is_control(const Request& request) const override;
  Answer answer(const Request& request, const Effects& effects) override;

 private:
  Answer answer_control(const Request& request);
  /// Makes the document of the answer. Throws ApiError.
  Json make_document(const Request& request);
  void check_key(const Request& request) const;
  /// Takes a token. Returns false if there is none, because requests come too fast.
  bool take_token();

  const std::string key_;
  const std::int64_t extend_credits_;
  Service& service_;
  FaultPlan& faults_;
  const std::function<Json()> connections_;

  const double rate_limit_;
  std::mutex mutex_;
  // A token bucket for the requests of one second. Guarded by mutex_.
  double tokens_;
  Clock::time_point filled_ = Clock::now();
};

}  // namespace simulator
