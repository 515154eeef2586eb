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
#include "veo/system/clocks.h"
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
  auto found = open_access(options, wakeup);
  if (!found) return std::nullopt;
  auto& access = *found;
  if (!access) return fail(std::move(access.error()));
  auto acquired = http::IoThread::try_acquire();
  if (!acquired) return fail(std::move(acquired.error()));
  const auto thread = std::move(*acquired);
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

/// Asks the ledger on its thread. `question` returns nullopt while another process locks the
/// ledger, and is repeated then.
template <class T>
Waited<T> ask_ledger(const std::string& location, const std::shared_ptr<Wakeup>& wakeup,
                     std::function<Result<std::optional<T>>()> question) {
  using std::chrono::steady_clock;
  constexpr auto patience = std::chrono::seconds(5);
  constexpr auto pause = std::chrono::milliseconds(100);
  auto acquired = StoreThread::try_acquire(StoreThread::Store::ledger);
  if (!acquired) return fail(std::move(acquired.error()));
  const auto store = std::move(*acquired);
  const auto until = steady_clock::now() + patience;
  do {
    const auto answer = std::make_shared<Answer<std::optional<T>>>(wakeup);
    store->post([=] { answer->set(question()); });
    auto given = answer->wait();
    if (!given) return std::nullopt;
    if (!*given) return fail(std::move(given->error()));
    if (**given) return std::move(***given);
    // Pause on this thread, because the ledger's thread must be able to answer others meanwhile.
    if (!wakeup->pause(steady_clock::now() + pause)) return std::nullopt;
  } while (steady_clock::now() < until);
  return fail(
      {.code = ErrorCode::ledger,
       .message = "Another program has kept the ledger " + location +
                  " locked for 5 s (busy all the time). Nothing was changed. Try again when "
                  "it is done."});
}

/// Called on the ledger's thread. Does `work` with a ledger that exists.
template <class T, class Work>
Result<std::optional<T>> with_existing_ledger(const std::string& location, Work work) {
  const auto exists = Ledger::exists(location);
  if (!exists) return fail(exists.error());
  if (!*exists) {
    return fail({.code = ErrorCode::ledger,
                 .message = "There is no ledger " + location +
                            ". Name the ledger with --ledger or VEO_LEDGER."});
  }
  const auto opened = Ledger::open(location);
  if (!opened) return fail(opened.error());
  return *opened ? work(**opened) : std::optional<T>();
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
  const auto location = ledger_path(ledger);
  const auto cache = cache_directory({});
  return ask_ledger<std::vector<Record>>(
      location, wakeup, [location, cache, query] { return find_records(location, cache, query); });
}

Waited<std::optional<Record>> find_record(const std::string& ledger, const std::string& intent,
                                          const std::shared_ptr<Wakeup>& wakeup) {
  const auto location = ledger_path(ledger);
  const auto cache = cache_directory({});
  using Outcome = std::optional<std::optional<Record>>;  // the outer nullopt: the ledger is locked
  return ask_ledger<std::optional<Record>>(location, wakeup,
                                           [location, cache, intent]() -> Result<Outcome> {
                                             const auto exists = Ledger::exists(location);
                                             if (!exists) return fail(exists.error());
                                             if (!*exists)
                                               return Outcome(std::in_place, std::nullopt);
                                             const auto opened = Ledger::open(location, cache);
                                             if (!opened) return fail(opened.error());
                                             if (!*opened) return Outcome();
                                             auto record = (*opened)->find(intent, "");
                                             if (!record) return fail(std::move(record.error()));
                                             return Outcome(std::in_place, std::move(*record));
                                           });
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

Waited<LedgerCopy> back_up_ledger(const std::string& ledger, const std::string& file,
                                  const std::shared_ptr<Wakeup>& wakeup) {
  const auto location = ledger_path(ledger);
  return ask_ledger<LedgerCopy>(location, wakeup, [location, file] {
    return with_existing_ledger<LedgerCopy>(location,
                                            [&file](Ledger& it) { return it.back_up(file); });
  });
}

Waited<std::vector<Redating>> redate_ledger(const std::string& ledger,
                                            const std::shared_ptr<Wakeup>& wakeup) {
  const auto location = ledger_path(ledger);
  return ask_ledger<std::vector<Redating>>(location, wakeup, [location] {
    return with_existing_ledger<std::vector<Redating>>(
        location, [](Ledger& it) { return it.redate(read_clocks()); });
  });
}

Waited<LedgerAcceptance> accept_ledger(const std::string& ledger,
                                       const std::shared_ptr<Wakeup>& wakeup) {
  const auto location = ledger_path(ledger);
  return ask_ledger<LedgerAcceptance>(
      location, wakeup, [location]() -> Result<std::optional<LedgerAcceptance>> {
        const auto opened = Ledger::open(location);
        if (!opened) return fail(opened.error());
        return *opened ? (*opened)->accept(read_clocks().wall) : std::optional<LedgerAcceptance>();
      });
}

Waited<std::string> describe_ledger_gap(const std::string& ledger,
                                        const std::shared_ptr<Wakeup>& wakeup) {
  const auto location = ledger_path(ledger);
  return ask_ledger<std::string>(location, wakeup,
                                 [location]() -> Result<std::optional<std::string>> {
                                   const auto exists = Ledger::exists(location);
                                   if (!exists) return fail(exists.error());
                                   if (!*exists) {
                                     const auto lost = Ledger::find_lost(location);
                                     if (!lost) return fail(lost.error());
                                     return *lost ? describe_gap(location, **lost) : std::string();
                                   }
                                   const auto opened = Ledger::open(location);
                                   if (!opened) return fail(opened.error());
                                   if (!*opened) return std::optional<std::string>();
                                   const auto gap = (*opened)->find_gap();
                                   if (!gap) return fail(gap.error());
                                   return *gap ? describe_gap(location, **gap) : std::string();
                                 });
}

std::string locate_ledger(const std::string& ledger) { return ledger_path(ledger); }

}  // namespace veo
