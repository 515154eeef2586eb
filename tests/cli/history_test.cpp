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
using testing::EndsWith;
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
  EXPECT_EQ(page.at("scripts"), 1) << "the page's own";
  EXPECT_THAT(page.at("requests"), IsEmpty());
  EXPECT_GE(page.at("least_contrast"), 4.5);
  EXPECT_EQ(page.at("too_wide"), false);
  EXPECT_EQ(page.at("totals"), nlohmann::json({"tasks 3", "credits of play money 60",
                                               "of them in doubt 40", "of unknown price 1"}));
  const auto& clips = page.at("clips");
  ASSERT_EQ(clips.size(), 4U);

  EXPECT_EQ(clips[0].at("status"), "unknown");
  EXPECT_EQ(clips[0].at("placeholder"), "May be paid: no answer is known");
  EXPECT_THAT(clips[0].at("todo").get<std::string>(),
              AllOf(HasSubstr("It may be paid. Look for it in the provider's dashboard."),
                    HasSubstr("--task-id=ID"), HasSubstr("--on-unknown=resubmit")));
  EXPECT_EQ(clips[1].at("placeholder"), "Generation failed");
  EXPECT_EQ(clips[1].at("price"), "refunded");
  // The continuation and its parent are a film, in their order.
  EXPECT_EQ(page.at("films").size(), 1U);
  EXPECT_EQ(page.at("films")[0].at("facts"), "Film of 2 steps 20 credits, and 1 of unknown price");
  EXPECT_EQ(clips[2].at("placeholder"), "Not in the cache any more");
  EXPECT_EQ(clips[2].at("price"), "20 credits");
  EXPECT_EQ(clips[2].at("plays"), nullptr) << "there is nothing to play";
  EXPECT_EQ(clips[2].at("todo"),
            "Get it again, free:\nveo download " + story.first + " -o clip.mp4");
  // The prompt is shown as text. It keeps its line break, and loses the characters that would
  // reverse the text's direction.
  EXPECT_EQ(clips[2].at("prompt"), "<script>alert(1)</script> & \"two\"\n犬�[2J�31m �turned");

  const auto& here = clips[3];
  EXPECT_EQ(here.at("placeholder"), nullptr);
  EXPECT_EQ(here.at("name"), "Step 2: it sleeps");
  EXPECT_THAT(here.at("plays").get<std::string>(), AllOf(StartsWith("file:///"), EndsWith(".mp4")));
  EXPECT_EQ(here.at("image").at("alt"), "First picture of: it sleeps");
  EXPECT_EQ(here.at("image").at("width"), 640);
  EXPECT_EQ(here.at("image").at("height"), 360);
  // The card says where the original with its manifest is.
  const std::string file = json_lines(story.shell.veo({"history", "--json"}).output)[2].at("file");
  EXPECT_THAT(here.at("more").get<std::string>(), AllOf(HasSubstr(story.second), HasSubstr(file)));
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
  for (const std::string reference : {" src=", " href=", "url("}) {
    auto at = made.output.find(reference);
    for (; at != std::string::npos; at = made.output.find(reference, at)) {
      at += reference.size() + (made.output[at + reference.size()] == '"' ? 1 : 0);
      // A file is a link: the browser reads it when the user plays it.
      const auto* const links = reference == " href=" ? "file:///" : "#row-";
      EXPECT_THAT(made.output.substr(at, 12),
                  AnyOf(StartsWith("data:"), StartsWith("#row-"), StartsWith(links)));
    }
  }
  EXPECT_THAT(made.output, Not(HasSubstr("\x1b")));
}

/// A ledger with a film of four steps, another continuation of its second step, and a clip.
struct FilmStory {
  FilmStory() {
    const auto make = [this](const std::vector<std::string>& line) {
      auto all = line;
      all.insert(all.end(), {"-q", "-o", "clip.mp4"});
      EXPECT_EQ(shell.veo(all).exit_code, 0) << line[1];
      return simulator.state().at("tasks").back().at("id").get<std::string>();
    };
    const auto extend = [&make](const std::string& task, const std::string& prompt) {
      return make({"extend", task, prompt, "--clip-only"});
    };
    first = make({"generate", "a lighthouse", "--mode=lite"});
    second = extend(first, "its lamp comes on");
    make({"generate", "a dog"});
    branch = extend(second, "fog");
    third = extend(second, "a boat");
    extend(third, "it turns");
  }
  [[nodiscard]] std::string file_of(const std::string& task) const {
    for (const auto& record : json_lines(shell.veo({"history", "--json"}).output)) {
      if (record.value("task-id", nlohmann::json()) == task) return record.at("file");
    }
    return "";
  }

  Simulator simulator = Simulator::start({"--generation-time", "0s", "--frames", "64"});
  Shell shell{simulator};
  std::string first;
  std::string second;
  std::string third;
  std::string branch;
};

/// Expects that each video of the story's page has played, by a click or by the keyboard, and with
/// the right frames.
void expect_played(const nlohmann::json& seen) {
  EXPECT_EQ(seen.at("names"),
            nlohmann::json({"Play Step 1: a lighthouse", "Play Step 2: its lamp comes on",
                            "Play Step 4: it turns", "Play Step 3: fog", "Play a dog"}));
  EXPECT_EQ(seen.at("videos_before"), 0);
  for (const auto& url : seen.at("requests_before")) {
    EXPECT_THAT(url.get<std::string>(), AnyOf(StartsWith("data:"), EndsWith("/page.html")));
  }
  EXPECT_THAT(seen.at("complaints"), IsEmpty());
  // A continuation goes on with the numbers of its parent.
  const int begins[] = {0, 64, 192, 128, 0};
  ASSERT_EQ(seen.at("played").size(), std::size(begins));
  for (std::size_t i = 0; i < std::size(begins); ++i) {
    const auto& played = seen.at("played")[i];
    ASSERT_EQ(played.at("moves"), true) << i;
    EXPECT_EQ(seen.at("names")[i], "Play " + played.at("name").get<std::string>());
    EXPECT_EQ(played.at("controls"), true);
    EXPECT_EQ(played.at("has_focus"), true) << "the keys go to the video that plays";
    EXPECT_EQ(played.at("playing"), 1) << "one at a time";
    EXPECT_EQ(played.at("todo"), "");
    EXPECT_EQ(played.at("first"), begins[i]);
    EXPECT_EQ(played.at("tenth"), begins[i] + 10);
  }
}

TEST(HistoryPage, ShowsFilmsAsStripsAndPlaysThem) {
  const FilmStory story;
  std::filesystem::remove(story.file_of(story.third));
  ASSERT_EQ(story.shell.veo({"history", "--html", "-o", "page.html"}).exit_code, 0);
  std::string console;
  const auto looks = look_at_page(story.shell, console);
  ASSERT_EQ(looks.size(), 2U) << console;
  const auto& page = looks.at(0);
  EXPECT_EQ(page.at("films"), nlohmann::json::parse(R"([{"title": "a lighthouse",
              "facts": "Film of 4 steps, and 1 other continuation 20 credits, and 4 of unknown price",
              "branches": ["Another continuation of step 2"],
              "strips": [["Step 1: a lighthouse", "Step 2: its lamp comes on", "Step 3: a boat",
                          "Step 4: it turns"], ["Step 3: fog"]]}])"));
  EXPECT_EQ(page.at("is_in_order"), true);
  EXPECT_GE(page.at("least_contrast"), 4.5);
  EXPECT_GE(looks.at(1).at("least_contrast"), 4.5);
  EXPECT_EQ(page.at("too_wide"), false);

  const auto file = story.file_of(story.first);
  const auto played =
      story.shell.sh("sed 's|" + file + "|/nowhere.mp4|' page.html > lost.html; " +
                     "exec python3 " + std::getenv("VEO_HISTORY_PLAYER") + " page.html lost.html");
  ASSERT_EQ(played.exit_code, 0) << played;
  const auto all = nlohmann::json::parse(played.output);
  expect_played(all.at("play"));

  const auto& lost = all.at("lost");
  EXPECT_EQ(lost.at("told"), true);
  EXPECT_EQ(lost.at("picture"), "shown") << "the picture is back";
  EXPECT_EQ(lost.at("videos"), 0);
  EXPECT_EQ(lost.at("todo"),
            "This page does not find the file. Get it again, free:\nveo download " + story.first +
                " -o clip.mp4");

  EXPECT_EQ(all.at("no-script").at("opened"), true);
  EXPECT_EQ(all.at("no-script").at("url"), "file://" + file);
}

// Whatever a ledger says of parents: each record is on the page, once, and no film is too long.
TEST(HistoryPage, HasEachRecordOnceWhateverItsParents) {
  constexpr std::size_t count = 5'000;
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  fill(shell, count);
  // The tasks are a chain whose first ten are a circle, and the last task extends itself.
  Database(shell.ledger())
      .run(
          "UPDATE submission SET parent_task_id = 'task-' || (CAST(substr(task_id, 6) AS INTEGER) "
          "- 1) WHERE task_id LIKE 'task-%'; "
          "UPDATE submission SET parent_task_id = 'task-10' WHERE task_id = 'task-1'; "
          "UPDATE submission SET parent_task_id = task_id WHERE task_id = 'task-5000'");
  const auto made = shell.veo({"history", "--html"});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
  EXPECT_THAT(made.output, HasSubstr("Film of 4999 steps<"));
  std::vector<std::string> tasks;
  const std::string before = "<dt>Task</dt><dd><code>";
  for (auto at = made.output.find(before); at != std::string::npos;
       at = made.output.find(before, at)) {
    at += before.size();
    tasks.push_back(made.output.substr(at, made.output.find('<', at) - at));
  }
  std::vector<std::string> expected{simulator.state().at("tasks").back().at("id"), "task-5000"};
  for (std::size_t i = 1; i < count; ++i) expected.push_back("task-" + std::to_string(i));
  EXPECT_EQ(tasks, expected);
}

// A filter may leave out the beginning of a film. Then nobody knows the numbers of the steps.
TEST(HistoryPage, NumbersNoStepIfTheBeginningIsMissing) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  fill(shell, 3);
  Database(shell.ledger())
      .run(
          "UPDATE submission SET parent_task_id = 'task-1' WHERE task_id = 'task-2'; "
          "UPDATE submission SET parent_task_id = 'task-2' WHERE task_id = 'task-3'");
  const auto part = shell.veo({"history", "--html", "--limit=3"}).output;
  EXPECT_THAT(part, AllOf(HasSubstr("Film of 2 steps<"), HasSubstr(">Continuation</b>"),
                          Not(HasSubstr(">Step "))));
  const auto all = shell.veo({"history", "--html"}).output;
  EXPECT_THAT(all, AllOf(HasSubstr("Film of 3 steps<"), HasSubstr(">Step 3</b>"),
                         Not(HasSubstr(">Continuation</b>"))));
}

// A page in the folder of its videos moves together with them.
TEST(HistoryPage, NamesVideosBesideItByARelativeUrl) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell.sh("mkdir cache elsewhere; VEO_CACHE_DIR=$PWD/cache veo generate dog -q -o 1.mp4")
                .exit_code,
            0);
  const std::filesystem::path file =
      json_lines(shell.veo({"history", "--json"}).output).at(0).at("file").get<std::string>();
  for (const auto& [page, url] : {std::pair("page.html", "./cache/" + file.filename().string()),
                                  std::pair("cache/page.html", "./" + file.filename().string()),
                                  std::pair("elsewhere/page.html", "file://" + file.string())}) {
    ASSERT_EQ(shell.veo({"history", "--html", "-o", page}).exit_code, 0) << page;
    EXPECT_THAT(shell.contents(page), HasSubstr(R"(<a class="play" href=")" + url + '"')) << page;
  }
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
