// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/record.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace veo {

namespace {

using enum RecordState;

constexpr std::string_view nicks[] = {"reserved", "sending",  "accepted", "completed",
                                      "failed",   "released", "unknown",  "superseded"};

struct Transition {
  RecordState from;
  RecordState to;
};

// All transitions, sorted by `to`.
constexpr Transition transitions[] = {
    {sending, reserved},    // surely not sent, so the job tries again
    {reserved, sending},    //
    {sending, accepted},    //
    {unknown, accepted},    // the answer came late, or the user set the task id
    {accepted, completed},  //
    {accepted, failed},     //
    {reserved, released},   // the owner gave up or died
    {sending, released},    // refused
    {sending, unknown},     //
    {unknown, superseded},  //
};

constexpr auto sources = [] {
  struct {
    RecordState from[std::size(transitions)];
  } all{};
  std::transform(std::begin(transitions), std::end(transitions), std::begin(all.from),
                 [](const Transition& row) { return row.from; });
  return all;
}();

}  // namespace

std::string_view nick(RecordState state) { return nicks[static_cast<std::size_t>(state)]; }

std::optional<RecordState> parse_record_state(std::string_view nick) {
  const auto* const found = std::ranges::find(nicks, nick);
  if (found == std::end(nicks)) return std::nullopt;
  return static_cast<RecordState>(found - std::begin(nicks));
}

std::span<const RecordState> list_states_before(RecordState to) {
  const auto leads_there = [to](const Transition& row) { return row.to == to; };
  const auto first = std::find_if(std::begin(transitions), std::end(transitions), leads_there) -
                     std::begin(transitions);
  const auto count = std::count_if(std::begin(transitions), std::end(transitions), leads_there);
  return std::span(sources.from)
      .subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
}

bool is_spent(RecordState state) { return state != failed && state != released; }

bool is_without_video(const Record& record) {
  return record.state == RecordState::completed && record.error == nick(ErrorCode::task_failed);
}

std::string to_text(UnixTime time) {
  // g++ 12 cannot format std::chrono types.
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d:%02d UTC",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

}  // namespace veo
