// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip_driver.h"

#include <glib.h>

#include <algorithm>
#include <cassert>
#include <vector>

#include "veo/core/log.h"
#include "veo/core/mp4_layout.h"
#include "veo/core/task_id.h"
#include "veo/http/transport_network.h"
#include "veo/system/exit_hold.h"

namespace veo {

namespace {

ClipPlan::Settings make_plan_settings(const Clip::Settings& settings) {
  return {
      .keep = settings.keep, .has_url = !settings.url.empty(), .retries = settings.network.retries};
}

ClipPlan::Head make_plan_head(const http::FileHead& head) {
  ClipPlan::Head seen{.status = head.status,
                      .length = head.content_length,
                      .total = head.total,
                      .validator = head.strong_validator,
                      .retry_after = head.retry_after};
  if (head.content_range && head.content_range->last) {
    seen.part = {.first = head.content_range->first, .last = *head.content_range->last};
  }
  return seen;
}

}  // namespace

ClipDriver::Io::Io(const std::shared_ptr<http::IoThread>& thread, const Clip::Settings& settings)
    : file(thread, settings.cache,
           {.api_url = settings.api_url,
            .task_id = settings.task_id,
            .intent = settings.intent,
            .ledger = settings.ledger}) {}

ClipDriver::ClipDriver(Clip::Settings settings)
    : settings_(std::move(settings)),
      thread_(http::IoThread::acquire()),
      label_("task " + settings_.task_id),
      io_(std::in_place, thread_, settings_),
      shared_(std::in_place, make_plan_settings(settings_)) {}

// --- any thread ---

Clip::Availability ClipDriver::at(std::uint64_t offset) {
  auto shared = shared_.lock();
  const auto found = shared->plan.find(offset);
  switch (found.kind) {
    case ClipPlan::Found::Kind::pending:
      if (shared->plan.is_fetch_needed()) ask_for_wanted();
      return Clip::Pending{};
    case ClipPlan::Found::Kind::ready: {
      if (shared->plan.is_storing()) return Clip::Ready{found.size};
      // Hold bytes that are in memory alone until the reader takes them.
      shared->promised = shared->spool.find(offset, found.size);
      shared->promised_at = offset;
      return Clip::Ready{shared->promised ? shared->promised->bytes.size() : found.size};
    }
    case ClipPlan::Found::Kind::end:
      return Clip::End{};
    case ClipPlan::Found::Kind::failed:
      break;
  }
  return explain(*shared->plan.error());
}

Result<SharedBytes> ClipDriver::take(std::uint64_t offset, std::size_t most, bool is_through) {
  ClipFile::File from;
  {
    auto shared = shared_.lock();
    auto found = shared->spool.find(offset, most);
    if (!found && shared->promised && shared->promised_at == offset) {
      found = std::exchange(shared->promised, std::nullopt);
      found->bytes = found->bytes.first(std::min(found->bytes.size(), most));
    }
    if (!found) {
      from = shared->file;
      most = static_cast<std::size_t>(
          std::min<std::uint64_t>(most, shared->plan.count_stored_from(offset)));
    }
    const auto size = found ? found->bytes.size() : most;
    if (is_through && !shared->plan.is_storing()) tell_taken(*shared, offset, offset + size);
    if (found) return *found;
  }
  if (!from || most == 0) {
    return fail(
        explain({.code = ErrorCode::cache, .message = "bytes that were here are here no more."}));
  }
  // Read without the lock, because bytes on the disk never change.
  const std::shared_ptr<std::uint8_t[]> bytes(new std::uint8_t[most]);
  if (auto done = ClipFile::read(*from, offset, {bytes.get(), most}); !done) {
    return fail(explain(std::move(done.error())));
  }
  return SharedBytes{.owner = bytes, .bytes = {bytes.get(), most}};
}

void ClipDriver::tell_taken(Shared& shared, std::uint64_t first, std::uint64_t end) {
  auto commands = shared.plan.on_taken(first, end);
  // Evict pieces at once. The I/O thread obeys the commands for the network.
  std::erase_if(commands, [&shared](const ClipPlan::Command& command) {
    const bool is_evict = command.kind == ClipPlan::Command::Kind::evict;
    if (is_evict) shared.spool.evict(command.first);
    return is_evict;
  });
  if (commands.empty()) return;
  thread_->post([self = shared_from_this(), commands = std::move(commands)] {
    self->put_in([&](Shared& /*unused*/) { return commands; });
  });
}

void ClipDriver::report_broken(unsigned version, Error fault) {
  thread_->post([self = shared_from_this(), version, fault = std::move(fault)] {
    log::warning(log::Category::clip, self->label(), ": a reader finds it broken: ", fault);
    self->put_in(
        [&](Shared& now) { return now.plan.on_verdict(version, fault, g_random_double()); });
    self->subscribers_.notify();
  });
}

Clip::Stats ClipDriver::stats() const {
  const auto shared = shared_.lock();
  auto stats = shared->stats;
  stats.retries = shared->plan.retries();
  return stats;
}

std::optional<Error> ClipDriver::failure() const {
  const auto shared = shared_.lock();
  const auto& error = shared->plan.error();
  return error ? std::optional(explain(*error)) : std::nullopt;
}

std::string ClipDriver::notice() const {
  const auto shared = shared_.lock();
  if (shared->unrecorded) {
    return "The clip is in the cache, but the ledger could not be told: " +
           shared->unrecorded->message + " It plays from there all the same.";
  }
  const auto* const reason = shared->plan.unkept_reason();
  return reason != nullptr ? "The clip plays, but is not kept: " + reason->message : "";
}

std::string ClipDriver::kept_path() const {
  const auto shared = shared_.lock();
  return shared->plan.keeping() == ClipPlan::Keeping::kept ? shared->kept_path : "";
}

Error ClipDriver::explain(Error failure) const {
  auto id = make_task_property(settings_.task_id);
  if (!failure.remedy.empty()) id += " " + failure.remedy;
  failure.message =
      "The video of task " + settings_.task_id +
      (failure.code == ErrorCode::bad_media
           ? " is not usable: " + failure.message +
                 " The task is complete and paid. The next run asks the file host again: " + id +
                 "."
           : " could not be downloaded: " + failure.message +
                 " The task is complete and paid, and is not lost: play it again with " + id + ".");
  failure.task_id = settings_.task_id;
  failure.charged = Charged::unknown;
  return failure;
}

void ClipDriver::ask_for_wanted() {
  thread_->post([self = shared_from_this()] {
    self->put_in([](Shared& now) { return now.plan.on_wanted(); });
  });
}

// --- I/O thread ---

void ClipDriver::log_changes(const ClipPlan& plan, ClipPlan::Keeping keeping, unsigned version) {
  if (plan.version() != version) {
    log::info(log::Category::clip, label(), ": what was here is forgotten: version ",
              plan.version(), " of the file begins");
  }
  if (plan.keeping() != keeping) {
    log::debug(log::Category::clip, label(), ": ", keeping, " -> ", plan.keeping());
  }
  if (plan.error() && !std::exchange(io_->is_failure_logged, true)) {
    log::error(log::Category::clip, label(), ": has failed: ", *plan.error());
  }
  if (plan.unkept_reason() != nullptr && !std::exchange(io_->is_unkept_logged, true)) {
    log::warning(log::Category::clip, label(), ": plays, but is not kept: ", *plan.unkept_reason());
  }
}

template <class Input>
void ClipDriver::put_in(Input input) {
  ClipPlan::Commands commands;
  {
    auto shared = shared_.lock();
    // A complete file is kept even if nobody reads it any more.
    if (io_->is_released && !shared->plan.is_complete()) return;
    const auto before = shared->plan.keeping();
    const auto version = shared->plan.version();
    commands = input(*shared);
    log_changes(shared->plan, before, version);
    if (shared->plan.keeping() >= ClipPlan::Keeping::kept) io_->exit_hold.reset();
  }
  for (const auto& command : commands) {
    using Kind = ClipPlan::Command::Kind;
    const bool is_needed = command.kind == Kind::store || command.kind == Kind::check ||
                           command.kind == Kind::keep || command.kind == Kind::forget_kept;
    if (!io_->is_released || is_needed) obey(command);
  }
}

void ClipDriver::begin() {
  thread_->post([self = shared_from_this()] { self->find_in_cache(); });
}

void ClipDriver::find_in_cache() {
  if (io_->is_released) return;
  if (settings_.sha256.empty()) {
    log::debug(log::Category::clip, label(), ": has not been in the cache");
    return download();
  }
  io_->file.find_kept(settings_.size, settings_.sha256,
                      [self = shared_from_this()](const ClipFile::KeptFile& kept) {
                        if (!kept) {
                          log::info(log::Category::clip, self->label(), ": is not in the cache");
                          return self->download();
                        }
                        log::info(log::Category::clip, self->label(), ": is in the cache, ",
                                  self->settings_.size, " bytes, of the right hash");
                        self->put_in([&](Shared& now) {
                          now.file = kept;
                          now.kept_path = kept->path;
                          return now.plan.begin_with_kept(self->settings_.size);
                        });
                        self->subscribers_.notify();
                      });
}

void ClipDriver::download() {
  log::info(log::Category::clip, label(), ": download from ", log::url(settings_.url));
  put_in([](Shared& now) { return now.plan.begin(); });
  subscribers_.notify();
}

void ClipDriver::release() {
  thread_->post([self = shared_from_this(), hold = hold_exit()] {
    self->io_->is_released = true;
    const auto [is_complete, keeping] = [&] {
      const auto shared = self->shared_.lock();
      return std::pair(shared->plan.is_complete(), shared->plan.keeping());
    }();
    log::debug(log::Category::clip, self->label(),
               ": nobody reads it any more; it is complete: ", is_complete);
    if (!is_complete) self->io_->file.stop();
    // The process must not end while a complete clip is on its way into the cache.
    const bool is_being_kept = is_complete && keeping < ClipPlan::Keeping::kept;
    if (is_being_kept) self->io_->exit_hold = hold;
    for (auto& slot : self->io_->slots) slot = {};
    self->io_->transport.reset();
  });
}

void ClipDriver::obey(const ClipPlan::Command& command) {
  using Kind = ClipPlan::Command::Kind;
  switch (command.kind) {
    case Kind::open_file:
      shared_.lock()->file.reset();
      return io_->file.open(
          [self = shared_from_this(), version = command.version](const Status& opened) {
            if (opened) return;
            self->put_in([&](Shared& now) { return now.plan.on_stored(version, 0, 0, opened); });
          });
    case Kind::fetch:
      return fetch(command);
    case Kind::stop:
      return stop(command.fetch);
    case Kind::resume:
      if (auto* const slot = find_slot(command.fetch)) slot->exchange.resume();
      return;
    case Kind::wait:
      return wait(command);
    case Kind::store:
      return store(command);
    case Kind::evict:
      return shared_.lock()->spool.evict(command.first);
    case Kind::check:
      return check(command.version);
    case Kind::keep:
      return keep(command.version);
    case Kind::forget_kept:
      return io_->file.forget_kept();
  }
}

ClipDriver::Slot* ClipDriver::find_slot(ClipPlan::FetchId fetch) {
  const auto slot = std::ranges::find(io_->slots, fetch, &Slot::fetch);
  return slot == io_->slots.end() ? nullptr : &*slot;
}

ClipDriver::Slot& ClipDriver::find_free_slot() {
  auto* const slot = find_slot(0);
  assert(slot != nullptr);  // the plan has two fetches, and stops one before it begins another
  return *slot;
}

void ClipDriver::fetch(const ClipPlan::Command& command) {
  if (!io_->transport) {
    auto opened = http::Transport::open(thread_, transport_network(settings_.network));
    if (!opened) {
      return thread_->post([self = shared_from_this(), id = command.fetch, error = opened.error()] {
        self->on_end(id, error);
      });
    }
    io_->transport = std::move(*opened);
  }
  http::FileFetch request{.url = settings_.url, .policy = settings_.policy};
  request.idle_timeout = settings_.network.timeout;
  if (command.is_suffix) {
    request.suffix = command.first;
  } else {
    request.range = http::ByteRange{.first = command.first};
    if (command.end) request.range->last = *command.end - 1;
  }
  if (!command.if_range.empty()) request.if_range = command.if_range;
  if (command.is_suffix) {
    log::debug(log::Category::clip, label(), ": fetch ", command.fetch, " (", command.role,
               "): the last ", command.first, " bytes");
  } else if (command.end) {
    log::debug(log::Category::clip, label(), ": fetch ", command.fetch, " (", command.role,
               "): bytes ", command.first, "-", *command.end - 1);
  } else {
    log::debug(log::Category::clip, label(), ": fetch ", command.fetch, " (", command.role,
               "): from byte ", command.first, " to the end");
  }
  ++shared_.lock()->stats.requests;
  auto& slot = find_free_slot();
  const auto id = command.fetch;
  slot.fetch = id;
  // The handlers keep this object alive until the exchange has ended or is dropped.
  slot.exchange = io_->transport->fetch(
      std::move(request),
      {.head = [self = shared_from_this(),
                id](const http::FileHead& head) { return self->on_head(id, head); },
       .room = [self = shared_from_this(), id] { return self->make_room(id); },
       .data = [self = shared_from_this(),
                id](std::span<const std::uint8_t> bytes) { self->on_data(id, bytes.size()); },
       .end = [self = shared_from_this(),
               id](std::optional<Error> failure) { self->on_end(id, std::move(failure)); }});
}

void ClipDriver::stop(ClipPlan::FetchId fetch) {
  auto* const slot = find_slot(fetch);
  if (slot == nullptr) return;
  slot->timer.cancel();
  slot->fetch = 0;
  // Do not destroy the exchange inside one of its own handlers. Its later events belong to no
  // fetch, and are dropped.
  auto ended = std::make_shared<http::Transport::Exchange>(std::move(slot->exchange));
  thread_->post([ended = std::move(ended)] {});
}

void ClipDriver::wait(const ClipPlan::Command& command) {
  log::info(log::Category::clip, label(), ": fetch ", command.fetch, " (", command.role,
            ") is tried again in ", command.delay);
  auto& slot = find_free_slot();
  slot.fetch = command.fetch;
  slot.timer = thread_->after(command.delay, [self = shared_from_this(), id = command.fetch] {
    // The plan commands the next fetch with another id.
    self->stop(id);
    self->put_in([&](Shared& now) { return now.plan.on_timer(id); });
  });
}

void ClipDriver::store(const ClipPlan::Command& command) {
  const auto first = command.first;
  const auto end = *command.end;
  const auto bytes = shared_.lock()->spool.find(first, end - first);
  assert(bytes && bytes->bytes.size() == end - first);
  io_->file.store(first, *bytes,
                  [self = shared_from_this(), version = command.version, first, end](
                      const Status& stored, const ClipFile::File& file) {
                    log::trace(log::Category::clip, self->label(), ": bytes ", first, "-", end - 1,
                               " are in the file: ", stored.has_value());
                    self->put_in([&](Shared& now) {
                      if (now.plan.version() == version && file) now.file = file;
                      return now.plan.on_stored(version, first, end, stored);
                    });
                    if (!stored) self->subscribers_.notify();
                  });
}

Status ClipDriver::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const auto taken = take(offset, into.size(), false);
    if (!taken) return fail(taken.error());
    std::ranges::copy(taken->bytes, into.begin());
    offset += taken->bytes.size();
    into = into.subspan(taken->bytes.size());
  }
  return {};
}

void ClipDriver::check(unsigned version) {
  const auto judge = [self = shared_from_this(), version](const Status& checked) {
    if (checked) {
      log::debug(log::Category::clip, self->label(), ": its boxes are complete");
    } else {
      log::warning(log::Category::clip, self->label(), ": its boxes are broken: ", checked.error());
    }
    self->put_in([&](Shared& now) {
      const auto fault = checked ? std::nullopt : std::optional(checked.error());
      return now.plan.on_verdict(version, fault, g_random_double());
    });
    self->subscribers_.notify();
  };
  const auto [size, is_storing] = [this] {
    const auto shared = shared_.lock();
    return std::pair(shared->plan.checked_size(), shared->plan.is_storing());
  }();
  if (is_storing) return io_->file.check(size, judge);
  // Check in memory: this reads a few headers and the `moov`.
  judge(mp4::check_structure(size, [this](std::uint64_t offset, std::span<std::uint8_t> into) {
    return read(offset, into);
  }));
}

void ClipDriver::keep(unsigned version) {
  const auto size = shared_.lock()->plan.checked_size();
  io_->file.keep(size, [self = shared_from_this(), version](Result<CachedClip> kept) {
    if (!kept) return self->on_kept(version, std::move(kept));
    // Record the file even if nobody holds the clip any more.
    self->settings_.kept(*kept, [self, version, kept](const Status& recorded) {
      if (!recorded) self->shared_.lock()->unrecorded = recorded.error();
      self->on_kept(version, kept);
    });
  });
}

void ClipDriver::on_kept(unsigned version, Result<CachedClip> kept) {
  if (kept) {
    log::info(log::Category::clip, label(), ": is kept, ", kept->size, " bytes, in ",
              log::text(kept->path));
  }
  put_in([&](Shared& now) {
    if (kept) now.kept_path = kept->path;
    return now.plan.on_kept(version, kept ? Status() : fail(std::move(kept.error())));
  });
  subscribers_.notify();
}

bool ClipDriver::on_head(ClipPlan::FetchId fetch, const http::FileHead& head) {
  log::debug(log::Category::clip, label(), ": fetch ", fetch, " is answered: HTTP ", head.status,
             ", ", head.content_length.value_or(0), " bytes, of ",
             head.total.value_or(head.content_length.value_or(0)),
             log::text(head.strong_validator.empty() ? ", without a strong validator" : ""));
  put_in([&](Shared& now) {
    return now.plan.on_head(fetch, make_plan_head(head), g_random_double());
  });
  subscribers_.notify();
  return shared_.lock()->plan.is_live(fetch);
}

http::Room ClipDriver::make_room(ClipPlan::FetchId fetch) {
  using Kind = ClipPlan::Place::Kind;
  {
    auto shared = shared_.lock();
    const auto place = shared->plan.assign_place(fetch);
    if (place.kind == Kind::pause) return {};
    if (place.kind != Kind::stop) {
      auto room = place.kind == Kind::put ? shared->spool.open(place.offset, place.size)
                                          : shared->spool.scratch();
      room.bytes = room.bytes.first(std::min<std::uint64_t>(room.bytes.size(), place.size));
      return {.owner = std::move(room.block), .bytes = room.bytes};
    }
  }
  on_end(fetch, std::nullopt);
  return {};
}

void ClipDriver::on_data(ClipPlan::FetchId fetch, std::size_t count) {
  put_in([&](Shared& now) {
    now.stats.bytes += count;
    if (const auto at = now.plan.find_put_offset(fetch)) now.spool.on_added(*at, count);
    return now.plan.on_data(fetch, count);
  });
  subscribers_.notify();
}

void ClipDriver::on_end(ClipPlan::FetchId fetch, std::optional<Error> failure) {
  if (failure) {
    log::warning(log::Category::clip, label(), ": fetch ", fetch, " failed: ", *failure);
  } else {
    log::debug(log::Category::clip, label(), ": fetch ", fetch, " has ended");
  }
  stop(fetch);
  put_in(
      [&](Shared& now) { return now.plan.on_end(fetch, std::move(failure), g_random_double()); });
  subscribers_.notify();
}

}  // namespace veo
