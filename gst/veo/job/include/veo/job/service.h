// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service's API as calls with meanings, one at a time: a request goes out when its turn among
// the process's has come (RequestQueue), and what its answer means comes back. I/O thread only; no
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
  /// Once the POST has begun, nothing cancels it: see may_be_sent().
  void submit(const Request& request, const Catalog& catalog,
              std::function<void(Submitted)> handler);
  void query(const std::string& task_id,
             std::function<void(Result<TaskReport>, RetryAfter)> handler);
  /// The account's credits; nullopt: the service tells them in a way that we do not know.
  void query_credits(std::function<void(Result<std::optional<double>>)> handler);
  /// The same, as a hint. nullopt: unknown, for whatever reason. Within seconds.
  void ask_balance(std::function<void(std::optional<double>)> handler);
  /// Drops what is under way, unheard.
  void cancel();

  /// Nothing is under way but the wait for a turn.
  [[nodiscard]] bool is_queued() const;
  /// A submission is under way of which a byte may have left.
  [[nodiscard]] bool may_be_sent() const;
  /// HTTP exchanges so far.
  [[nodiscard]] unsigned requests() const { return requests_; }

 private:
  Service(std::shared_ptr<http::IoThread> thread, std::shared_ptr<http::Transport> transport,
          std::string api_url, Result<Secret> key, std::chrono::milliseconds idle_timeout);
  void call(http::ApiCall call, const std::string& path,
            std::function<void(http::ApiAnswer)> handler);

  void ask_credits(std::chrono::milliseconds within,
                   std::function<void(Result<std::optional<double>>)> handler);
  void queue(std::function<void()> then);
  /// `rate_limited`: by the words of the answer.
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
