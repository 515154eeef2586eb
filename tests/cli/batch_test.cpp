// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "sha256.h"
#include "shell.h"

namespace veo::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

void write(const Shell& shell, const std::string& name, const std::string& text) {
  std::ofstream(shell.file(name), std::ios::binary) << text;
}

/// Returns the last entry of each request in the manifest.
std::map<std::string, json> manifest(const Shell& shell, const std::string& directory) {
  std::map<std::string, json> entries;
  for (auto& entry : json_lines(shell.contents(directory + "/manifest.jsonl"))) {
    auto id = entry.at("id").get<std::string>();
    entries.insert_or_assign(std::move(id), std::move(entry));
  }
  return entries;
}

/// Checks that each completed entry has a task of its own with the same prompt, and a file with
/// that task's bytes. Returns the number of completed entries.
std::size_t check_results(const Simulator& simulator, const Shell& shell,
                          const std::string& directory) {
  std::map<std::string, json> tasks;
  const auto state = simulator.state();
  for (const auto& task : state.at("tasks")) tasks[task.at("id")] = task;
  std::set<std::string> seen;
  for (const auto& [id, entry] : manifest(shell, directory)) {
    if (entry.at("status") != "completed") continue;
    const auto& task = tasks.at(entry.at("task-id"));
    EXPECT_TRUE(seen.insert(task.at("id")).second) << "one task for two lines";
    EXPECT_EQ(entry.at("prompt"), task.at("prompt"));
    EXPECT_EQ(entry.at("sha256"), task.at("sha256"));
    EXPECT_EQ(task.at("sha256"),
              sha256(shell.contents(directory + "/" + entry.at("file").get<std::string>())));
  }
  return seen.size();
}

TEST(Batch, MakesAFileForEachLine) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write(shell, "shots.jsonl",
        R"({"prompt": "a dog", "mode": "fast", "seed": 12345, "enable-translation": false,)"
        R"( "image-urls": ["https://example.com/1.jpg"], "generation-type": "reference"})"
        "\n\n"
        R"({"prompt": "a cat", "mode": "quality", "resolution": "1080p"})"
        "\n");
  const auto ended = shell.veo({"batch", "shots.jsonl", "--yes", "--json"});
  ASSERT_EQ(ended.exit_code, 0) << ended;
  const auto price = last_event(ended.output, "batch");
  EXPECT_EQ(price.at("lines"), 2);
  EXPECT_EQ(price.at("to-submit"), 2);
  EXPECT_EQ(last_event(ended.output, "batch-done").at("completed"), 2);
  EXPECT_EQ(last_event(ended.output, "line").at("status"), "completed");
  EXPECT_EQ(check_results(simulator, shell, "shots"), 2U);
  double charged = 0;
  const auto state = simulator.state();
  for (const auto& task : state.at("tasks")) charged += task.at("credits").get<double>();
  EXPECT_EQ(price.at("credits"), charged);
  std::vector<json> inputs;
  for (const auto& request : simulator.log()) {
    if (request.at("method") != "POST") continue;
    inputs.push_back(json::parse(request.at("body").get<std::string>()).at("input"));
  }
  EXPECT_THAT(inputs, testing::Contains(json::parse(R"({
      "prompt": "a dog", "mode": "fast", "seeds": 12345, "enable_translation": false,
      "image_urls": ["https://example.com/1.jpg"], "generation_type": "REFERENCE_2_VIDEO"})")));
}

TEST(Batch, TellsEachMistakeByItsLineBeforeAnythingIsSent) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write(shell, "shots.jsonl",
        R"({"prompt": "a dog"})"
        "\n"
        R"({"prompt": "a dog", "promt": "a cat"})"
        "\n"
        R"({"prompt": "a dog", "prompt": "a cat"})"
        "\n{\"prompt\": \n[]\n"
        R"({"prompt": "a dog", "seed": "12345"})"
        "\n"
        R"({"prompt": "a dog", "seed": 5})"
        "\n"
        R"({"prompt": "a dog", "mode": "slow"})"
        "\n"
        R"({"prompt": "a dog", "api-url": "http://127.0.0.1:1/"})"
        "\n"
        R"({"prompt": "a dog", "take": 7})"
        "\n"
        R"({"prompt": "a dog", "take": 7})"
        "\n"
        R"({"prompt": "a dog", "reuse": false})"
        "\n{\"prompt\": \"a d\xff\"}\n");
  const auto ended = shell.veo({"batch", "shots.jsonl", "--yes"});
  EXPECT_EQ(ended.exit_code, 2) << ended;
  for (const auto* const mistake :
       {"shots.jsonl:2: there is no member \"promt\"",
        "shots.jsonl:3: the member \"prompt\" is there twice", "shots.jsonl:4: it is no JSON",
        "shots.jsonl:5: it is no JSON object", "shots.jsonl:6: seed takes a whole number",
        "shots.jsonl:7: seed-range: ", "shots.jsonl:8: mode: \"slow\"",
        "shots.jsonl:9: there is no member \"api-url\"",
        "shots.jsonl:11: it asks for what line 10 asks for",
        "shots.jsonl:12: there is no member \"reuse\"", "shots.jsonl:13: it is no JSON"}) {
    EXPECT_THAT(ended.errors, HasSubstr(mistake));
  }
  // Every line can be read, but the second one breaks a rule of the catalog.
  write(shell, "shots.jsonl", "{\"prompt\": \"a dog\"}\n{\"prompt\": \"a dog\", \"seed\": 5}\n");
  const auto refused = shell.veo({"batch", "shots.jsonl", "--yes"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.errors, HasSubstr("shots.jsonl:2: "));
  const auto cost = refused.errors.find("Nothing was sent");
  EXPECT_NE(cost, std::string::npos);
  EXPECT_EQ(refused.errors.find("Nothing was sent", cost + 1), std::string::npos) << refused;
  EXPECT_THAT(refused.errors, Not(HasSubstr("shots.jsonl:1: ")));
  EXPECT_EQ(shell.veo({"batch", "none.jsonl", "--yes"}).exit_code, 9);
  EXPECT_EQ(simulator.state().at("connections").at("api").at("total"), 0);
}

TEST(Batch, AsksBeforeItPays) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write(shell, "shots.jsonl", "{\"prompt\": \"a dog\"}\n{\"prompt\": \"a cat\"}\n");
  const auto refused = shell.veo({"batch", "shots.jsonl"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.errors, HasSubstr("80 credits"));
  EXPECT_THAT(refused.errors, HasSubstr("--yes"));
  const auto over = shell.veo({"batch", "shots.jsonl", "--yes", "--max-credits=79"});
  EXPECT_EQ(over.exit_code, 4) << over;
  write(shell, "films.jsonl", "{\"prompt\": \"it sleeps\", \"extend-task-id\": \"abc\"}\n");
  const auto unknown = shell.veo({"batch", "films.jsonl", "--yes", "--max-credits=1000"});
  EXPECT_EQ(unknown.exit_code, 4) << unknown;
  EXPECT_EQ(shell.veo({"batch", "shots.jsonl", "--dry-run"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("connections").at("api").at("total"), 0);

  EXPECT_EQ(shell.veo({"batch", "shots.jsonl", "--yes", "--max-credits=80"}).exit_code, 0);
  // Everything is paid, so the command does not ask.
  const auto again = shell.veo({"batch", "shots.jsonl", "-o", "other", "--json"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(last_event(again.output, "batch").at("credits"), 0);
  EXPECT_EQ(check_results(simulator, shell, "other"), 2U);
  EXPECT_EQ(simulator.state().at("charges"), 2);
}

TEST(Batch, ALineMeansTheSameAtAnyPlaceInTheFile) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const std::string dog = "{\"prompt\": \"a dog\"}\n";
  write(shell, "shots.jsonl", dog + dog + dog);
  ASSERT_EQ(shell.veo({"batch", "shots.jsonl", "--yes"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("charges"), 3);
  // Put other lines before and between the paid ones, spell out a default, and name a take by its
  // number.
  write(shell, "shots.jsonl",
        "{\"prompt\": \"a cat\"}\n" + dog +
            "{\"mode\": \"fast\", \"prompt\": \"a dog\"}\n{\"prompt\": \"a bird\"}\n"
            "{\"prompt\": \"a dog\", \"take\": 3}\n");
  const auto again = shell.veo({"batch", "shots.jsonl", "--yes"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(simulator.state().at("charges"), 5);
  EXPECT_EQ(check_results(simulator, shell, "shots"), 5U);
  // A single request is the same intent as the first take in the batch.
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("charges"), 5);
}

TEST(Batch, GoesOnWhereOneFails) {
  const auto simulator = start_simulator("0s", {"--fault", "submit:error=upstream_error*1@2"});
  const Shell shell(simulator);
  write(shell, "shots.jsonl",
        "{\"prompt\": \"a dog\"}\n{\"prompt\": \"a cat\"}\n{\"prompt\": \"a bird\"}\n");
  const auto ended = shell.veo({"batch", "shots.jsonl", "--yes", "--jobs=1"});
  EXPECT_EQ(ended.exit_code, 7) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("shots.jsonl:2: upstream-error"));
  EXPECT_EQ(check_results(simulator, shell, "shots"), 2U);
  EXPECT_EQ(shell.veo({"batch", "shots.jsonl", "--yes"}).exit_code, 0);
  EXPECT_EQ(check_results(simulator, shell, "shots"), 3U);
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

TEST(Batch, StopsWhenTheCreditsAreUsedUp) {
  const auto simulator = start_simulator("0s", {"--credits", "100"});
  const Shell shell(simulator);
  std::string lines;
  for (int i = 0; i < 10; ++i) lines += "{\"prompt\": \"dog " + std::to_string(i) + "\"}\n";
  write(shell, "shots.jsonl", lines);
  const auto ended = shell.veo({"batch", "shots.jsonl", "--yes", "--jobs=1", "--json"});
  EXPECT_EQ(ended.exit_code, 4) << ended;
  const auto done = last_event(ended.output, "batch-done");
  EXPECT_EQ(done.at("completed"), 2);
  EXPECT_EQ(done.at("failed"), 1);
  EXPECT_EQ(done.at("not-submitted"), 7);
  EXPECT_EQ(simulator.state().at("submissions"), 3);
}

TEST(Batch, LocksItsDirectoryAndRepairsItsManifest) {
  const auto simulator = start_simulator("400ms");
  const Shell shell(simulator);
  write(shell, "shots.jsonl", "{\"prompt\": \"a dog\"}\n{\"prompt\": \"a cat\"}\n");
  Program first(shell.settings({"batch", "shots.jsonl", "--yes"}));
  ASSERT_TRUE(first.wait_for("to submit"));
  const auto second = shell.veo({"batch", "shots.jsonl", "--yes"});
  EXPECT_EQ(second.exit_code, 2) << second;
  EXPECT_THAT(second.errors, HasSubstr("Another veo batch"));
  first.kill(SIGINT);
  const auto stopped = first.wait();
  EXPECT_EQ(stopped.exit_code, 130) << stopped;
  EXPECT_THAT(stopped.errors, HasSubstr("The same line again"));

  ASSERT_EQ(shell.veo({"batch", "shots.jsonl", "--yes"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("charges"), 2);
  const auto whole = shell.contents("shots/manifest.jsonl");
  fs::resize_file(shell.file("shots/manifest.jsonl"), whole.size() - 10);
  const auto again = shell.veo({"batch", "shots.jsonl", "--json"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_EQ(last_event(again.output, "batch").at("here"), 1);
  EXPECT_EQ(check_results(simulator, shell, "shots"), 2U);
  // A file that is missing is written again.
  for (const auto& [id, entry] : manifest(shell, "shots")) {
    fs::remove(shell.file("shots/" + entry.at("file").get<std::string>()));
  }
  ASSERT_EQ(shell.veo({"batch", "shots.jsonl"}).exit_code, 0);
  EXPECT_EQ(check_results(simulator, shell, "shots"), 2U);
  EXPECT_EQ(simulator.state().at("charges"), 2);
}

TEST(Batch, CountsSubmissionsWithoutAnAnswerAfterCtrlC) {
  const auto simulator = start_simulator("0s", {"--fault", "submit:stall"});
  const Shell shell(simulator);
  write(shell, "shots.jsonl", "{\"prompt\": \"a dog\"}\n{\"prompt\": \"a cat\"}\n");
  Program running(shell.settings({"batch", "shots.jsonl", "--yes", "--jobs=1"}));
  while (simulator.state().at("submissions") == 0 && !running.has_ended()) {
  }
  running.kill(SIGINT);
  ASSERT_TRUE(running.wait_for("Interrupted."));
  // A second signal ends the wait for the answer.
  while (!running.has_ended()) running.kill(SIGINT);
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 130) << ended;
  EXPECT_THAT(ended.errors,
              HasSubstr("Interrupted. 0 of 2 here. 1 submission has no answer yet, and may be "
                        "accepted and paid. 1 request was not submitted: it still costs 40 "
                        "credits. The same line again says what is known"));
}

TEST(Batch, PointsFromAStoryboardToTheCommandThatTakesIt) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  write(shell, "shots.jsonl",
        "{\"prompt\": \"a dog\"}\n{\"prompt\": \"it runs\", \"continue\": true}\n");
  const auto ended = shell.veo({"batch", "shots.jsonl", "--yes"});
  EXPECT_EQ(ended.exit_code, 2) << ended;
  EXPECT_THAT(ended.errors,
              HasSubstr("shots.jsonl:2: there is no member \"continue\". It belongs to a "
                        "storyboard, of which `veo film` makes one film\n"));
}

TEST(Batch, LeavesAnUnknownSubmissionToTheUser) {
  const auto simulator = start_simulator("0s", {"--fault", "submit:lost-answer*2"});
  const Shell shell(simulator);
  write(shell, "shots.jsonl", "{\"prompt\": \"a dog\"}\n{\"prompt\": \"a cat\"}\n");
  const auto ended = shell.veo({"batch", "shots.jsonl", "--yes", "--jobs=1"});
  EXPECT_EQ(ended.exit_code, 8) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("shots.jsonl:1: submit-unknown"));
  EXPECT_THAT(ended.errors, HasSubstr("for the same request"));
  EXPECT_THAT(ended.errors, HasSubstr("the same line again stops at these submissions again"));
  EXPECT_THAT(ended.errors, Not(HasSubstr("goes on with the missing requests")));
  EXPECT_THAT(shell.veo({"batch", "shots.jsonl", "--dry-run"}).errors,
              HasSubstr("2 requests: 2 of unknown submissions (not repeated, may be paid), 0 to "
                        "submit."));
  const auto again = shell.veo({"batch", "shots.jsonl", "--json"});
  EXPECT_EQ(again.exit_code, 8) << again;
  EXPECT_EQ(last_event(again.output, "batch").at("credits"), 0);
  EXPECT_EQ(simulator.state().at("submissions"), 2);
  // The user adopts the task of the first line, and submits the second line again.
  const auto task = simulator.state().at("tasks").at(0).at("id").get<std::string>();
  write(shell, "shots.jsonl",
        "{\"prompt\": \"a dog\", \"task-id\": \"" + task +
            "\"}\n{\"prompt\": \"a cat\", \"on-unknown\": \"resubmit\"}\n");
  const auto mended = shell.veo({"batch", "shots.jsonl", "--yes"});
  EXPECT_EQ(mended.exit_code, 0) << mended;
  EXPECT_EQ(check_results(simulator, shell, "shots"), 2U);
  EXPECT_EQ(simulator.state().at("submissions"), 3);
}

// --- Batches of two hundred requests ---

/// Returns a fault for each tenth request, with the effects in turn.
std::vector<std::string> tenths(const std::string& phase, const std::vector<std::string>& effects,
                                unsigned up_to) {
  std::vector<std::string> faults;
  for (unsigned i = 10; i <= up_to; i += 10) {
    faults.push_back(phase + ":" + effects[i / 10 % effects.size()] + "*1@" + std::to_string(i));
  }
  return faults;
}

void make_two_hundred(const std::vector<std::string>& more_faults, std::size_t unknown) {
  auto faults = tenths("query", {"reset", "status=502", "truncate=40"}, 4000);
  for (auto& fault : tenths("file", {"reset=60000", "status=503", "truncate=30000"}, 1000)) {
    faults.push_back(std::move(fault));
  }
  faults.insert(faults.end(), more_faults.begin(), more_faults.end());
  auto simulator = start_simulator("50ms", {"--credits", "1000000"});
  simulator.set_faults(faults);
  const Shell shell(simulator);
  // A hundred different requests, each of them twice.
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += "{\"prompt\": \"dog " + std::to_string(i % 100) + "\"}\n";
  write(shell, "dogs.jsonl", lines);

  const std::vector<std::string> line{"batch", "dogs.jsonl", "--yes", "--jobs=12", "--json"};
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const std::size_t from : {20U, 90U}) {
    Program running(shell.settings(line));
    const auto until = from + std::uniform_int_distribution<std::size_t>(0, 50)(random);
    while (simulator.state().at("submissions") < until) std::this_thread::yield();
    kill_between_submissions(running, shell);
    EXPECT_EQ(running.wait().signal, SIGKILL);
  }
  const auto ended = shell.veo(line);
  EXPECT_EQ(ended.exit_code, unknown == 0 ? 0 : 8) << ended;
  const auto done = last_event(ended.output, "batch-done");
  EXPECT_EQ(done.at("completed"), 200 - unknown) << ended;
  EXPECT_EQ(done.at("failed"), unknown);
  EXPECT_EQ(check_results(simulator, shell, "dogs"), 200 - unknown);
  EXPECT_EQ(simulator.state().at("submissions"), 200);
  EXPECT_EQ(simulator.state().at("charges"), 200);
  EXPECT_EQ(simulator.state().at("refunds"), 0);

  // The manifest lists exactly the submissions whose answer was lost, and a second run changes
  // nothing.
  std::multiset<std::string> listed;
  for (const auto& [id, entry] : manifest(shell, "dogs")) {
    if (entry.at("status") == "submit-unknown") listed.insert(entry.at("prompt"));
  }
  std::multiset<std::string> lost;
  for (const auto& request : simulator.log()) {
    if (request.at("method") != "POST" || request.at("fault") == "") continue;
    const auto body = json::parse(request.at("body").get<std::string>());
    lost.insert(body.at("input").at("prompt").get<std::string>());
  }
  EXPECT_EQ(lost.size(), unknown);
  EXPECT_EQ(listed, lost);
  if (unknown == 0) return;
  EXPECT_EQ(shell.veo(line).exit_code, 8);
  EXPECT_EQ(simulator.state().at("submissions"), 200);
}

TEST(Batch, OfTwoHundredSurvivesFaultsAndKills) { make_two_hundred({}, 0); }

TEST(Batch, OfTwoHundredListsWhatIsUnknown) {
  make_two_hundred({"submit:lost-answer*1@7", "submit:lost-answer*1@60", "submit:lost-answer*1@61",
                    "submit:lost-answer*1@130", "submit:half-answer*1@200"},
                   5);
}

}  // namespace
}  // namespace veo::test
