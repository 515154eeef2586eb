// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sha256.h"
#include "shell.h"

namespace veo::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

nlohmann::json only_task(const Simulator& simulator) { return simulator.state().at("tasks").at(0); }

TEST(Generate, WritesTheOriginalAndPaysOnce) {
  const auto simulator = start_simulator("100ms");
  const Shell shell(simulator);
  const auto first = shell.veo({"generate", "a dog in a park", "-o", "dog.mp4"});
  EXPECT_EQ(first.exit_code, 0) << first;
  EXPECT_THAT(first.output, IsEmpty());
  EXPECT_THAT(first.errors, HasSubstr("Saved dog.mp4"));
  EXPECT_EQ(only_task(simulator).at("sha256"), sha256(shell.contents("dog.mp4")));

  const auto second = shell.veo({"generate", "a dog in a park", "-o", "again.mp4"});
  EXPECT_EQ(second.exit_code, 0) << second;
  EXPECT_EQ(shell.contents("again.mp4"), shell.contents("dog.mp4"));
  EXPECT_THAT(second.errors, HasSubstr("is already paid, and its video is in the cache: nothing is "
                                       "spent."));
  EXPECT_THAT(second.errors, testing::Not(HasSubstr("Downloading")));
  EXPECT_THAT(first.errors, testing::Not(HasSubstr("nothing is spent")));
  EXPECT_EQ(simulator.state().at("charges"), 1);
  EXPECT_THAT(shell.files(), ElementsAre("again.mp4", "dog.mp4"));
}

TEST(Generate, TellsAPaidTaskThatDiffersOnlyInWhiteSpace) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "1.mp4"}).exit_code, 0);
  const auto id = only_task(simulator).at("id").get<std::string>();
  const auto again = shell.veo({"generate", " a dog\n", "-o", "2.mp4"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_THAT(again.errors, HasSubstr("Task " + id));
  EXPECT_THAT(again.errors, HasSubstr("differs only in white space"));
  EXPECT_LT(again.errors.find("white space"), again.errors.find("Generating"));
  EXPECT_EQ(simulator.state().at("charges"), 2);
  EXPECT_THAT(shell.veo({"generate", "a cat", "-o", "3.mp4"}).errors,
              testing::Not(HasSubstr("white space")));
}

TEST(Generate, NamesTheFileByItsTask) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto made = shell.veo({"generate", "a dog"});
  EXPECT_EQ(made.exit_code, 0) << made;
  const auto id = only_task(simulator).at("id").get<std::string>();
  EXPECT_THAT(shell.files(), ElementsAre(id + ".mp4"));
}

TEST(Generate, SendsWhatItsFlagsSay) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto made =
      shell.veo({"generate", "--prompt=a dog", "--mode=fast", "--resolution", "1080p",
                 "--aspect-ratio=9:16", "--generation-type=reference",
                 "--image-urls=https://example.com/1.jpg", "--image-urls=https://example.com/2.jpg",
                 "--enable-translation=false", "--seed=12345", "--watermark=me", "-o", "dog.mp4"});
  ASSERT_EQ(made.exit_code, 0) << made;
  for (const auto& request : simulator.log()) {
    if (request.at("method") != "POST") continue;
    EXPECT_EQ(nlohmann::json::parse(request.at("body").get<std::string>()),
              nlohmann::json::parse(R"({
      "model": "veo-3",
      "input": {
        "prompt": "a dog", "mode": "fast", "resolution": "1080p", "aspect_ratio": "9:16",
        "generation_type": "REFERENCE_2_VIDEO",
        "image_urls": ["https://example.com/1.jpg", "https://example.com/2.jpg"],
        "enable_translation": false, "seeds": 12345, "watermark": "me"}})"));
    return;
  }
  FAIL() << "nothing was submitted";
}

TEST(Generate, PrintsEventsAsJson) {
  const auto simulator = start_simulator("100ms");
  const Shell shell(simulator);
  const auto made = shell.veo({"generate", "a dog", "-o", "dog.mp4", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made;
  EXPECT_THAT(made.errors, IsEmpty());
  const auto events = json_lines(made.output);
  EXPECT_EQ(events.front(),
            nlohmann::json::parse(R"({"event":"price","credits":40,"reused":false})"));
  const auto task = only_task(simulator);
  const auto done = last_event(made.output, "done");
  EXPECT_EQ(done.at("task-id"), task.at("id"));
  EXPECT_EQ(done.at("file"), "dog.mp4");
  EXPECT_EQ(done.at("bytes"), shell.contents("dog.mp4").size());
  EXPECT_EQ(done.at("credits"), 40);
  EXPECT_EQ(done.at("reused"), false);
  std::vector<std::string> phases;
  for (const auto& event : events) {
    if (event.at("event") == "progress" && (phases.empty() || event.at("phase") != phases.back())) {
      phases.push_back(event.at("phase"));
    }
  }
  EXPECT_THAT(phases, ElementsAre("submit", "generate", "download"));
}

TEST(Generate, PrintsThePriceInADryRun) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const auto priced =
      shell.veo({"generate", "a dog", "--mode=quality", "--resolution=4k", "--dry-run", "--json"});
  EXPECT_EQ(priced.exit_code, 0) << priced;
  EXPECT_EQ(last_event(priced.output, "price").at("credits"), 380);
  EXPECT_EQ(simulator.state().at("connections").at("api").at("total"), 0);
  EXPECT_THAT(shell.files(), IsEmpty());
}

TEST(Generate, AnotherTakeIsAnotherTask) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  EXPECT_EQ(shell.veo({"generate", "a dog", "-o", "1.mp4"}).exit_code, 0);
  EXPECT_EQ(shell.veo({"generate", "a dog", "-o", "2.mp4", "--take=2"}).exit_code, 0);
  EXPECT_EQ(shell.veo({"generate", "a dog", "-o", "3.mp4", "--reuse=false"}).exit_code, 0);
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

TEST(Extend, WritesOnlyTheContinuationWithClipOnly) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "1.mp4"}).exit_code, 0);
  const auto parent = only_task(simulator).at("id").get<std::string>();
  const auto made = shell.veo({"extend", parent, "it sleeps", "--clip-only", "-o", "2.mp4"});
  ASSERT_EQ(made.exit_code, 0) << made;
  const auto tasks = simulator.state().at("tasks");
  ASSERT_EQ(tasks.size(), 2U);
  EXPECT_EQ(tasks.at(1).at("sha256"), sha256(shell.contents("2.mp4")));
  EXPECT_EQ(tasks.at(1).at("model"), "veo-3-extend");
}

TEST(Task, CanBeAskedForWaitedForAndSaved) {
  const auto simulator = start_simulator("300ms");
  const Shell shell(simulator);
  Program running(shell.settings({"generate", "a dog", "-o", "dog.mp4"}));
  ASSERT_TRUE(running.wait_for("Generating task"));
  const auto id = only_task(simulator).at("id").get<std::string>();
  running.kill(SIGINT);
  const auto stopped = running.wait();
  EXPECT_EQ(stopped.exit_code, 130) << stopped;
  EXPECT_THAT(stopped.errors, HasSubstr("veo download " + id));
  EXPECT_THAT(shell.files(), IsEmpty());

  const auto waited = shell.veo({"wait", id});
  EXPECT_EQ(waited.exit_code, 0) << waited;
  const auto status = shell.veo({"status", id});
  EXPECT_EQ(status.exit_code, 0) << status;
  EXPECT_THAT(status.output, HasSubstr("completed"));
  EXPECT_EQ(json_lines(shell.veo({"status", id, "--json"}).output).at(0).at("status"), "completed");
  EXPECT_EQ(shell.veo({"download", id, "-o", "dog.mp4"}).exit_code, 0);
  EXPECT_EQ(only_task(simulator).at("sha256"), sha256(shell.contents("dog.mp4")));
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

TEST(Task, IsPlayedByAPlayer) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  const auto id = only_task(simulator).at("id").get<std::string>();
  const auto played = shell.veo({"play", id, "--player=ffmpeg -v error -i - -f framecrc frames"});
  EXPECT_THAT(played.errors, HasSubstr("its whole video was handed over"));
  EXPECT_THAT(played.errors, testing::Not(HasSubstr("/dev/fd")));
  EXPECT_EQ(played.exit_code, 0) << played;
  EXPECT_THAT(shell.contents("frames"), HasSubstr("0,         47,"));
  const auto failed = shell.veo({"play", id, "--player=cat >/dev/null; exit 3"});
  EXPECT_EQ(failed.exit_code, 9) << failed;
  EXPECT_THAT(failed.errors, HasSubstr("ended with status 3"));
  const auto missing = shell.veo({"play", id, "--player=no-such-player -"});
  EXPECT_EQ(missing.exit_code, 9) << missing;
  EXPECT_THAT(missing.errors, HasSubstr("(no-such-player -) is not on this machine"));
  EXPECT_THAT(missing.errors, HasSubstr("gstreamer1.0-plugins-base-apps"));
}

TEST(Credits, AreTheServicesAnswer) {
  const auto simulator = start_simulator("0s", {"--credits", "1234"});
  const Shell shell(simulator);
  EXPECT_EQ(shell.veo({"credits"}).output, "1234\n");
  EXPECT_EQ(json_lines(shell.veo({"credits", "--json"}).output).at(0).at("credits"), 1234);
}

TEST(Price, IsTheCatalogs) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  EXPECT_EQ(shell.veo({"price", "--mode=lite", "--resolution=4k"}).output, "100\n");
  EXPECT_EQ(shell.veo({"price", "--extension"}).output, "unknown\n");
  const auto all = json_lines(shell.veo({"price", "--json"}).output);
  EXPECT_EQ(all.size(), 10U);
  EXPECT_EQ(simulator.state().at("connections").at("api").at("total"), 0);
}

}  // namespace
}  // namespace veo::test
