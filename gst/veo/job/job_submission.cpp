// SPDX-License-Identifier: LGPL-2.1-or-later
#include <glib.h>

#include <algorithm>
#include <utility>

#include "job_private.h"
#include "veo/core/callback.h"
#include "veo/core/log.h"
#include "veo/core/task_id.h"
#include "veo/core/unknown_submission.h"
#include "veo/system/clocks.h"

namespace veo {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

constexpr unsigned tries_for_an_answer = 16;  // some seconds

Error make_unrecorded_error(const std::string& task_id, const std::string& why) {
  return {.code = ErrorCode::ledger,
          .message = "Task " + task_id + " is accepted and paid, but its id is on no disk: " + why +
                     " Keep the id: " + make_task_property(task_id) +
                     " plays the task at no further cost. Nothing else is submitted.",
          .task_id = task_id,
          .charged = Charged::unknown};
}

}  // namespace

Request Job::Private::make_outgoing_request() const {
  auto request = settings.request;
  if (!settings.parent_upstream_id.empty()) request.extend_task_id = settings.parent_upstream_id;
  if (const auto& webhook = io->webhook) {
    request.callback_url = request.callback_url
                               ? make_callback_url(*request.callback_url, webhook->token())
                               : webhook->url();
  }
  return request;
}

void Job::Private::queue_submission(TaskMachine::Time until) {
  log::debug(log::Category::job, label(), ": waits for its turn to be submitted");
  io->service->when_it_may_submit([self = shared_from_this()] {
    // From here on the row says that the submission may have been sent, so an exit waits until the
    // outcome is recorded.
    self->io->submission.emplace(begun_submissions());
    // Nothing is sent after the exit has begun, so the row must not say `sending` then.
    if (has_exit_begun()) return self->wind_up();
    self->insist({.write = [at = read_clocks()](TaskRecord& it) { return it.write_sending(at); },
                  .then =
                      [p = self.get()](const Status& written) {
                        if (p->io->ended) return p->wind_up();
                        if (!written) return p->give_up(written.error());
                        p->send_submission();
                      }});
  });
  after(std::max(0ms, std::chrono::ceil<milliseconds>(until - now())), [this] {
    if (!io->service->is_queued()) return;
    give_up({.code = ErrorCode::timeout,
             .message = "The request could not be submitted within " +
                        std::to_string(settings.generation_timeout.count()) +
                        " s, since the service keeps this key waiting (HTTP 429). Nothing was "
                        "sent, and nothing is paid: try again later."});
  });
}

void Job::Private::send_submission() {
  // Send nothing new after the exit has begun.
  if (has_exit_begun()) return wind_up();
  log::info(log::Category::job, label(), ": is sent now");
  io->is_posting = true;
  io->may_be_sent = true;
  io->service->submit(
      make_outgoing_request(), *settings.catalog,
      [self = shared_from_this()](const Submitted& outcome) { self->on_submitted(outcome); });
}

void Job::Private::on_submitted(const Submitted& outcome) {
  auto& own = *io;
  own.is_posting = false;
  if (outcome.kind != Submitted::Kind::accepted) {
    log::warning(log::Category::job, label(), ": the submission is ", outcome.kind, ": ",
                 outcome.error);
  }
  switch (outcome.kind) {
    case Submitted::Kind::accepted:
      own.accepted_at = own.clock = now();
      shared.lock()->snapshot.accepted_at = own.accepted_at;
      write_accepted(outcome);
      // After the answer is on its way to the disk: a log's reader who does not read may hold this
      // thread up.
      log::info(log::Category::job, label(), ": the submission is accepted: task ",
                log::text(outcome.task_id));
      return;
    case Submitted::Kind::unknown:
      return write_unknown(outcome);
    case Submitted::Kind::not_sent:
    case Submitted::Kind::rate_limited:
    case Submitted::Kind::refused:
      break;
  }
  own.may_be_sent = false;
  if (outcome.kind == Submitted::Kind::refused) return write_refused(outcome);
  // Keep the claim for another try. If there is no other try, give_back() releases the claim.
  insist({.write = [at = read_clocks()](TaskRecord& it) { return it.write_held(at); },
          .is_answer = true,
          .then =
              [this, outcome](const Status& /*unused*/) {
                io->submission.reset();
                conclude_submission(outcome);
              }});
}

AnswerRecord Job::Private::make_answer(RecordState state) const {
  AnswerRecord answer{.ledger = settings.ledger, .salt = io->record.salt, .record = io->record.row};
  answer.record.state = state;
  return answer;
}

void Job::Private::write_answer(AnswerRecord answer, std::optional<Error> otherwise,
                                std::function<void(const AnswerWriter::Written&)> then) {
  auto& own = *io;
  // From here on an exit waits for a disk, and not for the service.
  auto hold = std::make_shared<std::optional<ExitCount::Hold>>(std::in_place, unwritten_answers());
  own.submission.reset();
  begin_waiting("ledger " + settings.ledger, ledger_thread);
  own.waiting->otherwise = std::move(otherwise);
  own.writer = AnswerWriter::write(
      {.thread = thread,
       .ledger_thread = ledger_thread,
       .clips_thread = clips_thread,
       .record = record,
       .answer = std::move(answer),
       .cache_directory = settings.cache_directory,
       .label = own.label,
       .on_written =
           [self = shared_from_this(), hold, then = std::move(then)](const auto& written) {
             using Place = AnswerWriter::Place;
             if (written.place == Place::nowhere) {
               self->name_unrecorded(written.why);
               if (written.failures < tries_for_an_answer || !*hold) return;
             }
             // The writer goes on without the job if the answer is nowhere after all tries.
             if (!*hold) return;
             hold->reset();
             if (written.view) self->io->record = *written.view;
             self->end_waiting();
             if (written.view) self->io->writer.reset();
             then(written);
           },
       .on_recorded =
           [self = shared_from_this()](const TaskRecord::View& view) {
             self->io->record.row.id = view.row.id;
             self->io->writer.reset();
           }});
}

void Job::Private::write_accepted(const Submitted& outcome) {
  io->record.row.task_id = outcome.task_id;
  io->record.row.accepted_at = read_clocks().wall;
  const auto unrecorded =
      make_unrecorded_error(outcome.task_id, "the ledger " + settings.ledger + " does not answer.");
  write_answer(make_answer(RecordState::accepted), unrecorded,
               [this, outcome](const AnswerWriter::Written& written) {
                 const auto& id = outcome.task_id;
                 if (written.place == AnswerWriter::Place::nowhere) {
                   if (!io->ended) publish_failure(make_unrecorded_error(id, written.why.message));
                   return release();
                 }
                 if (written.place == AnswerWriter::Place::journal) {
                   tell_journal("Task " + id + " is accepted and paid. ", written);
                 } else if (io->ended) {
                   g_printerr(
                       "gst-veo: the submission was accepted as task %s after its pipeline had "
                       "stopped. It is paid and recorded: the same line plays it.\n",
                       id.c_str());
                 }
                 conclude_submission(outcome);
               });
}

void Job::Private::tell_journal(const std::string& what, const AnswerWriter::Written& written) {
  const auto why = written.why.message.empty()
                       ? "The ledger " + settings.ledger + " does not answer."
                       : written.why.message;
  const auto text = what + why + " The answer is safe in " + written.path +
                    ". The ledger takes the answer from there, in this run or in the next. Run the "
                    "same line again if this run ends early: it costs nothing more.";
  if (io->ended) {
    g_printerr("gst-veo: %s\n", text.c_str());
  } else {
    add_notice(text);
  }
}

void Job::Private::name_unrecorded(const Error& why) {
  auto& waiting = io->waiting;
  if (!waiting || !waiting->otherwise || waiting->otherwise->task_id.empty()) return;
  if (std::exchange(waiting->is_named, true)) return;
  auto error = *waiting->otherwise;
  if (error.code == ErrorCode::ledger && !why.message.empty()) {
    error = make_unrecorded_error(error.task_id, why.message);
  }
  g_printerr("gst-veo: %s\n", error.message.c_str());
  add_notice(error.message);
}

void Job::Private::write_refused(const Submitted& outcome) {
  write_surely_unpaid(outcome.error, [this, outcome] { conclude_submission(outcome); });
}

void Job::Private::write_surely_unpaid(const std::optional<Error>& why,
                                       std::function<void()> then) {
  auto& row = io->record.row;
  row.error = why ? nick(why->code) : "";
  row.error_message = why ? why->message : "";
  row.finished_at = read_clocks().wall;
  write_answer(make_answer(RecordState::released), why,
               [this, then = std::move(then)](const AnswerWriter::Written& /*written*/) {
                 io->record.is_claimed = false;
                 then();
               });
}

void Job::Private::write_unknown(const Submitted& outcome) {
  auto& row = io->record.row;
  row.task_id = outcome.error.task_id;
  row.error = nick(outcome.error.code);
  row.error_message = outcome.error.message;
  row.finished_at = read_clocks().wall;
  write_answer(make_answer(RecordState::unknown), explain_unknown(outcome.error, std::nullopt),
               [this, outcome](const AnswerWriter::Written& written) {
                 if (written.place == AnswerWriter::Place::journal) {
                   tell_journal("It is unknown whether the submission was accepted. ", written);
                 }
                 if (io->ended) return conclude_unknown(outcome, std::nullopt);
                 // The balance hints at whether the task was paid.
                 io->service->ask_balance(
                     [self = shared_from_this(), outcome](std::optional<double> balance) {
                       self->learn_balance(outcome, balance);
                     });
               });
}

Error Job::Private::explain_unknown(const Error& seen, std::optional<double> balance) const {
  auto row = io->record.row;
  row.error_message = seen.message;
  row.task_id = seen.task_id;
  row.balance = balance;
  auto error = make_unknown_submission_error(row, settings.claim.is_plain);
  error.http_status = seen.http_status;
  error.service_code = seen.service_code;
  error.service_type = seen.service_type;
  error.service_message = seen.service_message;
  return error;
}

void Job::Private::learn_balance(Submitted outcome, std::optional<double> balance) {
  if (!balance || is_ledger_behind()) return conclude_unknown(std::move(outcome), balance);
  insist({.write = [why = outcome.error, balance = *balance, at = read_clocks()](
                       TaskRecord& it) { return it.write_balance(why, balance, at); },
          .tries = 1,  // it is only a hint
          .then = [this, outcome,
                   balance](const Status& /*unused*/) { conclude_unknown(outcome, balance); }});
  io->waiting->otherwise = explain_unknown(outcome.error, balance);
}

void Job::Private::conclude_unknown(Submitted outcome, std::optional<double> balance) {
  log::debug(log::Category::job, label(),
             ": it is unknown whether the task is paid; the service tells the balance: ",
             balance.has_value());
  outcome.error = explain_unknown(outcome.error, balance);
  conclude_submission(std::move(outcome));
}

void Job::Private::conclude_submission(Submitted outcome) {
  obey(io->machine.on_submitted(std::move(outcome), now(), random()));
}

void Job::Private::give_back(const std::optional<Error>& why, std::function<void()> then) {
  auto& own = *io;
  if (own.service) own.service->cancel();
  own.is_posting = false;
  if (!own.record.is_claimed || own.may_be_sent) {
    own.timer.cancel();
    return then();
  }
  // The ledger may still say that the submission has been sent.
  if (own.record.row.state == RecordState::sending) {
    return write_surely_unpaid(why, std::move(then));
  }
  insist({.write = [why, at = read_clocks()](TaskRecord& it) { return it.write_released(why, at); },
          .is_answer = true,
          .then = [then = std::move(then)](const Status& /*unused*/) { then(); }});
  own.waiting->otherwise = why;
}

}  // namespace veo
