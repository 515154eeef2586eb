// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/job/service.h"

#include <glib.h>

#include <algorithm>
#include <utility>

#include "veo/http/transport_network.h"
#include "veo/json/codec.h"

namespace veo {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds balance_within{5000};

/// Whether the answer limits the speed of all requests, and not only of this one.
bool is_too_fast(const http::ApiAnswer& answer, bool rate_limited) {
  const auto& seen = answer.evidence;
  return rate_limited || (seen.status == 503 && seen.retry_after);
}

}  // namespace

Service::Service(std::shared_ptr<http::IoThread> thread, std::shared_ptr<http::Transport> transport,
                 std::string api_url, Result<Secret> key, milliseconds idle_timeout)
    : thread_(std::move(thread)),
      transport_(std::move(transport)),
      api_url_(std::move(api_url)),
      key_(std::move(key)),
      idle_timeout_(idle_timeout),
      queue_(RequestQueue::of(api_url_, key_.value_or(Secret()))) {}

Result<std::unique_ptr<Service>> Service::open(const std::shared_ptr<http::IoThread>& thread,
                                               std::string api_url, Result<Secret> key,
                                               const NetworkSettings& network) {
  auto transport = http::Transport::open(thread, transport_network(network));
  if (!transport) return fail(std::move(transport.error()));
  return std::unique_ptr<Service>(new Service(thread, std::move(*transport), std::move(api_url),
                                              std::move(key), network.timeout));
}

void Service::queue(std::function<void()> then) { turn_ = queue_->enter(thread_, std::move(then)); }

void Service::when_it_may_submit(std::function<void()> then) { queue(std::move(then)); }

void Service::call(http::ApiCall call, const std::string& path,
                   std::function<void(http::ApiAnswer)> handler) {
  call.url = api_url_ + path;
  if (key_) call.key = *key_;
  ++requests_;
  exchange_ = transport_->call(std::move(call),
                               [this, handler = std::move(handler)](http::ApiAnswer answer) {
                                 // Clear the ended exchange first: the handler may begin another.
                                 const auto heard = handler;
                                 exchange_ = {};
                                 heard(std::move(answer));
                               });
}

void Service::submit(const Request& request, const Catalog& catalog,
                     std::function<void(Submitted)> handler) {
  http::ApiCall post;
  post.method = "POST";
  post.body = json::encode_create(request, catalog);
  post.idle_timeout = idle_timeout_;
  post.total_timeout = std::max(post.total_timeout, 4 * idle_timeout_);
  // A complete document with a task id is the answer, however its stream ends.
  post.is_enough = [](std::string_view body) {
    const auto last = body.find_last_not_of(" \t\r\n");
    if (last == std::string_view::npos || body[last] != '}') return false;
    return json::decode_submission(200, body).task_id.has_value();
  };
  call(std::move(post), "/videos/generations",
       [this, handler = std::move(handler)](const http::ApiAnswer& answer) {
         auto outcome = classify_submission(
             answer.evidence, json::decode_submission(answer.evidence.status, answer.body));
         end_turn(answer, outcome.kind == Submitted::Kind::rate_limited);
         handler(std::move(outcome));
       });
}

void Service::query(const std::string& task_id,
                    std::function<void(Result<TaskReport>, RetryAfter)> handler) {
  // The service has chosen the id, so escape the id in the path.
  const std::unique_ptr<char, decltype(&g_free)> escaped(
      g_uri_escape_string(task_id.c_str(), nullptr, FALSE), g_free);
  http::ApiCall get;
  get.idle_timeout = idle_timeout_;
  get.total_timeout = std::max(get.total_timeout, 4 * idle_timeout_);
  const auto answered = [this, task_id,
                         handler = std::move(handler)](const http::ApiAnswer& answer) {
    const auto& seen = answer.evidence;
    auto report = seen.failure ? Result<TaskReport>(fail(*seen.failure))
                               : json::decode_task(task_id, seen.status, answer.body);
    end_turn(answer, !report && report.error().code == ErrorCode::rate_limit_exceeded);
    handler(std::move(report), seen.retry_after);
  };
  queue([this, get = std::move(get), path = std::string("/tasks/") + escaped.get(), answered] {
    call(get, path, answered);
  });
}

void Service::ask_credits(milliseconds within,
                          std::function<void(Result<std::optional<double>>)> handler) {
  http::ApiCall get;
  get.idle_timeout = std::min(idle_timeout_, within);
  get.total_timeout = within;
  call(std::move(get), "/credits", [handler = std::move(handler)](const http::ApiAnswer& answer) {
    const auto& seen = answer.evidence;
    if (seen.failure) return handler(fail(*seen.failure));
    if (seen.status / 100 != 2) return handler(fail(json::decode_error(seen.status, answer.body)));
    handler(json::decode_credits(answer.body));
  });
}

void Service::query_credits(std::function<void(Result<std::optional<double>>)> handler) {
  queue([this, handler = std::move(handler)] {
    ask_credits(4 * idle_timeout_, [this, handler](Result<std::optional<double>> credits) {
      turn_ = {};
      handler(std::move(credits));
    });
  });
}

void Service::ask_balance(std::function<void(std::optional<double>)> handler) {
  ask_credits(balance_within,
              [handler = std::move(handler)](const Result<std::optional<double>>& credits) {
                handler(credits ? *credits : std::nullopt);
              });
}

void Service::end_turn(const http::ApiAnswer& answer, bool rate_limited) {
  if (is_too_fast(answer, rate_limited)) {
    turn_.report_rate_limit(answer.evidence.retry_after);
  } else if (answer.evidence.complete) {
    turn_.report_good_answer();
  }
  turn_ = {};
}

void Service::cancel() {
  exchange_ = {};
  turn_ = {};
}

bool Service::is_queued() const { return !turn_.has_come() && !exchange_; }

bool Service::may_be_sent() const { return exchange_.has_begun(); }

}  // namespace veo
