// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/source.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <utility>

#include "storage.h"
#include "veo/clip/cache.h"
#include "veo/core/budget.h"
#include "veo/core/callback.h"
#include "veo/core/clip_tags.h"
#include "veo/core/error_table.h"
#include "veo/core/intent.h"
#include "veo/core/mp4_tags.h"
#include "veo/core/task_id.h"
#include "veo/core/url_policy.h"
#include "veo/http/io_thread.h"
#include "veo/ledger/ledger.h"
#include "veo/options/option_table.h"
#include "veo/source/access.h"
#include "veo/system/absolute_path.h"
#include "veo/system/environment.h"
#include "veo/system/guarded.h"
#include "veo/system/log_to_stderr.h"
#include "veo/system/store_thread.h"

namespace veo {

namespace {

/// Returns the property's interval, else that of VEO_POLL_INTERVAL; 0: the library chooses the
/// interval.
Result<std::chrono::milliseconds> resolve_poll_interval(std::chrono::milliseconds set) {
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

/// Returns, as text for people, the fields of the request that have no column of their own in the
/// ledger.
std::string describe_details(const Request& request) {
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view value) {
    text.append(text.empty() ? "" : " ").append(name).append("=").append(value);
  };
  if (request.aspect_ratio) add("aspect-ratio", wire_name(*request.aspect_ratio));
  if (request.generation_type) add("generation-type", wire_name(*request.generation_type));
  for (const auto& url : request.image_urls) add("image-url", redact_url(url));
  if (request.enable_translation == false) add("enable-translation", "false");
  if (request.seed) add("seed", std::to_string(*request.seed));
  if (request.watermark) add("watermark", *request.watermark);
  return text;
}

/// Makes the row that the ledger records for the submission, and the terms of the submission.
Claim make_claim(const Options& settings, const std::string& api_url, const Catalog& catalog) {
  const auto& request = settings.request;
  const auto credits = find_price(request, catalog);
  const auto account = environment::get("VEO_ACCOUNT").value_or("");
  const auto intent = make_intent(request, {.api_url = api_url,
                                            .account = account,
                                            .take = settings.take,
                                            .request_id = settings.request_id});
  Claim claim;
  claim.record = {
      .intent = intent.id,
      .instance = settings.instance,
      .request = intent.request,
      .credits = credits.value_or(0),
      .api_url = api_url,
      .account = account,
      .model = (request.is_extension() ? catalog.extension : catalog.generation).name,
      .mode = std::string(wire_name(request.mode.value_or(Mode::fast))),
      .resolution = std::string(wire_name(request.resolution.value_or(Resolution::p720))),
      .prompt = request.prompt,
      .parent_task_id = request.extend_task_id.value_or(""),
      .details = describe_details(request),
      .by_uri = settings.by_uri};
  claim.by_request_id = !settings.request_id.empty();
  claim.price_is_known = credits.has_value();
  claim.resubmit = settings.on_unknown == OnUnknown::resubmit;
  claim.is_plain =
      settings.offers_launch_line && settings.access.api_url.empty() && settings.ledger.empty();
  return claim;
}

}  // namespace

/// The threads that a source needs. They start before anything else, so that a machine that makes
/// no more threads refuses the request while nothing is recorded or sent.
struct SourceThreads {
  static Result<SourceThreads> start() {
    auto io = http::IoThread::try_acquire();
    if (!io) return fail(std::move(io.error()));
    SourceThreads threads{.io = std::move(*io), .stores = {}};
    for (const auto store : {StoreThread::Store::settings, StoreThread::Store::ledger,
                             StoreThread::Store::clips, StoreThread::Store::journal}) {
      auto started = StoreThread::try_acquire(store);
      if (!started) return fail(std::move(started.error()));
      threads.stores.push_back(std::move(*started));
    }
    return threads;
  }

  std::shared_ptr<http::IoThread> io;
  std::vector<std::shared_ptr<StoreThread>> stores;
};

struct Source::Private {
  using Availability = Clip::Availability;

  // --- any thread ---

  Snapshot snapshot() const {
    const auto seen = *shared.lock();
    Snapshot made;
    made.credits = credits;
    made.notices = notices;
    made.reused = seen.is_reused;
    made.size = seen.size;
    if (seen.job) {
      made.job = seen.job->snapshot();
      made.reused = made.reused || made.job.reused;
      made.notices.insert(made.notices.end(), made.job.notices.begin(), made.job.notices.end());
    }
    if (!seen.clip) return made;
    made.downloading = true;
    made.clip = seen.clip->stats();
    made.file = seen.clip->kept_path();
    // A clip knows its size before the first exchange only if the cache has the file.
    made.cached = made.clip.requests == 0 && seen.clip->size().has_value();
    if (auto notice = seen.clip->notice(); !notice.empty()) {
      made.notices.push_back(std::move(notice));
    }
    if (const auto size = seen.clip->size(); size && *size > 0) {
      made.downloaded = static_cast<int>(std::min(*size, made.clip.bytes) * 100 / *size);
    }
    return made;
  }

  void fetch() const {
    if (const auto joined = shared.lock()->job) joined->fetch();
  }

  // --- the reader's thread ---

  void start() {
    if (dry_run) return;
    // From now on the job holds the threads that it needs.
    const auto held = std::exchange(threads, {});
    auto [joined, was_there] = Job::join(std::move(*std::exchange(plan, nullptr)));
    joined->subscribe(wakeup);
    job = std::move(joined);
    const auto locked = shared.lock();
    locked->job = job;
    locked->is_reused = was_there;
  }

  Availability at(std::uint64_t offset) {
    if (dry_run) return Clip::End{};
    if (!clip) {
      const auto seen = job->snapshot();
      if (seen.error) return *seen.error;
      if (seen.phase != Job::Phase::completed || !open_clip()) return Clip::Pending{};
    }
    if (!layout) {
      if (auto waiting = arrange()) {
        if (!std::holds_alternative<Error>(*waiting) || !renew()) return *waiting;
        return Clip::Pending{};
      }
    }
    const auto extent = layout->find_extent(offset);
    if (!extent) return check_end();
    if (extent->memory != nullptr) return Clip::Ready{extent->size};
    auto there = clip->at(extent->file_offset);
    if (auto* ready = std::get_if<Clip::Ready>(&there)) {
      ready->size = std::min(ready->size, extent->size);
    }
    return there;
  }

  Result<SharedBytes> take(std::uint64_t offset, std::size_t most) const {
    const auto extent = layout->find_extent(offset);
    const auto count = std::min<std::uint64_t>(most, extent->size);
    if (extent->memory == nullptr) return clip->take(extent->file_offset, count, true);
    // The corrected `moov`, which is read once.
    const auto copy = std::make_shared<mp4::Bytes>(extent->memory, extent->memory + count);
    return SharedBytes{.owner = copy, .bytes = *copy};
  }

  bool open_clip() {
    auto opened = job->clip();
    if (!opened) return false;
    opened->subscribe(wakeup);
    set_clip(std::move(opened));
    rescan();
    return true;
  }

  /// Sets the clip for the reader's thread and for the other threads.
  void set_clip(std::shared_ptr<Clip> opened) {
    clip = std::move(opened);
    shared.lock()->clip = clip;
  }

  void rescan() {
    scanner.reset();
    scanned.clear();
    is_broken = false;
    scanned_version = clip->version();
  }

  /// Asks for a fresh URL if the host refuses the URL. Works once.
  bool renew() {
    if (!clip->is_refused()) return false;
    const auto refused = clip;
    set_clip(nullptr);
    return job->renew(refused);
  }

  /// Returns the clip's error, else Pending: after a broken version the clip decides how to go on.
  [[nodiscard]] Availability wait_or_fail() const {
    if (const auto failure = clip->failure()) return *failure;
    return Clip::Pending{};
  }

  /// Finds the order in which the file's bytes go out, sets `layout` and returns nullopt. Else
  /// returns why the reader waits, or why there is no such order.
  std::optional<Availability> arrange() {
    if (scanned_version != clip->version()) rescan();
    if (is_broken) return wait_or_fail();
    if (!scanner) {
      const auto size = clip->size();
      if (!size) {
        // The host has not told the size. at() tells whether to wait, or the error.
        auto there = clip->at(0);
        if (std::holds_alternative<Error>(there)) return there;
        return Clip::Pending{};
      }
      scanner.emplace(*size);
    }
    const bool as_delivered = layout_mode == LayoutMode::original;
    while (!scanner->layout() && !(as_delivered && !scanner->boxes().empty())) {
      if (auto waiting = feed_scanner()) return waiting;
    }
    // From now on another file at the same URL is an error.
    if (!clip->commit(scanned_version)) return Clip::Pending{};
    layout = as_delivered ? mp4::Layout::make_original(*clip->size())
                          : mp4::add_tags(*scanner->layout(), make_tags());
    shared.lock()->size = layout->size();
    return std::nullopt;
  }

  [[nodiscard]] ClipTags make_tags() const {
    const auto seen = job->snapshot();
    return make_clip_tags(seen.task_id, prompt,
                          seen.report ? seen.report->created_at : std::nullopt);
  }

  /// Gives the scanner the bytes that it needs next, as far as they have arrived.
  std::optional<Availability> feed_scanner() {
    const auto need = *scanner->find_need();
    scanned.reserve(need.size);
    while (scanned.size() < need.size) {
      const auto offset = need.offset + scanned.size();
      auto there = clip->at(offset);
      const auto* ready = std::get_if<Clip::Ready>(&there);
      if (ready == nullptr) return there;
      const auto count = std::min<std::uint64_t>(ready->size, need.size - scanned.size());
      auto taken = clip->take(offset, count, false);
      if (!taken) return std::move(taken.error());
      scanned.insert(scanned.end(), taken->bytes.begin(), taken->bytes.end());
    }
    auto understood = scanner->take_bytes(std::exchange(scanned, {}));
    if (understood) return std::nullopt;
    // The clip decides whether to fetch the file once more, or to fail with this error.
    clip->report_broken(scanned_version, std::move(understood.error()));
    is_broken = true;
    return Clip::Pending{};
  }

  /// Also checks the boxes of a file that goes out as delivered, when its last byte has arrived.
  Availability check_end() {
    if (is_broken) return wait_or_fail();
    while (scanner->find_need()) {
      if (auto waiting = feed_scanner()) return *waiting;
    }
    return clip->at(*clip->size());
  }

  // Set before the source is handed out, and only read from then on.
  LayoutMode layout_mode = LayoutMode::streamable;
  std::string prompt;  // for the tags; empty: the prompt stays out of files
  bool dry_run = false;
  std::weak_ptr<Wakeup> wakeup;
  std::optional<std::uint32_t> credits;
  std::vector<std::string> notices;

  // Only the reader's thread uses these.
  SourceThreads threads;                // until start()
  std::unique_ptr<Job::Settings> plan;  // until start()
  std::shared_ptr<Job> job;
  std::shared_ptr<Clip> clip;
  std::optional<mp4::Layout> layout;
  std::optional<mp4::LayoutScanner> scanner;
  mp4::Bytes scanned;  // the bytes of scanner->find_need() that are here
  unsigned scanned_version = 0;
  bool is_broken = false;  // the broken version was reported to the clip

  /// The part of the source that all threads see.
  struct Shared {
    std::shared_ptr<Job> job;
    std::shared_ptr<Clip> clip;
    std::optional<std::uint64_t> size;  // of the layout
    bool is_reused = false;
  };
  Guarded<Shared> shared;
};

Source::Source() = default;
Source::~Source() = default;

namespace {

/// Returns the address on which to listen for callbacks, if the user wants callbacks.
Result<std::optional<ListenAddress>> parse_callback_address(const Options& settings,
                                                            const std::string& api_url) {
  if (settings.callback_listen.empty()) return std::nullopt;
  auto address = parse_listen_address(settings.callback_listen);
  if (!address) return fail(std::move(address.error()));
  const auto origin = parse_origin(api_url);
  auto reachable = check_reachable(*address, settings.request.callback_url.has_value(),
                                   origin && is_loopback_host(origin->host));
  if (!reachable) return fail(std::move(reachable.error()));
  return *address;
}

/// Returns the first reason not to submit the request, as far as it is known without the network.
std::optional<Error> find_refusal(const Options& settings, const Catalog& catalog,
                                  const Result<Secret>& key,
                                  const Result<std::optional<ListenAddress>>& callback,
                                  Claim& claim) {
  if (auto valid = validate(settings.request, catalog); !valid) return valid.error();
  if (!callback) return callback.error();
  const auto credits = find_price(settings.request, catalog);
  if (auto within = check_max_credits(credits, settings.max_credits); !within) {
    return within.error();
  }
  auto daily = parse_budget("VEO_DAILY_BUDGET", environment::get("VEO_DAILY_BUDGET"));
  if (!daily) return daily.error();
  auto by_uri = parse_budget("VEO_URI_BUDGET", environment::get("VEO_URI_BUDGET"));
  if (!by_uri) return by_uri.error();
  claim.daily_budget = *daily;
  claim.uri_budget = *by_uri;
  if (!settings.dry_run && !key) return key.error();
  return std::nullopt;
}

/// Whether a run would find its task in the ledger. Makes nothing. Fails if the kind of ledger is
/// not known.
Result<bool> is_task_recorded(const Job::Settings& plan) {
  const auto exists = Ledger::exists(plan.ledger);
  if (!exists) return fail(exists.error());
  if (!*exists) return false;
  const auto ledger = Ledger::open(plan.ledger, plan.cache_directory);
  if (!ledger || !*ledger) return false;
  const auto found = (*ledger)->find(plan.claim.record.intent, plan.claim.record.instance);
  return found && found->has_value();
}

}  // namespace

/// The options after the checks that read no file.
struct Source::Checked {
  static Result<Checked> check(Options settings);
  /// Reads the key and the catalog. Called on the thread for settings.
  Result<std::unique_ptr<Source>> make(Opening::State& state) &&;

  Options settings;
  std::string api_url;
  std::string ledger;
  std::string cache_directory;
  std::chrono::milliseconds poll_interval{};
  std::optional<std::uint64_t> cache_limit;
};

// Shared with the threads that open the source, which may finish after the Opening is gone.
struct Source::Opening::State {
  struct Shared {
    std::optional<Result<std::unique_ptr<Source>>> opened;
    // For what the opening waits, and what is wrong if the wait is long, for people.
    std::string what;
    std::string why;
  };

  void waits_for(std::string what, std::string why) {
    const auto locked = shared.lock();
    locked->what = std::move(what);
    locked->why = std::move(why);
  }
  void reads(std::string file) { waits_for(std::move(file), "its disk does not answer"); }
  void set(Result<std::unique_ptr<Source>> opened) {
    if (!opened) opened = fail(with_cost(std::move(opened.error())));
    shared.lock()->opened = std::move(opened);
    if (const auto waiting = wakeup.lock()) waiting->notify();
  }

  std::weak_ptr<Wakeup> wakeup;
  SourceThreads threads;
  Guarded<Shared> shared;
  std::atomic<bool> is_abandoned = false;  // nobody waits for the result
};

namespace {

constexpr auto before_a_word = std::chrono::seconds(1);

}  // namespace

Source::Opening::Opening() = default;
Source::Opening::~Opening() {
  if (state_) state_->is_abandoned = true;
}

std::optional<Result<std::unique_ptr<Source>>> Source::Opening::take() {
  auto opened = std::exchange(state_->shared.lock()->opened, std::nullopt);
  if (opened || std::chrono::steady_clock::now() < since_ + timeout_) return opened;
  const auto seen = state_->shared.lock();
  return fail({.code = ErrorCode::timeout,
               .message = "The " + seen->what + " could not be read within " +
                          std::to_string(timeout_.count()) + " s: " + seen->why +
                          ". Nothing was sent, and nothing is paid: try again when it does."});
}

std::optional<Error> Source::Opening::trouble() const {
  if (std::chrono::steady_clock::now() < since_ + before_a_word) return std::nullopt;
  const auto seen = state_->shared.lock();
  return Error{.code = ErrorCode::cache,
               .message = "The " + seen->what + " could not be read within a second: " + seen->why +
                          ". It is waited for; nothing was sent, and nothing is lost."};
}

Source::Opening::Time Source::Opening::next_change() const {
  const auto word = since_ + before_a_word;
  return std::chrono::steady_clock::now() < word ? word : since_ + timeout_;
}

Result<std::unique_ptr<Source::Opening>> Source::begin(Options settings,
                                                       std::weak_ptr<Wakeup> wakeup) {
  log_to_stderr();
  auto checked = Checked::check(std::move(settings));
  if (!checked) return fail(with_cost(std::move(checked.error())));
  auto threads = SourceThreads::start();
  if (!threads) return fail(std::move(threads.error()));
  auto opening = std::make_unique<Opening>();
  opening->timeout_ = checked->settings.generation_timeout;
  opening->since_ = std::chrono::steady_clock::now();
  opening->state_ = std::make_shared<Opening::State>();
  opening->state_->wakeup = std::move(wakeup);
  opening->state_->threads = std::move(*threads);
  const auto work = [state = opening->state_,
                     known = std::make_shared<Checked>(std::move(*checked))] {
    if (state->is_abandoned) return;
    auto made = std::move(*known).make(*state);
    if (!made || !(*made)->p_->dry_run) return state->set(std::move(made));
    // A dry run says whether a run would pay, so search the ledger.
    state->reads("ledger " + (*made)->p_->plan->ledger);
    const auto source = std::make_shared<std::unique_ptr<Source>>(std::move(*made));
    StoreThread::acquire(StoreThread::Store::ledger)->post([state, source] {
      auto& p = *(*source)->p_;
      auto& refusal = p.plan->claim.refusal;
      const bool is_new = p.plan->task_id.empty();
      auto recorded = is_new ? is_task_recorded(*p.plan) : false;
      if (!recorded) return state->set(fail(std::move(recorded.error())));
      const bool is_reused = *recorded;
      p.shared.lock()->is_reused = is_reused;
      const bool is_refused = is_new && refusal && !is_reused;
      state->set(is_refused ? Result<std::unique_ptr<Source>>(fail(std::move(*refusal)))
                            : std::move(*source));
    });
  };
  StoreThread::acquire(StoreThread::Store::settings)->post(work);
  return opening;
}

Waited<std::unique_ptr<Source>> Source::open(Options settings,
                                             const std::shared_ptr<Wakeup>& wakeup) {
  const auto opening = begin(std::move(settings), wakeup);
  if (!opening) return fail(opening.error());
  return wakeup->wait_for([&] { return (*opening)->take(); },
                          [&] { return (*opening)->next_change(); });
}

Result<Source::Checked> Source::Checked::check(Options settings) {
  if (auto checked = check_ranges(settings); !checked) return fail(std::move(checked.error()));
  auto interval = veo::resolve_poll_interval(settings.poll_interval);
  if (!interval) return fail(std::move(interval.error()));
  auto api_url = resolve_api_url(settings.access);
  if (!api_url) return fail(std::move(api_url.error()));
  settings.access.allow_http = resolve_allow_http(settings.access.allow_http);
  auto ranges = resolve_allow_addresses(settings.network.allow_addresses);
  if (!ranges) return fail(std::move(ranges.error()));
  settings.network.allow_addresses = std::move(*ranges);
  auto limit = parse_cache_size(environment::get("VEO_CACHE_SIZE"));
  if (!limit) return fail(std::move(limit.error()));
  if (!settings.task_id.empty()) {
    if (auto named = check_task_id("task-id", settings.task_id); !named) {
      return fail(std::move(named.error()));
    }
  }
  // The application may change its directory from here on.
  auto ledger = ledger_path(settings.ledger);
  auto cache = veo::cache_directory(settings.cache_directory);
  settings.access.api_key_file = make_absolute(settings.access.api_key_file);
  settings.network.ssl_ca_file = make_absolute(settings.network.ssl_ca_file);
  // Make one name for all submissions of this Source, unless the caller has given a name.
  if (settings.reuse) {
    settings.instance.clear();
  } else if (settings.instance.empty()) {
    settings.instance = make_instance();
  }
  return Checked{.settings = std::move(settings),
                 .api_url = std::move(*api_url),
                 .ledger = std::move(ledger),
                 .cache_directory = std::move(cache),
                 .poll_interval = *interval,
                 .cache_limit = *limit};
}

Result<std::unique_ptr<Source>> Source::Checked::make(Opening::State& state) && {
  state.reads("catalog " + environment::get("VEO_CATALOG").value_or("that is built in"));
  auto catalog = load_catalog();
  if (!catalog) return fail(std::move(catalog.error()));

  std::unique_ptr<Source> source(new Source);
  source->p_ = std::make_unique<Private>();
  auto& p = *source->p_;
  p.wakeup = state.wakeup;
  p.threads = state.threads;

  // A dry run sends nothing. So it needs no key, and runs no command for one.
  Result<Secret> key;
  if (!settings.dry_run) {
    AccessProgress progress{
        .patience = {.is_cancelled = [&state] { return state.is_abandoned.load(); }},
        .on_wait = [&state](std::string what,
                            std::string why) { state.waits_for(std::move(what), std::move(why)); },
        .notices = {}};
    if (auto access = resolve_access(settings.access, progress)) {
      key = std::move(access->key);
    } else {
      key = fail(std::move(access.error()));
    }
    p.notices = std::move(progress.notices);
  }
  auto claim = make_claim(settings, api_url, **catalog);
  const auto callback = parse_callback_address(settings, api_url);
  if (settings.task_id.empty()) {
    if (claim.price_is_known) p.credits = claim.record.credits;
    claim.refusal = find_refusal(settings, **catalog, key, callback, claim);
    if (claim.refusal) claim.refusal = with_cost(std::move(*claim.refusal));
    if (settings.request_id.empty() &&
        std::ranges::any_of(settings.request.image_urls, has_query)) {
      p.notices.emplace_back(
          "The query of an image's URL is a part of the request: with another signature it is "
          "another request, and paid again. Set request-id to give the request a name of its own.");
    }
  }
  if (auto notice = make_plain_http_notice(settings.access); !notice.empty()) {
    p.notices.push_back(std::move(notice));
  }
  p.layout_mode = settings.layout;
  if (settings.prompt_tag && settings.task_id.empty()) p.prompt = settings.request.prompt;
  p.dry_run = settings.dry_run;
  // Fill in the environment's settings. Keep the key, but not the file or variable that held the
  // key, because that makes no difference between two jobs.
  settings.access = {.api_url = std::move(api_url),
                     .api_key = {},
                     .api_key_file = {},
                     .allow_http = std::move(settings.access.allow_http)};
  settings.ledger = std::move(ledger);
  settings.cache_directory = std::move(cache_directory);
  settings.poll_interval = poll_interval;
  p.plan = std::make_unique<Job::Settings>(Job::Settings{{std::move(settings)},
                                                         std::move(key),
                                                         std::move(*catalog),
                                                         std::move(claim),
                                                         callback.value_or(std::nullopt),
                                                         cache_limit});
  return source;
}

void Source::start() { p_->start(); }

Source::Snapshot Source::snapshot() const { return p_->snapshot(); }

void Source::fetch() { p_->fetch(); }

Clip::Availability Source::at(std::uint64_t offset) { return p_->at(offset); }
Result<SharedBytes> Source::take(std::uint64_t offset, std::size_t most) {
  return p_->take(offset, most);
}

Status Source::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const auto taken = p_->take(offset, into.size());
    if (!taken) return fail(taken.error());
    std::ranges::copy(taken->bytes, into.begin());
    offset += taken->bytes.size();
    into = into.subspan(taken->bytes.size());
  }
  return {};
}

}  // namespace veo
