// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <utility>

#include "job_private.h"
#include "job_registry.h"
#include "veo/core/ledger_gap.h"
#include "veo/core/log.h"
#include "veo/core/retry.h"
#include "veo/core/task_id.h"

namespace veo {

using namespace std::chrono_literals;

namespace {

/// The delays between two claims while another process is about to submit.
constexpr Backoff claim_again{.base = 20ms, .cap = 250ms};
/// The delays between two tries to write.
constexpr Backoff write_again{.base = 20ms, .cap = 1000ms};
constexpr unsigned claims_before_a_word = 8;  // about a second
/// How long a store may take before the user is told.
constexpr auto before_a_word = 1s;

}  // namespace

std::string_view nick(TaskRecord::Standing standing) {
  constexpr std::string_view nicks[] = {
      "undecided: another process is about to submit it, or the ledger is busy",
      "unheard of: there is no row of it", "ours: it may be submitted",
      "known: its row says what it is"};
  return nicks[static_cast<std::size_t>(standing)];
}

TaskRecord::Settings Job::Private::record_settings() const {
  auto claim = settings.claim;
  if (auto failure = JobRegistry::failure(name_of(settings))) {
    failure->message += " Within this process it is not submitted again.";
    claim.refusal = std::move(failure);
  }
  return {.ledger = settings.ledger,
          .cache_directory = settings.cache_directory,
          .claim = std::move(claim),
          .task_id = settings.task_id,
          .key = settings.key ? std::optional(*settings.key) : std::nullopt};
}

void Job::Private::open_cache() {
  ask_cache([directory = settings.cache_directory,
             limit = settings.cache_limit] { return Cache::open(directory, limit); },
            [this](Result<std::shared_ptr<Cache>> cache) {
              if (io->ended) return wind_up();
              if (!cache) return give_up(cache.error());
              io->cache = std::move(*cache);
              find_in_ledger();
            });
}

void Job::Private::find_in_ledger() {
  if (io->ended) return wind_up();
  ask_record([wish = record_settings()](TaskRecord& it) { return it.find(wish); },
             [this](Result<TaskRecord::Standing> standing) { on_standing(std::move(standing)); });
}

/// Searches the cache first. If the ledger was lost, nobody must pay again for a clip that is here,
/// and nobody must pay for what the lost ledger knew before the user decides.
void Job::Private::claim_unless_cached() {
  struct Found {
    std::optional<CachedClip> wanted;  ///< the clip of this intent
    std::optional<CachedClip> proof;   ///< a clip that was paid with a ledger that was lost
  };
  const auto search = [cache = io->cache, record = settings.claim.record,
                       ledger = io->record.ledger,
                       needs_proof = io->record.needs_proof]() -> Result<Found> {
    Found found;
    // With reuse=false (an instance is set) the clip in the cache is not the wanted one.
    if (record.instance.empty()) {
      auto wanted = cache->find_intent(record.api_url, record.intent);
      if (!wanted) return fail(std::move(wanted.error()));
      found.wanted = std::move(*wanted);
    }
    if (!found.wanted && needs_proof) {
      auto proof = cache->find_paid_elsewhere(ledger);
      if (!proof) return fail(std::move(proof.error()));
      found.proof = std::move(*proof);
    }
    return found;
  };
  ask_cache(search, [this](Result<Found> found) {
    if (io->ended) return wind_up();
    if (!found) return give_up(found.error());
    if (found->proof) return give_up(make_lost_ledger_error(settings.ledger, *found->proof));
    if (found->wanted) {
      log::warning(log::Category::clip, label(), ": the cache has a clip of this intent, of task ",
                   log::text(found->wanted->identity.task_id),
                   ", which the ledger does not know: it is played");
    } else {
      log::debug(log::Category::clip, label(), ": the cache has no clip of this intent");
    }
    ask_record([wish = record_settings(),
                lost = std::move(found->wanted)](TaskRecord& it) { return it.claim(wish, lost); },
               [this](Result<TaskRecord::Standing> standing) { on_standing(std::move(standing)); });
  });
}

/// Searches the cache, because a process may have ended after it kept the clip and before it
/// recorded the clip.
void Job::Private::find_clip() {
  const auto& row = io->record.row;
  ask_cache([cache = io->cache, url = row.api_url,
             id = row.task_id] { return cache->find_task(url, id); },
            [this](const Result<std::optional<CachedClip>>& clip) {
              if (io->ended) return wind_up();
              // If the cache cannot be read, the clip is downloaded from its URL.
              if (clip && *clip) {
                io->record.row.clip_sha256 = (*clip)->sha256;
                io->record.row.clip_size = (*clip)->size;
              }
              join_task();
            });
}

void Job::Private::on_standing(Result<TaskRecord::Standing> standing) {
  auto& own = *io;
  // The job has ended meanwhile: release the claim.
  if (own.ended) return wind_up();
  for (const auto& notice : own.record.notices) add_notice(notice);
  if (!standing) return give_up(standing.error());
  log::debug(log::Category::job, label(), ": in the ledger it is ", *standing);
  switch (*standing) {
    case TaskRecord::Standing::undecided:
      if (now() >= own.started + settings.generation_timeout) {
        return give_up({.code = ErrorCode::timeout,
                        .message = "The same request has been submitted by somebody else for " +
                                   std::to_string(settings.generation_timeout.count()) +
                                   " s without an end, or the ledger " + settings.ledger +
                                   " is busy all the time. This one has sent nothing."});
      }
      if (own.claim_attempts == claims_before_a_word) {
        tell_waiting(
            "The same request is being submitted by somebody else, who is waited for, or the "
            "ledger " +
            settings.ledger + " is busy. Nothing was sent, and nothing is lost.");
      }
      {
        const auto delay = claim_again.compute_delay(own.claim_attempts++, random());
        log::debug(log::Category::job, label(), ": claim ", own.claim_attempts, ", the next in ",
                   delay);
        after(delay, [this] { find_in_ledger(); });
      }
      break;
    case TaskRecord::Standing::unheard_of:
      claim_unless_cached();
      break;
    case TaskRecord::Standing::ours:
      if (auto listening = listen(); !listening) return give_up(listening.error());
      learn();
      check_file_hosts();
      break;
    case TaskRecord::Standing::known:
      learn();
      if (own.record.row.state == RecordState::completed && own.record.row.clip_sha256.empty()) {
        return find_clip();
      }
      join_task();
      break;
  }
}

void Job::Private::insist(Writing writing) {
  begin_waiting("ledger " + settings.ledger, ledger_thread);
  try_to_write(std::make_shared<Writing>(std::move(writing)));
}

void Job::Private::try_to_write(const std::shared_ptr<Writing>& writing) {
  http::call_store(
      *ledger_thread, thread,
      [record = record, writing] {
        auto written = writing->write(*record);
        return std::make_pair(std::move(written), record->view());
      },
      [self = shared_from_this(), writing](std::pair<Status, TaskRecord::View> answer) {
        auto& own = *self->io;
        own.record = std::move(answer.second);
        const auto& written = answer.first;
        ++writing->tried;
        if (written || writing->tried >= writing->tries || (own.ended && !writing->is_answer)) {
          self->end_waiting();
          return writing->then(written);
        }
        log::warning(log::Category::ledger, self->label(), ": try ", writing->tried,
                     " to write failed, another follows: ", written.error());
        if (writing->on_failed_try) writing->on_failed_try(written, writing->tried);
        self->after(write_again.compute_delay(writing->tried - 1, random()),
                    [self, writing] { self->try_to_write(writing); });
      },
      writing->is_answer);
}

void Job::Private::begin_waiting(std::string file, std::shared_ptr<StoreThread> store) {
  auto& own = *io;
  assert(!own.waiting);
  own.timer.cancel();
  own.waiting.emplace(Waiting{
      .file = std::move(file), .store = std::move(store), .is_told = false, .otherwise = {}});
  own.patience = thread->after(before_a_word, [self = shared_from_this()] { self->tell_slow(); });
}

void Job::Private::end_waiting() {
  auto& own = *io;
  own.patience.cancel();
  const bool was_told = own.waiting->is_told;
  if (was_told) {
    log::info(log::Category::ledger, label(), ": the ", log::text(own.waiting->file),
              " has answered");
  }
  own.waiting.reset();
  if (!was_told || own.ended) return;
  shared.lock()->snapshot.trouble = own.machine.trouble();
  subscribers.notify();
}

void Job::Private::tell_slow() {
  auto& own = *io;
  if (own.ended) return;
  const auto deadline = own.clock + settings.generation_timeout;
  // A thousand jobs have one ledger. A job that waits behind others in the queue does not wait for
  // a disk.
  const auto busy = own.waiting->store->busy_for();
  if (busy < before_a_word && now() < deadline) {
    own.patience = thread->after(std::chrono::ceil<std::chrono::milliseconds>(before_a_word - busy),
                                 [self = shared_from_this()] { self->tell_slow(); });
    return;
  }
  own.waiting->is_told = true;
  log::warning(log::Category::ledger, label(), ": waits for the ", log::text(own.waiting->file),
               ", which has not answered for ",
               std::chrono::duration_cast<std::chrono::milliseconds>(busy));
  tell_waiting("The " + own.waiting->file +
               " has not answered for a second: its disk is slow or frozen, or another program "
               "keeps it. It is waited for, and nothing is lost.");
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now());
  own.patience =
      thread->after(std::max(0ms, left), [self = shared_from_this()] { self->stop_waiting(); });
}

void Job::Private::stop_waiting() {
  auto& own = *io;
  if (own.ended) return;
  if (own.waiting->otherwise) return publish_failure(*own.waiting->otherwise);
  const auto& id = own.machine.task_id().empty() ? settings.task_id : own.machine.task_id();
  publish_failure(
      {.code = ErrorCode::timeout,
       .message = "The " + own.waiting->file + " has not answered within " +
                  std::to_string(settings.generation_timeout.count()) + " s. " +
                  (id.empty() ? std::string("Nothing was sent, and nothing is paid: try again when "
                                            "its disk answers.")
                              : "Task " + id +
                                    " goes on at the service, and stays paid: play it "
                                    "later with " +
                                    make_task_property(id) + "."),
       .task_id = id,
       .charged = id.empty() ? Charged::no : Charged::unknown});
}

void Job::Private::publish_failure(const Error& error) {
  log::error(log::Category::job, label(), ": has failed: ", error);
  io->ended = true;
  {
    auto seen = shared.lock();
    seen->snapshot.phase = Phase::failed;
    seen->snapshot.error = error;
    seen->snapshot.trouble.reset();
  }
  subscribers.notify();
}

}  // namespace veo
