// SPDX-License-Identifier: LGPL-2.1-or-later
#include "display.h"

#include <langinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "display_text.h"
#include "event_table.h"
#include "exit_code.h"
#include "terminal.h"
#include "veo/core/error_table.h"

namespace veo::cli {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t widest_bar = 30;
constexpr std::size_t narrowest_bar = 5;
constexpr std::size_t narrow_room = 24;  // below this width the name gets one column less
// Without a terminal, a line at this interval shows that the command still runs.
constexpr auto word_each = 60s;
constexpr int percent_step = 10;

bool is_terminal() {
  const char* const term = std::getenv("TERM");
  return terminal_columns(STDERR_FILENO) && term != nullptr && std::strcmp(term, "dumb") != 0;
}

std::string bar(double fraction, std::size_t width, bool unicode) {
  const auto full =
      std::min(width, static_cast<std::size_t>(fraction * static_cast<double>(width)));
  std::string text;
  for (std::size_t i = 0; i < width; ++i) {
    text += unicode ? (i < full ? "█" : "░") : (i < full ? "#" : "-");
  }
  return text;
}

int failure = 0;  // errno of the first write to stdout that failed

/// Writes and flushes, so that the output is in order, and is not lost if a signal kills the
/// process.
void put(std::FILE* stream, const std::string& text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0;
  if (!written && stream == stdout && failure == 0) failure = errno;
}

/// Writes the listed members of the object. On a terminal escapes each character that could control
/// the terminal.
void put_json(std::FILE* stream, const nlohmann::json& object) {
  const auto value = keep_listed_members(object);
  if (value.is_null()) return;
  const bool ascii = ::isatty(::fileno(stream)) != 0;
  put(stream, value.dump(-1, ' ', ascii, nlohmann::json::error_handler_t::replace) + "\n");
}

std::string price_of(const Source::Snapshot& seen) {
  if (seen.job.reused || seen.reused) return "nothing to pay";
  return seen.credits ? std::to_string(*seen.credits) + " credits" : "price unknown";
}

struct Measure {
  std::optional<double> fraction;
  std::optional<milliseconds> left;
};

/// Finds out how far the generation is. Uses the percentage of the service or, if there is none,
/// the time that such tasks usually take.
Measure measure(const Source::Snapshot& seen, steady_clock::time_point now) {
  const auto& job = seen.job;
  Measure found;
  if (job.phase == Job::Phase::completed) return {.fraction = 1};
  if (job.percent) found.fraction = *job.percent / 100.0;
  if (!job.accepted_at) return found;
  const auto elapsed = duration_cast<milliseconds>(now - *job.accepted_at);
  if (found.fraction && *found.fraction >= 0.05 && *found.fraction < 1) {
    found.left = duration_cast<milliseconds>(elapsed * (1 / *found.fraction - 1));
  } else if (job.expected_time) {
    found.left = *job.expected_time - elapsed;
    if (!found.fraction && job.expected_time->count() > 0) {
      // This is only an estimate, so it never says 100 %.
      found.fraction = std::min(0.95, static_cast<double>(elapsed.count()) /
                                          static_cast<double>(job.expected_time->count()));
    }
  }
  return found;
}

}  // namespace

Display::Display(Kind kind, bool stdout_is_taken)
    : kind_(kind),
      stdout_is_taken_(stdout_is_taken),
      terminal_(kind == Kind::automatic && is_terminal()),
      unicode_(std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0) {}

Display::~Display() { close_line(); }

void Display::update(const Source::Snapshot& seen) {
  if (!has_price_) {
    has_price_ = true;
    nlohmann::json price{{"event", "price"}, {"credits", nullptr}, {"reused", seen.reused}};
    if (seen.credits) price["credits"] = *seen.credits;
    tell(std::move(price));
  }
  for (; noticed_ < seen.notices.size(); ++noticed_) {
    report_notice(seen.notices[noticed_]);
  }
  tell_task(seen);
  switch (seen.job.phase) {
    case Job::Phase::finding:
    case Job::Phase::failed:
      break;
    case Job::Phase::submitting:
      enter(Phase::submitting, seen);
      break;
    case Job::Phase::generating:
      if (!seen.job.reused) enter(Phase::submitting, seen);
      enter(Phase::generating, seen);
      break;
    case Job::Phase::completed:
      // The clip does not know at once whether the cache has the file.
      if (seen.cached || seen.clip.requests > 0) enter(Phase::downloading, seen);
      break;
  }
  if (std::string trouble = seen.job.trouble ? seen.job.trouble->message : "";
      trouble != trouble_) {
    trouble_ = std::move(trouble);
    if (!trouble_.empty()) {
      // After a trouble with a file nothing is tried again: the library waits for the file.
      const auto code = seen.job.trouble->code;
      const bool is_file = code == ErrorCode::ledger || code == ErrorCode::cache;
      say((is_file ? "Waiting: " : "Trying again: ") + trouble_);
      tell({{"event", "retry"}, {"message", trouble_}});
    }
  }
  if (phase_ == Phase::none) return;
  tell_progress(seen);
  const bool is_over = seen.downloaded == 100 && phase_ == Phase::downloading;
  draw(seen, is_over);
}

void Display::enter(Phase phase, const Source::Snapshot& seen) {
  if (phase <= phase_) return;
  if (phase_ != Phase::none) draw(seen, true);
  close_line();
  phase_ = phase;
  is_drawn_ = false;
  phase_began_ = steady_clock::now();
  percent_.reset();
  if (kind_ != Kind::automatic) return;
  if (phase == Phase::downloading && seen.cached) {
    is_drawn_ = true;  // there is no progress to draw
    return say("Task " + seen.job.task_id +
               " is already paid, and its video is in the cache: nothing is spent.");
  }
  // On a terminal the changing line shows the phase. Only a task that is joined needs a line that
  // names it.
  if (terminal_ && !(phase == Phase::generating && seen.job.reused)) return;
  last_line_ = phase_began_;
  switch (phase) {
    case Phase::submitting:
      return say("Submitting, " + price_of(seen));
    case Phase::generating:
      return say((seen.job.reused ? "Joining task " : "Generating task ") + seen.job.task_id +
                 ", " + price_of(seen));
    case Phase::downloading:
      return say("Downloading task " + seen.job.task_id);
    case Phase::none:
      break;
  }
}

void Display::tell_task(const Source::Snapshot& seen) {
  const auto& job = seen.job;
  if (job.task_id == task_id_ && job.status == status_ && seen.reused == reused_) return;
  task_id_ = job.task_id;
  status_ = job.status;
  reused_ = seen.reused;
  if (task_id_.empty()) return;
  tell({{"event", "task"}, {"task-id", task_id_}, {"status", nick(*status_)}, {"reused", reused_}});
}

void Display::tell_progress(const Source::Snapshot& seen) {
  const auto now = steady_clock::now();
  const bool is_new = !percent_;
  const int unknown = -1;
  const int percent = phase_ == Phase::generating    ? seen.job.percent.value_or(unknown)
                      : phase_ == Phase::downloading ? seen.downloaded.value_or(unknown)
                                                     : unknown;
  if (!is_new && percent < percent_.value_or(0) + percent_step) return;
  percent_ = std::max(percent, 0);
  static constexpr const char* names[] = {"", "submit", "generate", "download"};
  nlohmann::json event{{"event", "progress"},
                       {"phase", names[static_cast<int>(phase_)]},
                       {"percent", nullptr},
                       {"eta", nullptr}};
  if (percent != unknown) event["percent"] = percent;
  if (phase_ == Phase::generating) {
    const auto left = measure(seen, now).left;
    if (left) event["eta"] = static_cast<double>(std::max(0ms, *left).count()) / 1000;
  }
  tell(std::move(event));
}

void Display::draw(const Source::Snapshot& seen, bool finally) {
  const auto now = steady_clock::now();
  if (!terminal_) {
    if (phase_ != Phase::generating || finally || now < last_line_ + word_each) return;
    last_line_ = now;
    return say("Task " + seen.job.task_id + " is being generated, " +
               clock_text(duration_cast<milliseconds>(now - phase_began_)));
  }
  if (is_drawn_) return;

  std::optional<double> fraction;
  std::string name;
  std::string after;
  auto elapsed = duration_cast<milliseconds>(now - phase_began_);
  switch (phase_) {
    case Phase::none:
      return;
    case Phase::submitting:
      name = "Submitting";
      after = price_of(seen);
      if (!seen.job.task_id.empty()) after += "  task " + seen.job.task_id;
      break;
    case Phase::generating: {
      name = "Generating";
      const auto far = measure(seen, now);
      fraction = finally ? 1 : far.fraction;
      if (seen.job.accepted_at) elapsed = duration_cast<milliseconds>(now - *seen.job.accepted_at);
      if (far.left && !finally) {
        after = *far.left >= 500ms ? "about " + clock_text(*far.left) + " left  "
                                   : std::string("any moment  ");
      }
      after += price_of(seen);
      break;
    }
    case Phase::downloading:
      name = "Downloading";
      if (seen.downloaded) fraction = *seen.downloaded / 100.0;
      after = size_text(seen.clip.bytes);
      if (seen.size && !finally) after += " of " + size_text(*seen.size);
      break;
  }
  after = pad(clock_text(elapsed), 4) + "  " + after;
  show(name, fraction, after, phase_ != Phase::submitting);
  is_drawn_ = finally;
  if (finally) close_line();
}

void Display::show(const std::string& name, std::optional<double> fraction, const std::string& text,
                   bool has_bar) {
  if (!terminal_) return;
  // Leave two columns free for the ^C that a terminal shows.
  const auto room = std::max<std::size_t>(terminal_columns(STDERR_FILENO).value_or(2), 3) - 2;
  std::string begin = pad(name, room < narrow_room ? 12 : 13);
  std::string end = text;
  if (fraction) {
    const auto percent = std::to_string(static_cast<int>(*fraction * 100)) + " %";
    end = std::string(5 - std::min<std::size_t>(5, percent.size()), ' ') + percent + "  " + end;
  }
  const auto used = width_of(begin) + width_of(end) + 2;
  if (has_bar && used + narrowest_bar <= room) {
    begin += bar(fraction.value_or(0), std::min(widest_bar, room - used), unicode_) + "  ";
  }
  auto line = cut(begin + end, room);
  if (line != line_ || !line_is_open_) put(stderr, "\r" + line + "\x1b[K");
  line_ = std::move(line);
  line_is_open_ = true;
}

void Display::close_line() {
  if (std::exchange(line_is_open_, false)) put(stderr, "\n");
}

void Display::report_notice(const std::string& text) {
  say(text);
  tell({{"event", "notice"}, {"message", text}});
}

void Display::say(const std::string& text) {
  if (kind_ != Kind::automatic) return;
  close_line();
  put(stderr, (terminal_ ? "" : "veo: ") + printable(text, true) + "\n");
}

void Display::tell(nlohmann::json event) {
  if (kind_ != Kind::json) return;
  put_json(stdout_is_taken_ ? stderr : stdout, event);
}

void Display::interrupted(const std::string& task_id, const std::string& next) {
  say("Interrupted. " + next);
  nlohmann::json event{{"event", "interrupted"},
                       {"task-id", nullptr},
                       {"exit-code", exit_interrupted},
                       {"next", next}};
  if (!task_id.empty()) event["task-id"] = task_id;
  tell(std::move(event));
}

void Display::failed(const Error& error, const std::string& next) {
  auto event = to_json(error);
  event["event"] = "error";
  event["exit-code"] = exit_code(error.code);
  if (!next.empty()) event["next"] = next;
  tell(std::move(event));
  if (kind_ == Kind::json) return;
  close_line();
  put(stderr, "veo: " + printable(error.message, true) + "\n" +
                  (next.empty() ? "" : "  " + printable(next, true) + "\n"));
}

void print(const std::string& text) { put(stdout, text); }

int stdout_error() {
  // A library may have written to stdout without a flush.
  if (failure == 0 && std::fflush(stdout) != 0) failure = errno;
  if (failure == 0 && std::ferror(stdout) != 0) failure = EIO;
  return failure;
}

void print_json(const nlohmann::json& value) { put_json(stdout, value); }

nlohmann::json to_json(const Error& error) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::json() : nlohmann::json(text);
  };
  return {{"code", nick(error.code)},
          {"message", error.message},
          {"http-status",
           error.http_status == 0 ? nlohmann::json() : nlohmann::json(error.http_status)},
          {"type", or_null(error.service_type)},
          {"service-code", or_null(error.service_code)},
          {"service-message", or_null(error.service_message)},
          {"task-id", or_null(error.task_id)},
          {"charged", nick(error.charged)},
          {"paid", is_paid(error)}};
}

}  // namespace veo::cli
