// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service's API as calls that return the meaning of an answer. One call is under way at a time,
// and each waits for its turn among the process's requests (RequestQueue). I/O thread only. No
// handler runs after cancel().
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "veo/core/catalog.h"
#include "veo/core/request.h"
#include "veo/core/submission.h"
#include "veo/core/task.h"
#include "veo/http/transport.h"
#include "veo/job/request_queue.h"
#include "veo/system/network_settings.h"

namespace veo {

class Service {
 public:
  using RetryAfter = std::optional<std::chrono::seconds>;

  /// Fails as Transport::open() does.
  static Result<std::unique_ptr<Service>> open(const std::shared_ptr<http::IoThread>& thread,
                                               std::string api_url, Result<Secret> key,
                                               const NetworkSettings& network);

  /// Waits for the turn of a submission, which submit() then uses.
  void when_it_may_submit(std::function<void()> then);
  /// Submits the request. Nothing cancels a POST that has begun: see may_be_sent().
  void submit(const Request& request, const Catalog& catalog,
              std::function<void(Submitted)> handler);
  void query(const std::string& task_id,
             std::function<void(Result<TaskReport>, RetryAfter)> handler);
  /// Asks for the account's credits. nullopt: this version does not know the form of the answer.
  void query_credits(std::function<void(Result<std::optional<double>>)> handler);
  /// Asks for the account's credits as a hint, within seconds and without a turn. nullopt: any
  /// failure.
  void ask_balance(std::function<void(std::optional<double>)> handler);
  /// Drops the call that is under way. Its handler does not run.
  void cancel();

  /// Whether the call still waits for its turn.
  [[nodiscard]] bool is_queued() const;
  /// Whether a submission is under way, and some of its bytes may have left.
  [[nodiscard]] bool may_be_sent() const;
  /// Counts the HTTP exchanges so far.
  [[nodiscard]] unsigned requests() const { return requests_; }

 private:
  Service(std::shared_ptr<http::IoThread> thread, std::shared_ptr<http::Transport> transport,
          std::string api_url, Result<Secret> key, std::chrono::milliseconds idle_timeout);
  void call(http::ApiCall call, const std::string& path,
            std::function<void(http::ApiAnswer)> handler);

  void ask_credits(std::chrono::milliseconds within,
                   std::function<void(Result<std::optional<double>>)> handler);
  void queue(std::function<void()> then);
  /// Tells the queue what the answer means for the speed, and ends the turn. `rate_limited`: the
  /// body has the code rate_limit_exceeded.
  void end_turn(const http::ApiAnswer& answer, bool rate_limited);

  const std::shared_ptr<http::IoThread> thread_;
  const std::shared_ptr<http::Transport> transport_;
  const std::string api_url_;
  const Result<Secret> key_;
  const std::chrono::milliseconds idle_timeout_;
  const std::shared_ptr<RequestQueue> queue_;
  RequestQueue::Turn turn_;
  http::Transport::Exchange exchange_;
  unsigned requests_ = 0;
};

}  // namespace veo
