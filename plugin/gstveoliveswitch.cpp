// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoliveswitch.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gstveoerror.h"
#include "gstveolivelog.h"

#undef GST_CAT_DEFAULT
#define GST_CAT_DEFAULT veo::plugin::find_live_log()

namespace veo::plugin {

namespace {

/// The flags that a decoder sets for its own stream, and that are wrong in ours.
constexpr auto stream_flags =
    static_cast<guint>(GST_BUFFER_FLAG_DISCONT) | static_cast<guint>(GST_BUFFER_FLAG_RESYNC) |
    static_cast<guint>(GST_BUFFER_FLAG_DELTA_UNIT) | static_cast<guint>(GST_BUFFER_FLAG_HEADER) |
    static_cast<guint>(GST_BUFFER_FLAG_MARKER);

using Reception = LiveSwitch::Reception;

/// How long a clip may wait for an output that is too far behind until a WARNING says so.
constexpr GstClockTime warned_after = GST_SECOND;

Buffer make_writable(Buffer buffer) { return Buffer(gst_buffer_make_writable(buffer.release())); }

}  // namespace

void LiveSwitch::start(const FrameGrid& grid) {
  const auto state = state_.lock();
  *state = State{};
  state->grid = grid;
  state->group_id = gst_util_group_id_next();
}

void LiveSwitch::stop() { *state_.lock() = State{}; }

// The filler posts warnings, so these two functions call it without a lock. The output takes its
// turns on the same thread.
bool LiveSwitch::set_format(const GstVideoInfo& format) {
  {
    const auto state = state_.lock();
    if (state->has_requested) return gst_video_info_is_equal(&*state->video, &format) != FALSE;
    state->video = format;
  }
  filler_.set_format(format);
  return true;
}

bool LiveSwitch::set_format(const GstAudioInfo& format) {
  std::uint64_t samples = 0;
  {
    const auto state = state_.lock();
    if (state->has_requested) return gst_audio_info_is_equal(&*state->audio, &format) != FALSE;
    state->audio = format;
    samples = state->grid->samples_of(0) + 1;  // no tick has more than one sample more
  }
  filler_.set_format(format, static_cast<std::size_t>(samples));
  return true;
}

bool LiveSwitch::has_fixed_formats() const { return state_.lock()->has_requested; }

bool LiveSwitch::prefers_alpha() const { return filler_.kind() == LiveFiller::Kind::transparent; }

LiveSwitch::Turn LiveSwitch::take_turn(Medium medium, GstClockTime now) {
  Turn turn{};
  bool warns = false;
  {
    const auto state = state_.lock();
    auto& output = state->of(medium);
    if (!output.next) begin(*state, medium, now);
    const auto tick = *output.next;
    if (tick >= state->decided_until) decide(*state, medium, tick);
    turn.buffer = medium == Medium::video ? take_picture(*state, tick) : take_sound(*state, tick);
    output.next = tick + 1;
    drop_passed(*state);
    turn.running_time =
        medium == Medium::video ? state->grid->time_of(tick) : state->grid->sound_time_of(tick);
    if (state->grid->time_of(state->held_ticks) > warned_after) {
      warns = !std::exchange(state->has_warned, true);
    }
  }
  if (warns) warn_of_held_clip(medium == Medium::video ? Medium::audio : Medium::video);
  return turn;
}

void LiveSwitch::restart(Medium medium) {
  const auto state = state_.lock();
  auto& output = state->of(medium);
  output.next.reset();
  if (output.reception == Reception::ended) output.reception = Reception::none;
  if (auto& other = state->other_of(medium); !other.next) {
    state->origin.reset();
    output.has_begun = false;
    other.has_begun = false;
  }
  GST_DEBUG_OBJECT(element_, "%s: the next tick depends on the time", name_of(medium));
}

void LiveSwitch::on_pushed(Medium medium, GstFlowReturn flow) {
  const auto reception = flow == GST_FLOW_OK           ? Reception::taken
                         : flow == GST_FLOW_NOT_LINKED ? Reception::unlinked
                         : flow <= GST_FLOW_EOS        ? Reception::ended
                                                       : Reception::none;
  if (reception == Reception::none) return;  // flushing
  LiveFormats formats;
  {
    const auto state = state_.lock();
    auto& mine = state->of(medium).reception;
    if (mine != reception) {
      GST_DEBUG_OBJECT(element_, "%s: %s", name_of(medium), gst_flow_get_name(flow));
    }
    mine = reception;
    if (state->has_requested || !state->video || !state->audio) return;
    const auto other = state->other_of(medium).reception;
    if (other == Reception::none) return;
    if (mine != Reception::taken && other != Reception::taken) return;
    state->has_requested = true;
    formats = {*state->video, *state->audio};
  }
  GST_INFO_OBJECT(element_, "each linked pad has taken a buffer: the requests begin");
  playlist_.start_requests(formats);
}

guint LiveSwitch::group_id() const { return state_.lock()->group_id; }

std::optional<GstClockTime> LiveSwitch::tick_duration() const {
  const auto state = state_.lock();
  if (!state->grid) return std::nullopt;
  return state->grid->longest_tick();
}

/// Returns the first tick that the output may still need.
std::uint64_t LiveSwitch::find_next(const State& state, const Output& output) {
  // After a flush of its own an output goes on at the tick that the time is in.
  if (output.reception == Reception::ended || (output.has_begun && !output.next))
    return state.decided_until;
  return output.next.value_or(*state.origin);
}

/// Finds the first tick of an output.
void LiveSwitch::begin(State& state, Medium medium, GstClockTime now) const {
  auto& output = state.of(medium);
  auto tick = state.grid->tick_at(now);
  if (!state.origin || tick < *state.origin) {
    state.origin = tick;
    state.decided_until = tick;
    state.decisions.clear();
    GST_INFO_OBJECT(element_, "%s: tick %" G_GUINT64_FORMAT " is the origin", name_of(medium),
                    tick);
  } else if (!output.has_begun && tick - *state.origin <= together) {
    // The other output was quicker to begin. Both begin together.
    tick = *state.origin;
  }
  output.next = tick;
  output.has_begun = true;
}

/// Decides the tick, and all undecided ticks before it, which become plain filler.
void LiveSwitch::decide(State& state, Medium medium, std::uint64_t tick) {
  state.decided_until = tick + 1;
  const auto other = medium == Medium::video ? Medium::audio : Medium::video;
  const bool is_other_behind =
      find_next(state, state.of(other)) + most_ticks_behind(state, other) < tick;
  const bool is_held = is_other_behind && (playlist_.is_playing() || playlist_.has_ready_clip());
  state.held_ticks = is_held ? state.held_ticks + 1 : 0;
  std::optional<LiveTick> taken;
  if (!is_other_behind) {
    taken = playlist_.take(static_cast<std::size_t>(state.grid->samples_of(tick)),
                           state.grid->time_of(tick));
  }
  if (taken) {
    state.decisions.push_back({tick, 1, std::move(*taken)});
    return;
  }
  if (!playlist_.is_playing()) return;
  // The clip is late: its last frame stays. Ticks in a row share one entry.
  if (!state.decisions.empty()) {
    auto& last = state.decisions.back();
    if (!last.halves.video && !last.halves.audio && last.first + last.count == tick) {
      ++last.count;
      return;
    }
  }
  state.decisions.push_back({tick, 1, {}});
}

/// Returns how many ticks the output may be behind the other one.
std::uint64_t LiveSwitch::most_ticks_behind(const State& state, Medium medium) const {
  const auto& grid = *state.grid;
  if (medium == Medium::audio || !state.video) return grid.tick_at(limits_.sound);
  const auto frame = std::max<std::uint64_t>(GST_VIDEO_INFO_SIZE(&*state.video), 1);
  const auto least = std::min(limits_.picture, GstClockTime{GST_SECOND});
  return std::clamp(limits_.picture_bytes / frame, grid.tick_at(least),
                    grid.tick_at(limits_.picture));
}

void LiveSwitch::warn_of_held_clip(Medium behind) const {
  const std::string slow = name_of(behind);
  const std::string fast = name_of(behind == Medium::video ? Medium::audio : Medium::video);
  post_warning(element_,
               {.code = ErrorCode::invalid_request,
                .message = "A clip waits, because the pad “" + slow +
                           "” is many seconds behind the "
                           "pad “" +
                           fast + "”: what is linked to “" + slow +
                           "” blocks. The pads "
                           "show filler until then, and nothing is lost. Put a larger queue behind "
                           "each pad, or leave a pad unlinked that is not needed."});
}

Buffer LiveSwitch::take_picture(State& state, std::uint64_t tick) {
  auto* const decision = find_decision(state, tick);
  Buffer buffer;
  if (decision != nullptr && decision->halves.video) {
    buffer = make_writable(std::move(decision->halves.video));
    GST_BUFFER_FLAG_UNSET(buffer.get(), stream_flags);
    filler_.on_frame(buffer.get());
  } else {
    buffer = filler_.picture(decision != nullptr ? LiveFiller::Reason::late_clip
                                                 : LiveFiller::Reason::no_clip);
  }
  if (!buffer) return nullptr;
  const auto begin = state.grid->time_of(tick);
  GST_BUFFER_PTS(buffer.get()) = begin;
  GST_BUFFER_DTS(buffer.get()) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(buffer.get()) = state.grid->time_of(tick + 1) - begin;
  GST_BUFFER_OFFSET(buffer.get()) = tick;
  GST_BUFFER_OFFSET_END(buffer.get()) = tick + 1;
  return buffer;
}

Buffer LiveSwitch::take_sound(State& state, std::uint64_t tick) {
  auto* const decision = find_decision(state, tick);
  Buffer buffer;
  if (decision != nullptr && decision->halves.audio) {
    buffer = make_writable(std::move(decision->halves.audio));
    GST_BUFFER_FLAG_UNSET(buffer.get(), stream_flags);
  } else {
    buffer = filler_.silence(static_cast<std::size_t>(state.grid->samples_of(tick)));
  }
  if (!buffer) return nullptr;
  const auto begin = state.grid->sound_time_of(tick);
  GST_BUFFER_PTS(buffer.get()) = begin;
  GST_BUFFER_DTS(buffer.get()) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(buffer.get()) = state.grid->sound_time_of(tick + 1) - begin;
  GST_BUFFER_OFFSET(buffer.get()) = state.grid->samples_before(tick);
  GST_BUFFER_OFFSET_END(buffer.get()) = state.grid->samples_before(tick + 1);
  return buffer;
}

/// Returns the decision for the tick; null: plain filler.
LiveSwitch::Decision* LiveSwitch::find_decision(State& state, std::uint64_t tick) {
  const auto found =
      std::find_if(state.decisions.begin(), state.decisions.end(), [&](const Decision& decision) {
        return decision.first <= tick && tick - decision.first < decision.count;
      });
  return found != state.decisions.end() ? &*found : nullptr;
}

/// Drops the decisions that both outputs have passed.
void LiveSwitch::drop_passed(State& state) {
  auto passed = state.decided_until;
  for (const auto& output : state.outputs) passed = std::min(passed, find_next(state, output));
  while (!state.decisions.empty() &&
         state.decisions.front().first + state.decisions.front().count <= passed) {
    state.decisions.pop_front();
  }
}

}  // namespace veo::plugin
