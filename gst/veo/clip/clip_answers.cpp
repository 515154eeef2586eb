// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What becomes of what the file host answers.
#include <glib.h>

#include <utility>

#include "clip_private.h"
#include "veo/core/retry.h"

namespace veo {

namespace {

/// What may wait for a disk that is slower than the network.
constexpr std::size_t unwritten_limit = 32U << 20U;
/// Of a file that changes each time it is looked at.
constexpr unsigned max_versions = 4;

/// Answers of a file host after which asking again can help.
bool is_passing(unsigned status) { return status == 408 || status == 429 || status >= 500; }

}  // namespace

bool Clip::Private::head(Fetch& fetch, const http::FileHead& head) {
  if (fetch.is_tail) return tail(head);
  if (head.status == 206) return partial(fetch, head);
  if (head.status == 200) return whole(fetch, head);
  // What was asked for is not there any more.
  if (head.status == 416 && fetch.position > 0) return changed(fetch);
  Error failure{
      .code = ErrorCode::network,
      .message = "the file host answered with status " + std::to_string(head.status) + ".",
      .http_status = head.status};
  if (is_passing(head.status)) {
    try_again(fetch, std::move(failure), head.retry_after);
  } else {
    refuse(std::move(failure));
  }
  return false;
}

bool Clip::Private::tail(const http::FileHead& head) {
  const bool is_one = head.status == 206 && head.content_range && head.total &&
                      *head.content_range->last + 1 == *head.total && is_same_file(head);
  const std::lock_guard lock(mutex);
  const auto first = is_one ? head.content_range->first : 0;
  if (!is_one || spool.run_at(first) > 0 || main.will_soon_bring(first)) {
    side.active = false;
    return false;
  }
  side.is_tail = false;
  side.position = first;
  side.stop = *head.total;
  if (!size) size = head.total;
  if (validator.empty()) validator = head.strong_validator;
  ranges = true;
  return true;
}

bool Clip::Private::partial(Fetch& fetch, const http::FileHead& head) {
  const auto wrong = [&](std::string what) {
    give_up({.code = ErrorCode::bad_response, .message = std::move(what), .http_status = 206});
    return false;
  };
  if (!head.content_range || head.content_range->first != fetch.position) {
    return wrong("the file host sent another range than it was asked for.");
  }
  if (!head.total) return wrong("the file host does not tell the file's size.");
  if (!is_same_file(head)) return changed(fetch);
  {
    const std::lock_guard lock(mutex);
    ranges = true;
    size = head.total;
  }
  validator = head.strong_validator;
  return true;
}

bool Clip::Private::whole(Fetch& fetch, const http::FileHead& head) {
  if (&fetch == &side) {
    // The main fetch goes on, and brings every byte in its time.
    {
      const std::lock_guard lock(mutex);
      ranges = false;
      side.active = false;
    }
    if (!main.active) {
      give_up({.code = ErrorCode::bad_response,
               .message = "the file host no longer serves parts of the file.",
               .http_status = 200});
    }
    return false;
  }
  bool in_use = false;
  {
    const std::lock_guard lock(mutex);
    in_use = committed;
  }
  if (in_use) {
    give_up({.code = ErrorCode::bad_response,
             .message = "the connection broke, and the file host cannot resume: it has no ranges, "
                        "or the file changed.",
             .http_status = 200});
    return false;
  }
  // All of it has to be somewhere until it is read, whatever comes first.
  if (!forget() || (!spool.file() && !use_file())) return false;
  const std::lock_guard lock(mutex);
  ranges = false;
  size = head.content_length;
  fetch.position = 0;
  fetch.stop.reset();
  validator = head.strong_validator;
  return true;
}

bool Clip::Private::changed(Fetch& fetch) {
  Error failure{.code = ErrorCode::bad_response,
                .message = "the file changed at the file host in mid-download."};
  bool hopeless = false;
  {
    const std::lock_guard lock(mutex);
    hopeless = committed || versions >= max_versions;
  }
  if (hopeless) {
    give_up(std::move(failure));
    return false;
  }
  if (!forget()) return false;
  const std::lock_guard lock(mutex);
  ++stats.retries;
  size.reset();
  validator.clear();
  ranges = false;
  // Not from inside the exchange that is about to end.
  fetch.active = false;
  thread->post([self = shared_from_this()] {
    if (!self->released) self->start(self->main, 0, std::nullopt);
  });
  return false;
}

bool Clip::Private::forget() {
  bool had_file = false;
  {
    const std::lock_guard lock(mutex);
    had_file = spool.file() != nullptr;
    ++versions;
    spool = Spool();
    promised.reset();
    side.active = false;
  }
  side.retry.cancel();
  side.exchange = {};
  return !had_file || use_file();
}

bool Clip::Private::is_same_file(const http::FileHead& head) const {
  const std::lock_guard lock(mutex);
  if (size && *size != *head.total) return false;
  return validator.empty() || head.strong_validator.empty() || validator == head.strong_validator;
}

http::Room Clip::Private::room(Fetch& fetch) {
  bool is_here = false;
  {
    const std::lock_guard lock(mutex);
    is_here = spool.run_at(fetch.position) > 0;
    if (!is_here) {
      if (&fetch == &main) is_paused = is_too_early();
      if (&fetch == &main && is_paused) return {};
      auto [block, bytes] = spool.room(fetch.writer, fetch.position);
      return {.owner = std::move(block), .bytes = bytes};
    }
  }
  fetch.exchange = {};
  end(fetch, std::nullopt);
  return {};
}

bool Clip::Private::is_too_early() const {
  if (spool.file()) return spool.bound() >= unwritten_limit;
  const bool is_waited_for = is_awaited && wanted >= main.position;
  return !is_waited_for && spool.bound() >= clip_memory;
}

void Clip::Private::resume() {
  bool may = false;
  {
    const std::lock_guard lock(mutex);
    may = is_paused && !is_too_early();
  }
  if (may) main.exchange.resume();
}

void Clip::Private::data(Fetch& fetch, std::size_t count) {
  std::optional<Spool::Piece> piece;
  bool too_many = false;
  {
    const std::lock_guard lock(mutex);
    too_many = size && count > *size - fetch.position;
    if (!too_many) {
      piece = spool.added(fetch.writer, count);
      fetch.position += count;
      stats.bytes += count;
      spool.shrink(clip_memory);
    }
  }
  if (too_many) {
    return give_up({.code = ErrorCode::bad_response,
                    .message = "the file host sent more bytes than it had announced."});
  }
  fetch.attempts = 0;
  if (piece) store(std::move(*piece));
  subscribers.notify();
}

void Clip::Private::end(Fetch& fetch, std::optional<Error> failure) {
  fetch.exchange = {};
  if (failure && fetch.is_tail) {
    // It was not asked for by anybody: whoever needs it now, asks.
    {
      const std::lock_guard lock(mutex);
      fetch.active = false;
    }
    return subscribers.notify();
  }
  seal(fetch);
  if (failure) {
    const bool passing = failure->code == ErrorCode::network || failure->code == ErrorCode::timeout;
    if (passing) {
      try_again(fetch, std::move(*failure), std::nullopt);
    } else {
      give_up(std::move(*failure));
    }
    return;
  }
  {
    const std::lock_guard lock(mutex);
    fetch.active = false;
    if (!size) size = fetch.position;
  }
  go_on();
  subscribers.notify();
}

void Clip::Private::try_again(Fetch& fetch, Error failure,
                              std::optional<std::chrono::seconds> retry_after) {
  const int limit = settings.network.retries;
  {
    const std::lock_guard lock(mutex);
    const bool resumable = ranges || !committed;
    if (!resumable || (limit >= 0 && fetch.attempts >= static_cast<unsigned>(limit))) {
      error = explain(std::move(failure));
    } else {
      ++stats.retries;
    }
  }
  if (error) {
    release();
    subscribers.notify();
    return;
  }
  const auto delay = Backoff{}.delay(fetch.attempts++, g_random_double(), retry_after);
  fetch.retry = thread->after(delay, [self = shared_from_this(), &fetch] {
    // What has no ranges is sent from its start again, and what came before is forgotten then.
    self->start(fetch, self->ranges ? fetch.position : 0, fetch.stop);
  });
}

void Clip::Private::refuse(Error failure) {
  {
    const std::lock_guard lock(mutex);
    refused = true;
  }
  give_up(std::move(failure));
}

void Clip::Private::give_up(Error failure) {
  {
    const std::lock_guard lock(mutex);
    error = explain(std::move(failure));
  }
  release();
  subscribers.notify();
}

}  // namespace veo
