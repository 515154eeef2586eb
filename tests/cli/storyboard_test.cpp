// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `veo film`: one film of a storyboard, and what it costs.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "frame_number.h"
#include "shell.h"

namespace veo::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

void write_file(const Shell& shell, const std::string& name, const std::string& text) {
  std::ofstream(shell.file(name), std::ios::binary) << text;
}

/// Returns a storyboard of chains, each of so many shots. The prompts are `chain 1 shot 1`, and so
/// on.
std::string make_storyboard(int chains, int shots) {
  std::string lines;
  for (int chain = 1; chain <= chains; ++chain) {
    for (int shot = 1; shot <= shots; ++shot) {
      json line{{"prompt", "chain " + std::to_string(chain) + " shot " + std::to_string(shot)}};
      if (shot > 1) line["continue"] = true;
      lines += line.dump() + "\n";
    }
  }
  return lines;
}

/// Returns the ids of the simulator's tasks that were not refunded, by prompt.
std::map<std::string, std::string> task_ids(const Simulator& simulator) {
  std::map<std::string, std::string> ids;
  const auto state = simulator.state();
  for (const auto& task : state.at("tasks")) {
    if (task.at("status") == "failed") continue;
    const bool is_new = ids.emplace(task.at("prompt"), task.at("id")).second;
    EXPECT_TRUE(is_new) << task << " was paid twice";
  }
  return ids;
}

/// Returns the input of each submission, in the order of the answers.
std::vector<json> submitted_inputs(const Simulator& simulator) {
  std::vector<json> inputs;
  for (const auto& request : simulator.log()) {
    if (request.at("method") != "POST") continue;
    inputs.push_back(json::parse(request.at("body").get<std::string>()).at("input"));
  }
  return inputs;
}

/// Returns the objects with this `event`.
std::vector<json> events(const std::string& text, const std::string& event) {
  std::vector<json> found;
  for (auto& object : json_lines(text)) {
    if (object.at("event") == event) found.push_back(std::move(object));
  }
  return found;
}

/// Returns the hash of each decoded picture of the file.
std::string picture_hashes(const std::string& path) {
  return output_of("ffmpeg -v error -i " + path +
                   " -map 0:v -f framemd5 - 2>&1 | grep -v '^#' | awk '{print $NF}'");
}

/// Returns the path of a catalog in which an extension costs 40 credits.
std::string make_catalog(const Shell& shell) {
  std::ifstream stream(VEO_CATALOG_FILE);
  auto catalog = json::parse(stream);
  catalog["extend_credits"] = 40;
  write_file(shell, "catalog.json", catalog.dump());
  return shell.file("catalog.json");
}

Program::Ended run_with_catalog(const Shell& shell, const std::vector<std::string>& args) {
  auto settings = shell.settings(args);
  settings.env["VEO_CATALOG"] = make_catalog(shell);
  return Program(settings).wait();
}

// --- before anything is sent ---

TEST(Storyboard, TellsEachMistakeByItsLineBeforeAnythingIsSent) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl",
             R"({"prompt": "a dog", "continue": true})"
             "\n"
             R"({"prompt": "a dog", "promt": "a cat"})"
             "\n"
             R"({"prompt": "it runs", "continue": "yes"})"
             "\n"
             R"({"prompt": "it runs", "from-last-frame": true})"
             "\n"
             R"({"prompt": "it runs", "continue": true, "mode": "quality"})"
             "\n"
             R"({"prompt": "it runs", "continue": true, "seed": 12345})"
             "\n"
             R"({"prompt": "it runs", "extend-task-id": "abc"})"
             "\n"
             R"({"prompt": "a cat", "resolution": "1080p"})"
             "\n"
             R"({"prompt": "a bird", "aspect-ratio": "16:9"})"
             "\n"
             R"({"prompt": "a fish", "aspect-ratio": "9:16", "resolution": "1080p"})"
             "\n"
             R"({"prompt": "", "continue": true})"
             "\n"
             R"({"prompt": "a fish", "task-id": "T"})"
             "\n"
             R"({"prompt": "a fish", "task-id": "T"})"
             "\n");
  const auto ended = shell.veo({"film", "shots.jsonl", "--yes"});
  EXPECT_EQ(ended.exit_code, 2) << ended;
  for (const auto* const mistake :
       {"shots.jsonl:1: the first shot cannot continue a shot before",
        "shots.jsonl:2: there is no member \"promt\"",
        "shots.jsonl:3: continue takes true or false",
        "shots.jsonl:4: from-last-frame does not work yet",
        "shots.jsonl:5: a shot that continues another one has no mode",
        "shots.jsonl:6: a shot that continues another one has no seed",
        "shots.jsonl:7: a storyboard has no extend-task-id",
        "shots.jsonl:9: its resolution is 720p, and that of line 8 is 1080p",
        "shots.jsonl:10: its aspect ratio is 9:16, and that of line 8 is 16:9",
        "shots.jsonl:11: prompt-not-empty", "shots.jsonl:13: it asks for what line 12 asks for"}) {
    EXPECT_THAT(ended.errors, HasSubstr(mistake));
  }
  EXPECT_THAT(ended.errors, Not(HasSubstr("shots.jsonl:8: ")));
  EXPECT_THAT(ended.errors, Not(HasSubstr("shots.jsonl:12: ")));
  EXPECT_THAT(ended.errors, HasSubstr("Nothing was sent, and nothing is paid."));

  write_file(shell, "empty.jsonl", "\n");
  const auto empty = shell.veo({"film", "empty.jsonl", "--yes"});
  EXPECT_EQ(empty.exit_code, 2) << empty;
  EXPECT_THAT(empty.errors, HasSubstr("empty.jsonl has no shot"));
  write_file(shell, "shots.jsonl",
             "{\"prompt\": \"a dog\", \"aspect-ratio\": \"auto\"}\n"
             "{\"prompt\": \"a cat\", \"aspect-ratio\": \"9:16\"}\n");
  EXPECT_EQ(shell.veo({"film", "shots.jsonl", "--dry-run"}).exit_code, 0)
      << "the service may choose 9:16 for the first shot";
  EXPECT_EQ(shell.veo({"film", "none.jsonl", "--yes"}).exit_code, 9);
  EXPECT_EQ(shell.veo({"film", "shots.jsonl", "--yes", "-o", "."}).exit_code, 2);
  EXPECT_EQ(simulator.state().at("connections").at("api").at("total"), 0);
}

TEST(Storyboard, IsPricedCompletelyBeforeItIsPaid) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(2, 3));
  // Two shots at 40 credits, and four extensions at 40 credits.
  auto refused = run_with_catalog(shell, {"film", "shots.jsonl", "--yes", "--max-credits=239"});
  EXPECT_EQ(refused.exit_code, 4) << refused;
  EXPECT_THAT(refused.errors, HasSubstr("240 credits"));
  EXPECT_THAT(refused.errors, HasSubstr("Nothing was sent"));
  // The built-in catalog does not know the price of an extension.
  refused = shell.veo({"film", "shots.jsonl", "--yes", "--max-credits=100000"});
  EXPECT_EQ(refused.exit_code, 4) << refused;
  EXPECT_THAT(refused.errors, HasSubstr("extend_credits"));
  // A budget that suffices for a part of the film alone.
  auto settings = shell.settings({"film", "shots.jsonl", "--yes"});
  settings.env["VEO_CATALOG"] = make_catalog(shell);
  settings.env["VEO_DAILY_BUDGET"] = "239";
  refused = Program(settings).wait();
  EXPECT_EQ(refused.exit_code, 4) << refused;
  EXPECT_THAT(refused.errors, HasSubstr("VEO_DAILY_BUDGET=239 leaves 239 credits"));
  refused = run_with_catalog(shell, {"film", "shots.jsonl"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.errors, HasSubstr("--yes"));
  EXPECT_EQ(simulator.state().at("connections").at("api").at("total"), 0);

  const auto made =
      run_with_catalog(shell, {"film", "shots.jsonl", "--yes", "--max-credits=240", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made;
  const auto price = last_event(made.output, "film");
  EXPECT_EQ(price.at("shots"), 6);
  EXPECT_EQ(price.at("chains"), 2);
  EXPECT_EQ(price.at("paid"), 0);
  EXPECT_EQ(price.at("to-submit"), 6);
  EXPECT_EQ(price.at("credits"), 240);
  EXPECT_EQ(simulator.state().at("charges"), 6);
  // 240 credits of the budget are spent, and the seventh shot needs 40.
  write_file(shell, "shots.jsonl", make_storyboard(2, 3) + "{\"prompt\": \"a dog\"}\n");
  settings.env["VEO_DAILY_BUDGET"] = "279";
  refused = Program(settings).wait();
  EXPECT_EQ(refused.exit_code, 4) << refused;
  EXPECT_THAT(refused.errors, HasSubstr("leaves 39 credits"));
  settings.env["VEO_DAILY_BUDGET"] = "280";
  EXPECT_EQ(Program(settings).wait().exit_code, 0);
  EXPECT_EQ(simulator.state().at("charges"), 7);
}

TEST(Storyboard, DryRunTellsThePlanAndPaysNothing) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(1, 2));
  ASSERT_EQ(shell.veo({"film", "shots.jsonl", "--yes"}).exit_code, 0);
  const auto ids = task_ids(simulator);
  // The third shot continues a paid one. The second chain is new.
  write_file(shell, "shots.jsonl",
             make_storyboard(1, 3) + make_storyboard(2, 2).substr(make_storyboard(1, 2).size()));
  const auto requests = simulator.log().size();
  const auto dry = run_with_catalog(shell, {"film", "shots.jsonl", "--dry-run", "--json"});
  ASSERT_EQ(dry.exit_code, 0) << dry;
  const auto plan = events(dry.output, "shot");
  ASSERT_EQ(plan.size(), 5U);
  const std::vector<json> continues{nullptr, 1, 2, nullptr, 4};
  for (std::size_t i = 0; i < plan.size(); ++i) {
    EXPECT_EQ(plan[i].at("line"), i + 1);
    EXPECT_EQ(plan[i].at("continues"), continues[i]);
    EXPECT_EQ(plan[i].at("status"), i < 2 ? "paid" : "to-submit") << i;
    EXPECT_EQ(plan[i].at("credits"), 40);
  }
  EXPECT_EQ(plan[0].at("task-id"), ids.at("chain 1 shot 1"));
  EXPECT_EQ(plan[1].at("task-id"), ids.at("chain 1 shot 2"));
  EXPECT_EQ(plan[2].at("task-id"), nullptr);
  EXPECT_EQ(last_event(dry.output, "film").at("credits"), 120);
  const auto told = run_with_catalog(shell, {"film", "shots.jsonl", "--dry-run"});
  EXPECT_THAT(told.errors, HasSubstr("5 shots: 2 paid already, 3 to submit for 120 credits."));
  EXPECT_THAT(told.errors,
              HasSubstr("shots.jsonl:3: to submit, 40 credits, continues line 2: chain 1 shot 3"));
  EXPECT_EQ(simulator.log().size(), requests);
}

// --- the film ---

class StoryboardFilm : public testing::TestWithParam<const char*> {};

TEST_P(StoryboardFilm, HasEachFrameOfEachShotInTheOrderOfTheLines) {
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--frames", "64", "--extend", GetParam()});
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(1, 2) + "{\"prompt\": \"the end\"}\n");
  const auto made = shell.veo({"film", "shots.jsonl", "--yes", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made;
  EXPECT_EQ(simulator.state().at("charges"), 3);
  const auto done = last_event(made.output, "film-done");
  EXPECT_EQ(done.at("file"), "shots.mp4");
  EXPECT_EQ(done.at("frames"), 3 * 64);
  EXPECT_EQ(done.at("bytes"), shell.contents("shots.mp4").size());
  EXPECT_THAT(shell.files(), ElementsAre("shots.jsonl", "shots.mp4"));
  // A continuation goes on with the numbers of its parent.
  std::vector<int> wanted;
  for (const int length : {128, 64}) {
    for (int i = 0; i < length; ++i) wanted.push_back(i);
  }
  EXPECT_EQ(frame_numbers(shell.file("shots.mp4"), 1280, 720), wanted);
  // The pictures show the prompts, so equal pictures are those of the right shots. The file of a
  // continuation may contain its parent, encoded anew.
  const auto ids = task_ids(simulator);
  std::vector<std::string> prompts{"chain 1 shot 1", "chain 1 shot 2", "the end"};
  if (std::string(GetParam()) == "whole") prompts.erase(prompts.begin());
  std::string pictures;
  for (const auto& prompt : prompts) {
    ASSERT_EQ(shell.veo({"download", ids.at(prompt), "-o", "clip.mp4"}).exit_code, 0);
    pictures += picture_hashes(shell.file("clip.mp4"));
  }
  EXPECT_EQ(std::ranges::count(pictures, '\n'), 3 * 64);
  EXPECT_TRUE(picture_hashes(shell.file("shots.mp4")) == pictures);

  // The same line again pays nothing, and makes the same film.
  const auto film = shell.contents("shots.mp4");
  const auto again = shell.veo({"film", "shots.jsonl", "-o", "again.mp4"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_TRUE(shell.contents("again.mp4") == film);
  EXPECT_EQ(simulator.state().at("submissions"), 3);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StoryboardFilm, testing::Values("continuation", "whole"),
                         [](const auto& row) { return std::string(row.param); });

TEST(Storyboard, GoesIntoAPipe) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(2, 2));
  const auto ended = shell.sh(
      "set -o pipefail; veo film shots.jsonl --yes -o - | ffmpeg -v warning -i - -map 0:v -f "
      "framecrc -");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.output, HasSubstr("0,        191,"));
  EXPECT_THAT(ended.output, Not(HasSubstr("0,        192,")));
  EXPECT_THAT(shell.files(), ElementsAre("shots.jsonl"));
}

TEST(Storyboard, EqualShotsAreTakesAndStayThem) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const std::string dog = "{\"prompt\": \"a dog\"}\n";
  const std::string runs = "{\"prompt\": \"it runs\", \"continue\": true}\n";
  write_file(shell, "shots.jsonl", dog + runs + runs + dog + runs);
  ASSERT_EQ(shell.veo({"film", "shots.jsonl", "--yes"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("charges"), 5);
  const auto again = shell.veo({"film", "shots.jsonl", "-o", "again.mp4", "--json"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(last_event(again.output, "film").at("paid"), 5);
  EXPECT_EQ(simulator.state().at("charges"), 5);
  // The first take is the video of `veo generate`.
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("charges"), 5);
  EXPECT_TRUE(shell.contents("again.mp4") == shell.contents("shots.mp4"));
}

TEST(Storyboard, TakesTasksThatAreThere) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  const auto dog = task_ids(simulator).at("a dog");
  write_file(shell, "shots.jsonl",
             json{{"task-id", dog}}.dump() + "\n{\"prompt\": \"it runs\", \"continue\": true}\n");
  const auto made = shell.veo({"film", "shots.jsonl", "--yes", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made;
  EXPECT_EQ(last_event(made.output, "film").at("to-submit"), 1);
  EXPECT_EQ(last_event(made.output, "film-done").at("frames"), 96);
  const auto inputs = submitted_inputs(simulator);
  ASSERT_EQ(inputs.size(), 2U);
  EXPECT_EQ(inputs[1], (json{{"prompt", "it runs"}, {"extend_task_id", dog}}));
}

TEST(Storyboard, ContinuesATaskByTheIdThatTheServiceWants) {
  const auto simulator = start_simulator("0s", {"--fault", "query:upstream-id"});
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(1, 2));
  const auto made = shell.veo({"film", "shots.jsonl", "--yes"});
  ASSERT_EQ(made.exit_code, 0) << made;
  const auto inputs = submitted_inputs(simulator);
  ASSERT_EQ(inputs.size(), 2U);
  EXPECT_EQ(inputs[1].at("extend_task_id"), "upstream-" + task_ids(simulator).at("chain 1 shot 1"));
  // The other id does not make another request.
  EXPECT_EQ(shell.veo({"film", "shots.jsonl", "-o", "again.mp4"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("submissions"), 2);
}

// --- many shots at a time, and failures ---

TEST(Storyboard, RunsItsChainsAtTheSameTimeAndSaysWhatGoesOnAfterCtrlC) {
  const auto simulator = start_simulator("1h");
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(3, 2));
  Program running(shell.settings({"film", "shots.jsonl", "--yes", "--json"}));
  // No task is completed, so these three are under way at the same time.
  ASSERT_TRUE(wait_until(
      [&] { return events(running.output(), "shot").size() == 3 || running.has_ended(); }));
  EXPECT_EQ(simulator.state().at("charges"), 3);
  std::set<std::string> prompts;
  for (const auto& [prompt, id] : task_ids(simulator)) prompts.insert(prompt);
  EXPECT_THAT(prompts, ElementsAre("chain 1 shot 1", "chain 2 shot 1", "chain 3 shot 1"));
  running.kill(SIGINT);
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 130) << ended;
  const auto next = last_event(ended.output, "interrupted").at("next").get<std::string>();
  EXPECT_THAT(next, HasSubstr("0 of 6 here. 3 tasks go on without us: "));
  const auto ids = task_ids(simulator);
  EXPECT_THAT(next, HasSubstr(ids.at("chain 1 shot 1") + " (line 1)"));
  EXPECT_THAT(next, HasSubstr(ids.at("chain 3 shot 1") + " (line 5)"));
  EXPECT_THAT(next, HasSubstr("3 shots were not submitted: they still cost an unknown price."));
  EXPECT_THAT(next, HasSubstr("The same line again goes on there, and pays nothing twice."));
  EXPECT_THAT(shell.files(), ElementsAre("shots.jsonl"));
}

TEST(Storyboard, CountsSubmissionsWithoutAnAnswerAfterCtrlC) {
  auto simulator = start_simulator("0s", {"--fault", "submit:stall"});
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(2, 2));
  const std::vector<std::string> line{"film", "shots.jsonl", "--yes"};
  Program running(shell.settings(line));
  ASSERT_TRUE(wait_until([&] { return simulator.state().at("submissions") == 2; }));
  running.kill(SIGINT);
  ASSERT_TRUE(running.wait_for("Interrupted."));
  // A second signal ends the wait for the answers.
  while (!running.has_ended()) running.kill(SIGINT);
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 130) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("Interrupted. 0 of 4 here. 2 submissions have no answer yet, "
                                      "and may be accepted and paid."));
  EXPECT_THAT(ended.errors,
              HasSubstr("2 shots were not submitted: they still cost an unknown price."));
  EXPECT_THAT(ended.errors, HasSubstr("submits none of them twice"));
  EXPECT_THAT(ended.errors, Not(HasSubstr("go on without us")));

  // The next run repeats no such submission, and does not promise to go on with it.
  simulator.set_faults({});
  const auto next = shell.veo(line);
  EXPECT_EQ(next.exit_code, 8) << next;
  EXPECT_THAT(next.errors,
              HasSubstr("4 shots: 2 of unknown submissions (not repeated, may be paid), "
                        "2 to submit for an unknown price."));
  EXPECT_THAT(next.errors, HasSubstr("task-id is the member \"task-id\": \"ID\" of the line"));
  EXPECT_THAT(next.errors, HasSubstr("the same line again stops at these submissions again"));
  EXPECT_THAT(next.errors, Not(HasSubstr("goes on with the missing shots")));
  EXPECT_EQ(simulator.state().at("submissions"), 2);
}

TEST(Storyboard, SaysWhichShotsArePaidAlreadyAndWhichPriceIsKnown) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(2, 1) + make_storyboard(3, 2));
  const auto dry = shell.veo({"film", "shots.jsonl", "--dry-run"});
  EXPECT_THAT(dry.errors,
              HasSubstr("8 shots: 8 to submit for 200 credits, and 3 of unknown price."));
  const auto refused = shell.veo({"film", "shots.jsonl", "--yes", "--max-credits=500"});
  EXPECT_EQ(refused.exit_code, 4) << refused;
  EXPECT_THAT(refused.errors, HasSubstr("would cost 200 credits, and 3 of unknown price. "));
  EXPECT_THAT(refused.errors, HasSubstr("An unknown price counts as too high."));
  // The help's example has such a storyboard, so it must not have a limit.
  const auto help = shell.veo({"film", "--help"}).output;
  EXPECT_THAT(help, HasSubstr("veo film shots.jsonl -o film.mp4 --yes\n"));
  EXPECT_THAT(help, HasSubstr("until extend_credits in the catalog (VEO_CATALOG) sets the price"));

  write_file(shell, "shots.jsonl", make_storyboard(2, 1));
  const auto made = shell.veo({"film", "shots.jsonl", "--yes"});
  ASSERT_EQ(made.exit_code, 0) << made;
  const auto id = task_ids(simulator).at("chain 1 shot 1");
  EXPECT_THAT(made.errors, HasSubstr("shots.jsonl:1: submitted task " + id));
  // A task that exists is neither submitted nor gone on with.
  const auto again = shell.veo({"film", "shots.jsonl"});
  ASSERT_EQ(again.exit_code, 0) << again;
  EXPECT_THAT(again.errors, HasSubstr("2 shots: 2 paid already, 0 to submit."));
  EXPECT_THAT(again.errors,
              HasSubstr("shots.jsonl:1: the video of task " + id + " is in the cache"));
  EXPECT_THAT(again.errors, Not(HasSubstr("goes on with")));
  std::filesystem::remove_all(std::filesystem::path(shell.ledger()).parent_path() / "cache");
  write_file(shell, "named.jsonl", "{\"task-id\": \"" + id + "\"}\n");
  const auto named = shell.veo({"film", "named.jsonl"});
  ASSERT_EQ(named.exit_code, 0) << named;
  EXPECT_THAT(named.errors, HasSubstr("named.jsonl:1: takes the video of task " + id));
  EXPECT_THAT(named.errors, Not(HasSubstr("submitted")));
  EXPECT_EQ(simulator.state().at("submissions"), 2);
}

TEST(Storyboard, RunsAsManyShotsAsJobsAllows) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(3, 2));
  const auto made = shell.veo({"film", "shots.jsonl", "--yes", "--jobs=1", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made;
  std::vector<std::string> order;
  for (const auto& shot : events(made.output, "shot")) {
    order.push_back(std::to_string(shot.at("line").get<int>()) + " " +
                    shot.at("status").get<std::string>());
  }
  std::vector<std::string> wanted;
  for (int line = 1; line <= 6; ++line) {
    wanted.push_back(std::to_string(line) + " running");
    wanted.push_back(std::to_string(line) + " completed");
  }
  EXPECT_EQ(order, wanted);
}

TEST(Storyboard, WithAShotThatFailsMakesNoFilmAndGoesOnLater) {
  const auto simulator = start_simulator("0s", {"--fault", "task:failed*1@2"});
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(2, 3));
  write_file(shell, "shots.mp4", "an older film");
  auto ended = shell.veo({"film", "shots.jsonl", "--yes", "--jobs=1"});
  EXPECT_EQ(ended.exit_code, 7) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("No film was made: 4 of 6 here."));
  EXPECT_THAT(ended.errors, HasSubstr("shots.jsonl:2: task-failed: "));
  EXPECT_THAT(ended.errors, HasSubstr("The service returns the credits"));
  EXPECT_THAT(ended.errors, HasSubstr("1 shot was not submitted, and nothing is paid for it."));
  EXPECT_THAT(ended.errors, HasSubstr("pays for no other shot again"));
  EXPECT_EQ(shell.contents("shots.mp4"), "an older film");
  // The second chain has three shots, and the first one has two, one of which is refunded.
  EXPECT_EQ(simulator.state().at("charges"), 5);
  EXPECT_EQ(simulator.state().at("refunds"), 1);

  ended = shell.veo({"film", "shots.jsonl", "--yes", "--json"});
  ASSERT_EQ(ended.exit_code, 0) << ended;
  EXPECT_EQ(last_event(ended.output, "film").at("to-submit"), 2);
  EXPECT_EQ(last_event(ended.output, "film-done").at("frames"), 6 * 48);
  EXPECT_EQ(simulator.state().at("charges"), 7);
  EXPECT_EQ(task_ids(simulator).size(), 6U);
}

TEST(Storyboard, StopsWhenTheCreditsAreUsedUp) {
  const auto simulator = start_simulator("0s", {"--credits", "100"});
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(6, 1));
  const auto ended = shell.veo({"film", "shots.jsonl", "--yes", "--jobs=1", "--json"});
  EXPECT_EQ(ended.exit_code, 4) << ended;
  const auto done = last_event(ended.output, "film-done");
  EXPECT_EQ(done.at("completed"), 2);
  EXPECT_EQ(done.at("failed"), 1);
  EXPECT_EQ(done.at("not-submitted"), 3);
  EXPECT_EQ(done.at("file"), nullptr);
  EXPECT_EQ(simulator.state().at("submissions"), 3);
  EXPECT_THAT(shell.files(), ElementsAre("shots.jsonl"));
}

TEST(Storyboard, LeavesAnUnknownSubmissionToTheUser) {
  const auto simulator = start_simulator("0s", {"--fault", "submit:lost-answer*1@2"});
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(1, 3));
  const std::vector<std::string> line{"film", "shots.jsonl", "--yes", "--jobs=1", "--json"};
  for (int run = 0; run < 2; ++run) {
    const auto ended = shell.veo(line);
    EXPECT_EQ(ended.exit_code, 8) << ended;
    EXPECT_EQ(last_event(ended.output, "film-done").at("not-submitted"), 1);
    EXPECT_EQ(simulator.state().at("submissions"), 2);
  }
  // The user adopts the task. The third shot continues it.
  const auto task = task_ids(simulator).at("chain 1 shot 2");
  write_file(shell, "shots.jsonl",
             make_storyboard(1, 1) + json{{"task-id", task}, {"continue", true}}.dump() + "\n" +
                 "{\"prompt\": \"chain 1 shot 3\", \"continue\": true}\n");
  const auto mended = shell.veo(line);
  EXPECT_EQ(mended.exit_code, 0) << mended;
  EXPECT_EQ(last_event(mended.output, "film-done").at("frames"), 3 * 48);
  EXPECT_EQ(simulator.state().at("submissions"), 3);
}

TEST(Storyboard, WithAClipThatDoesNotFitPaysForNoContinuationOfIt) {
  const TemporaryDirectory directory;
  const auto make_clip = [&directory](const std::string& name, const std::string& size) {
    output_of("ffmpeg -v error -f lavfi -i testsrc2=size=" + size +
              ":rate=24:duration=1 -f lavfi -i sine=sample_rate=48000:duration=1 -c:v libx264 "
              "-preset veryfast -pix_fmt yuv420p -c:a aac -ac 2 " +
              directory.file(name) + " 2>&1");
    return directory.file(name);
  };
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", make_clip("a.mp4", "320x180"),
                        "--clip", make_clip("b.mp4", "640x360")});
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl",
             make_storyboard(1, 1) + make_storyboard(2, 2).substr(make_storyboard(1, 2).size()));
  const auto ended = shell.veo({"film", "shots.jsonl", "--yes", "--jobs=1"});
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("shots.jsonl:2: bad-media: "));
  EXPECT_THAT(ended.errors, HasSubstr("320x180"));
  EXPECT_THAT(ended.errors, HasSubstr("640x360"));
  EXPECT_EQ(simulator.state().at("submissions"), 2);
  EXPECT_THAT(shell.files(), ElementsAre("shots.jsonl"));
}

TEST(Storyboard, WithAVideoThatCannotBeHadSaysThatItIsPaid) {
  auto simulator = start_simulator("0s");
  simulator.set_faults({"file:status=404"});
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(1, 2));
  const std::vector<std::string> line{"film", "shots.jsonl", "--yes", "--retries=0"};
  auto ended = shell.veo(line);
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_THAT(ended.errors, HasSubstr(task_ids(simulator).at("chain 1 shot 1")));
  EXPECT_THAT(ended.errors, HasSubstr("is complete and paid, and is not lost"));
  EXPECT_THAT(ended.errors, HasSubstr("1 shot was not submitted"));
  EXPECT_EQ(simulator.state().at("submissions"), 1);
  simulator.set_faults({});
  ended = shell.veo(line);
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_EQ(simulator.state().at("submissions"), 2);
}

// --- kills and other processes ---

/// When to kill the command: after so many submissions, when it has found or got so many clips.
struct Moment {
  int submissions;
  int clips;
};

/// Makes a film of 12 shots in three chains. Kills the command at these moments, each run in turn,
/// and then while it writes the film. Returns the film that the last run makes.
std::string make_killed_film(const Simulator& simulator, const Shell& shell,
                             const std::string& jobs, const std::vector<Moment>& moments) {
  write_file(shell, "shots.jsonl", make_storyboard(3, 4));
  const auto line_for = [&jobs](const std::string& output) {
    return std::vector<std::string>{"film", "shots.jsonl", "--yes", "--json", jobs, "-o", output};
  };
  const auto count_clips = [](const Program& program) {
    const auto output = program.output();
    // The last line may be incomplete.
    const auto shots = events(output.substr(0, output.rfind('\n') + 1), "shot");
    return std::ranges::count_if(shots,
                                 [](const json& shot) { return shot.at("status") == "completed"; });
  };
  std::size_t kills = 0;
  for (const auto& moment : moments) {
    Program running(shell.settings(line_for("film.mp4")));
    EXPECT_TRUE(wait_until([&] {
      if (running.has_ended()) return true;
      const bool has_begun = running.output().find("\"film\"") != std::string::npos;
      return has_begun && count_clips(running) >= moment.clips &&
             simulator.state().at("submissions") >= moment.submissions;
    }));
    kill_between_submissions(running, shell);
    kills += running.wait().signal == SIGKILL ? 1U : 0U;
  }
  // Nobody reads the film, so the command stands still while it writes.
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  auto settings = shell.settings(line_for("-"));
  settings.output = pipe[1];
  Program running(settings);
  ::close(pipe[1]);
  char first = 0;
  EXPECT_EQ(::read(pipe[0], &first, 1), 1);
  kill_between_submissions(running, shell);
  ::close(pipe[0]);
  kills += running.wait().signal == SIGKILL ? 1U : 0U;
  EXPECT_EQ(kills, moments.size() + 1);

  const auto ended = shell.veo(line_for("film.mp4"));
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_EQ(last_event(ended.output, "film-done").at("frames"), 12 * 48);
  EXPECT_EQ(simulator.state().at("submissions"), 12);
  EXPECT_EQ(simulator.state().at("charges"), 12);
  EXPECT_EQ(simulator.state().at("refunds"), 0);
  EXPECT_EQ(task_ids(simulator).size(), 12U);
  EXPECT_THAT(shell.files(), ElementsAre("film.mp4", "shots.jsonl"));
  return shell.contents("film.mp4");
}

TEST(Storyboard, KilledAtTenMomentsIsPaidOnceAndIsTheSameFilm) {
  const auto simulator = start_simulator("30ms");
  const Shell shell(simulator);
  const auto film =
      make_killed_film(simulator, shell, "--jobs=4",
                       {{0, 0}, {1, 0}, {2, 0}, {3, 1}, {4, 2}, {6, 4}, {8, 6}, {10, 7}, {11, 9}});
  // Another run makes the film without a kill, of the files of the service.
  std::filesystem::remove_all(std::filesystem::path(shell.ledger()).parent_path() / "cache");
  ASSERT_EQ(shell.veo({"film", "shots.jsonl", "-o", "again.mp4"}).exit_code, 0);
  EXPECT_TRUE(shell.contents("again.mp4") == film);
  EXPECT_EQ(simulator.state().at("submissions"), 12);
}

TEST(Storyboard, KilledIsTheFilmThatAnUnbrokenRunMakes) {
  // One shot at a time, so that the shots have the same task ids at both simulators.
  std::vector<std::string> ids;
  for (int i = 1; i <= 12; ++i) {
    ids.emplace_back("--task-id");
    ids.push_back("T" + std::to_string(i));
  }
  const auto broken = start_simulator("30ms", ids);
  const Shell shell(broken);
  const auto film = make_killed_film(broken, shell, "--jobs=1", {{1, 0}, {5, 4}, {11, 10}});
  const auto unbroken = start_simulator("30ms", ids);
  const Shell other(unbroken);
  write_file(other, "shots.jsonl", make_storyboard(3, 4));
  ASSERT_EQ(other.veo({"film", "shots.jsonl", "--yes", "--jobs=1", "-o", "film.mp4"}).exit_code, 0);
  EXPECT_EQ(unbroken.state().at("charges"), 12);
  EXPECT_TRUE(other.contents("film.mp4") == film);
}

TEST(Storyboard, OfTwoProcessesIsPaidOnce) {
  const auto simulator = start_simulator("30ms");
  const Shell shell(simulator);
  write_file(shell, "shots.jsonl", make_storyboard(3, 4));
  Program first(shell.settings({"film", "shots.jsonl", "--yes", "-o", "a.mp4"}));
  Program second(shell.settings({"film", "shots.jsonl", "--yes", "-o", "b.mp4"}));
  const auto first_ended = first.wait();
  const auto second_ended = second.wait();
  EXPECT_EQ(first_ended.exit_code, 0) << first_ended;
  EXPECT_EQ(second_ended.exit_code, 0) << second_ended;
  EXPECT_EQ(simulator.state().at("submissions"), 12);
  EXPECT_EQ(simulator.state().at("charges"), 12);
  EXPECT_EQ(task_ids(simulator).size(), 12U);
  EXPECT_FALSE(shell.contents("a.mp4").empty());
  EXPECT_TRUE(shell.contents("a.mp4") == shell.contents("b.mp4"));
}

}  // namespace
}  // namespace veo::test
