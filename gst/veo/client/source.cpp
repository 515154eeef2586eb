// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/client/source.h"

#include <algorithm>
#include <charconv>
#include <mutex>
#include <utility>

#include "veo/core/url_policy.h"

namespace veo {

namespace {

/// The property's value, else VEO_POLL_INTERVAL's, else adaptive.
Result<std::chrono::milliseconds> poll_interval(std::chrono::milliseconds set) {
  const auto text = environment::get("VEO_POLL_INTERVAL");
  if (set.count() > 0 || !text) return set;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = "VEO_POLL_INTERVAL=" + *text + " is not a number of milliseconds."});
  }
  return std::chrono::milliseconds(value);
}

Status check_budget(std::optional<std::uint32_t> credits, std::uint32_t limit) {
  if (limit == 0 || (credits && *credits <= limit)) return {};
  const std::string what = credits ? "The request costs " + std::to_string(*credits) + " credits"
                                   : "The request's price is not known to the catalog";
  const std::string next = credits ? "Raise max-credits, or choose a cheaper mode or resolution."
                                   : "Set its price in the catalog (extend_credits, for an "
                                     "extension; VEO_CATALOG names the file), or max-credits to 0.";
  return fail({.code = ErrorCode::budget_exceeded,
               .message = what + ", and max-credits is " + std::to_string(limit) +
                          ". Nothing was sent. " + next});
}

}  // namespace

struct Source::Private {
  using Availability = Clip::Availability;

  // --- any thread ---

  Snapshot look() const {
    const std::lock_guard lock(mutex);
    Snapshot seen;
    seen.credits = credits;
    if (job) seen.job = job->snapshot();
    if (layout) seen.size = layout->size();
    if (!clip) return seen;
    seen.downloading = true;
    seen.clip = clip->stats();
    if (const auto size = clip->size(); size && *size > 0) {
      seen.downloaded = static_cast<int>(std::min(*size, seen.clip.bytes) * 100 / *size);
    }
    return seen;
  }

  // --- the reader's thread ---

  void start() {
    if (settings.dry_run) return;
    auto started = Job::start({.access = access,
                               .network = settings.network,
                               .catalog = catalog,
                               .request = settings.request,
                               .task_id = settings.task_id,
                               .poll_interval = settings.poll_interval,
                               .generation_timeout = settings.generation_timeout});
    started->subscribe(wakeup);
    const std::lock_guard lock(mutex);
    job = std::move(started);
  }

  Availability at(std::uint64_t offset) {
    if (settings.dry_run) return Clip::End{};
    if (!clip) {
      const auto seen = job->snapshot();
      if (seen.error) return *seen.error;
      if (seen.phase != Job::Phase::completed) return Clip::Pending{};
      open_clip(*seen.report);
    }
    if (!layout) {
      if (auto waiting = arrange()) return *waiting;
    }
    const auto run = layout->at(offset);
    if (!run) return check_end();
    if (run->memory != nullptr) return Clip::Ready{run->size};
    auto there = clip->at(run->file_offset);
    if (auto* ready = std::get_if<Clip::Ready>(&there)) {
      ready->size = std::min(ready->size, run->size);
    }
    return there;
  }

  Status read(std::uint64_t offset, std::span<std::uint8_t> into) const {
    const auto run = layout->at(offset);
    if (run->memory == nullptr) return clip->read(run->file_offset, into);
    std::copy_n(run->memory, into.size(), into.begin());
    return {};
  }

  void open_clip(const TaskReport& report) {
    const auto origin = origin_of(access.api_url);
    auto opened = Clip::open({.url = report.urls.front(),
                              .api_is_loopback = origin && is_loopback_host(origin->host),
                              .network = settings.network,
                              .task_id = report.id});
    opened->subscribe(wakeup);
    const std::lock_guard lock(mutex);
    clip = std::move(opened);
  }

  /// Finds the order in which the file's bytes are to go out. Returns why that has to wait, or
  /// cannot be; nullopt: `layout` is set.
  std::optional<Availability> arrange() {
    if (!scanner) {
      const auto size = clip->size();
      if (!size) {
        // The server has not said it. What at() finds decides between waiting and an error.
        auto there = clip->at(0);
        if (std::holds_alternative<Error>(there)) return there;
        return Clip::Pending{};
      }
      scanner.emplace(*size);
    }
    const bool as_delivered = settings.layout == LayoutMode::original;
    while (scanner->need() && !(as_delivered && !scanner->boxes().empty())) {
      if (auto waiting = feed_scanner()) return waiting;
    }
    auto found = as_delivered ? mp4::Layout::original(*clip->size()) : scanner->layout();
    const std::lock_guard lock(mutex);
    layout = std::move(found);
    return std::nullopt;
  }

  /// Gives the scanner what it needs next, as far as it is here.
  std::optional<Availability> feed_scanner() {
    const auto need = *scanner->need();
    scanned.reserve(need.size);
    while (scanned.size() < need.size) {
      const auto offset = need.offset + scanned.size();
      auto there = clip->at(offset);
      const auto* ready = std::get_if<Clip::Ready>(&there);
      if (ready == nullptr) return there;
      const auto count = std::min<std::uint64_t>(ready->size, need.size - scanned.size());
      const auto before = scanned.size();
      scanned.resize(before + count);
      if (auto copied = clip->read(offset, std::span(scanned).subspan(before)); !copied) {
        return std::move(copied.error());
      }
    }
    auto understood = scanner->give(std::exchange(scanned, {}));
    if (understood) return std::nullopt;
    return describe(std::move(understood.error()));
  }

  /// A file that goes out as delivered has its boxes checked too, when the last of it is here.
  Availability check_end() {
    while (scanner->need()) {
      if (auto waiting = feed_scanner()) return *waiting;
    }
    return Clip::End{};
  }

  [[nodiscard]] Error describe(Error error) const {
    error.task_id = job->snapshot().task_id;
    error.charged = Charged::unknown;
    error.message = "The video of task " + error.task_id + " is not usable: " + error.message +
                    " The task is complete and paid: look at what the service delivered with "
                    "layout=original task-id=" +
                    error.task_id + ".";
    return error;
  }

  Settings settings;
  Access access;
  std::weak_ptr<Wakeup> wakeup;
  std::shared_ptr<const Catalog> catalog;
  std::optional<std::uint32_t> credits;

  std::optional<mp4::LayoutScanner> scanner;
  mp4::Bytes scanned;  // of scanner->need(), as far as it is here

  mutable std::mutex mutex;
  // Guarded by mutex; written by the reader's thread alone.
  std::shared_ptr<Job> job;
  std::shared_ptr<Clip> clip;
  std::optional<mp4::Layout> layout;
};

Source::Source() = default;
Source::~Source() = default;

Result<std::unique_ptr<Source>> Source::open(Settings settings, std::weak_ptr<Wakeup> wakeup) {
  auto catalog = load_catalog();
  if (!catalog) return fail(std::move(catalog.error()));
  auto interval = poll_interval(settings.poll_interval);
  if (!interval) return fail(std::move(interval.error()));

  std::unique_ptr<Source> source(new Source);
  source->p_ = std::make_unique<Private>();
  auto& p = *source->p_;
  p.wakeup = std::move(wakeup);

  if (settings.task_id.empty()) {
    if (auto valid = validate(settings.request, **catalog); !valid) {
      return fail(std::move(valid.error()));
    }
    p.credits = price(settings.request, **catalog);
    if (auto within = check_budget(p.credits, settings.max_credits); !within) {
      return fail(std::move(within.error()));
    }
  } else if (!is_task_id(settings.task_id)) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = "task-id: a task id has 1 to 128 of the characters A-Z a-z 0-9 . _ -"});
  }

  if (!settings.dry_run) {
    auto access = resolve_access(settings.access);
    if (!access) return fail(std::move(access.error()));
    p.access = std::move(*access);
  }
  settings.poll_interval = *interval;
  p.settings = std::move(settings);
  p.catalog = std::move(*catalog);
  return source;
}

void Source::start() { p_->start(); }

Source::Snapshot Source::snapshot() const { return p_->look(); }
Clip::Availability Source::at(std::uint64_t offset) { return p_->at(offset); }
Status Source::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
  return p_->read(offset, into);
}

}  // namespace veo
