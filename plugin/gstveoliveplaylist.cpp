// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoliveplaylist.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "gstveoerror.h"
#include "gstveoliveclip.h"
#include "gstveolivelog.h"
#include "veo/core/live_requests.h"
#include "veo/system/guarded.h"
#include "veo/system/threads.h"
#include "veo/system/wakeup.h"

#undef GST_CAT_DEFAULT
#define GST_CAT_DEFAULT find_live_log()

namespace veo::plugin {

namespace {

using Id = LiveRequests::Id;
using Clip = std::shared_ptr<LiveClip>;

/// Nothing is due before this time, and a notification ends the wait.
constexpr auto long_wait = std::chrono::hours(1);

bool asks_for_a_clip(const ElementSettings& settings) {
  return !settings.source.request.prompt.empty() || !settings.source.task_id.empty();
}

/// Returns the settings with which `task` is played, and can never be paid.
ElementSettings make_repetition(ElementSettings settings, const std::string& task) {
  settings.source.task_id = task;
  settings.source.dry_run = false;
  settings.source.instance.clear();
  return settings;
}

/// What is shown from a tick on.
struct Change {
  std::optional<LiveRequests::Playing> playing;  // nullopt: filler
  GstClockTime running_time = 0;
  Clip clip;
};

}  // namespace

struct LivePlaylist::Private {
  explicit Private(Settings its_settings) : settings(std::move(its_settings)) {}

  struct State {
    LiveRequests requests;
    bool is_running = false;  // from start() to the end of the control thread
    std::optional<LiveFormats> formats;
    std::map<Id, ElementSettings> settings;  // of each clip that is asked for, until `forget`
    std::map<Id, Clip> clips;                // from `begin` to `close`
    std::optional<std::optional<LiveRequests::Playing>> shown;  // what the last change told
    std::vector<Change> changes;                                // not posted yet
  };

  void run();
  void work();
  [[nodiscard]] Wakeup::Time next_time() const;
  void execute(const LiveRequests::Command& command);
  void read();
  void begin(Id id);
  void repeat(Id id, Id of);
  [[nodiscard]] std::string find_task(Id id) const;
  void start_clip(Id id, ElementSettings request, const LiveFormats& formats, bool is_repetition);
  void close(Id id);
  void close_everything();
  void check_clips();
  void post(const Change& change);
  void notify_pending();
  Result<ElementSettings> read_request() const;
  static void note_change(State& now, std::optional<LiveRequests::Playing> playing,
                          GstClockTime running_time, Clip clip);
  std::optional<LiveTick> take(State& state, std::size_t samples, GstClockTime running_time) const;

  const Settings settings;
  /// With reuse=false, the name of the request that the start of the element asks for: that request
  /// is paid once, however often the element is started.
  const std::string instance = make_instance();
  const std::shared_ptr<Wakeup> wakeup = std::make_shared<Wakeup>();
  Guarded<State> state;
  // Only the control thread uses these two members while it runs.
  std::map<Id, std::string> tasks;  // of clips that were played, until `forget`
  std::size_t told_pending = 0;
  /// The control thread while it runs.
  std::atomic<std::thread::id> control;
  // The control thread never takes this lock, so that a thread may join it with the lock.
  Guarded<std::thread> thread;
};

// --- the control thread ---

void LivePlaylist::Private::run() {
  GST_DEBUG_OBJECT(settings.element, "the control thread begins");
  control = std::this_thread::get_id();
  (void)wakeup->wait_for(
      [this] {
        work();
        return false;
      },
      [this] { return next_time(); });
  close_everything();
  GST_DEBUG_OBJECT(settings.element, "the control thread ends");
  control = std::thread::id();
}

Wakeup::Time LivePlaylist::Private::next_time() const {
  const auto latest = std::chrono::steady_clock::now() + long_wait;
  return std::min(latest, state.lock()->requests.next_timer().value_or(latest));
}

void LivePlaylist::Private::work() {
  for (;;) {
    std::vector<Change> changes;
    std::vector<LiveRequests::Command> commands;
    {
      const auto locked = state.lock();
      locked->requests.on_timer(std::chrono::steady_clock::now());
      changes = std::exchange(locked->changes, {});
      commands = locked->requests.take_commands();
    }
    // The changes first: a command may close a clip that a change is about.
    for (const auto& one : changes) post(one);
    for (const auto& one : commands) execute(one);
    check_clips();
    notify_pending();
    if (changes.empty() && commands.empty()) return;
  }
}

void LivePlaylist::Private::execute(const LiveRequests::Command& command) {
  using Kind = LiveRequests::Command::Kind;
  switch (command.kind) {
    case Kind::read:
      return read();
    case Kind::begin:
      return begin(command.id);
    case Kind::repeat:
      return repeat(command.id, command.of);
    case Kind::close:
      return close(command.id);
    case Kind::forget:
      state.lock()->settings.erase(command.id);
      tasks.erase(command.id);
      return;
  }
}

/// Returns the properties if they can be used. They may ask for nothing.
Result<ElementSettings> LivePlaylist::Private::read_request() const {
  auto read = settings.read_settings();
  if (asks_for_a_clip(read)) {
    if (auto checked = check_ranges(read.source); !checked) return fail(std::move(checked.error()));
  }
  return read;
}

void LivePlaylist::Private::read() {
  auto request = read_request();
  if (!request) {
    post_warning(settings.element, request.error());
  } else if (asks_for_a_clip(*request)) {
    const auto locked = state.lock();
    if (const auto id = locked->requests.on_read()) {
      GST_INFO_OBJECT(settings.element, "request %" G_GUINT64_FORMAT ": properties were set", *id);
      locked->settings[*id] = std::move(*request);
    }
    return;
  }
  state.lock()->requests.on_unreadable();
}

void LivePlaylist::Private::begin(Id id) {
  ElementSettings request;
  LiveFormats formats;
  {
    const auto locked = state.lock();
    const auto found = locked->settings.find(id);
    if (found == locked->settings.end() || !locked->formats) return;
    request = found->second;
    formats = *locked->formats;
  }
  start_clip(id, std::move(request), formats, false);
}

void LivePlaylist::Private::repeat(Id id, Id of) {
  ElementSettings request;
  LiveFormats formats;
  const auto task = find_task(of);
  {
    const auto locked = state.lock();
    const auto found = locked->settings.find(of);
    if (found == locked->settings.end() || task.empty() || !locked->formats) {
      return locked->requests.on_failed(id);
    }
    request = make_repetition(found->second, task);
    formats = *locked->formats;
  }
  start_clip(id, std::move(request), formats, true);
}

/// Returns the task of a clip that plays or has played.
std::string LivePlaylist::Private::find_task(Id id) const {
  if (const auto found = tasks.find(id); found != tasks.end()) return found->second;
  // The clip is about to show its first frame.
  Clip clip;
  {
    const auto locked = state.lock();
    const auto found = locked->clips.find(id);
    if (found != locked->clips.end()) clip = found->second;
  }
  return clip ? clip->snapshot().job.task_id : "";
}

void LivePlaylist::Private::start_clip(Id id, ElementSettings request, const LiveFormats& formats,
                                       bool is_repetition) {
  GST_INFO_OBJECT(settings.element, "%s %" G_GUINT64_FORMAT " begins",
                  is_repetition ? "repetition" : "request", id);
  auto clip = LiveClip::begin({.element = settings.element,
                               .formats = formats,
                               .request = std::move(request),
                               .is_repetition = is_repetition,
                               .on_change = [wakeup = wakeup] { wakeup->notify(); }});
  if (clip) {
    state.lock()->clips[id] = std::move(*clip);
    return;
  }
  post_warning(settings.element, clip.error());
  state.lock()->requests.on_failed(id);
}

void LivePlaylist::Private::close(Id id) {
  Clip clip;
  {
    const auto locked = state.lock();
    const auto found = locked->clips.find(id);
    if (found == locked->clips.end()) return;
    clip = std::move(found->second);
    locked->clips.erase(found);
  }
  // No other thread takes frames of the clip now.
  clip->close();
  clip->post_messages();
}

void LivePlaylist::Private::close_everything() {
  std::vector<Change> changes;
  std::vector<LiveRequests::Command> commands;
  {
    const auto locked = state.lock();
    locked->is_running = false;
    locked->requests.close();
    changes = std::exchange(locked->changes, {});
    commands = locked->requests.take_commands();
  }
  for (const auto& one : changes) post(one);
  for (const auto& one : commands) {
    // Nothing is begun any more.
    using Kind = LiveRequests::Command::Kind;
    if (one.kind == Kind::close || one.kind == Kind::forget) execute(one);
  }
  notify_pending();
}

/// Posts what the clips have to say, and ends the clips that never play. A clip that plays and has
/// failed still shows the frames that were decoded: take() ends it.
void LivePlaylist::Private::check_clips() {
  const auto clips = state.lock()->clips;
  for (const auto& [id, clip] : clips) {
    const bool is_over = clip->has_failed() || clip->is_empty();
    clip->post_messages();
    if (!is_over) continue;
    const auto locked = state.lock();
    const auto& playing = locked->requests.playing();
    if (!playing || playing->id != id) locked->requests.on_failed(id);
  }
}

void LivePlaylist::Private::post(const Change& change) {
  std::string task;
  if (change.clip) task = change.clip->snapshot().job.task_id;
  const bool is_repetition = change.playing && change.playing->is_repetition;
  if (change.playing && !is_repetition) tasks[change.playing->id] = task;
  GST_INFO_OBJECT(settings.element, "%s from %" GST_TIME_FORMAT " on, task %s",
                  !change.playing ? "filler"
                  : is_repetition ? "a repetition"
                                  : "a clip",
                  GST_TIME_ARGS(change.running_time), task.c_str());
  auto* const told = gst_structure_new(
      "veo-live",                                                                //
      "state", G_TYPE_STRING, change.playing ? "playing" : "filler",             //
      "task-id", G_TYPE_STRING, task.c_str(),                                    //
      "running-time", G_TYPE_UINT64, static_cast<guint64>(change.running_time),  //
      "repeat", G_TYPE_BOOLEAN, is_repetition ? TRUE : FALSE, nullptr);
  gst_element_post_message(settings.element,
                           gst_message_new_element(GST_OBJECT(settings.element), told));
  notify_property(settings.element, "task-id");
}

void LivePlaylist::Private::notify_pending() {
  const auto pending = state.lock()->requests.pending();
  if (std::exchange(told_pending, pending) != pending)
    notify_property(settings.element, "pending-requests");
}

// --- streaming threads, with the lock of the state ---

void LivePlaylist::Private::note_change(State& now, std::optional<LiveRequests::Playing> playing,
                                        GstClockTime running_time, Clip clip) {
  if (now.shown && *now.shown == playing) return;
  now.shown = playing;
  now.changes.push_back(
      {.playing = playing, .running_time = running_time, .clip = std::move(clip)});
}

std::optional<LiveTick> LivePlaylist::Private::take(State& now, std::size_t samples,
                                                    GstClockTime running_time) const {
  for (const auto& [id, clip] : now.clips) {
    if (clip->is_ready()) now.requests.on_ready(id);
  }
  while (const auto playing = now.requests.choose()) {
    const auto found = now.clips.find(playing->id);
    if (found == now.clips.end()) {
      now.requests.on_failed(playing->id);
      continue;
    }
    auto taken = found->second->take(samples);
    switch (taken.kind) {
      case LiveClip::Taken::Kind::tick:
        note_change(now, playing, running_time, found->second);
        return std::move(taken.tick);
      case LiveClip::Taken::Kind::late:
        GST_LOG_OBJECT(settings.element, "the next frame is late");
        return std::nullopt;
      case LiveClip::Taken::Kind::ended:
        if (found->second->has_failed()) {
          now.requests.on_failed(playing->id);
        } else {
          now.requests.on_ended(playing->id);
        }
        break;
    }
  }
  note_change(now, std::nullopt, running_time, nullptr);
  return std::nullopt;
}

// --- the interface ---

LivePlaylist::LivePlaylist(Settings settings)
    : p_(std::make_unique<Private>(std::move(settings))) {}

LivePlaylist::~LivePlaylist() { stop(); }

void LivePlaylist::on_property_set() {
  bool is_first = false;
  {
    const auto state = p_->state.lock();
    if (!state->is_running) return;
    is_first = !state->requests.next_timer();
    state->requests.on_set(std::chrono::steady_clock::now());
  }
  // The control thread wakes at the time that is due, and finds a later one.
  if (is_first) p_->wakeup->notify();
}

Status LivePlaylist::request() {
  auto request = p_->read_request();
  if (auto here = check_not_forked(); !here) request = fail(std::move(here.error()));
  if (request && !asks_for_a_clip(*request)) {
    request = fail({.code = ErrorCode::invalid_request,
                    .message = "A request needs a prompt or a task-id. Set one of these "
                               "properties. Nothing was sent, and nothing is paid."});
  }
  if (request && !p_->state.lock()->is_running) {
    request = fail({.code = ErrorCode::invalid_request,
                    .message = "The element takes requests from the state PAUSED on, and until "
                               "EOS. Nothing was sent, and nothing is paid."});
  }
  if (!request) {
    post_warning(p_->settings.element, request.error());
    return fail(std::move(request.error()));
  }
  {
    const auto state = p_->state.lock();
    state->settings[state->requests.request()] = std::move(*request);
  }
  p_->wakeup->notify();
  return {};
}

void LivePlaylist::skip() {
  GST_INFO_OBJECT(p_->settings.element, "skip");
  p_->state.lock()->requests.skip();
  p_->wakeup->notify();
}

void LivePlaylist::flush_requests() {
  GST_INFO_OBJECT(p_->settings.element, "flush-requests");
  p_->state.lock()->requests.flush();
  p_->wakeup->notify();
}

void LivePlaylist::set_repeat(bool repeat) {
  p_->state.lock()->requests.set_repeat(repeat);
  p_->wakeup->notify();
}

unsigned LivePlaylist::pending_requests() const {
  return static_cast<unsigned>(p_->state.lock()->requests.pending());
}

bool LivePlaylist::is_running() const { return p_->state.lock()->is_running; }

bool LivePlaylist::has_ready_clip() const {
  const auto state = p_->state.lock();
  return std::ranges::any_of(state->clips, [&](const auto& one) {
    const auto& [id, clip] = one;
    return (id == state->requests.next() || id == state->requests.repetition()) && clip->is_ready();
  });
}

Source::Snapshot LivePlaylist::snapshot() const {
  Clip clip;
  {
    const auto state = p_->state.lock();
    const auto& playing = state->requests.playing();
    const auto id = playing ? std::optional(playing->id) : state->requests.next();
    const auto found = state->clips.find(id.value_or(0));
    if (found != state->clips.end()) clip = found->second;
  }
  return clip ? clip->snapshot() : Source::Snapshot{};
}

void LivePlaylist::start() {
  stop();
  p_->wakeup->resume();
  auto request = p_->read_request();
  if (!request) post_warning(p_->settings.element, request.error());
  {
    const auto state = p_->state.lock();
    state->is_running = true;
    state->formats.reset();
    state->shown.reset();
    state->changes.clear();
    if (request && asks_for_a_clip(*request)) {
      if (request->source.instance.empty()) request->source.instance = p_->instance;
      state->settings[state->requests.request()] = std::move(*request);
    }
  }
  if (auto here = check_not_forked(); !here) {
    post_warning(p_->settings.element, here.error());
    return p_->close_everything();
  }
  try {
    *p_->thread.lock() = std::thread([this] { p_->run(); });
  } catch (const std::system_error& error) {
    post_warning(p_->settings.element,
                 {.code = ErrorCode::internal_error,
                  .message = std::string("This machine makes no more threads (") + error.what() +
                             "), so no request can be begun. Nothing was sent, and nothing is "
                             "paid. Allow more threads, and start the element again."});
    p_->close_everything();
  }
}

void LivePlaylist::start_requests(const LiveFormats& formats) {
  {
    const auto state = p_->state.lock();
    if (!state->is_running) return;
    state->formats = formats;
    state->requests.open();
  }
  p_->wakeup->notify();
}

void LivePlaylist::stop() {
  p_->wakeup->interrupt();
  // The control thread calls the application's handlers, and one of them may end the element. Then
  // the thread ends when the handler has returned.
  if (p_->control == std::this_thread::get_id()) return;
  const auto thread = p_->thread.lock();
  if (thread->joinable()) thread->join();
}

std::optional<LiveTick> LivePlaylist::take(std::size_t samples, GstClockTime running_time) {
  bool has_work = false;
  std::optional<LiveTick> tick;
  {
    const auto state = p_->state.lock();
    if (!state->is_running) return std::nullopt;
    tick = p_->take(*state, samples, running_time);
    has_work = state->requests.has_commands() || !state->changes.empty();
  }
  if (has_work) p_->wakeup->notify();
  return tick;
}

bool LivePlaylist::is_playing() const { return p_->state.lock()->requests.playing().has_value(); }

}  // namespace veo::plugin
