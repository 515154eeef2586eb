// SPDX-License-Identifier: LGPL-2.1-or-later
#include <glib.h>

#include <algorithm>
#include <utility>

#include "job_private.h"
#include "veo/core/callback.h"
#include "veo/core/task_id.h"
#include "veo/core/unknown_submission.h"

namespace veo {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

constexpr unsigned tries_for_an_answer = 16;  // some seconds
constexpr unsigned tries_before_a_word = 3;   // other processes may just be writing

Error unrecorded(const std::string& task_id, const Status& written) {
  return {.code = ErrorCode::ledger,
          .message = "Task " + task_id + " is accepted and paid, but could not be recorded: " +
                     written.error().message + " Keep its id: " + task_property(task_id) +
                     " plays it at no further cost. Nothing else is submitted.",
          .task_id = task_id,
          .charged = Charged::unknown};
}

}  // namespace

Request Job::Private::outgoing() const {
  auto request = settings.request;
  if (!settings.parent_upstream_id.empty()) request.extend_task_id = settings.parent_upstream_id;
  if (webhook) {
    request.callback_url = request.callback_url
                               ? callback_url_with(*request.callback_url, webhook->token())
                               : webhook->url();
  }
  return request;
}

void Job::Private::queue_submission(TaskMachine::Time until) {
  service->when_it_may_submit([self = shared_from_this()] {
    self->timer.cancel();
    // From here on the row says that it may have been sent: an exit lets us say what came of it.
    self->submission.emplace();
    self->insist([self] { return self->record->sending(); }, enough_tries,
                 [self](const Status& written) {
                   if (!written) return self->give_up(written.error());
                   self->send_submission();
                 });
  });
  after(std::max(0ms, std::chrono::ceil<milliseconds>(until - now())), [this] {
    if (!service->is_queued()) return;
    give_up({.code = ErrorCode::timeout,
             .message = "The request could not be submitted within " +
                        std::to_string(settings.generation_timeout.count()) +
                        " s, since the service keeps this key waiting (HTTP 429). Nothing was "
                        "sent, and nothing is paid: try again later."});
  });
}

void Job::Private::send_submission() {
  if (abandoned) return obey({});
  is_posting = true;
  may_be_sent = true;
  service->submit(
      outgoing(), *settings.catalog,
      [self = shared_from_this()](const Submitted& outcome) { self->submitted(outcome); });
}

void Job::Private::submitted(const Submitted& outcome) {
  is_posting = false;
  switch (outcome.kind) {
    case Submitted::Kind::accepted:
      accepted_at = now();
      {
        const std::lock_guard lock(mutex);
        snapshot.accepted_at = accepted_at;
      }
      break;
    case Submitted::Kind::unknown:
      break;
    case Submitted::Kind::not_sent:
    case Submitted::Kind::rate_limited:
    case Submitted::Kind::refused:
      may_be_sent = false;
      break;
  }
  write_answer(outcome);
}

void Job::Private::write_answer(const Submitted& outcome) {
  const bool accepted = outcome.kind == Submitted::Kind::accepted;
  const bool unknown = outcome.kind == Submitted::Kind::unknown;
  const auto write = [this, outcome, accepted, unknown] {
    if (accepted) return write_accepted(outcome.task_id);
    if (unknown) return record->unknown(outcome.error, std::nullopt);
    // Should it be sent once more, it is claimed still; should it not, that is given up below.
    return record->held();
  };
  is_recording_answer = true;
  insist(write, accepted ? tries_for_an_answer : enough_tries,
         [this, outcome, accepted, unknown](const Status& written) {
           is_recording_answer = false;
           submission.reset();
           if (accepted && !written) return give_up(unrecorded(outcome.task_id, written));
           if (unknown && abandoned) return learn_balance(outcome, std::nullopt);
           // A hint to whether it was paid.
           if (unknown) {
             return service->ask_balance(
                 [self = shared_from_this(), outcome](std::optional<double> balance) {
                   self->learn_balance(outcome, balance);
                 });
           }
           if (accepted && abandoned && written) {
             g_printerr(
                 "gst-veo: the submission was accepted as task %s after its pipeline had "
                 "stopped. It is paid and recorded: the same line plays it.\n",
                 outcome.task_id.c_str());
           }
           conclude_submission(outcome);
         });
}

Status Job::Private::write_accepted(const std::string& task_id) {
  auto written = record->accepted(task_id);
  // The task is paid, and this may be the only place where its name ever stands.
  if (!written && ++unwritten == tries_before_a_word) {
    const auto text = unrecorded(task_id, written).message;
    g_printerr("gst-veo: %s\n", text.c_str());
    add_notice(text);
  }
  return written;
}

Error Job::Private::explain_unknown(const Error& seen, std::optional<double> balance) const {
  auto row = record->record();
  row.error_message = seen.message;
  row.task_id = seen.task_id;
  row.balance = balance;
  auto error = unknown_submission(row, settings.claim.is_plain);
  error.http_status = seen.http_status;
  error.service_code = seen.service_code;
  error.service_type = seen.service_type;
  error.service_message = seen.service_message;
  return error;
}

void Job::Private::learn_balance(Submitted outcome, std::optional<double> balance) {
  if (balance) (void)record->unknown(outcome.error, balance).has_value();
  outcome.error = explain_unknown(outcome.error, balance);
  conclude_submission(std::move(outcome));
}

void Job::Private::conclude_submission(Submitted outcome) {
  const auto command = machine.submitted(std::move(outcome), now(), random());
  obey(command);
}

void Job::Private::give_back(const std::optional<Error>& why) {
  if (service) service->cancel();
  is_posting = false;
  if (record->is_claimed() && !may_be_sent) (void)record->released(why).has_value();
}

}  // namespace veo
