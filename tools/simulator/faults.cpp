// SPDX-License-Identifier: LGPL-2.1-or-later
#include "faults.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "api_errors.h"
#include "units.h"

namespace simulator {
namespace {

using namespace std::string_view_literals;

constexpr std::array<std::string_view, phase_count> phase_names = {
    "submit",   "query", "credits",     "file",         "file-tail",
    "callback", "task",  "connect-api", "connect-files"};

// Sets of phases, one bit for each.
constexpr unsigned bit(Phase phase) { return 1U << static_cast<unsigned>(phase); }
constexpr unsigned api = bit(Phase::submit) | bit(Phase::query) | bit(Phase::credits);
constexpr unsigned files = bit(Phase::file) | bit(Phase::file_tail);
constexpr unsigned answers = api | files;
constexpr unsigned documents = api | bit(Phase::callback);
constexpr unsigned descriptions = bit(Phase::query) | bit(Phase::callback);
constexpr unsigned connections = bit(Phase::connect_api) | bit(Phase::connect_files);

enum class Value {
  none,
  status,
  optional_status,
  error,
  seconds,
  duration,
  bytes,
  optional_bytes,
  rate,
  text,
  optional_text,
};

constexpr std::string_view value_form(Value value) {
  constexpr std::array<std::string_view, 11> forms = {"",         "=NNN",      "[=NNN]", "=CODE",
                                                      "=SECONDS", "=DURATION", "=BYTES", "[=BYTES]",
                                                      "=BYTES/s", "=TEXT",     "[=TEXT]"};
  return forms.at(static_cast<std::size_t>(value));
}

constexpr bool optional(Value value) {
  return value == Value::optional_status || value == Value::optional_bytes ||
         value == Value::optional_text;
}

/// Whether the work is done before the fault has its effect. If `reset` and `stall` have a number
/// of bytes, they cut a real answer, so the work is done.
enum class Work { done, not_done, done_if_value };

struct Row {
  Kind kind;
  std::string_view name;
  unsigned phases;
  Value value;
  Work work;
  std::string_view help;
};

// clang-format off
constexpr Row rows[] = {
    {Kind::status, "status", answers, Value::status, Work::not_done, "this status, with the API's own body for it where it has one"},
    {Kind::error, "error", api, Value::error, Work::not_done, "this row of the API's error table"},
    {Kind::retry_after, "retry-after", answers, Value::seconds, Work::done, "adds Retry-After in seconds"},
    {Kind::retry_after_date, "retry-after-date", answers, Value::seconds, Work::done, "adds Retry-After as a date, so many seconds from now"},
    {Kind::redirect, "redirect", answers, Value::text, Work::not_done, "302, or the status, to this URL"},
    {Kind::redirect_loop, "redirect-loop", answers, Value::none, Work::not_done, "302, or the status, to the request's own target"},
    {Kind::charged, "charged", bit(Phase::submit), Value::none, Work::done, "with an effect that refuses: the task is created and charged all the same"},
    {Kind::html, "html", documents, Value::optional_status, Work::done, "an HTML page in place of JSON, with status 200 or this one"},
    {Kind::not_mp4, "not-mp4", files, Value::none, Work::done, "an HTML page with status 200"},
    {Kind::not_json, "not-json", documents, Value::none, Work::done, "a body that is not JSON"},
    {Kind::deep_json, "deep-json", documents, Value::none, Work::done, "100,000 nested arrays"},
    {Kind::huge, "huge", documents, Value::none, Work::done, "the answer, with 2 MiB of padding in it"},
    {Kind::wrong_types, "wrong-types", documents, Value::none, Work::done, "strings become numbers, numbers strings, and so on"},
    {Kind::extra_fields, "extra-fields", documents, Value::none, Work::done, "members that are not documented"},
    {Kind::no_task_id, "no-task-id", bit(Phase::submit) | descriptions, Value::none, Work::done, "the task's id is missing"},
    {Kind::unknown_status, "unknown-status", descriptions, Value::none, Work::done, "the task's status is \"paused\""},
    {Kind::no_urls, "no-urls", descriptions, Value::none, Work::done, "completed, with an empty list of URLs"},
    {Kind::url, "url", descriptions, Value::text, Work::done, "completed, with this URL"},
    {Kind::upstream_id, "upstream-id", descriptions, Value::optional_text, Work::done, "adds upstream_task_id at the top; =metadata: in output.metadata"},
    {Kind::lost_answer, "lost-answer", documents | files, Value::none, Work::done, "the work is done, the connection closed without an answer (a callback: not sent)"},
    {Kind::half_answer, "half-answer", documents | files, Value::none, Work::done, "half of the promised body, then closed"},
    {Kind::reset, "reset", answers | connections, Value::optional_bytes, Work::done_if_value, "reset (RST) in place of an answer, or after so many bytes of its body"},
    {Kind::reset_before_reading, "reset-before-reading", answers, Value::none, Work::not_done, "reset after the request's head, its body unread"},
    {Kind::stall, "stall", answers | connections, Value::optional_bytes, Work::done_if_value, "no answer, or none after so many bytes of its body; the connection stays open"},
    {Kind::close, "close", connections, Value::none, Work::not_done, "accepted and closed at once"},
    {Kind::delay, "delay", answers, Value::duration, Work::done, "answers so much later"},
    {Kind::drip, "drip", answers, Value::rate, Work::done, "answers at this rate"},
    {Kind::slice, "slice", answers, Value::bytes, Work::done, "answers in writes of this size"},
    {Kind::truncate, "truncate", answers, Value::bytes, Work::done, "promises the whole body, closes after so many bytes of it"},
    {Kind::chunked, "chunked", answers, Value::none, Work::done, "Transfer-Encoding: chunked, and so no length"},
    {Kind::chunked_cut, "chunked-cut", answers, Value::bytes, Work::done, "chunked, properly ended after so many bytes"},
    {Kind::chunked_cut_unterminated, "chunked-cut-unterminated", answers, Value::bytes, Work::done, "chunked, closed at a chunk's border after so many bytes"},
    {Kind::gzip, "gzip", answers, Value::none, Work::done, "claims Content-Encoding: gzip"},
    {Kind::no_ranges, "no-ranges", files, Value::none, Work::done, "as with --no-ranges"},
    {Kind::ignore_range, "ignore-range", files, Value::none, Work::done, "200 with the whole file, though Accept-Ranges is announced"},
    {Kind::wrong_range, "wrong-range", files, Value::none, Work::done, "206 that starts one byte later than asked for"},
    {Kind::wrong_total, "wrong-total", files, Value::none, Work::done, "206 whose Content-Range has a total one too great"},
    {Kind::changed, "changed", files, Value::none, Work::done, "another version: same length; byte 15, the last byte and the validators differ"},
    {Kind::failed, "failed", bit(Phase::task), Value::none, Work::done, "fails with upstream_error when its time is over"},
    {Kind::failed_code, "failed-code", bit(Phase::task), Value::text, Work::done, "fails with this code"},
    {Kind::slow, "slow", bit(Phase::task), Value::duration, Work::done, "takes so much longer"},
};
// clang-format on

const Row& row_of(Kind kind) {
  return *std::find_if(std::begin(rows), std::end(rows),
                       [kind](const Row& row) { return row.kind == kind; });
}

std::string phases_text(unsigned phases) {
  std::string text;
  for (std::size_t i = 0; i < phase_count; ++i) {
    if ((phases & 1U << i) != 0) text += (text.empty() ? "" : " ") + std::string(phase_names.at(i));
  }
  return text;
}

/// Cuts the mark and the digits behind it off the end of the text, and returns the digits; "" if
/// there are none.
std::string take_number_behind(char mark, std::string& text) {
  const auto at = text.rfind(mark);
  if (at == std::string::npos || at == 0) return "";
  auto digits = text.substr(at + 1);
  if (digits.find_first_not_of("0123456789") != std::string::npos || digits.empty()) return "";
  text.resize(at);
  return digits;
}

std::string decode_commas(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    const bool is_comma = text.starts_with("%2C") || text.starts_with("%2c");
    decoded += is_comma ? ',' : text.front();
    text.remove_prefix(is_comma ? 3 : 1);
  }
  return decoded;
}

std::uint64_t parse_status(const std::string& text) {
  const auto status = parse_number(text);
  if (status < 200 || status > 599)
    throw std::invalid_argument("'" + text + "' is not a status from 200 to 599");
  return status;
}

/// Parses a value as a number. Returns 0 for a text.
std::uint64_t parse_value(Value form, const std::string& text) {
  switch (form) {
    case Value::status:
    case Value::optional_status:
      return parse_status(text);
    case Value::seconds:
      return parse_number(text);
    case Value::duration:
      return static_cast<std::uint64_t>(parse_duration(text).count());
    case Value::bytes:
    case Value::optional_bytes:
      return parse_bytes(text);
    case Value::rate:
      return parse_rate(text);
    case Value::error:
      if (find_error(text) == nullptr)
        throw std::invalid_argument("'" + text + "' is none of the API's error codes");
      return 0;
    case Value::none:
    case Value::text:
    case Value::optional_text:
      break;
  }
  return 0;
}

Effect parse_effect(Phase phase, std::string_view text) {
  const auto equals = text.find('=');
  const auto name = text.substr(0, equals);
  const auto row = std::find_if(std::begin(rows), std::end(rows),
                                [name](const Row& one) { return one.name == name; });
  if (row == std::end(rows))
    throw std::invalid_argument("there is no effect '" + std::string(name) + "'");
  if ((row->phases & bit(phase)) == 0)
    throw std::invalid_argument("'" + std::string(name) + "' is for " + phases_text(row->phases));

  Effect effect{row->kind, equals != text.npos, "", 0};
  if (effect.has_value) {
    if (row->value == Value::none)
      throw std::invalid_argument("'" + std::string(name) + "' takes no value");
    effect.text = decode_commas(text.substr(equals + 1));
    if (effect.text.empty())
      throw std::invalid_argument("'" + std::string(name) + "' has an empty value");
    effect.number = parse_value(row->value, effect.text);
  } else if (row->value != Value::none && !optional(row->value)) {
    throw std::invalid_argument("write " + std::string(name) + std::string(value_form(row->value)));
  }
  return effect;
}

}  // namespace

const Effect* Effects::find(Kind kind) const {
  const auto found = std::find_if(list_.begin(), list_.end(),
                                  [kind](const Effect& effect) { return effect.kind == kind; });
  return found == list_.end() ? nullptr : &*found;
}

bool Effects::is_refusal() const {
  return std::any_of(list_.begin(), list_.end(), [](const Effect& effect) {
    const auto work = row_of(effect.kind).work;
    return work == Work::not_done || (work == Work::done_if_value && !effect.has_value);
  });
}

FaultPlan::FaultPlan(const std::vector<std::string>& specs) : faults_(parse(specs)) {}

void FaultPlan::replace(const std::vector<std::string>& specs) {
  auto faults = parse(specs);
  const std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
}

Effects FaultPlan::take_effects(Phase phase) {
  const std::lock_guard lock(mutex_);
  ++counts_.at(static_cast<std::size_t>(phase));
  const bool is_file_too = phase == Phase::file_tail;
  if (is_file_too) ++counts_.at(static_cast<std::size_t>(Phase::file));
  Effects effects;
  for (auto& fault : faults_) {
    if (fault.phase != phase && !(is_file_too && fault.phase == Phase::file)) continue;
    ++fault.seen;
    if (fault.seen < fault.first) continue;
    if (fault.times && fault.seen - fault.first >= *fault.times) continue;
    effects.list_.insert(effects.list_.end(), fault.effects.begin(), fault.effects.end());
    effects.text_ += (effects.text_.empty() ? "" : " ") + fault.spec;
  }
  return effects;
}

std::uint64_t FaultPlan::count(Phase phase) const {
  const std::lock_guard lock(mutex_);
  return counts_.at(static_cast<std::size_t>(phase));
}

std::vector<FaultPlan::Fault> FaultPlan::parse(const std::vector<std::string>& specs) {
  std::vector<Fault> faults;
  for (const auto& spec : specs) {
    try {
      faults.push_back(parse(spec));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument("fault '" + spec + "': " + error.what() +
                                  " (--help lists the faults)");
    }
  }
  return faults;
}

FaultPlan::Fault FaultPlan::parse(const std::string& spec) {
  const auto colon = spec.find(':');
  const auto name = spec.substr(0, colon);
  if (colon == std::string::npos || colon + 1 == spec.size() || name.empty())
    throw std::invalid_argument("write PHASE:EFFECT[=VALUE][,EFFECT[=VALUE]]…[*COUNT][@N]");
  auto effects = spec.substr(colon + 1);
  const auto first = take_number_behind('@', effects);
  const auto times = take_number_behind('*', effects);

  const auto phase = std::find(phase_names.begin(), phase_names.end(), name);
  if (phase == phase_names.end())
    throw std::invalid_argument("there is no phase '" + name + "', only " + phases_text(~0U));
  Fault fault;
  fault.spec = spec;
  fault.phase = static_cast<Phase>(phase - phase_names.begin());
  if (!times.empty()) fault.times = parse_number(times);
  if (!first.empty()) fault.first = parse_number(first);
  if (fault.first == 0) throw std::invalid_argument("requests are counted from @1");

  for (std::size_t at = 0; at <= effects.size();) {
    const auto comma = std::min(effects.find(',', at), effects.size());
    fault.effects.push_back(
        parse_effect(fault.phase, std::string_view(effects).substr(at, comma - at)));
    at = comma + 1;
  }
  return fault;
}

std::string describe_faults() {
  std::string text =
      "Faults: PHASE:EFFECT[=VALUE][,EFFECT[=VALUE]]...[*COUNT][@N]\n"
      "  on COUNT requests of the phase (all, unless given) from the Nth on (the first, unless\n"
      "  given). A comma in a value is written %2C. Example:\n"
      "    submit:error=rate_limit_exceeded,retry-after=1*2\n"
      "  Phases: " +
      phases_text(~0U) + "\n";
  for (const auto& row : rows) {
    text += "  " + std::string(row.name) + std::string(value_form(row.value)) + "\n      " +
            std::string(row.help) + "\n      [" + phases_text(row.phases) + "]\n";
  }
  return text;
}

}  // namespace simulator
