// SPDX-License-Identifier: LGPL-2.1-or-later
#include "history.h"

#include <glib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "display_text.h"
#include "exit_code.h"
#include "output.h"
#include "terminal.h"
#include "veo/core/owned_text.h"
#include "veo/core/url_policy.h"
#include "veo/source/account.h"

namespace veo::cli {

using namespace std::chrono_literals;

namespace {

struct DateFree {
  void operator()(GDateTime* date) const { g_date_time_unref(date); }
};
using Date = std::unique_ptr<GDateTime, DateFree>;
struct ZoneFree {
  void operator()(GTimeZone* zone) const { g_time_zone_unref(zone); }
};
using Zone = std::unique_ptr<GTimeZone, ZoneFree>;

struct HistoryArguments : Arguments {
  std::size_t limit = 0;  ///< 0: all
  std::string since;
  std::vector<std::string> statuses;  ///< empty: all
  bool files = false;
  bool html = false;
  std::string output;
};

std::int64_t seconds_of(UnixTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

/// Parses `7d`, which is a time before `now`, or `2026-11-23` or `2026-11-23T05:15:18`, which are
/// local times unless they name a zone.
std::optional<UnixTime> parse_since(const std::string& text, UnixTime now) {
  std::uint32_t count = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, count);
  if (error == std::errc{}) {
    const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
    constexpr std::pair<std::string_view, std::chrono::seconds> units[] = {
        {"s", 1s}, {"min", 1min}, {"h", 1h}, {"d", 24h}, {"w", 7 * 24h}};
    for (const auto& [name, length] : units) {
      if (unit == name) return now - count * length;
    }
  }
  const Zone here(g_time_zone_new_local());
  for (const auto* const rest : {"", "T00:00:00"}) {
    if (const Date date(g_date_time_new_from_iso8601((text + rest).c_str(), here.get())); date) {
      return UnixTime(std::chrono::seconds(g_date_time_to_unix(date.get())));
    }
  }
  return std::nullopt;
}

nlohmann::json or_null(const std::string& text) {
  return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

nlohmann::json or_null(const std::optional<UnixTime>& time) {
  return time ? nlohmann::json(iso_text(*time)) : nlohmann::json();
}

nlohmann::json to_json(const Record& record) {
  nlohmann::json object{{"event", "record"},
                        {"task-id", or_null(record.task_id)},
                        {"status", nick(record.state)},
                        {"model", or_null(record.model)},
                        {"mode", or_null(record.mode)},
                        {"resolution", or_null(record.resolution)},
                        {"prompt", or_null(record.prompt)},
                        {"details", or_null(record.details)},
                        {"extends", or_null(record.parent_task_id)},
                        {"credits", nullptr},
                        {"reserved-at", iso_text(record.reserved_at)},
                        {"accepted-at", or_null(record.accepted_at)},
                        {"finished-at", or_null(record.finished_at)},
                        {"file", nullptr},
                        {"bytes", nullptr},
                        {"sha256", or_null(record.clip_sha256)},
                        {"api-url", or_null(record.api_url)},
                        {"account", or_null(record.account)},
                        {"error", nullptr}};
  if (const auto cost = cost_of(record)) object["credits"] = *cost;
  if (is_cached(record)) object["file"] = record.clip_path;
  if (record.clip_size > 0) object["bytes"] = record.clip_size;
  if (!record.error.empty()) {
    object["error"] = {{"code", record.error}, {"message", record.error_message}};
  }
  return object;
}

nlohmann::json to_json(const Total& total) {
  return {
      {"event", "total"},          {"api-url", total.api_url}, {"play-money", total.is_play_money},
      {"tasks", total.tasks},      {"credits", total.credits}, {"unpriced", total.unpriced},
      {"in-doubt", total.in_doubt}};
}

/// The ledger's path, and the query for its records.
struct Question {
  std::string ledger;
  HistoryQuery query;
};

Result<Question> question_of(const HistoryArguments& wanted) {
  const auto settings = wanted.settings();
  if (!settings) return fail(settings.error());
  Question question{.ledger = settings->ledger, .query = {.limit = wanted.limit}};
  if (!wanted.since.empty()) {
    const UnixTime now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    question.query.since = parse_since(wanted.since, now);
    if (!question.query.since) {
      return fail(
          {.code = ErrorCode::invalid_request,
           .message = "--since: \"" + wanted.since +
                      "\" is no time. Give a date, such as 2026-11-23 or 2026-11-23T05:15:18Z, or "
                      "a span before now, such as 30min, 24h, 7d or 2w."});
    }
  }
  for (const auto& status : wanted.statuses) {
    const auto state = parse_record_state(status);  // the parser has checked the status
    if (state && std::ranges::find(question.query.states, *state) == question.query.states.end()) {
      question.query.states.push_back(*state);
    }
  }
  return question;
}

/// Prints the records one page at a time, because all of them may not fit in memory.
std::optional<Status> print_all(Question question, const std::shared_ptr<Wakeup>& wakeup) {
  constexpr std::size_t page_size = 1000;
  auto& query = question.query;
  const auto limit = query.limit == 0 ? SIZE_MAX : query.limit;
  std::vector<Total> totals;
  for (std::size_t printed = 0; printed < limit;) {
    query.limit = std::min(page_size, limit - printed);
    const auto page = read_history(question.ledger, query, wakeup);
    if (!page) return std::nullopt;
    if (!*page) return fail(page->error());
    for (const auto& record : **page) print_json(to_json(record));
    add(totals, **page);
    if ((*page)->size() < query.limit) break;
    printed += (*page)->size();
    query.after = (*page)->back().id;
  }
  for (const auto& total : totals) print_json(to_json(total));
  return Status();
}

void print_table(const Records& records, bool shows_files) {
  print(shows_files ? history_table_of_files(records)
                    : history_table(records, terminal_columns(STDOUT_FILENO)));
  const auto totals = total_of(records);
  for (const auto& total : totals) print(total_text(total, totals.size() > 1) + "\n");
}

int history(Session& session, const HistoryArguments& wanted) {
  Display display(wanted.kind());
  const auto refuse = [&](const Error& error) {
    display.failed(error);
    return exit_code(error.code);
  };
  const auto interrupted = [&] {
    display.interrupted("", "The same line again starts from the beginning.");
    return exit_interrupted;
  };
  const auto question = question_of(wanted);
  if (!question) return refuse(question.error());
  const auto gap = describe_ledger_gap(question->ledger, session.wakeup);
  if (!gap) return interrupted();
  if (*gap && !(*gap)->empty()) {
    display.say(**gap + " Nothing is submitted with it: see veo ledger --help.");
  }
  if (wanted.json) {
    const auto printed = print_all(*question, session.wakeup);
    if (!printed) return interrupted();
    return *printed ? exit_success : refuse(printed->error());
  }
  const auto read = read_history(question->ledger, question->query, session.wakeup);
  if (!read) return interrupted();
  if (!*read) return refuse(read->error());
  const auto& records = **read;
  if (records.empty()) {
    const bool is_filtered = !wanted.since.empty() || !wanted.statuses.empty();
    display.say(is_filtered ? "No record fits --since and --status."
                            : "Nothing is recorded here yet: no task was submitted with this "
                              "ledger (--ledger, VEO_LEDGER).");
  }
  if (!wanted.html) {
    print_table(records, wanted.files);
    return exit_success;
  }
  std::optional<Output> output;
  if (!wanted.output.empty() && wanted.output != "-") {
    auto opened = Output::open(wanted.output, session.interruption);
    if (!opened) return refuse(opened.error());
    output = std::move(*opened);
  }
  const media::Library* media = nullptr;
  if (std::ranges::any_of(records, is_cached)) {
    const auto loaded = media::load();
    if (loaded) {
      media = *loaded;
    } else {
      display.say("The page has no pictures. " + loaded.error().message);
    }
  }
  const auto page = history_page(records, media, output ? wanted.output : "", session.interruption);
  if (!page) return interrupted();
  if (!output) {
    print(*page);
    return exit_success;
  }
  const auto written =
      output->write({reinterpret_cast<const std::uint8_t*>(page->data()), page->size()});
  if (!written) return refuse(written.error());
  if (*written == Output::Written::interrupted) return exit_interrupted;
  const auto file = output->finish("");
  if (!file) return refuse(file.error());
  display.say("Saved " + *file + ".");
  return exit_success;
}

}  // namespace

std::optional<std::uint32_t> cost_of(const Record& record) {
  if (!is_spent(record.state)) return 0;
  return record.credits == 0 ? std::nullopt : std::optional(record.credits);
}

std::string cost_text(const Record& record) {
  const auto cost = cost_of(record);
  return cost ? std::to_string(*cost) : "?";
}

void add(std::vector<Total>& totals, const Records& records) {
  for (const auto& record : records) {
    auto total = std::ranges::find(totals, record.api_url, &Total::api_url);
    if (total == totals.end()) {
      total = totals.insert(
          total, {.api_url = record.api_url, .is_play_money = is_loopback_url(record.api_url)});
    }
    if (!is_spent(record.state)) continue;
    const auto cost = cost_of(record);
    ++total->tasks;
    total->credits += cost.value_or(0);
    if (!cost) ++total->unpriced;
    const bool in_doubt =
        record.state == RecordState::unknown || record.state == RecordState::superseded;
    if (in_doubt) total->in_doubt += cost.value_or(0);
  }
}

std::vector<Total> total_of(const Records& records) {
  std::vector<Total> totals;
  add(totals, records);
  return totals;
}

std::string credits_text(const Total& total) {
  return total.is_play_money ? "credits of play money" : "credits";
}

std::string total_text(const Total& total, bool names_api) {
  auto text = names_api ? printable(total.api_url) + ": " : std::string();
  text += std::to_string(total.tasks) + (total.tasks == 1 ? " task, " : " tasks, ") +
          std::to_string(total.credits) + " " + credits_text(total);
  if (total.in_doubt > 0) text += ", " + std::to_string(total.in_doubt) + " of them in doubt";
  if (total.unpriced > 0) text += ", and " + std::to_string(total.unpriced) + " of unknown price";
  return text + ".";
}

bool is_cached(const Record& record) {
  struct stat info {};
  return !record.clip_path.empty() && ::stat(record.clip_path.c_str(), &info) == 0 &&
         S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) == record.clip_size;
}

std::string mode_text(const Record& record) {
  if (!record.parent_task_id.empty()) return "extension";
  if (record.mode.empty() || record.resolution.empty()) return record.mode + record.resolution;
  return record.mode + " " + record.resolution;
}

std::string time_text(UnixTime time, const char* form) {
  const Date date(g_date_time_new_from_unix_local(seconds_of(time)));
  if (!date) return "";
  return OwnedText(g_date_time_format(date.get(), form)).get();
}

std::string iso_text(UnixTime time) {
  const Date date(g_date_time_new_from_unix_utc(seconds_of(time)));
  if (!date) return "";
  return OwnedText(g_date_time_format_iso8601(date.get())).get();
}

void add_history(Command& app, Action& chosen) {
  auto command = app.add_command("history", "what was made and paid, as recorded here");
  const auto wanted = std::make_shared<HistoryArguments>();
  add_arguments(command, *wanted, {Option::Group::files}, {"cache-dir"});
  command.add_option("-n,--limit", wanted->limit, "only the newest N")
      .set_form("N")
      .set_check([](const std::string& text) {
        std::size_t number = 0;
        const auto* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, number);
        return error == std::errc{} && stop == end && number > 0
                   ? ""
                   : "\"" + text +
                         "\" is no number of records, which is 1 or more. Without --limit all "
                         "records are shown";
      });
  command
      .add_option("--since", wanted->since,
                  "only since then: 2026-11-23, 2026-11-23T05:15:18Z, 7d, 24h")
      .set_form("WHEN");
  command.add_option("--status", wanted->statuses, "only those; may be repeated")
      .set_form("reserved|sending|accepted|completed|failed|released|unknown|superseded")
      .make_repeatable()
      .set_check([](const std::string& text) {
        return parse_record_state(text) ? "" : "\"" + text + "\" is no status of a record";
      });
  command
      .add_flag("--files", wanted->files,
                "each video's file in the cache, bit for bit as delivered, in place of the prompt")
      .exclude("--json");
  auto html = command.add_flag("--html", wanted->html,
                               "a page that shows the videos, films as strips, and plays them");
  html.exclude("--json");
  html.exclude("--files");
  command.add_option("-o,--output", wanted->output, "where to (with --html): a file, or -")
      .set_form("FILE|-")
      .require(html);
  command.set_footer(
      R"(Newest first. Asks nobody and costs nothing. Credits are the catalog's; what was refunded or
not sent has cost 0, and ? is a price that the catalog did not know. The page is one file. The page
shows and plays the videos that are in the cache, on the machine of the cache, and loads nothing
else. --files tells where the original of each video is, with its C2PA manifest.

Examples:
  veo history --limit=10
  veo history --since=7d --json
  veo history --files
  veo history --html -o history.html)");
  command.on_chosen([wanted, &chosen] {
    chosen = [wanted](Session& session) { return history(session, *wanted); };
  });
}

}  // namespace veo::cli
