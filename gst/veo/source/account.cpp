// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/account.h"

#include <unistd.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "storage.h"
#include "veo/core/catalog.h"
#include "veo/http/io_thread.h"
#include "veo/job/service.h"
#include "veo/ledger/ledger.h"

namespace veo {

namespace {

/// A question that is on the I/O thread, while its asker waits.
template <class T>
struct Question {
  std::unique_ptr<Service> service;  // I/O thread

  std::mutex mutex;
  std::optional<Result<T>> answer;  // guarded by mutex

  void set(Result<T> given) {
    const std::lock_guard lock(mutex);
    answer = std::move(given);
  }
  std::optional<Result<T>> take() {
    const std::lock_guard lock(mutex);
    return std::exchange(answer, std::nullopt);
  }
};

template <class T>
using Ask = std::function<void(Service&, std::function<void(Result<T>)>)>;

template <class T>
std::optional<Result<T>> ask(const AccessOptions& options, const NetworkSettings& network,
                             const std::shared_ptr<Wakeup>& wakeup, Ask<T> begin) {
  auto access = resolve_access(options);
  if (!access) return fail(std::move(access.error()));
  const auto thread = http::IoThread::acquire();
  const auto question = std::make_shared<Question<T>>();
  thread->post([=, access = std::move(*access)] {
    const auto answered = [question, wakeup](Result<T> answer) {
      question->set(std::move(answer));
      wakeup->notify();
    };
    auto opened = Service::open(thread, access.api_url, access.key, network);
    if (!opened) return answered(fail(std::move(opened.error())));
    question->service = std::move(*opened);
    begin(*question->service, answered);
  });
  // What was begun there ends there.
  const auto end = [&] {
    thread->post([question] {
      if (question->service) question->service->cancel();
      question->service.reset();
    });
  };
  for (;;) {
    const auto ticket = wakeup->ticket();
    if (auto answer = question->take()) {
      end();
      return answer;
    }
    if (wakeup->wait(ticket)) continue;
    end();
    return std::nullopt;
  }
}

}  // namespace

std::optional<Result<TaskReport>> query_task(const AccessOptions& access,
                                             const NetworkSettings& network,
                                             const std::string& task_id,
                                             const std::shared_ptr<Wakeup>& wakeup) {
  if (!is_task_id(task_id)) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = "task-id: a task id has 1 to 128 of the characters A-Z a-z 0-9 . _ -"});
  }
  return ask<TaskReport>(
      access, network, wakeup, [task_id](Service& service, const auto& answered) {
        service.query(task_id,
                      [answered](Result<TaskReport> report, Service::RetryAfter /*unused*/) {
                        answered(std::move(report));
                      });
      });
}

std::optional<Result<std::optional<double>>> query_credits(const AccessOptions& access,
                                                           const NetworkSettings& network,
                                                           const std::shared_ptr<Wakeup>& wakeup) {
  return ask<std::optional<double>>(
      access, network, wakeup,
      [](Service& service, const auto& answered) { service.query_credits(answered); });
}

Result<std::vector<Record>> read_history(const std::string& ledger) {
  constexpr unsigned tries = 50;
  constexpr auto pause = std::chrono::milliseconds(100);
  const auto path = ledger_path(ledger);
  if (::access(path.c_str(), F_OK) != 0) return std::vector<Record>();
  for (unsigned tried = 0; tried < tries; ++tried) {
    auto opened = Ledger::open(path);
    if (!opened) return fail(std::move(opened.error()));
    if (*opened) {
      auto rows = (*opened)->all();
      if (!rows) return fail(std::move(rows.error()));
      if (*rows) return std::move(**rows);
    }
    std::this_thread::sleep_for(pause);
  }
  return fail({.code = ErrorCode::ledger,
               .message = "The ledger " + path + " is busy all the time. Try again."});
}

}  // namespace veo
