// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "ledger_rows.h"
#include "shell.h"

namespace veo::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

constexpr const char* wild_prompt =
    "<script>alert(1)</script> & \"two\"\n犬\x1b[2J\xC2\x9B"
    "31m \xE2\x80\xAEturned";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// A ledger with four submissions: a task whose clip is no longer in the cache, its continuation
/// whose clip is in the cache, a failed task, and a submission whose outcome is unknown.
struct Story {
  Story() {
    EXPECT_EQ(shell.veo({"generate", wild_prompt, "--mode=lite", "-o", "1.mp4"}).exit_code, 0);
    first = task(0);
    EXPECT_EQ(shell.veo({"extend", first, "it sleeps", "--clip-only", "-o", "2.mp4"}).exit_code, 0);
    second = task(1);
    simulator.set_faults({"task:failed"});
    EXPECT_EQ(shell.veo({"generate", "a cat", "-o", "3.mp4"}).exit_code, 7);
    third = task(2);
    simulator.set_faults({"submit:lost-answer"});
    EXPECT_EQ(shell.veo({"generate", "a fish", "-o", "4.mp4"}).exit_code, 8);
    simulator.set_faults({});
    const auto records = json_lines(shell.veo({"history", "--json"}).output);
    std::filesystem::remove(records.at(3).at("file").get<std::string>());
  }
  [[nodiscard]] std::string task(std::size_t i) const {
    return simulator.state().at("tasks").at(i).at("id");
  }

  Simulator simulator = start_simulator("0s");
  Shell shell{simulator};
  std::string first;
  std::string second;
  std::string third;
};

TEST(History, OfNothingIsEmpty) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto table = shell.veo({"history"});
  EXPECT_EQ(table.exit_code, 0) << table;
  EXPECT_THAT(table.output, IsEmpty());
  EXPECT_THAT(table.errors, HasSubstr("Nothing is recorded here yet"));
  EXPECT_THAT(shell.veo({"history", "--since=7d"}).errors, HasSubstr("No record fits"));
  EXPECT_THAT(shell.veo({"history", "--json"}).output, IsEmpty());
}

TEST(History, IsATableWithTotals) {
  const Story story;
  const auto asked = story.shell.veo({"history"});
  EXPECT_EQ(asked.exit_code, 0) << asked;
  EXPECT_THAT(asked.errors, IsEmpty());
  const auto lines = lines_of(asked.output);
  ASSERT_EQ(lines.size(), 6U) << asked.output;
  EXPECT_THAT(lines[0], MatchesRegex("DATE +STATUS +MODE +CREDITS +TASK +PROMPT"));
  const std::string date = "20[0-9]+-[0-9]+-[0-9]+ [0-9]+:[0-9]+";
  EXPECT_THAT(lines[1], MatchesRegex(date + "  unknown +fast 720p +40  - +a fish"));
  EXPECT_THAT(lines[2], MatchesRegex(date + "  failed +fast 720p +0  " + story.third + "  a cat"));
  EXPECT_THAT(lines[3],
              MatchesRegex(date + "  completed +extension +[?]  " + story.second + "  it sleeps"));
  EXPECT_THAT(lines[4], HasSubstr("  " + story.first +
                                  "  <script>alert(1)</script> & \"two\" 犬�[2J�31m �turned"));
  EXPECT_EQ(lines[5],
            "3 tasks, 60 credits of play money, 40 of them in doubt, and 1 of unknown price.");
  // Text columns begin below their heads, and numbers end below the end of their heads.
  for (const auto* const head : {"STATUS", "MODE", "TASK", "PROMPT"}) {
    const auto at = lines[0].find(head);
    for (int i = 1; i <= 4; ++i) EXPECT_EQ(lines[static_cast<std::size_t>(i)][at - 1], ' ') << head;
    for (int i = 1; i <= 4; ++i) EXPECT_NE(lines[static_cast<std::size_t>(i)][at], ' ') << head;
  }
  const auto end = lines[0].find("CREDITS") + 6;
  EXPECT_EQ(lines[1].substr(end - 1, 2), "40");
  EXPECT_EQ(lines[3].substr(end - 1, 2), " ?");
}

TEST(History, PrintsOneJsonObjectPerLine) {
  const Story story;
  const auto asked = story.shell.veo({"history", "--json"});
  EXPECT_THAT(asked.errors, IsEmpty());
  const auto all = json_lines(asked.output);
  ASSERT_EQ(all.size(), 5U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(all[i].at("event"), "record");
    EXPECT_EQ(all[i].at("api-url"), story.simulator.api_url());
    EXPECT_THAT(all[i].at("reserved-at").get<std::string>(), MatchesRegex("20..-..-..T..:..:..Z"));
  }
  EXPECT_EQ(all[0].at("status"), "unknown");
  EXPECT_EQ(all[0].at("task-id"), nullptr);
  EXPECT_EQ(all[0].at("error").at("code"), "submit-unknown");
  EXPECT_EQ(all[1].at("status"), "failed");
  EXPECT_EQ(all[1].at("credits"), 0);
  EXPECT_EQ(all[2].at("extends"), story.first);
  EXPECT_EQ(all[2].at("credits"), nullptr);
  EXPECT_EQ(all[2].at("model"), "veo-3-extend");
  EXPECT_TRUE(std::filesystem::exists(all[2].at("file").get<std::string>()));
  EXPECT_EQ(all[3].at("file"), nullptr);
  EXPECT_EQ(all[3].at("credits"), 20);
  EXPECT_EQ(all[3].at("mode"), "lite");
  EXPECT_EQ(all[3].at("sha256"), story.simulator.state().at("tasks").at(0).at("sha256"));
  EXPECT_EQ(all[3].at("bytes"), story.simulator.state().at("tasks").at(0).at("size"));
  EXPECT_EQ(all[4], nlohmann::json({{"event", "total"},
                                    {"api-url", story.simulator.api_url()},
                                    {"play-money", true},
                                    {"tasks", 3},
                                    {"credits", 60},
                                    {"unpriced", 1},
                                    {"in-doubt", 40}}));
  // The key and the URLs of the videos are secrets.
  EXPECT_THAT(asked.output, AllOf(Not(HasSubstr(story.simulator.key())),
                                  Not(HasSubstr(story.simulator.files_url()))));
}

TEST(History, IsFiltered) {
  const Story story;
  const auto statuses = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> args{"history", "--json"};
    args.insert(args.end(), flags.begin(), flags.end());
    std::vector<std::string> found;
    const auto ended = story.shell.veo(args);
    EXPECT_EQ(ended.exit_code, 0) << ended;
    for (const auto& object : json_lines(ended.output)) {
      if (object.at("event") == "record") found.push_back(object.at("status"));
    }
    return found;
  };
  EXPECT_THAT(statuses({"--limit=2"}), ElementsAre("unknown", "failed"));
  EXPECT_THAT(statuses({"--status=completed", "-n1"}), ElementsAre("completed"));
  EXPECT_THAT(statuses({"--status=failed", "--status=unknown"}), ElementsAre("unknown", "failed"));
  EXPECT_EQ(statuses({"--since=1h"}).size(), 4U);
  EXPECT_EQ(statuses({"--since=2020-01-01"}).size(), 4U);
  EXPECT_THAT(statuses({"--since=2199-01-01T00:00:00Z"}), IsEmpty());
  EXPECT_THAT(statuses({"--since=0s"}), IsEmpty());
  for (const auto* const bad : {"--since=soon", "--since=7", "--since=-1d", "--since=2026-13-01",
                                "--status=lost", "--limit=-1", "--limit=few", "-o=page.html"}) {
    EXPECT_EQ(story.shell.veo({"history", bad}).exit_code, 2) << bad;
  }
}

TEST(History, HasNoRowOfATaskThatTheServiceDoesNotKnow) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto ended = shell.veo({"download", "typo", "-o", "typo.mp4"});
  EXPECT_EQ(ended.exit_code, 5) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("task_not_found"));
  EXPECT_THAT(shell.veo({"history"}).output, IsEmpty());
}

TEST(History, InventsNoModeAndNoPriceForATaskOfSomebodyElse) {
  const auto simulator = start_simulator("0s");
  const Shell other(simulator);
  ASSERT_EQ(other.veo({"generate", "a dog", "--mode=quality", "-o", "1.mp4"}).exit_code, 0);
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"download", id, "-o", "1.mp4"}).exit_code, 0);
  const auto records = json_lines(shell.veo({"history", "--json"}).output);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].at("task-id"), id);
  EXPECT_EQ(records[0].at("status"), "completed");
  for (const auto* const field : {"model", "mode", "resolution", "credits", "details"}) {
    EXPECT_EQ(records[0].at(field), nullptr) << field;
  }
}

/// Another program's connection to the ledger.
class Database {
 public:
  explicit Database(const std::string& path) {
    sqlite3* opened = nullptr;
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
    database_.reset(opened);
    sqlite3_busy_timeout(opened, 10'000);  // a checkpoint locks the file for a moment
  }
  void run(const std::string& sql) const {
    EXPECT_EQ(sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database_.get()) << ": " << sql;
  }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  std::unique_ptr<sqlite3, Close> database_;
};

/// Makes a ledger with `count` old tasks and a new one.
void fill(const Shell& shell, std::int64_t count) {
  ASSERT_EQ(shell.veo({"generate", "a cat", "-o", "1.mp4"}).exit_code, 0);
  Database(shell.ledger()).run("DELETE FROM submission; " + insert_tasks(count));
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "2.mp4"}).exit_code, 0);
}

// Linux reports for a child at least the peak memory of its parent, so a small process has to start
// the command.
long peak_memory(const Shell& shell, const std::string& command) {
  const auto ended = shell.sh(
      "veo() { python3 -c 'import resource, subprocess, sys; subprocess.run(sys.argv[1:], "
      "check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, "
      "file=sys.stderr)' \"$VEO_COMMAND\" \"$@\"; }; " +
      command);
  EXPECT_EQ(ended.exit_code, 0) << ended;
  return std::atol(ended.errors.c_str());
}

TEST(History, TakesMemoryForTheShownRowsOnly) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer uses additional memory";
#endif
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  fill(shell, 200'000);
  constexpr long limit_kib = 40 * 1024;
  EXPECT_LT(peak_memory(shell, "veo history --limit=10 > limit"), limit_kib);
  EXPECT_LT(peak_memory(shell, "veo history --since=2023-11-16T07:00:00Z --limit=10 > since"),
            limit_kib);
  EXPECT_LT(peak_memory(shell, "veo history --status=completed --status=failed -n10 > status"),
            limit_kib);
  for (const auto* const file : {"limit", "since", "status"}) {
    const auto lines = lines_of(shell.contents(file));
    ASSERT_EQ(lines.size(), 13U) << file;
    EXPECT_THAT(lines[1], HasSubstr("a dog"));
    EXPECT_THAT(lines[2], HasSubstr("for the 200000th time"));
    EXPECT_THAT(lines[10], HasSubstr("for the 199992th time"));
    EXPECT_EQ(lines[11], simulator.api_url() + ": 1 task, 40 credits of play money.");
    EXPECT_EQ(lines[12], "https://api.example/v1: 9 tasks, 360 credits.");
  }
  // All rows are written line by line.
  EXPECT_LT(peak_memory(shell, "veo history --json > all"), limit_kib);
  const auto all = lines_of(shell.contents("all"));
  ASSERT_EQ(all.size(), 200'003U);
  EXPECT_EQ(nlohmann::json::parse(all[0]).at("prompt"), "a dog");
  for (std::size_t i = 1; i <= 200'000; i += 999) {
    EXPECT_EQ(nlohmann::json::parse(all[i]).at("task-id"), "task-" + std::to_string(200'001 - i));
  }
  EXPECT_EQ(nlohmann::json::parse(all[200'002]).at("credits"), 8'000'000);
}

TEST(History, CanBeLeftWhileTheLedgerIsLocked) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  fill(shell, 1);
  const auto submissions = simulator.state().at("submissions").get<int>();
  std::ofstream(shell.file("shots.jsonl")) << R"({"prompt": "a bird"})";
  const Database other(shell.ledger());
  other.run("PRAGMA journal_mode = DELETE");
  other.run("BEGIN EXCLUSIVE");
  // Each command that reads the ledger.
  const std::vector<std::vector<std::string>> lines{
      {"history"},
      {"history", "--json"},
      {"extend", "task-1", "it sleeps", "-o", "film.mp4"},
      {"batch", "shots.jsonl", "--yes"}};
  for (const auto& line : lines) {
    Program running(shell.settings(line));
    ASSERT_TRUE(running.wait_until_open(shell.ledger())) << line[0];
    running.kill(SIGINT);
    const auto ended = running.wait();
    EXPECT_EQ(ended.exit_code, 130) << line[0] << ": " << ended;
    EXPECT_THAT(ended.errors + ended.output,
                AnyOf(HasSubstr("Interrupted."), HasSubstr(R"("event":"interrupted")")));
  }
  EXPECT_EQ(simulator.state().at("submissions"), submissions);
}

TEST(History, OfADamagedLedgerSaysSoAndNothingIsSubmitted) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  fill(shell, 100);
  Database(shell.ledger()).run("PRAGMA wal_checkpoint(TRUNCATE)");
  const auto submissions = simulator.state().at("submissions").get<int>();
  {
    std::fstream file(shell.ledger(), std::ios::binary | std::ios::in | std::ios::out);
    const auto size = std::filesystem::file_size(shell.ledger());
    file.seekp(4096);  // after the first page, which identifies the file
    file << std::string(size - 4096, '\xff');
  }
  for (const auto& line : std::vector<std::vector<std::string>>{
           {"history"}, {"generate", "a bird", "-o", "bird.mp4"}}) {
    const auto ended = shell.veo(line);
    EXPECT_EQ(ended.exit_code, 9) << ended;
    EXPECT_THAT(ended.errors, HasSubstr("it is damaged"));
  }
  EXPECT_EQ(simulator.state().at("submissions"), submissions);
}

TEST(History, OfALedgerThatIsLockedAllTheTimeSaysSo) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  fill(shell, 1);
  const Database other(shell.ledger());
  other.run("PRAGMA journal_mode = DELETE");
  other.run("BEGIN EXCLUSIVE");
  const auto ended = shell.veo({"history"});
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("busy all the time"));
}

/// Shows `page.html` of `shell` in a browser, with the light and with the dark colours. Returns
/// what history_probe.html saw in each.
nlohmann::json look_at_page(const Shell& shell, std::string& console) {
  std::filesystem::copy_file(std::getenv("VEO_HISTORY_PROBE"), shell.file("probe.html"),
                             std::filesystem::copy_options::overwrite_existing);
  const auto seen = shell.sh(
      "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
      "--user-data-dir=profile --allow-file-access-from-files --enable-logging=stderr "
      "--dump-dom file://$PWD/probe.html");
  EXPECT_EQ(seen.exit_code, 0) << seen;
  for (const auto& line : lines_of(seen.errors)) {
    if (line.find("CONSOLE") != std::string::npos) console += line + "\n";
  }
  const auto from = seen.output.find("<pre>") + 5;
  const auto end = seen.output.find("</pre>");
  if (end == std::string::npos || end <= from) return {};
  return nlohmann::json::parse(seen.output.substr(from, end - from));
}

TEST(HistoryPage, ShowsTheHistoryInABrowser) {
  const Story story;
  const auto requests = story.simulator.log().size();
  const auto made = story.shell.veo({"history", "--html", "-o", "page.html"});
  ASSERT_EQ(made.exit_code, 0) << made;
  EXPECT_THAT(made.output, IsEmpty());
  EXPECT_EQ(story.simulator.log().size(), requests) << "the page is made without the service";

  std::string console;
  const auto seen = look_at_page(story.shell, console);
  ASSERT_EQ(seen.size(), 2U) << console;
  const auto& page = seen.at(0);
  // The probe's line shows that the test hears the console. The page itself must write nothing
  // there.
  EXPECT_EQ(lines_of(console).size(), 1U) << console;
  EXPECT_THAT(console, HasSubstr("the probe has seen the page"));
  EXPECT_EQ(page.at("title"), "Videos made with veo");
  EXPECT_EQ(page.at("scripts"), 0);
  EXPECT_THAT(page.at("requests"), IsEmpty());
  EXPECT_GE(page.at("least_contrast"), 4.5);
  EXPECT_EQ(page.at("too_wide"), false);
  EXPECT_EQ(page.at("totals"), nlohmann::json({"tasks 3", "credits of play money 60",
                                               "of them in doubt 40", "of unknown price 1"}));
  const auto& clips = page.at("clips");
  ASSERT_EQ(clips.size(), 4U);

  EXPECT_EQ(clips[0].at("status"), "unknown");
  EXPECT_EQ(clips[0].at("placeholder"), "May not have been submitted");
  EXPECT_EQ(clips[1].at("placeholder"), "Generation failed");
  EXPECT_EQ(clips[1].at("price"), "refunded");
  EXPECT_EQ(clips[3].at("placeholder"), "Not in the cache any more");
  EXPECT_EQ(clips[3].at("price"), "20 credits");
  // The prompt is shown as text. It keeps its line break, and loses the characters that would
  // reverse the text's direction.
  EXPECT_EQ(clips[3].at("prompt"), "<script>alert(1)</script> & \"two\"\n犬�[2J�31m �turned");

  const auto& here = clips[2];
  EXPECT_EQ(here.at("placeholder"), nullptr);
  EXPECT_EQ(here.at("image").at("alt"), "First picture of: it sleeps");
  EXPECT_EQ(here.at("image").at("width"), 640);
  EXPECT_EQ(here.at("image").at("height"), 360);
  EXPECT_THAT(here.at("more").get<std::string>(), HasSubstr(story.second));
  EXPECT_EQ(here.at("extends"), nlohmann::json({story.first}));
  const auto frame = story.shell.sh(
      "ffmpeg -v error -i 2.mp4 -frames:v 1 -vf "
      "scale=640:360:flags=area+accurate_rnd+full_chroma_int:"
      "in_color_matrix=bt709 "
      "-f rawvideo -pix_fmt rgb24 -");
  ASSERT_EQ(frame.output.size(), 640U * 360 * 3);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    double sum = 0;
    for (auto i = channel; i < frame.output.size(); i += 3) {
      sum += static_cast<unsigned char>(frame.output[i]);
    }
    EXPECT_NEAR(here.at("image").at("mean")[channel].get<double>(), sum / (640 * 360), 2);
  }

  const auto& dark = seen.at(1);
  EXPECT_GE(dark.at("least_contrast"), 4.5);
  EXPECT_NE(dark.at("background"), page.at("background"));
}

TEST(HistoryPage, NeedsNothingBesideItself) {
  const Story story;
  const auto made = story.shell.veo({"history", "--html"});
  EXPECT_EQ(made.exit_code, 0) << made.errors;
  EXPECT_THAT(made.output, StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(made.output, HasSubstr("default-src 'none'; img-src data:; style-src 'sha256-"));
  for (const std::string reference : {"src=", "href=", "url("}) {
    auto at = made.output.find(reference);
    for (; at != std::string::npos; at = made.output.find(reference, at)) {
      at += reference.size() + (made.output[at + reference.size()] == '"' ? 1 : 0);
      EXPECT_THAT(made.output.substr(at, 12), AnyOf(StartsWith("data:"), StartsWith("#row-")));
    }
  }
  EXPECT_THAT(made.output, Not(HasSubstr("\x1b")));
}

TEST(HistoryPage, OfADamagedClipHasAPlaceholder) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "1.mp4"}).exit_code, 0);
  const auto record = json_lines(shell.veo({"history", "--json"}).output).at(0);
  const std::string noise(record.at("bytes").get<std::size_t>(), 'x');
  std::ofstream(record.at("file").get<std::string>(), std::ios::binary) << noise;
  const auto made = shell.veo({"history", "--html"});
  EXPECT_EQ(made.exit_code, 0) << made.errors;
  EXPECT_THAT(made.errors, IsEmpty());
  EXPECT_THAT(made.output, HasSubstr("Cannot be shown"));
}

TEST(HistoryPage, ThatCannotBeWrittenSaysSo) {
  const Story story;
  const auto nowhere = story.shell.veo({"history", "--html", "-o", "nowhere/page.html"});
  EXPECT_EQ(nowhere.exit_code, 9) << nowhere;
  EXPECT_THAT(nowhere.errors, HasSubstr("nowhere/page.html"));
  const auto full = story.shell.veo({"history", "--html", "-o", "/dev/full"});
  EXPECT_EQ(full.exit_code, 9) << full;
  EXPECT_THAT(full.errors, HasSubstr("No space left"));
}

}  // namespace
}  // namespace veo::test
