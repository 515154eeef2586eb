// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/account.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "storage.h"
#include "veo/core/task_id.h"
#include "veo/http/io_thread.h"
#include "veo/job/service.h"
#include "veo/ledger/ledger.h"
#include "veo/system/guarded.h"
#include "veo/system/store_thread.h"

namespace veo {

namespace {

/// An answer from another thread, for which the asker waits.
template <class T>
class Answer {
 public:
  explicit Answer(std::shared_ptr<Wakeup> wakeup) : wakeup_(std::move(wakeup)) {}

  /// Any thread.
  void set(Result<T> given) {
    *answer_.lock() = std::move(given);
    wakeup_->notify();
  }
  /// nullopt: interrupted.
  Waited<T> wait() {
    return wakeup_->wait_for([this] { return std::exchange(*answer_.lock(), std::nullopt); });
  }

 private:
  const std::shared_ptr<Wakeup> wakeup_;
  Guarded<std::optional<Result<T>>> answer_;
};

template <class T>
using Ask = std::function<void(Service&, std::function<void(Result<T>)>)>;

template <class T>
Waited<T> ask(const AccessOptions& options, const NetworkSettings& network,
              const std::shared_ptr<Wakeup>& wakeup, Ask<T> begin) {
  auto access = resolve_access(options);
  if (!access) return fail(std::move(access.error()));
  const auto thread = http::IoThread::acquire();
  const auto answer = std::make_shared<Answer<T>>(wakeup);
  const auto service = std::make_shared<std::unique_ptr<Service>>();  // I/O thread
  thread->post([=, access = std::move(*access)] {
    auto opened = Service::open(thread, access.api_url, access.key, network);
    if (!opened) return answer->set(fail(std::move(opened.error())));
    *service = std::move(*opened);
    begin(**service, [answer](Result<T> given) { answer->set(std::move(given)); });
  });
  auto given = answer->wait();
  // The I/O thread made the service, so the I/O thread destroys the service.
  thread->post([service] {
    if (*service) (*service)->cancel();
    service->reset();
  });
  return given;
}

using Found = std::optional<std::vector<Record>>;

/// Called on the ledger's thread. nullopt: another process locks the ledger.
Result<Found> find_records(const std::string& location, const std::string& cache,
                           const HistoryQuery& query) {
  const auto exists = Ledger::exists(location);
  if (!exists) return fail(exists.error());
  if (!*exists) return std::vector<Record>();
  const auto opened = Ledger::open(location, cache);
  if (!opened) return fail(opened.error());
  return *opened ? (*opened)->history(query) : Found();
}

}  // namespace

Waited<TaskReport> query_task(const AccessOptions& access, const NetworkSettings& network,
                              const std::string& task_id, const std::shared_ptr<Wakeup>& wakeup) {
  if (auto named = check_task_id("task-id", task_id); !named) {
    return fail(std::move(named.error()));
  }
  return ask<TaskReport>(
      access, network, wakeup, [task_id](Service& service, const auto& answered) {
        service.query(task_id,
                      [answered](Result<TaskReport> report, Service::RetryAfter /*unused*/) {
                        answered(std::move(report));
                      });
      });
}

Waited<std::optional<double>> query_credits(const AccessOptions& access,
                                            const NetworkSettings& network,
                                            const std::shared_ptr<Wakeup>& wakeup) {
  return ask<std::optional<double>>(
      access, network, wakeup,
      [](Service& service, const auto& answered) { service.query_credits(answered); });
}

Waited<std::vector<Record>> read_history(const std::string& ledger, const HistoryQuery& query,
                                         const std::shared_ptr<Wakeup>& wakeup) {
  using std::chrono::steady_clock;
  constexpr auto patience = std::chrono::seconds(5);
  constexpr auto pause = std::chrono::milliseconds(100);
  const auto location = ledger_path(ledger);
  const auto cache = cache_directory({});
  const auto store = StoreThread::acquire(StoreThread::Store::ledger);
  const auto until = steady_clock::now() + patience;
  do {
    const auto answer = std::make_shared<Answer<Found>>(wakeup);
    store->post([=] { answer->set(find_records(location, cache, query)); });
    auto rows = answer->wait();
    if (!rows) return std::nullopt;
    if (!*rows) return fail(std::move(rows->error()));
    if (**rows) return std::move(***rows);
    // Pause on this thread, because the ledger's thread must be able to answer others meanwhile.
    if (!wakeup->pause(steady_clock::now() + pause)) return std::nullopt;
  } while (steady_clock::now() < until);
  return fail(
      {.code = ErrorCode::ledger,
       .message = "Another program has kept the ledger " + location +
                  " locked for 5 s (busy all the time). Nothing was changed. Try again when "
                  "it is done."});
}

Waited<std::vector<std::string>> read_chain(const std::string& ledger, std::string task_id,
                                            const std::shared_ptr<Wakeup>& wakeup) {
  if (auto named = check_task_id("extend-task-id", task_id); !named) {
    return fail(std::move(named.error()));
  }
  std::vector<std::string> chain;
  // A record may be wrong, and the chain may be a circle. So no task is taken twice.
  while (!task_id.empty() && std::ranges::find(chain, task_id) == chain.end()) {
    auto rows = read_history(ledger, {.task_id = task_id, .limit = 1}, wakeup);
    if (!rows) return std::nullopt;
    if (!*rows) return fail(std::move(rows->error()));
    chain.insert(chain.begin(), std::move(task_id));
    task_id = (*rows)->empty() ? "" : (*rows)->front().parent_task_id;
  }
  return chain;
}

}  // namespace veo
