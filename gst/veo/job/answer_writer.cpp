// SPDX-License-Identifier: LGPL-2.1-or-later
#include "answer_writer.h"

#include <glib.h>

#include <algorithm>
#include <utility>

#include "veo/core/log.h"
#include "veo/core/retry.h"
#include "veo/http/store_call.h"

namespace veo {

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 1s;
constexpr auto patience_with_a_journal = 500ms;
/// The delays between two tries of the ledger.
constexpr Backoff try_again{.base = 20ms, .cap = 1000ms};

}  // namespace

std::shared_ptr<AnswerWriter> AnswerWriter::write(Settings settings) {
  auto writer = std::make_shared<AnswerWriter>(std::move(settings));
  writer->try_ledger();
  writer->journal_timer_ =
      writer->settings_.thread->after(patience, [writer] { writer->begin_journals(); });
  return writer;
}

AnswerWriter::AnswerWriter(Settings settings)
    : settings_(std::move(settings)),
      journal_thread_(StoreThread::acquire(StoreThread::Store::journal)),
      journals_{AnswerJournal::beside(settings_.answer.ledger),
                AnswerJournal::in_cache(settings_.cache_directory)},
      has_it_(journals_.size(), false),
      is_asked_(journals_.size(), false) {}

void AnswerWriter::when_recorded(std::function<void(TaskRecord&)> work) {
  if (!is_recorded_) return waiting_.push_back(std::move(work));
  settings_.ledger_thread->post(
      [record = settings_.record, work = std::move(work)] { work(*record); });
}

void AnswerWriter::try_ledger() {
  http::call_store(
      *settings_.ledger_thread, settings_.thread,
      [record = settings_.record, answer = settings_.answer] {
        auto written = record->write_answer(answer);
        return std::make_pair(std::move(written), record->view());
      },
      [self = shared_from_this()](const std::pair<Status, TaskRecord::View>& result) {
        self->on_ledger(result.first, result.second);
      },
      tried_ == 0);
}

void AnswerWriter::on_ledger(const Status& written, const TaskRecord::View& view) {
  ++tried_;
  if (!written) {
    why_ = written.error();
    log::warning(log::Category::ledger, log::text(settings_.label), ": try ", tried_,
                 " to record the answer failed, another follows: ", written.error());
    ledger_timer_ = settings_.thread->after(
        try_again.compute_delay(std::min(tried_ - 1, 16U), g_random_double()),
        [self = shared_from_this()] { self->try_ledger(); });
    if (!is_on_disk_) begin_journals();
    return;
  }
  is_recorded_ = true;
  journal_timer_.cancel();
  for (std::size_t at = 0; at < journals_.size(); ++at) {
    if (has_it_[at]) remove_from(at);
  }
  for (auto& work : std::exchange(waiting_, {})) when_recorded(std::move(work));
  if (!std::exchange(is_on_disk_, true)) {
    settings_.on_written({.place = Place::ledger, .path = {}, .why = {}, .view = view});
  } else {
    log::info(log::Category::ledger, log::text(settings_.label), ": the ledger has the answer now");
    if (settings_.on_recorded) settings_.on_recorded(view);
  }
}

void AnswerWriter::begin_journals() {
  if (is_recorded_ || is_on_disk_ || asking_) return;
  try_next_journal(0);
}

/// Asks the first journal from `at` on whose thread is free.
void AnswerWriter::try_next_journal(std::size_t at) {
  while (at < journals_.size() && is_asked_[at]) ++at;
  if (at < journals_.size()) return try_journal(at);
  asking_.reset();
  tell_nowhere();
}

void AnswerWriter::try_journal(std::size_t at) {
  asking_ = at;
  is_asked_[at] = true;
  journal_timer_ =
      settings_.thread->after(patience_with_a_journal, [self = shared_from_this(), at] {
        if (self->asking_ == at && !self->is_on_disk_) self->try_next_journal(at + 1);
      });
  http::call_store(
      at == 0 ? *journal_thread_ : *settings_.clips_thread, settings_.thread,
      [journal = journals_[at], answer = settings_.answer] { return journal.append(answer); },
      [self = shared_from_this(), at](const Status& written) { self->on_journal(at, written); },
      true);
}

void AnswerWriter::on_journal(std::size_t at, const Status& written) {
  is_asked_[at] = false;
  if (!written) {
    log::warning(log::Category::ledger, log::text(settings_.label), ": ", written.error());
    if (asking_ == at && !is_on_disk_) try_next_journal(at + 1);
    return;
  }
  has_it_[at] = true;
  if (is_recorded_) return remove_from(at);
  asking_.reset();
  journal_timer_.cancel();
  if (std::exchange(is_on_disk_, true)) return;
  settings_.on_written({.place = Place::journal,
                        .path = journals_[at].path(),
                        .why = why_.value_or(Error{}),
                        .view = {}});
}

void AnswerWriter::tell_nowhere() {
  if (is_recorded_ || is_on_disk_) return;
  settings_.on_written({.place = Place::nowhere,
                        .path = {},
                        .why = why_.value_or(Error{}),
                        .failures = tried_,
                        .view = {}});
}

void AnswerWriter::remove_from(std::size_t journal) {
  has_it_[journal] = false;
  auto& thread = journal == 0 ? *journal_thread_ : *settings_.clips_thread;
  thread.post([file = journals_[journal], answer = settings_.answer] { file.remove(answer); });
}

}  // namespace veo
