// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/client/clip.h"

#include <glib.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "network.h"
#include "spool.h"
#include "veo/core/digest.h"
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

/// What is hashed in one go on the I/O thread, which others wait for too.
constexpr std::uint64_t slice = 1U << 20U;

/// Answers of a file host after which asking again can help.
bool is_passing(unsigned status) { return status == 408 || status == 429 || status >= 500; }

}  // namespace

// Two fetches at most. The main one runs from a point to the end of a hole, at first the whole
// file. The side one brings a small piece that somebody needs before the main one gets there:
//
//   file   |ftyp uuid mdat····································moov|
//   main    ─────────────────►
//   side                                                      ────►
//
// Positions, sizes and the spool's map are shared with readers; all else belongs to the I/O thread.
struct Clip::Private : std::enable_shared_from_this<Clip::Private> {
  struct Fetch {
    http::Transport::Exchange exchange;
    http::IoThread::Timer retry;
    bool active = false;                // guarded by mutex; so are the next two
    std::uint64_t position = 0;         // of the next byte to come
    std::optional<std::uint64_t> stop;  // one past the last byte wanted; unset: to the end
    unsigned attempts = 0;

    [[nodiscard]] bool will_soon_bring(std::uint64_t offset) const {
      return active && offset >= position && offset - position < near && (!stop || offset < *stop);
    }
  };

  explicit Private(Settings from) : settings(std::move(from)), thread(http::IoThread::acquire()) {}

  // --- any thread ---

  Availability at(std::uint64_t offset) {
    const std::lock_guard lock(mutex);
    // The end is told when the clip is safe, so that the next run finds it. What failed behind a
    // reader who has everything is not his concern.
    if (size && offset >= *size) {
      if (settled || error) return End{};
      return Pending{};
    }
    if (const auto run = spool ? spool->run_at(offset) : 0; run > 0) return Ready{run};
    if (error) return *error;
    wanted = offset;
    if (!is_coming(offset) && !asked) {
      asked = true;
      thread->post([self = shared_from_this()] { self->serve_wanted(); });
    }
    return Pending{};
  }

  [[nodiscard]] bool is_coming(std::uint64_t offset) const {
    return main.will_soon_bring(offset) || side.will_soon_bring(offset);
  }

  // --- I/O thread ---

  void begin() {
    auto file = settings.sha256.empty() ? nullptr : settings.cache->find(identity(), settings.size);
    if (!file) return download();
    auto whole = std::make_shared<Spool>(std::move(file), settings.size);
    hash(*whole, settings.size, [this, whole](const std::string& sha256) {
      if (sha256 != settings.sha256) {
        // One that could not be read just now may be good yet.
        if (!sha256.empty()) settings.cache->remove(identity());
        return download();
      }
      {
        const std::lock_guard lock(mutex);
        spool = *whole;
        size = settings.size;
        settled = true;
      }
      subscribers.notify();
    });
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
    auto begun = settings.cache->begin(identity());
    if (!begun) return give_up(std::move(begun.error()));
    part = std::move(*begun);
    {
      const std::lock_guard lock(mutex);
      spool.emplace(part->file());
    }
    start(main, 0, std::nullopt);
  }

  [[nodiscard]] ClipIdentity identity() const {
    return {.api_url = settings.api_url, .task_id = settings.task_id, .intent = settings.intent};
  }

  /// Hashes a whole file, a slice at a time. `then` gets an empty text where it cannot be read.
  void hash(Spool from, std::uint64_t total, std::function<void(const std::string&)> then) {
    auto sum = std::make_shared<Sha256>();
    hash_on(std::move(from), total, 0, std::move(sum), std::move(then));
  }

  void hash_on(Spool from, std::uint64_t total, std::uint64_t at, std::shared_ptr<Sha256> sum,
               std::function<void(const std::string&)> then) {
    if (released) return;
    std::vector<std::uint8_t> bytes(std::min(slice, total - at));
    if (!from.read(at, bytes)) return then("");
    sum->add(bytes);
    at += bytes.size();
    if (at == total) return then(sum->hex());
    thread->post([self = shared_from_this(), from = std::move(from), total, at, sum,
                  then = std::move(then)]() mutable {
      self->hash_on(std::move(from), total, at, std::move(sum), std::move(then));
    });
  }

  /// Every byte is here: gives the file its place in the cache.
  void settle() {
    if (!part || std::exchange(settling, true)) return;
    hash(*spool, *size, [this](const std::string& sha256) {
      // A clip without its checksum would be no use to the next run.
      Result<CachedClip> kept = fail(Error{
          .code = ErrorCode::cache, .message = "its copy in the cache could not be read back."});
      if (!sha256.empty()) kept = settings.cache->keep(*part, sha256, *size);
      auto recorded = kept ? settings.kept(*kept) : fail(std::move(kept.error()));
      {
        const std::lock_guard lock(mutex);
        settled = true;
        if (!recorded) notice = "The clip plays, but is not kept: " + recorded.error().message;
      }
      subscribers.notify();
    });
  }

  /// After a fetch: what is still missing, if anything is.
  void go_on() {
    std::uint64_t hole = 0;
    std::uint64_t hole_end = 0;
    bool stuck = false;
    {
      const std::lock_guard lock(mutex);
      if (!size || error || main.active || side.active) return;
      if (spool->held() < *size) {
        stuck = !ranges;
        hole = spool->run_at(0);
        hole_end = spool->next_after(hole).value_or(*size);
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
    for (auto* fetch : {&main, &side}) {
      fetch->retry.cancel();
      fetch->exchange = {};
    }
    transport.reset();
  }

  void serve_wanted() {
    std::uint64_t from = 0;
    std::optional<std::uint64_t> to;
    {
      const std::lock_guard lock(mutex);
      asked = false;
      // Without ranges there is one way to get any byte: wait for the main fetch.
      if (!ranges || !transport || error || spool->run_at(wanted) > 0 || is_coming(wanted)) return;
      from = wanted;
      to = spool->next_after(wanted).value_or(*size);
    }
    const bool small = *to - from <= small_hole;
    start(small && main.active ? side : main, from, to);
  }

  void start(Fetch& fetch, std::uint64_t first, std::optional<std::uint64_t> stop) {
    fetch.retry.cancel();
    fetch.exchange = {};
    http::FileFetch request{.url = settings.url,
                            .api_is_loopback = settings.api_is_loopback,
                            .range = http::ByteRange{.first = first},
                            .idle_timeout = settings.network.timeout};
    if (stop) request.range->last = *stop - 1;
    if (!validator.empty()) request.if_range = validator;
    {
      const std::lock_guard lock(mutex);
      fetch.active = true;
      fetch.position = first;
      fetch.stop = stop;
      ++stats.requests;
    }
    // The exchange belongs to the fetch, the fetch to us: the handlers keep us alive until the
    // exchange has ended or is dropped.
    fetch.exchange = transport->fetch(
        std::move(request),
        {.head = [self = shared_from_this(),
                  &fetch](const http::FileHead& head) { return self->head(fetch, head); },
         .data = [self = shared_from_this(),
                  &fetch](std::span<const std::uint8_t> bytes) { self->data(fetch, bytes); },
         .end = [self = shared_from_this(),
                 &fetch](std::optional<Error> failure) { self->end(fetch, std::move(failure)); }});
  }

  bool head(Fetch& fetch, const http::FileHead& head) {
    if (head.status == 206) return partial(fetch, head);
    if (head.status == 200) return whole(fetch, head);
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

  bool partial(Fetch& fetch, const http::FileHead& head) {
    const auto wrong = [&](std::string what) {
      give_up({.code = ErrorCode::bad_response, .message = std::move(what), .http_status = 206});
      return false;
    };
    if (!head.content_range || head.content_range->first != fetch.position) {
      return wrong("the file host sent another range than it was asked for.");
    }
    if (!head.total) return wrong("the file host does not tell the file's size.");
    if (!is_same_file(head)) return wrong("the file changed at the file host in mid-download.");
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
    const std::lock_guard lock(mutex);
    if (read_from) {
      error = explain({.code = ErrorCode::bad_response,
                       .message = "the connection broke, and the file host cannot resume: it has "
                                  "no ranges, or the file changed.",
                       .http_status = 200});
      fetch.active = false;
      subscribers.notify();
      return false;
    }
    spool->clear();
    ranges = false;
    size = head.content_length;
    fetch.position = 0;
    fetch.stop.reset();
    validator = head.strong_validator;
    return true;
  }

  [[nodiscard]] bool is_same_file(const http::FileHead& head) const {
    const std::lock_guard lock(mutex);
    if (size && *size != *head.total) return false;
    return validator.empty() || head.strong_validator.empty() || validator == head.strong_validator;
  }

  void data(Fetch& fetch, std::span<const std::uint8_t> bytes) {
    {
      const std::lock_guard lock(mutex);
      if (size && bytes.size() > *size - fetch.position) {
        error = explain({.code = ErrorCode::bad_response,
                         .message = "the file host sent more bytes than it had announced."});
      } else if (auto written = spool->write(fetch.position, bytes); !written) {
        error = explain(std::move(written.error()));
      } else {
        fetch.position += bytes.size();
        stats.bytes += bytes.size();
      }
    }
    fetch.attempts = 0;
    if (error) release();
    subscribers.notify();
  }

  void end(Fetch& fetch, std::optional<Error> failure) {
    fetch.exchange = {};
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
      const bool resumable = ranges || !read_from;
      if (!resumable || (limit >= 0 && fetch.attempts >= static_cast<unsigned>(limit))) {
        error = explain(std::move(failure));
      } else {
        ++stats.retries;
        if (!ranges) fetch.position = 0;
      }
    }
    if (error) {
      release();
      subscribers.notify();
      return;
    }
    const auto delay = Backoff{}.delay(fetch.attempts++, g_random_double(), retry_after);
    fetch.retry = thread->after(delay, [self = shared_from_this(), &fetch] {
      self->start(fetch, fetch.position, fetch.stop);
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
  std::string validator;  // strong; empty: none
  std::shared_ptr<Cache::Part> part;
  bool settling = false;
  bool released = false;

  Subscribers subscribers;
  mutable std::mutex mutex;
  // Guarded by mutex; written on the I/O thread alone, but for `wanted`, `asked` and `read_from`.
  std::optional<Spool> spool;
  std::optional<std::uint64_t> size;
  std::optional<Error> error;
  Stats stats;
  Fetch main;
  Fetch side;
  bool ranges = false;
  bool settled = false;  // in the cache, or known not to be
  bool refused = false;
  std::string notice;
  std::uint64_t wanted = 0;
  bool asked = false;      // serve_wanted() is on its way
  bool read_from = false;  // some byte was read: the file can no longer be exchanged
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

Status Clip::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
  {
    const std::lock_guard lock(p_->mutex);
    p_->read_from = true;
  }
  // Bytes that are there stay there, unchanged: they are read without the lock.
  auto copied = p_->spool->read(offset, into);
  if (!copied) return fail(p_->explain(std::move(copied.error())));
  return copied;
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
