// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/client/clip.h"

#include <glib.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "clip_file.h"
#include "network.h"
#include "spool.h"
#include "veo/core/retry.h"
#include "veo/http/transport.h"
#include "veo/ledger/cache.h"

namespace veo {

namespace {

/// A reader waits for a running fetch that is this close: a request of its own would not be there
/// sooner. (A quarter of what 2 MB/s bring in a second.)
constexpr std::uint64_t near = 512U << 10U;
/// A hole this small, such as a `moov` at the end, is fetched beside the main download; for a
/// larger one the main download moves there.
constexpr std::uint64_t small_hole = 1U << 20U;

/// What is fetched beside the start at once, before anything is known of the file: where `moov` is
/// last, a clip's fits, and the first picture is a round trip (or three, with TLS) nearer.
constexpr std::uint64_t tail_size = 16U << 10U;

/// What stays in memory for readers who keep up, or without a file for the one reader.
constexpr std::size_t memory_limit = 8U << 20U;
/// What may wait for a disk that is slower than the network.
constexpr std::size_t unwritten_limit = 32U << 20U;
/// Of a file that changes each time it is looked at.
constexpr unsigned max_versions = 4;

/// Answers of a file host after which asking again can help.
bool is_passing(unsigned status) { return status == 408 || status == 429 || status >= 500; }

}  // namespace

// Two fetches at most. The main one runs from a point to the end of a hole, at first the whole
// file. The side one brings a small piece that somebody needs before the main one gets there; its
// first is the file's tail, on speculation, and what becomes of that one is of no consequence:
//
//   file   |ftyp uuid mdat····································moov|
//   main    ─────────────────►
//   side                                                      ────►
//
// Positions, sizes and the spool's map are shared with readers; all else belongs to the I/O thread.
struct Clip::Private : std::enable_shared_from_this<Clip::Private> {
  struct Fetch {
    const Spool::Writer writer;
    http::Transport::Exchange exchange;
    http::IoThread::Timer retry;
    bool active = false;                // guarded by mutex; so are the next two
    std::uint64_t position = 0;         // of the next byte to come
    std::optional<std::uint64_t> stop;  // one past the last byte wanted; unset: to the end
    bool is_tail = false;               // the position is not known until the head is here
    unsigned attempts = 0;

    [[nodiscard]] bool will_soon_bring(std::uint64_t offset) const {
      return active && !is_tail && offset >= position && offset - position < near &&
             (!stop || offset < *stop);
    }
  };

  explicit Private(Settings from)
      : settings(std::move(from)), thread(http::IoThread::acquire()), file(thread) {}

  // --- any thread ---

  Availability at(std::uint64_t offset) {
    const std::lock_guard lock(mutex);
    // The end is told when the clip is safe, so that the next run finds it. What failed behind a
    // reader who has everything is not his concern.
    if (size && offset >= *size) {
      if (settled || error || !spool.file()) return End{};
      return Pending{};
    }
    if (const auto run = spool.run_at(offset); run > 0) {
      // What is in memory alone stays until it is taken.
      if (!spool.file()) promised = spool.take(offset, run, false);
      is_awaited = false;
      return Ready{promised ? promised->bytes.size() : run};
    }
    if (error) return *error;
    wanted = offset;
    is_awaited = true;
    if ((!is_coming(offset) || is_paused) && !asked) {
      asked = true;
      thread->post([self = shared_from_this()] { self->serve_wanted(); });
    }
    return Pending{};
  }

  Result<SharedBytes> take(std::uint64_t offset, std::size_t most, bool finally) {
    Spool::File from;
    {
      const std::lock_guard lock(mutex);
      auto found = spool.take(offset, most, finally);
      from = spool.file();
      if (!found && !from) found = std::exchange(promised, std::nullopt);
      if (found) {
        found->bytes = found->bytes.first(std::min(found->bytes.size(), most));
        if (is_paused && !asked) {
          asked = true;
          thread->post([self = shared_from_this()] { self->serve_wanted(); });
        }
        return *found;
      }
    }
    // Bytes that are there stay there, unchanged: they are read without the lock.
    const std::shared_ptr<std::uint8_t[]> bytes(new std::uint8_t[most]);
    if (auto read = Spool::load(*from, offset, {bytes.get(), most}); !read) {
      return fail(explain(std::move(read.error())));
    }
    return SharedBytes{.owner = bytes, .bytes = {bytes.get(), most}};
  }

  [[nodiscard]] bool is_coming(std::uint64_t offset) const {
    const bool in_the_tail = side.active && side.is_tail && size && offset + tail_size >= *size;
    return in_the_tail || main.will_soon_bring(offset) || side.will_soon_bring(offset);
  }

  // --- I/O thread ---

  void begin() {
    auto whole =
        settings.sha256.empty() ? nullptr : settings.cache->find(identity(), settings.size);
    if (!whole) return download();
    file.hash(whole, settings.size, [self = shared_from_this(), whole](const std::string& sha256) {
      self->verified(whole, sha256);
    });
  }

  void verified(const Spool::File& whole, const std::string& sha256) {
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

  void download() {
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

  /// False: given up.
  bool use_file() {
    auto begun = file.begin(settings.cache, identity());
    if (!begun) {
      give_up(std::move(begun.error()));
      return false;
    }
    const std::lock_guard lock(mutex);
    spool = Spool(std::move(*begun));
    return true;
  }

  [[nodiscard]] ClipIdentity identity() const {
    return {.api_url = settings.api_url, .task_id = settings.task_id, .intent = settings.intent};
  }

  void store(Spool::Piece piece) {
    if (!spool.file()) return;
    file.store(piece, [self = shared_from_this(), piece](Status written) {
      if (!written) return self->give_up(std::move(written.error()));
      {
        const std::lock_guard lock(self->mutex);
        self->spool.stored(piece);
        self->spool.shrink(memory_limit);
      }
      self->resume();
    });
  }

  /// Nothing is added to the fetch's piece any more.
  void seal(const Fetch& fetch) {
    std::optional<Spool::Piece> piece;
    {
      const std::lock_guard lock(mutex);
      piece = spool.seal(fetch.writer);
    }
    if (piece) store(std::move(*piece));
  }

  void drop(Fetch& fetch) {
    fetch.retry.cancel();
    fetch.exchange = {};
    seal(fetch);
  }

  /// Every byte is here: gives the file its place in the cache.
  void settle() {
    if (std::exchange(settling, true)) return;
    file.keep(*size, [self = shared_from_this()](Result<CachedClip> kept) {
      auto recorded = kept ? self->settings.kept(*kept) : fail(std::move(kept.error()));
      {
        const std::lock_guard lock(self->mutex);
        self->settled = true;
        if (!recorded) {
          self->notice = "The clip plays, but is not kept: " + recorded.error().message;
        }
      }
      self->subscribers.notify();
    });
  }

  /// After a fetch: what is still missing, if anything is.
  void go_on() {
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

  void release() {
    released = true;
    if (!settling) file.stop();
    for (auto* fetch : {&main, &side}) {
      fetch->retry.cancel();
      fetch->exchange = {};
    }
    transport.reset();
  }

  void serve_wanted() {
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

  void start_tail() {
    drop(side);
    begin(side, {.suffix = tail_size}, UINT64_MAX, std::nullopt, true);
  }

  void start(Fetch& fetch, std::uint64_t first, std::optional<std::uint64_t> stop) {
    drop(fetch);
    http::FileFetch request{.range = http::ByteRange{.first = first}};
    if (stop) request.range->last = *stop - 1;
    if (!validator.empty()) request.if_range = validator;
    begin(fetch, std::move(request), first, stop, false);
  }

  void begin(Fetch& fetch, http::FileFetch request, std::uint64_t position,
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

  bool head(Fetch& fetch, const http::FileHead& head) {
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

  /// The tail is taken if it is one, of the same file; else it was just not to be had this way.
  bool tail(const http::FileHead& head) {
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

  bool partial(Fetch& fetch, const http::FileHead& head) {
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

  /// The whole file from its start: what a host without ranges answers, and one whose file is no
  /// longer the one that If-Range named.
  bool whole(Fetch& fetch, const http::FileHead& head) {
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
               .message =
                   "the connection broke, and the file host cannot resume: it has no ranges, "
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

  /// Another file is at the URL. False, as head() answers.
  bool changed(Fetch& fetch) {
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

  /// What is here is of another file: begins anew, with nothing. False: given up.
  bool forget() {
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

  [[nodiscard]] bool is_same_file(const http::FileHead& head) const {
    const std::lock_guard lock(mutex);
    if (size && *size != *head.total) return false;
    return validator.empty() || head.strong_validator.empty() || validator == head.strong_validator;
  }

  /// Where the next bytes go. Nowhere: they are here already, or too many wait to be read.
  http::Room room(Fetch& fetch) {
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

  [[nodiscard]] bool is_too_early() const {
    if (spool.file()) return spool.bound() >= unwritten_limit;
    const bool is_waited_for = is_awaited && wanted >= main.position;
    return !is_waited_for && spool.bound() >= memory_limit;
  }

  void resume() {
    bool may = false;
    {
      const std::lock_guard lock(mutex);
      may = is_paused && !is_too_early();
    }
    if (may) main.exchange.resume();
  }

  void data(Fetch& fetch, std::size_t count) {
    std::optional<Spool::Piece> piece;
    bool too_many = false;
    {
      const std::lock_guard lock(mutex);
      too_many = size && count > *size - fetch.position;
      if (!too_many) {
        piece = spool.added(fetch.writer, count);
        fetch.position += count;
        stats.bytes += count;
        spool.shrink(memory_limit);
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

  void end(Fetch& fetch, std::optional<Error> failure) {
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
      const bool passing =
          failure->code == ErrorCode::network || failure->code == ErrorCode::timeout;
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

  void try_again(Fetch& fetch, Error failure, std::optional<std::chrono::seconds> retry_after) {
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

  void refuse(Error failure) {
    {
      const std::lock_guard lock(mutex);
      refused = true;
    }
    give_up(std::move(failure));
  }

  void give_up(Error failure) {
    {
      const std::lock_guard lock(mutex);
      error = explain(std::move(failure));
    }
    release();
    subscribers.notify();
  }

  /// A download's failure costs nothing but the download, and the text says so.
  [[nodiscard]] Error explain(Error failure) const {
    failure.message =
        "The video of task " + settings.task_id + " could not be downloaded: " + failure.message +
        " The task is complete and paid, and is not lost: play it again with task-id=" +
        settings.task_id + ".";
    failure.task_id = settings.task_id;
    failure.charged = Charged::unknown;
    return failure;
  }

  const Settings settings;
  const std::shared_ptr<http::IoThread> thread;

  std::shared_ptr<http::Transport> transport;
  ClipFile file;
  std::string validator;  // strong; empty: none
  bool settling = false;
  bool released = false;

  Subscribers subscribers;
  mutable std::mutex mutex;
  // Guarded by mutex; written on the I/O thread alone, but for what readers say of themselves.
  Spool spool;
  std::optional<std::uint64_t> size;
  std::optional<Error> error;
  Stats stats;
  Fetch main{.writer = Spool::Writer::main};
  Fetch side{.writer = Spool::Writer::side};
  bool ranges = false;
  bool settled = false;  // in the cache, or known not to be
  bool refused = false;
  bool is_paused = false;  // the main fetch
  std::string notice;
  unsigned versions = 0;
  // Readers'.
  std::uint64_t wanted = 0;
  bool is_awaited = false;              // `wanted` was not here when it was looked for
  bool asked = false;                   // serve_wanted() is on its way
  bool committed = false;               // the file can no longer be exchanged
  std::optional<SharedBytes> promised;  // without a file: what at() has found last
};

Clip::Clip() = default;

std::shared_ptr<Clip> Clip::open(Settings settings) {
  std::shared_ptr<Clip> clip(new Clip);
  clip->p_ = std::make_shared<Private>(std::move(settings));
  clip->p_->thread->post([p = clip->p_] { p->begin(); });
  return clip;
}

Clip::~Clip() {
  const auto thread = p_->thread;
  thread->post([p = std::move(p_)] { p->release(); });
}

std::optional<std::uint64_t> Clip::size() const {
  const std::lock_guard lock(p_->mutex);
  return p_->size;
}

Clip::Availability Clip::at(std::uint64_t offset) { return p_->at(offset); }

Result<SharedBytes> Clip::take(std::uint64_t offset, std::size_t most, bool finally) {
  return p_->take(offset, most, finally);
}

unsigned Clip::version() const {
  const std::lock_guard lock(p_->mutex);
  return p_->versions;
}

bool Clip::commit(unsigned version) {
  const std::lock_guard lock(p_->mutex);
  if (version != p_->versions) return false;
  p_->committed = true;
  return true;
}

Clip::Stats Clip::stats() const {
  const std::lock_guard lock(p_->mutex);
  return p_->stats;
}

bool Clip::has_failed() const {
  const std::lock_guard lock(p_->mutex);
  return p_->error.has_value();
}

bool Clip::is_refused() const {
  const std::lock_guard lock(p_->mutex);
  return p_->refused;
}

std::string Clip::notice() const {
  const std::lock_guard lock(p_->mutex);
  return p_->notice;
}

void Clip::subscribe(std::weak_ptr<Wakeup> wakeup) { p_->subscribers.add(std::move(wakeup)); }

}  // namespace veo
