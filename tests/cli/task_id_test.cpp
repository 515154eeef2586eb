// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service chooses a task id, which may contain any character. These tests pass odd ids through
// each command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "http_client.h"
#include "sha256.h"
#include "shell.h"

namespace veo::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

struct Id {
  const char* name;
  std::string text;
  bool is_a_file_name = false;
};

class TaskId : public testing::TestWithParam<Id> {
 protected:
  TaskId() { fs::create_directory(shell_.file("home")); }

  /// Runs `veo` in a directory inside the test's directory, so that a file outside of it is
  /// noticed.
  [[nodiscard]] Program::Ended veo(const std::vector<std::string>& args) const {
    auto settings = shell_.settings(args);
    settings.directory = shell_.file("home");
    return Program(settings).wait();
  }
  [[nodiscard]] std::string stem() const {
    return GetParam().is_a_file_name ? id_ : "sha256-" + sha256(id_);
  }
  [[nodiscard]] std::string video(const std::string& name) const {
    return sha256(shell_.contents("home/" + name));
  }
  [[nodiscard]] std::vector<std::string> names_in(const std::string& directory) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(shell_.file(directory))) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  /// Runs gst-launch-1.0, which writes what an element reads from the clip.
  [[nodiscard]] Program::Ended launch(const std::vector<std::string>& args) const {
    auto settings = shell_.settings({});
    settings.args = {"/usr/bin/gst-launch-1.0", "-q"};
    settings.args.insert(settings.args.end(), args.begin(), args.end());
    settings.directory = shell_.file("home");
    return Program(settings).wait();
  }

  const std::string id_ = GetParam().text;
  const Simulator simulator_ = start_simulator("0s", {"--task-id", id_, "--task-id", id_ + "'2"});
  const Shell shell_{simulator_};
};

TEST_P(TaskId, IsAcceptedByEveryCommand) {
  ASSERT_EQ(veo({"generate", "a dog", "-o", "dog.mp4"}).exit_code, 0);
  const std::string bytes = simulator_.state().at("tasks").at(0).at("sha256");
  EXPECT_EQ(video("dog.mp4"), bytes);

  const auto named = veo({"generate", "a dog", "--json"});
  ASSERT_EQ(named.exit_code, 0) << named;
  EXPECT_EQ(last_event(named.output, "done").at("task-id"), id_);
  EXPECT_EQ(last_event(named.output, "done").at("file"), stem() + ".mp4");
  EXPECT_EQ(video(stem() + ".mp4"), bytes);

  const auto download = veo({"download", "-o", "again.mp4", "--", id_});
  EXPECT_EQ(download.exit_code, 0) << download;
  EXPECT_EQ(video("again.mp4"), bytes);
  const auto status = veo({"status", "--json", "--", id_});
  EXPECT_EQ(status.exit_code, 0) << status;
  EXPECT_EQ(last_event(status.output, "status").at("task-id"), id_);
  EXPECT_EQ(veo({"wait", "--", id_}).exit_code, 0);
  const auto play = veo({"play", "--player=cat > played.mp4", "--", id_});
  EXPECT_EQ(play.exit_code, 0) << play;
  EXPECT_GT(fs::file_size(shell_.file("home/played.mp4")), 1000U);
  EXPECT_EQ(simulator_.state().at("charges"), 1) << "none of these commands costs anything";

  // The continuation is another task, so it is charged and goes to another file.
  const auto extend = veo({"extend", "-o", "film.mp4", "--", id_, "it sleeps"});
  EXPECT_EQ(extend.exit_code, 0) << extend;
  EXPECT_EQ(simulator_.state().at("charges"), 2);
  EXPECT_EQ(simulator_.log().back().at("target").get<std::string>().find(' '), std::string::npos);

  EXPECT_THAT(names_in("home"),
              testing::UnorderedElementsAre("dog.mp4", stem() + ".mp4", "again.mp4", "played.mp4",
                                            "film.mp4"));
  EXPECT_THAT(shell_.files(), ElementsAre("home")) << "no file is outside";
}

TEST_P(TaskId, IsInHistoryAndInAManifest) {
  std::ofstream(shell_.file("home/shots.jsonl")) << R"({"prompt": "a dog"})"
                                                    "\n";
  const auto batch = veo({"batch", "shots.jsonl", "--yes"});
  ASSERT_EQ(batch.exit_code, 0) << batch;
  const auto entry = json_lines(shell_.contents("home/shots/manifest.jsonl")).at(0);
  EXPECT_EQ(entry.at("task-id"), id_);
  EXPECT_EQ(entry.at("file"), stem() + ".mp4");
  EXPECT_EQ(simulator_.state().at("tasks").at(0).at("sha256"), video("shots/" + stem() + ".mp4"));
  const auto again = veo({"batch", "shots.jsonl", "--yes", "--json"});
  EXPECT_EQ(last_event(again.output, "batch").at("here"), 1) << again;

  std::ofstream(shell_.file("home/named.jsonl")) << nlohmann::json{{"task-id", id_}}.dump() << "\n";
  const auto by_id = veo({"batch", "named.jsonl", "--yes"});
  EXPECT_EQ(by_id.exit_code, 0) << by_id;
  EXPECT_EQ(entry.at("sha256"), video("named/" + stem() + ".mp4"));

  EXPECT_EQ(last_event(veo({"history", "--json"}).output, "record").at("task-id"), id_);
  const auto page = veo({"history", "--html", "-o", "history.html"});
  EXPECT_EQ(page.exit_code, 0) << page;
  const auto html = shell_.contents("home/history.html");
  EXPECT_THAT(html, HasSubstr("data:image/jpeg")) << "the cache finds the clip by this id";
  // The only script is the page's own, at the end.
  EXPECT_EQ(html.find("<script"), html.rfind("<script"));
  EXPECT_GT(html.find("<script"), html.find("</main>"));
  EXPECT_EQ(simulator_.state().at("charges"), 1);
  EXPECT_THAT(shell_.files(), ElementsAre("home")) << "no file is outside";
}

TEST_P(TaskId, IsPlayedByUriAndServed) {
  ASSERT_EQ(veo({"generate", "a dog", "-o", "dog.mp4", "--layout=streamable"}).exit_code, 0);
  const auto url = [this] {
    std::string text;
    for (const char c : id_) {
      std::array<char, 4> piece{};
      std::snprintf(piece.data(), piece.size(), "%%%02x", static_cast<unsigned char>(c));
      text += piece.data();
    }
    return text;
  }();
  const auto bytes = video("dog.mp4");
  const auto played =
      launch({"urisourcebin", "uri=veo:task/" + url, "!", "filesink", "location=uri.mp4"});
  EXPECT_EQ(played.exit_code, 0) << played;
  EXPECT_EQ(video("uri.mp4"), bytes);

  auto settings = shell_.settings({"serve"});
  Program serving(settings);
  ASSERT_TRUE(serving.wait_for("Serving")) << serving.errors();
  auto address = serving.output();
  address.pop_back();
  const auto answer = http_request("GET", address + "task/" + url);
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(sha256(answer.body), bytes);
  const auto tag = shell_.sh("curl -sI " + address + "task/" + url).output;
  EXPECT_THAT(tag, HasSubstr("ETag: \"" + stem() + "-"));
  serving.kill(SIGINT);
  EXPECT_EQ(serving.wait().exit_code, 0);
  EXPECT_EQ(simulator_.state().at("charges"), 1);
}

INSTANTIATE_TEST_SUITE_P(All, TaskId,
                         testing::Values(Id{"uuid", "cbf6b69d-4f03-4817-8ed7-94c0292184a8", true},
                                         Id{"path", "models/x/operations/1"},
                                         Id{"dots", "../../evil"}, Id{"absolute", "/etc/passwd"},
                                         Id{"hidden", ".hidden"}, Id{"encoded", "a b%2Fc?d#e"},
                                         Id{"long", std::string(510, 'x')}, Id{"unicode", "ä/日本"},
                                         Id{"flag", "-rf", true},
                                         Id{"html", "<script>alert(\"1\")</script>&amp;"},
                                         Id{"shell", "$(touch pwned);'`\\ "},
                                         Id{"steps", "A:0:192,B:0:384"}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(TaskIdLine, CanBePastedIntoAShell) {
  const std::string id = "$(touch pwned) it's \\ a/b";
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--task-id", id, "--fault", "file:status=500"});
  const Shell shell(simulator);
  const auto failed = shell.veo({"generate", "a dog", "-o", "dog.mp4", "--retries=0"});
  ASSERT_NE(failed.exit_code, 0);
  const auto begin = failed.errors.find("veo download ");
  ASSERT_NE(begin, std::string::npos) << failed;
  auto line = failed.errors.substr(begin, failed.errors.find('\n', begin) - begin);
  line.replace(line.find("FILE"), 4, "dog.mp4");
  auto& running = const_cast<Simulator&>(simulator);
  running.set_faults({});
  const auto pasted = shell.sh(line);
  EXPECT_EQ(pasted.exit_code, 0) << line << pasted;
  EXPECT_EQ(simulator.state().at("tasks").at(0).at("sha256"), sha256(shell.contents("dog.mp4")));
  EXPECT_THAT(shell.files(), ElementsAre("dog.mp4"));
}

// The service accepts the submission with an id that cannot be used. The submission stays unknown,
// and is not sent a second time without the user's decision.
TEST(InvalidTaskId, LeavesTheSubmissionUnknown) {
  for (const auto& id : {std::string(513, 'x'), std::string("a\x1b]0;pwned\x07")}) {
    const auto simulator = start_simulator("0s", {"--task-id", id});
    const Shell shell(simulator);
    for (int run = 0; run < 2; ++run) {
      const auto ended = shell.veo({"generate", "a dog", "-o", "dog.mp4"});
      EXPECT_EQ(ended.exit_code, 8) << ended;
      EXPECT_THAT(ended.errors, HasSubstr(id.size() > 512 ? id : "a\\x1B]0;pwned\\x07"));
      EXPECT_THAT(ended.errors, HasSubstr("may have been accepted and paid"));
    }
    EXPECT_EQ(simulator.state().at("submissions"), 1);
    EXPECT_THAT(shell.files(), IsEmpty());
  }
}

TEST(InvalidTaskId, IsRefusedByEveryCommand) {
  const auto simulator = start_simulator("0s");
  const Shell shell(simulator);
  const std::pair<std::string, std::string> ids[] = {
      {std::string(513, 'x'), "513 bytes; a task id has 1 to 512"},
      {"a\nb", "U+000A"},
      {"\xff", "not valid UTF-8"}};
  for (const auto& [id, flaw] : ids) {
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"status", id}, {"wait", id}, {"play", id}, {"download", id}, {"extend", id, "x"}}) {
      const auto refused = shell.veo(words);
      EXPECT_EQ(refused.exit_code, 2) << words.front() << refused;
      EXPECT_THAT(refused.errors, HasSubstr(flaw)) << words.front();
    }
  }
  EXPECT_EQ(simulator.state().at("connections").at("api").at("total"), 0);
}

}  // namespace
}  // namespace veo::test
