// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is fetched, and when.
#include <utility>

#include "clip_private.h"
#include "veo/http/transport_network.h"

namespace veo {

namespace {

/// A hole this small, such as a `moov` at the end, is fetched beside the main download; for a
/// larger one the main download moves there.
constexpr std::uint64_t small_hole = 1U << 20U;

}  // namespace

void Clip::Private::begin() {
  auto whole = settings.sha256.empty() ? nullptr : settings.cache->find(identity(), settings.size);
  if (!whole) return download();
  file.hash(whole, settings.size, [self = shared_from_this(), whole](const std::string& sha256) {
    self->verified(whole, sha256);
  });
}

void Clip::Private::verified(const Spool::File& whole, const std::string& sha256) {
  if (released) return;
  if (sha256 != settings.sha256) {
    // One that could not be read just now may be good yet.
    if (!sha256.empty()) settings.cache->remove(identity());
    return download();
  }
  {
    const std::lock_guard lock(mutex);
    spool = Spool(whole, settings.size);
    size = settings.size;
    settled = true;
  }
  subscribers.notify();
}

void Clip::Private::download() {
  if (released) return;
  if (settings.url.empty()) {
    return refuse({.code = ErrorCode::bad_response,
                   .message = "its copy in the cache is gone or damaged, and no URL of it is "
                              "recorded."});
  }
  auto opened = http::Transport::open(thread, transport_network(settings.network));
  if (!opened) return give_up(std::move(opened.error()));
  transport = std::move(*opened);
  if (settings.keep && !use_file()) return;
  start(main, 0, std::nullopt);
  start_tail();
}

bool Clip::Private::use_file() {
  auto begun = file.begin(settings.cache, identity());
  if (!begun) {
    give_up(std::move(begun.error()));
    return false;
  }
  const std::lock_guard lock(mutex);
  spool = Spool(std::move(*begun));
  return true;
}

ClipIdentity Clip::Private::identity() const {
  return {.api_url = settings.api_url, .task_id = settings.task_id, .intent = settings.intent};
}

void Clip::Private::store(Spool::Piece piece) {
  if (!spool.file()) return;
  file.store(piece, [self = shared_from_this(), piece](Status written) {
    if (!written) return self->give_up(std::move(written.error()));
    {
      const std::lock_guard lock(self->mutex);
      self->spool.stored(piece);
      self->spool.shrink(clip_memory);
    }
    self->resume();
  });
}

void Clip::Private::seal(const Fetch& fetch) {
  std::optional<Spool::Piece> piece;
  {
    const std::lock_guard lock(mutex);
    piece = spool.seal(fetch.writer);
  }
  if (piece) store(std::move(*piece));
}

void Clip::Private::drop(Fetch& fetch) {
  fetch.retry.cancel();
  fetch.exchange = {};
  seal(fetch);
}

void Clip::Private::settle() {
  if (std::exchange(settling, true)) return;
  // The bytes may all be here before their answers have ended: what is open goes to the file too.
  drop(main);
  drop(side);
  {
    const std::lock_guard lock(mutex);
    main.active = false;
    side.active = false;
  }
  file.keep(*size, [self = shared_from_this()](Result<CachedClip> kept) {
    if (!kept) return self->settle_as(fail(std::move(kept.error())));
    self->settings.kept(*kept, [self](Status recorded) { self->settle_as(std::move(recorded)); });
  });
}

void Clip::Private::settle_as(Status kept) {
  {
    const std::lock_guard lock(mutex);
    settled = true;
    if (!kept) notice = "The clip plays, but is not kept: " + kept.error().message;
  }
  subscribers.notify();
}

void Clip::Private::go_on() {
  std::uint64_t hole = 0;
  std::uint64_t hole_end = 0;
  bool stuck = false;
  {
    const std::lock_guard lock(mutex);
    if (!size || error || !spool.file()) return;
    // A tail that nobody can use any more holds nothing up.
    const bool complete = spool.held() == *size;
    if (!complete && (main.active || side.active)) return;
    if (!complete) {
      stuck = !ranges;
      hole = spool.run_at(0);
      hole_end = spool.next_after(hole).value_or(*size);
    }
  }
  if (stuck) {
    return give_up({.code = ErrorCode::bad_response,
                    .message = "the file host no longer serves parts of the file."});
  }
  if (hole_end == 0) return settle();
  start(main, hole, hole_end);
}

void Clip::Private::release() {
  released = true;
  if (!settling) file.stop();
  for (auto* fetch : {&main, &side}) {
    fetch->retry.cancel();
    fetch->exchange = {};
  }
  transport.reset();
}

void Clip::Private::serve_wanted() {
  std::uint64_t from = 0;
  std::optional<std::uint64_t> to;
  bool coming = false;
  {
    const std::lock_guard lock(mutex);
    asked = false;
    if (!transport || error) return;
    coming = !is_awaited || spool.run_at(wanted) > 0 || is_coming(wanted);
    // Without ranges there is one way to get any byte: wait for the main fetch.
    if (!coming && !ranges) return;
    from = wanted;
    to = spool.next_after(wanted).value_or(*size);
  }
  if (coming) return resume();
  const bool small = *to - from <= small_hole;
  if (small && main.active) return start(side, from, to);
  {
    const std::lock_guard lock(mutex);
    spool.let_go();
  }
  start(main, from, to);
}

void Clip::Private::start_tail() {
  drop(side);
  begin(side, {.suffix = clip_tail}, UINT64_MAX, std::nullopt, true);
}

void Clip::Private::start(Fetch& fetch, std::uint64_t first, std::optional<std::uint64_t> stop) {
  drop(fetch);
  http::FileFetch request{.range = http::ByteRange{.first = first}};
  if (stop) request.range->last = *stop - 1;
  if (!validator.empty()) request.if_range = validator;
  begin(fetch, std::move(request), first, stop, false);
}

void Clip::Private::begin(Fetch& fetch, http::FileFetch request, std::uint64_t position,
                          std::optional<std::uint64_t> stop, bool is_tail) {
  request.url = settings.url;
  request.api_is_loopback = settings.api_is_loopback;
  request.idle_timeout = settings.network.timeout;
  {
    const std::lock_guard lock(mutex);
    fetch.active = true;
    fetch.position = position;
    fetch.stop = stop;
    fetch.is_tail = is_tail;
    if (&fetch == &main) is_paused = false;
    ++stats.requests;
  }
  // The exchange belongs to the fetch, the fetch to us: the handlers keep us alive until the
  // exchange has ended or is dropped.
  fetch.exchange = transport->fetch(
      std::move(request),
      {.head = [self = shared_from_this(),
                &fetch](const http::FileHead& head) { return self->head(fetch, head); },
       .room = [self = shared_from_this(), &fetch] { return self->room(fetch); },
       .data = [self = shared_from_this(),
                &fetch](std::span<const std::uint8_t> bytes) { self->data(fetch, bytes.size()); },
       .end = [self = shared_from_this(),
               &fetch](std::optional<Error> failure) { self->end(fetch, std::move(failure)); }});
}

}  // namespace veo
