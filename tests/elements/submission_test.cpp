// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tests what veosrc sends, to whom, and what it never sends or logs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "command.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

/// The example bodies of the service's documentation, and the properties that must produce them.
struct Example {
  const char* name;
  const char* properties;
  const char* prompt;
  const char* body;
};
void PrintTo(const Example& example, std::ostream* out) { *out << example.name; }

const Example examples[] = {
    {"text", "mode=fast resolution=720p aspect-ratio=16:9",
     "A dog playing in a park, cinematic lighting",
     R"({"model": "veo-3", "callback_url": "https://your-server.com/webhook",
         "input": {"prompt": "A dog playing in a park, cinematic lighting", "mode": "fast",
                   "resolution": "720p", "aspect_ratio": "16:9"}})"},
    {"text_in_chinese", "mode=fast resolution=720p aspect-ratio=16:9",
     "无人机航拍日落时分的山脉,电影级光影效果",
     R"({"model": "veo-3", "callback_url": "https://your-server.com/webhook",
         "input": {"prompt": "无人机航拍日落时分的山脉,电影级光影效果", "mode": "fast",
                   "resolution": "720p", "aspect_ratio": "16:9"}})"},
    {"first_and_last_frames",
     "generation-type=first-and-last-frames resolution=720p aspect-ratio=16:9 "
     "image-urls=<\"https://example.com/start.jpg\",\"https://example.com/end.jpg\">",
     "人物从公园走到城市中心",
     R"({"model": "veo-3", "callback_url": "https://your-server.com/webhook",
         "input": {"prompt": "人物从公园走到城市中心",
                   "generation_type": "FIRST_AND_LAST_FRAMES_2_VIDEO", "resolution": "720p",
                   "image_urls": ["https://example.com/start.jpg", "https://example.com/end.jpg"],
                   "aspect_ratio": "16:9"}})"},
    {"reference",
     "generation-type=reference mode=fast resolution=720p aspect-ratio=16:9 "
     "image-urls=<\"https://example.com/ref1.jpg\",\"https://example.com/ref2.jpg\">",
     "以这些图片为参考,生成一段产品展示视频",
     R"({"model": "veo-3", "callback_url": "https://your-server.com/webhook",
         "input": {"prompt": "以这些图片为参考,生成一段产品展示视频",
                   "generation_type": "REFERENCE_2_VIDEO", "mode": "fast", "resolution": "720p",
                   "image_urls": ["https://example.com/ref1.jpg", "https://example.com/ref2.jpg"],
                   "aspect_ratio": "16:9"}})"},
};

json submission_of(const Simulator& simulator) {
  for (const auto& request : simulator.log()) {
    if (request.at("method") == "POST") return request;
  }
  return {};
}

class OnTheWire : public testing::TestWithParam<Example> {};

TEST_P(OnTheWire, TheBodyIsTheExamplesFieldForField) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  TestPipeline run(std::string("veosrc name=src callback-url=https://your-server.com/webhook ") +
                   GetParam().properties + " ! fakesink");
  g_object_set(run.element("src").get(), "prompt", GetParam().prompt, nullptr);
  run.use(simulator);
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(json::parse(submission_of(simulator).at("body").get<std::string>()),
            json::parse(GetParam().body));
}

INSTANTIATE_TEST_SUITE_P(ApiExamples, OnTheWire, testing::ValuesIn(examples),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Submission, AnExtensionsBodyIsTheExamples) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  TestPipeline first("veosrc name=src prompt=x ! fakesink");
  first.use(simulator);
  ASSERT_TRUE(first.finish());
  const std::string parent = simulator.state().at("tasks").at(0).at("id");

  TestPipeline run("veosrc name=src callback-url=https://your-server.com/webhook extend-task-id=" +
                   parent + " ! fakesink");
  g_object_set(run.element("src").get(), "prompt", "继续这个场景,镜头缓慢拉远", nullptr);
  run.use(simulator);
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  std::vector<json> bodies;
  for (const auto& request : simulator.log()) {
    if (request.at("method") == "POST") {
      bodies.push_back(json::parse(request.at("body").get<std::string>()));
    }
  }
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_EQ(
      bodies[1],
      (json{{"model", "veo-3-extend"},
            {"callback_url", "https://your-server.com/webhook"},
            {"input", {{"prompt", "继续这个场景,镜头缓慢拉远"}, {"extend_task_id", parent}}}}));
}

TEST(Submission, APropertyThatIsNotSetIsNotSent) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  TestPipeline run("veosrc name=src prompt=x ! fakesink");
  run.use(simulator);
  ASSERT_TRUE(run.finish());
  EXPECT_EQ(json::parse(submission_of(simulator).at("body").get<std::string>()),
            (json{{"model", "veo-3"}, {"input", {{"prompt", "x"}}}}));
}

TEST(Submission, EveryOtherFieldArrives) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  TestPipeline run(
      "veosrc name=src prompt=x mode=lite aspect-ratio=9:16 generation-type=text "
      "enable-translation=false seed=12345 watermark=mine ! fakesink");
  run.use(simulator);
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(json::parse(submission_of(simulator).at("body").get<std::string>()),
            (json{{"model", "veo-3"},
                  {"input",
                   {{"prompt", "x"},
                    {"mode", "lite"},
                    {"aspect_ratio", "9:16"},
                    {"generation_type", "TEXT_2_VIDEO"},
                    {"enable_translation", false},
                    {"seeds", 12345},
                    {"watermark", "mine"}}}}));
}

std::string header(const json& request, const std::string& name) {
  const auto& headers = request.at("headers");
  return headers.contains(name) ? headers.at(name).at(0).get<std::string>() : "";
}

TEST(Submission, TheKeyGoesToTheApiAndToNobodyElse) {
  const auto simulator = Simulator::start(
      {"--generation-time", "0s", "--frames", "24", "--key", "sk-very-secret-7f3a"});
  TestPipeline run("veosrc name=src prompt=x ! fakesink");
  run.use(simulator);
  g_object_set(run.element("src").get(), "api-key", "sk-very-secret-7f3a", nullptr);
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  unsigned api = 0;
  unsigned files = 0;
  for (const auto& request : simulator.log()) {
    if (request.at("listener") == "api") {
      ++api;
      EXPECT_EQ(header(request, "Authorization"), "Bearer sk-very-secret-7f3a");
    } else {
      ++files;
      EXPECT_THAT(request.dump(), Not(HasSubstr("very-secret")));
    }
  }
  EXPECT_GE(api, 2U);
  EXPECT_GE(files, 1U);
}

TEST(Submission, TheKeyIsInNoLogAndNoDotFile) {
  const auto simulator = Simulator::start(
      {"--generation-time", "0s", "--frames", "24", "--key", "sk-very-secret-7f3a"});
  const auto directory =
      std::filesystem::temp_directory_path() / ("veo-dot-" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  const auto run = [&](const std::string& key) {
    return output_of(
        "GST_DEBUG='*:9' GST_DEBUG_NO_COLOR=1 G_MESSAGES_DEBUG=all GST_DEBUG_DUMP_DOT_DIR=" +
        directory.string() + " " + key + " gst-launch-1.0 -v -m veosrc prompt=x api-url=" +
        simulator.api_url() + " ! fakesink 2>&1");
  };
  const auto log = run("VEO_API_URL=" + simulator.api_url() + " VEO_API_KEY=sk-very-secret-7f3a");
  EXPECT_THAT(log, HasSubstr("veosrc")) << "the log exists";
  EXPECT_GT(log.size(), 100'000U) << "the log is complete";
  EXPECT_THAT(log, Not(HasSubstr("very-secret")));
  unsigned dots = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    ++dots;
    std::stringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    EXPECT_THAT(text.str(), HasSubstr("GstVeoSrc"));
    EXPECT_THAT(text.str(), Not(HasSubstr("very-secret")));
  }
  EXPECT_GT(dots, 0U);
  std::filesystem::remove_all(directory);
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

}  // namespace
}  // namespace veo::test
