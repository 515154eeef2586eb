// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a person sees on a terminal, and what the same lines print into a pipe.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "shell.h"
#include "terminal.h"

namespace veo::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ContainsRegex;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

std::string task_of(const Simulator& simulator, std::size_t i) {
  return simulator.state().at("tasks").at(i).at("id");
}

/// Returns the moments that show this phase.
std::vector<std::string> moments_of(const Terminal& terminal, const std::string& phase) {
  std::vector<std::string> found;
  for (const auto& moment : terminal.moments()) {
    if (moment.starts_with(phase)) found.push_back(moment);
  }
  return found;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// Returns the percent that the line shows, or -1 if it shows none.
int percent_of(const std::string& line) {
  const auto end = line.find(" %");
  if (end == std::string::npos || end == 0) return -1;
  const auto begin = line.find_last_not_of("0123456789", end - 1) + 1;
  return begin < end ? std::stoi(line.substr(begin, end - begin)) : -1;
}

TEST(OnATerminal, ASessionHasALineForEachPhase) {
  const auto simulator = start_simulator("1100ms", {"--progress", "--credits", "1000"});
  const Shell shell(simulator);
  Terminal terminal(
      shell.script("veo generate 'a dog' -o dog.mp4; veo extend $(veo history --json | "
                   "grep -o '[0-9a-f-]\\{36\\}' | head -n 1) 'it sleeps' --clip-only "
                   "-o next.mp4; veo history; veo credits"),
      100);
  EXPECT_EQ(terminal.wait(), 0);
  const auto lines = terminal.screen();
  const auto first = task_of(simulator, 0);
  const auto second = task_of(simulator, 1);
  const std::string date = "20[0-9]+-[0-9]+-[0-9]+";
  const std::string time = "[0-9][0-9]:[0-9][0-9]";
  ASSERT_THAT(
      lines,
      ElementsAre(MatchesRegex("Submitting   0:00  40 credits  task " + first),
                  MatchesRegex("Generating   (█)+  100 %  0:0[0-9]  40 credits"),
                  MatchesRegex("Downloading  (█)+  100 %  0:0[0-9]  [0-9]+ kB"),
                  MatchesRegex("Saved dog.mp4, of task " + first + "[.]"),
                  MatchesRegex("Submitting   0:00  price unknown  task " + second),
                  MatchesRegex("Generating   (█)+  100 %  0:0[0-9]  price unknown"),
                  MatchesRegex("Downloading  (█)+  100 %  0:0[0-9]  [0-9]+ kB"),
                  MatchesRegex("Saved next.mp4, of task " + second + "[.]"),
                  MatchesRegex("DATE +STATUS +MODE +CREDITS  TASK, PROMPT"),
                  MatchesRegex(date + "  completed  extension +[?]  " + second),
                  MatchesRegex(time + " +it sleeps"),
                  MatchesRegex(date + "  completed  fast +40  " + first),
                  MatchesRegex(time + " +720p +a dog"),
                  MatchesRegex("2 tasks, 40 credits of play money, and 1 of unknown price[.]"),
                  MatchesRegex("920")));
  EXPECT_TRUE(terminal.cursor_is_visible());
  EXPECT_EQ(terminal.cursor_column(), 0);

  // The bar grows with the service's percent, and the time grows with the clock.
  const auto moments = moments_of(terminal, "Generating");
  int last = -1;
  for (const auto& moment : moments) {
    if (moment.find("price unknown") != std::string::npos) break;  // the continuation's line begins
    const auto percent = percent_of(moment);
    if (percent < 0) continue;
    EXPECT_GE(percent, last) << moment;
    last = percent;
    const auto width = count_of(moment, "█") + count_of(moment, "░");
    EXPECT_NEAR(static_cast<double>(count_of(moment, "█")),
                percent * static_cast<double>(width) / 100, 1)
        << moment;
  }
  EXPECT_GT(last, 50);
  EXPECT_THAT(moments, Contains(ContainsRegex("░  +[1-9][0-9] %  0:01  about 0:0[0-9] left  ")));
}

TEST(OnATerminal, TheRemainingTimeIsLearnedFromEarlierTasks) {
  auto simulator = start_simulator("1s");
  const Shell shell(simulator);
  {
    // The ledger has no earlier task, so the catalog's estimate is shown.
    Terminal terminal(shell.settings({"generate", "a dog", "-o", "dog.mp4"}), 80);
    EXPECT_EQ(terminal.wait(), 0);
    EXPECT_THAT(moments_of(terminal, "Generating"), Contains(HasSubstr("about 1:")));
  }
  EXPECT_EQ(shell.sh("for take in 2 3 4 5; do veo generate 'a dog' --take=$take -q & done; wait")
                .exit_code,
            0);
  simulator.set_faults({"task:slow=1500ms"});
  Terminal terminal(shell.settings({"generate", "a cat", "-o", "cat.mp4"}), 80);
  EXPECT_EQ(terminal.wait(), 0);
  const auto moments = moments_of(terminal, "Generating");
  EXPECT_THAT(moments, Contains(HasSubstr("about 0:01 left")));
  EXPECT_THAT(moments, Contains(AllOf(HasSubstr("any moment"), HasSubstr(" 95 %"))));
  EXPECT_THAT(moments, Not(Contains(HasSubstr("about 1:"))));
  EXPECT_THAT(terminal.screen().at(1), ContainsRegex("100 %  0:0[0-9]  40 credits$"));
}

class OnATerminalOf : public testing::TestWithParam<int> {};

TEST_P(OnATerminalOf, ALineIsNeverWrapped) {
  const auto simulator = start_simulator("600ms", {"--progress"});
  const Shell shell(simulator);
  const int columns = GetParam();
  Terminal terminal(shell.settings({"generate", "a dog", "-o", "dog.mp4"}), columns);
  EXPECT_EQ(terminal.wait(), 0);
  const auto lines = terminal.screen();
  ASSERT_GE(lines.size(), 4U);
  EXPECT_THAT(lines[0], StartsWith("Submitting "));
  EXPECT_THAT(lines[1], StartsWith("Generating "));
  EXPECT_THAT(lines[2], StartsWith("Downloading "));
  EXPECT_THAT(lines[3], StartsWith("Saved dog.mp4"));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LT(characters(lines[i]), static_cast<std::size_t>(columns)) << lines[i];
  }
  EXPECT_THAT(lines[1], HasSubstr("100 %"));
  EXPECT_EQ(terminal.cursor_column(), 0);
}

INSTANTIATE_TEST_SUITE_P(Columns, OnATerminalOf, testing::Values(20, 40, 80),
                         testing::PrintToStringParamName());

TEST(OnATerminal, TheLineFollowsItsWidth) {
  const auto simulator = start_simulator("60s");
  const Shell shell(simulator);
  Terminal terminal(shell.settings({"generate", "a dog", "-o", "dog.mp4"}), 120);
  const std::string wide = "left  40 credits";
  ASSERT_TRUE(terminal.wait_for(wide));
  terminal.resize(40);
  ASSERT_TRUE(terminal.wait_for("…"));
  const auto narrow = terminal.screen();
  ASSERT_EQ(narrow.size(), 2U);
  EXPECT_LT(characters(narrow[1]), 40U) << narrow[1];
  terminal.resize(120);
  ASSERT_TRUE(terminal.wait_for(wide));
  EXPECT_EQ(terminal.screen().size(), 2U);
}

TEST(OnATerminal, ATaskThatIsJoinedIsNamed) {
  const auto simulator = start_simulator("200ms");
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-q"}).exit_code, 0);
  Terminal terminal(shell.settings({"wait", task_of(simulator, 0)}), 80);
  EXPECT_EQ(terminal.wait(), 0);
  EXPECT_THAT(terminal.screen(), Contains(HasSubstr(task_of(simulator, 0))));
}

TEST(OnATerminal, CtrlCLeavesItInOrder) {
  const auto simulator = start_simulator("60s");
  const Shell shell(simulator);
  for (const int columns : {120, 40}) {
    Terminal terminal(shell.settings({"generate", "a dog", "-o", "dog.mp4"}), columns);
    ASSERT_TRUE(terminal.wait_for("Generating"));
    terminal.type("\x03");
    EXPECT_EQ(terminal.wait(), 130);
    const auto lines = terminal.screen();
    const auto bar = std::ranges::find_if(
        lines, [](const std::string& line) { return line.starts_with("Generating"); });
    ASSERT_NE(bar, lines.end());
    // The terminal itself echoes ^C beside the line. The echo does not break the line.
    EXPECT_THAT(*bar, testing::EndsWith("^C"));
    ASSERT_NE(bar + 1, lines.end());
    EXPECT_THAT(*(bar + 1), StartsWith("Interrupted."));
    EXPECT_TRUE(terminal.cursor_is_visible());
    EXPECT_EQ(terminal.cursor_column(), 0);
  }
}

TEST(OnATerminal, WithoutUnicodeTheBarIsAscii) {
  const auto simulator = start_simulator("300ms");
  const Shell shell(simulator);
  auto settings = shell.settings({"generate", "a dog", "-o", "dog.mp4"});
  settings.env["LC_ALL"] = "C";
  Terminal terminal(settings, 80);
  EXPECT_EQ(terminal.wait(), 0);
  const auto lines = terminal.screen();
  EXPECT_THAT(lines.at(1), ContainsRegex("Generating   #+  100 %"));
}

TEST(OnATerminal, ADumbTerminalHasPlainLines) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  auto settings = shell.settings({"generate", "a dog", "-o", "dog.mp4"});
  settings.env["TERM"] = "dumb";
  Terminal terminal(settings, 120);
  EXPECT_EQ(terminal.wait(), 0);
  EXPECT_THAT(terminal.screen(), Each(StartsWith("veo: ")));
}

TEST(OnATerminal, AnErrorStandsOnLinesOfItsOwn) {
  const auto simulator = start_simulator("300ms", {"--fault", "task:failed"});
  const Shell shell(simulator);
  Terminal terminal(shell.settings({"generate", "a dog", "-o", "dog.mp4"}), 80);
  EXPECT_EQ(terminal.wait(), 7);
  const auto lines = terminal.screen();
  ASSERT_GE(lines.size(), 3U);
  EXPECT_THAT(lines[1], StartsWith("Generating "));
  EXPECT_THAT(lines[2], StartsWith("veo: Task "));
}

TEST(OnATerminal, JsonContainsNoControlCharacters) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell
                .veo({"generate",
                      "a\xC2\x9B"
                      "31m dog 犬",
                      "-q"})
                .exit_code,
            0);
  Terminal terminal(shell.settings({"history", "--json"}), 200);
  EXPECT_EQ(terminal.wait(), 0);
  std::string all;
  for (const auto& line : terminal.screen()) all += line;
  EXPECT_THAT(all, HasSubstr(R"("prompt":"a\u009b31m dog \u72ac")"));
}

TEST(InAPipe, ASessionHasPlainLinesAndNothingOnStdout) {
  const auto simulator = start_simulator("100ms", {"--credits", "1000"});
  const Shell shell(simulator);
  const auto made = shell.veo({"generate", "a dog", "-o", "dog.mp4"});
  EXPECT_THAT(made.output, IsEmpty());
  const auto id = task_of(simulator, 0);
  EXPECT_EQ(made.errors, "veo: Submitting, 40 credits\nveo: Generating task " + id +
                             ", 40 credits\nveo: Downloading task " + id +
                             "\nveo: Saved dog.mp4, of task " + id + ".\n");
  // A file that is there, and a link to it, have the names that the user gave them.
  std::filesystem::create_symlink("dog.mp4", shell.file("link.mp4"));
  for (const std::string name : {"dog.mp4", "link.mp4"}) {
    EXPECT_THAT(shell.veo({"generate", "a dog", "-o", name}).errors,
                HasSubstr("veo: Saved " + name + ", of task " + id + ".\n"));
  }
  EXPECT_TRUE(std::filesystem::is_symlink(shell.file("link.mp4")));
  const auto credits = shell.veo({"credits"});
  EXPECT_EQ(credits.output, "960\n");
  EXPECT_THAT(credits.errors, IsEmpty());
}

TEST(InAPipe, ASessionIsJsonThroughout) {
  const auto simulator = start_simulator("300ms", {"--progress", "--credits", "1000"});
  const Shell shell(simulator);
  const auto session = shell.sh(
      "set -e; veo generate 'a dog' -o dog.mp4 --json; id=$(veo history --json -n1 | "
      "grep -o '[0-9a-f-]\\{36\\}' | head -n 1); veo extend $id 'it sleeps' --clip-only -o "
      "next.mp4 --json; veo history --json; veo credits --json");
  EXPECT_EQ(session.exit_code, 0) << session;
  EXPECT_THAT(session.errors, IsEmpty());
  std::vector<std::string> events;
  int percent = -1;
  bool has_eta = false;
  for (const auto& object : json_lines(session.output)) {
    const auto event = object.at("event").get<std::string>();
    if (events.empty() || events.back() != event) events.push_back(event);
    if (event != "progress" || object.at("phase") != "generate") continue;
    if (object.at("percent").is_number())
      percent = std::max(percent, object.at("percent").get<int>());
    has_eta = has_eta || object.at("eta").is_number();
  }
  std::erase_if(events, [](const auto& event) { return event == "progress" || event == "task"; });
  EXPECT_THAT(events, ElementsAre("price", "done", "price", "done", "record", "total", "credits"));
  EXPECT_GT(percent, 0);
  EXPECT_TRUE(has_eta);
  EXPECT_EQ(last_event(session.output, "done").at("task-id"), task_of(simulator, 1));
  EXPECT_EQ(last_event(session.output, "credits").at("credits"), 920);
}

TEST(OnATerminal, ABatchAsksBeforeItPays) {
  const auto simulator = start_simulator("300ms");
  const Shell shell(simulator);
  ASSERT_EQ(shell.sh("printf '{\"prompt\": \"%s\"}\\n' one two three > batch.jsonl").exit_code, 0);
  {
    Terminal terminal(shell.settings({"batch", "batch.jsonl", "-o", "made"}), 80);
    ASSERT_TRUE(terminal.wait_for("Go on? [y/N]"));
    EXPECT_THAT(terminal.screen(), Contains(HasSubstr("3 to submit for 120 credits.")));
    EXPECT_THAT(terminal.screen(),
                Contains(HasSubstr("The batch costs 120 credits. Go on? [y/N]")));
    terminal.type("n\n");
    EXPECT_EQ(terminal.wait(), 0);
    EXPECT_THAT(terminal.screen(), Contains(HasSubstr("Nothing was sent.")));
  }
  EXPECT_EQ(simulator.state().at("submissions"), 0);

  Terminal terminal(shell.settings({"batch", "batch.jsonl", "-o", "made"}), 80);
  ASSERT_TRUE(terminal.wait_for("Go on? [y/N]"));
  terminal.type("y\n");
  EXPECT_EQ(terminal.wait(), 0);
  EXPECT_THAT(moments_of(terminal, "Batch"), Contains(HasSubstr("3 under way")));
  EXPECT_THAT(terminal.screen(), Contains(HasSubstr("3 of 3 here")));
  EXPECT_TRUE(terminal.cursor_is_visible());
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

TEST(OnATerminal, AFilmAsksBeforeItPaysAndShowsItsShots) {
  const auto simulator = start_simulator("300ms");
  const Shell shell(simulator);
  ASSERT_EQ(shell.sh("printf '{\"prompt\": \"%s\"}\\n' one two three > shots.jsonl").exit_code, 0);
  Terminal terminal(shell.settings({"film", "shots.jsonl"}), 80);
  ASSERT_TRUE(terminal.wait_for("Go on? [y/N]"));
  EXPECT_THAT(terminal.screen(), Contains(HasSubstr("3 to submit for 120 credits.")));
  EXPECT_EQ(simulator.state().at("submissions"), 0);
  terminal.type("y\n");
  EXPECT_EQ(terminal.wait(), 0);
  EXPECT_THAT(moments_of(terminal, "Film"), Contains(HasSubstr("3 under way")));
  EXPECT_THAT(terminal.screen(), Contains(HasSubstr("Saved shots.mp4: 144 frames of 3 shots.")));
  EXPECT_TRUE(terminal.cursor_is_visible());
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

}  // namespace
}  // namespace veo::test
