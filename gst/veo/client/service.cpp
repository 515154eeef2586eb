// SPDX-License-Identifier: LGPL-2.1-or-later
#include "service.h"

#include <glib.h>

#include <algorithm>
#include <utility>

#include "network.h"
#include "veo/json/codec.h"

namespace veo {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds balance_within{5000};

}  // namespace

Service::Service(std::shared_ptr<http::Transport> transport, std::string api_url,
                 Result<Secret> key, milliseconds idle_timeout)
    : transport_(std::move(transport)),
      api_url_(std::move(api_url)),
      key_(std::move(key)),
      idle_timeout_(idle_timeout) {}

Result<std::unique_ptr<Service>> Service::open(const std::shared_ptr<http::IoThread>& thread,
                                               std::string api_url, Result<Secret> key,
                                               const NetworkSettings& network) {
  auto transport = http::Transport::open(thread, transport_network(network));
  if (!transport) return fail(std::move(transport.error()));
  return std::unique_ptr<Service>(
      new Service(std::move(*transport), std::move(api_url), std::move(key), network.timeout));
}

void Service::call(http::ApiCall call, const std::string& path,
                   std::function<void(http::ApiAnswer)> handler) {
  call.url = api_url_ + path;
  if (key_) call.key = *key_;
  ++requests_;
  exchange_ = transport_->call(std::move(call),
                               [this, handler = std::move(handler)](http::ApiAnswer answer) {
                                 // The exchange is over, and its handler may begin another.
                                 const auto heard = handler;
                                 exchange_ = {};
                                 heard(std::move(answer));
                               });
}

void Service::submit(const Request& request, const Catalog& catalog, std::function<void()> begun,
                     std::function<void(Submitted)> handler) {
  http::ApiCall post;
  post.begun = std::move(begun);
  post.method = "POST";
  post.body = json::encode_create(request, catalog);
  post.idle_timeout = idle_timeout_;
  post.total_timeout = std::max(post.total_timeout, 4 * idle_timeout_);
  call(std::move(post), "/videos/generations",
       [handler = std::move(handler)](const http::ApiAnswer& answer) {
         handler(classify_submission(answer.evidence,
                                     json::decode_submission(answer.evidence.status, answer.body)));
       });
}

void Service::query(const std::string& task_id,
                    std::function<void(Result<TaskReport>, RetryAfter)> handler) {
  // The id is the service's own word: it goes into the path as data, whatever it is.
  const std::unique_ptr<char, decltype(&g_free)> escaped(
      g_uri_escape_string(task_id.c_str(), nullptr, FALSE), g_free);
  http::ApiCall get;
  get.idle_timeout = idle_timeout_;
  get.total_timeout = std::max(get.total_timeout, 4 * idle_timeout_);
  call(std::move(get), std::string("/tasks/") + escaped.get(),
       [task_id, handler = std::move(handler)](const http::ApiAnswer& answer) {
         const auto& seen = answer.evidence;
         handler(seen.failure ? Result<TaskReport>(fail(*seen.failure))
                              : json::decode_task(task_id, seen.status, answer.body),
                 seen.retry_after);
       });
}

void Service::ask_balance(std::function<void(std::optional<double>)> handler) {
  http::ApiCall get;
  get.idle_timeout = std::min(idle_timeout_, balance_within);
  get.total_timeout = balance_within;
  call(std::move(get), "/credits", [handler = std::move(handler)](const http::ApiAnswer& answer) {
    const auto& seen = answer.evidence;
    const bool good = !seen.failure && seen.whole && seen.status / 100 == 2;
    handler(good ? json::decode_credits(answer.body) : std::nullopt);
  });
}

void Service::cancel() { exchange_ = {}; }

bool Service::may_be_sent() const { return exchange_.begun(); }

}  // namespace veo
