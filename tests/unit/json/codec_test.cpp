// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/json/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace veo::json {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::string_literals;

constexpr const char* webhook = "https://your-server.com/webhook";

// --- Requests: the bodies of the service's documentation, field for field -----

struct Created {
  const char* name;
  Request request;
  const char* body;
};
class CreateTest : public testing::TestWithParam<Created> {};

TEST_P(CreateTest, IsTheDocumentedBody) {
  const auto& [name, request, body] = GetParam();
  ASSERT_TRUE(validate(request, builtin_catalog()));
  // The comparison finds missing fields and additional fields.
  EXPECT_EQ(nlohmann::json::parse(encode_create(request, builtin_catalog())),
            nlohmann::json::parse(body));
}

Request text_to_video(const char* prompt) {
  Request request;
  request.prompt = prompt;
  request.mode = Mode::fast;
  request.resolution = Resolution::p720;
  request.aspect_ratio = AspectRatio::landscape;
  request.callback_url = webhook;
  return request;
}

Request first_and_last_frames() {
  auto request = text_to_video("人物从公园走到城市中心");
  request.mode.reset();
  request.generation_type = GenerationType::first_and_last_frames;
  request.image_urls = {"https://example.com/start.jpg", "https://example.com/end.jpg"};
  return request;
}

Request reference_images() {
  auto request = text_to_video("以这些图片为参考,生成一段产品展示视频");
  request.generation_type = GenerationType::reference;
  request.image_urls = {"https://example.com/ref1.jpg", "https://example.com/ref2.jpg"};
  return request;
}

Request extension() {
  Request request;
  request.prompt = "继续这个场景,镜头缓慢拉远";
  request.callback_url = webhook;
  request.extend_task_id = "7d89c51e-9430-410e-909e-df347131ebaa";
  return request;
}

Request minimal() {
  Request request;
  request.prompt = "a dog";
  return request;
}

Request everything() {
  Request request;
  request.prompt = "\"quoted\" \\ back\nline\ttab \x01 \x7f 山 😀 </script>";
  request.mode = Mode::quality;
  request.resolution = Resolution::k4;
  request.aspect_ratio = AspectRatio::automatic;
  request.generation_type = GenerationType::first_and_last_frames;
  request.image_urls = {"http://a/1.jpg?x=1&y=%2F"};
  request.enable_translation = false;
  request.seed = 99999;
  request.watermark = "";
  return request;
}

INSTANTIATE_TEST_SUITE_P(
    All, CreateTest,
    testing::Values(
        Created{"english", text_to_video("A dog playing in a park, cinematic lighting"), R"(
{"model": "veo-3", "callback_url": "https://your-server.com/webhook",
 "input": {"prompt": "A dog playing in a park, cinematic lighting", "mode": "fast", "resolution": "720p", "aspect_ratio": "16:9"}})"},
        Created{"chinese", text_to_video("无人机航拍日落时分的山脉,电影级光影效果"), R"(
{"model": "veo-3", "callback_url": "https://your-server.com/webhook",
 "input": {"prompt": "无人机航拍日落时分的山脉,电影级光影效果", "mode": "fast", "resolution": "720p", "aspect_ratio": "16:9"}})"},
        Created{"frames", first_and_last_frames(), R"(
{"model": "veo-3", "callback_url": "https://your-server.com/webhook",
 "input": {"prompt": "人物从公园走到城市中心", "generation_type": "FIRST_AND_LAST_FRAMES_2_VIDEO", "resolution": "720p",
           "image_urls": ["https://example.com/start.jpg", "https://example.com/end.jpg"], "aspect_ratio": "16:9"}})"},
        Created{"references", reference_images(), R"(
{"model": "veo-3", "callback_url": "https://your-server.com/webhook",
 "input": {"prompt": "以这些图片为参考,生成一段产品展示视频", "generation_type": "REFERENCE_2_VIDEO", "mode": "fast", "resolution": "720p",
           "image_urls": ["https://example.com/ref1.jpg", "https://example.com/ref2.jpg"], "aspect_ratio": "16:9"}})"},
        Created{"extension", extension(), R"(
{"model": "veo-3-extend", "callback_url": "https://your-server.com/webhook",
 "input": {"prompt": "继续这个场景,镜头缓慢拉远", "extend_task_id": "7d89c51e-9430-410e-909e-df347131ebaa"}})"},
        Created{"minimal", minimal(), R"({"model": "veo-3", "input": {"prompt": "a dog"}})"},
        Created{"everything", everything(), R"(
{"model": "veo-3",
 "input": {"prompt": "\"quoted\" \\ back\nline\ttab \u0001 \u007f 山 😀 </script>", "mode": "quality",
           "resolution": "4k", "aspect_ratio": "Auto",
           "generation_type": "FIRST_AND_LAST_FRAMES_2_VIDEO",
           "image_urls": ["http://a/1.jpg?x=1&y=%2F"], "enable_translation": false, "seeds": 99999,
           "watermark": ""}})"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Create, SendsOnlyWhatTheCatalogsModelTakes) {
  auto request = extension();
  request.mode = Mode::fast;
  request.seed = 10000;
  request.image_urls = {"http://a/1.jpg"};
  EXPECT_EQ(encode_create(request, builtin_catalog()),
            encode_create(extension(), builtin_catalog()));
}

// --- Submissions -----------------------------------------------------------------------------

TEST(Submission, TaskIdOfTheDocumentedAnswer) {
  const auto answer = decode_submission(200, R"({"code": 200, "msg": "success",
      "data": {"taskId": "cbf6b69d-4f03-4817-8ed7-94c0292184a8"}})");
  EXPECT_EQ(answer.task_id, "cbf6b69d-4f03-4817-8ed7-94c0292184a8");
  EXPECT_FALSE(answer.well_formed_error);
}

TEST(Submission, TaskIdCountsWhateverElseIsThere) {
  for (const auto* body : {
           R"({"code": 500, "msg": "error", "data": {"taskId": "id"}})",
           R"({"code": "?", "data": {"taskId": "id", "n": 99999999999999999999, "s": "\ud83d"}})",
           R"({"data": {"taskId": "id"}, "error": null})",
           R"({"data": {"taskId": "id"}, "error": {"code": "internal_error"}})",
       }) {
    EXPECT_EQ(decode_submission(200, body).task_id, "id") << body;
  }
}

TEST(Submission, TaskIdIsTakenAsItIs) {
  for (const auto& id : {"models/x/operations/1"s, "../../evil"s, "/etc/passwd"s, ".hidden"s,
                         "a b%2Fc?d#e"s, "ä/日本"s, std::string(512, 'x')}) {
    const nlohmann::json body{{"data", {{"taskId", id}}}};
    EXPECT_EQ(decode_submission(200, body.dump()).task_id, id);
    const auto report = decode_task(
        id, 200,
        nlohmann::json{{"id", id}, {"status", "pending"}, {"upstream_task_id", id}}.dump());
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->id, id);
    EXPECT_EQ(report->upstream_task_id, id);
  }
}

// The service has most likely accepted the task, but gst-veo cannot query it.
TEST(Submission, TaskIdThatBreaksTheRuleIsKeptForAPerson) {
  const std::pair<std::string, std::string> ids[] = {
      {std::string(513, 'x'), std::string(513, 'x')},
      {"a\nb\x1b[2J", "a\\x0Ab\\x1B[2J"},
      {"..", "\"..\""},
  };
  for (const auto& [id, shown] : ids) {
    const auto answer = decode_submission(200, nlohmann::json{{"data", {{"taskId", id}}}}.dump());
    EXPECT_EQ(answer.task_id, std::nullopt);
    EXPECT_THAT(answer.unusable_task_id, HasSubstr(shown));
    const auto outcome = classify_submission(
        {.begun = true, .got_head = true, .complete = true, .status = 200}, answer);
    EXPECT_EQ(outcome.kind, Submitted::Kind::unknown) << "never sent again by itself";
    EXPECT_EQ(outcome.error.charged, Charged::unknown);
    EXPECT_THAT(outcome.error.message, HasSubstr("a task id that cannot be used: it "));
    EXPECT_THAT(outcome.error.message, HasSubstr(shown));
    EXPECT_EQ(outcome.error.task_id, "");
  }
  const auto huge = decode_submission(
      200, nlohmann::json{{"data", {{"taskId", std::string(1'000'000, 'x')}}}}.dump());
  EXPECT_LT(huge.unusable_task_id.size(), 3000U);
}

struct NoTaskId {
  const char* name;
  std::string body;
};
class NoTaskIdTest : public testing::TestWithParam<NoTaskId> {};
TEST_P(NoTaskIdTest, IsAnEmptyAnswer) {
  const auto answer = decode_submission(200, GetParam().body);
  EXPECT_EQ(answer.task_id, std::nullopt);
  EXPECT_FALSE(answer.well_formed_error);
  EXPECT_EQ(answer.error, Error{});
}
INSTANTIATE_TEST_SUITE_P(
    All, NoTaskIdTest,
    testing::Values(NoTaskId{"empty_body", ""}, NoTaskId{"html", "<html>ok</html>"},
                    NoTaskId{"null", "null"}, NoTaskId{"string", R"("cbf6b69d")"},
                    NoTaskId{"array", R"([{"data": {"taskId": "id"}}])"},
                    NoTaskId{"empty_object", "{}"}, NoTaskId{"no_data", R"({"taskId": "id"})"},
                    NoTaskId{"data_array", R"({"data": [{"taskId": "id"}]})"},
                    NoTaskId{"data_string", R"({"data": "id"})"},
                    NoTaskId{"no_id", R"({"data": {"task_id": "id"}})"},
                    NoTaskId{"empty_id", R"({"data": {"taskId": ""}})"},
                    NoTaskId{"number_id", R"({"data": {"taskId": 17}})"},
                    NoTaskId{"null_id", R"({"data": {"taskId": null}})"},
                    NoTaskId{"bool_id", R"({"data": {"taskId": true}})"},
                    NoTaskId{"array_id", R"({"data": {"taskId": ["id"]}})"},
                    NoTaskId{"object_id", R"({"data": {"taskId": {"id": "id"}}})"},
                    // json-glib 1.6 accepts these bodies, or crashes.
                    NoTaskId{"trailing_document",
                             R"({"data": {"taskId": "id"}}{"data": {"taskId": "id"}})"},
                    NoTaskId{"comment", R"({"data": /* paid */ {"taskId": "id"}})"},
                    NoTaskId{"nul_escape", R"({"data": {"taskId": "id\u0000x"}})"},
                    NoTaskId{"nul_byte", "{\"data\": {\"taskId\": \"id\"}}\0"s},
                    NoTaskId{"half", R"({"data": {"taskId": "id")"},
                    NoTaskId{"deep", std::string(100'000, '[')},
                    NoTaskId{"long", R"({"data": {"taskId": "id"}, "x": ")" +
                                         std::string(1U << 20U, 'x') + "\"}"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Submission, ErrorOfTheDocumentedAnswer) {
  const auto answer = decode_submission(402, R"({"error": {"code": "insufficient_credits",
      "message": "Your credit balance is too low. Please top up.", "type": "billing_error"}})");
  EXPECT_TRUE(answer.well_formed_error);
  EXPECT_EQ(answer.task_id, std::nullopt);
  EXPECT_EQ(answer.error.code, ErrorCode::insufficient_credits);
  EXPECT_EQ(answer.error.http_status, 402U);
  EXPECT_EQ(answer.error.service_code, "insufficient_credits");
  EXPECT_EQ(answer.error.service_type, "billing_error");
  EXPECT_EQ(answer.error.service_message, "Your credit balance is too low. Please top up.");
}

TEST(Submission, AnErrorWithoutACodeIsNotWellFormed) {
  for (const auto* body :
       {R"({"error": {}})", R"({"error": {"code": 429}})", R"({"error": "x"})",
        R"({"error": {"message": "m"}})", R"({"error": null})", R"({"error": [{"code": "c"}]})",
        R"([{"error": {"code": "c"}}])", R"({"code": "rate_limit_exceeded"})",
        R"({"error": {"code": "rate_limit_exceeded"}} x)"}) {
    EXPECT_FALSE(decode_submission(429, body).well_formed_error) << body;
  }
}

// --- Tasks -----------------------------------------------------------------------------------

constexpr const char* id = "7d89c51e-9430-410e-909e-df347131ebaa";
/// Makes a body with the right id, followed by `rest`.
std::string task(const std::string& rest) { return R"({"id": ")"s + id + "\", " + rest + "}"; }
std::string completed(const std::string& output) {
  return task(R"("status": "completed", "output": )" + output);
}

TEST(Task, ProcessingAsDocumented) {
  const auto report = decode_task("e717a5ee", 200, R"({"id": "e717a5ee", "status": "processing",
      "model": "veo-3", "created_at": 1774706165, "progress": null})");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->id, "e717a5ee");
  EXPECT_EQ(report->status, TaskStatus::processing);
  EXPECT_EQ(report->created_at, 1774706165);
  EXPECT_EQ(report->completed_at, std::nullopt);
  EXPECT_EQ(report->progress, std::nullopt);
  EXPECT_TRUE(report->urls.empty());
  EXPECT_FALSE(report->failure);
}

TEST(Task, CompletedAsDocumented) {
  const auto report = decode_task(id, 200, R"({"id": "7d89c51e-9430-410e-909e-df347131ebaa",
      "status": "completed", "model": "veo-3", "created_at": 1774790227,
      "completed_at": 1774796529,
      "output": {"urls": ["https://file.aivideoapi.ai/videos/2026/04/02/abc123.mp4"],
                 "metadata": {"resolution": "720p"}}})");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->status, TaskStatus::completed);
  EXPECT_EQ(report->created_at, 1774790227);
  EXPECT_EQ(report->completed_at, 1774796529);
  EXPECT_THAT(report->urls, ElementsAre("https://file.aivideoapi.ai/videos/2026/04/02/abc123.mp4"));
  EXPECT_EQ(report->resolution, "720p");
  EXPECT_EQ(report->upstream_task_id, std::nullopt);
  EXPECT_FALSE(report->failure);
}

TEST(Task, FailedAsDocumented) {
  const auto report = decode_task("57c8772c", 200, R"({"id": "57c8772c", "status": "failed",
      "model": "veo-3", "created_at": 1774793758,
      "error": {"code": "upstream_error", "message": "Video generation failed"}})");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->status, TaskStatus::failed);
  ASSERT_TRUE(report->failure);
  EXPECT_EQ(report->failure->code, ErrorCode::task_failed);
  EXPECT_EQ(report->failure->charged, Charged::refunded);
  EXPECT_EQ(report->failure->service_code, "upstream_error");
  EXPECT_EQ(report->failure->service_message, "Video generation failed");
  EXPECT_EQ(report->failure->task_id, "57c8772c");
  EXPECT_EQ(report->failure->http_status, 0U);
  EXPECT_THAT(report->failure->message,
              StartsWith("Task 57c8772c failed at the service: \"Video generation failed\" "
                         "(upstream_error). "));
}

TEST(Task, FailsWhateverTheShapeOfItsError) {
  struct Shape {
    const char* error;
    const char* code;
    const char* message;
  };
  for (const auto& [error, code, message] : {
           Shape{"null", "", ""},
           Shape{"{}", "", ""},
           Shape{"[]", "", ""},
           Shape{"17", "", ""},
           Shape{"true", "", ""},
           Shape{R"("boom")", "", "boom"},
           Shape{R"({"code": 5, "message": ["m"]})", "", ""},
           Shape{R"({"code": "c", "message": null})", "c", ""},
           Shape{R"({"message": "m", "code": {"a": 1}})", "", "m"},
           Shape{R"([{"code": "c"}])", "", ""},
       }) {
    const auto report = decode_task(id, 200, task(R"("status": "failed", "error": )"s + error));
    ASSERT_TRUE(report) << error;
    ASSERT_TRUE(report->failure) << error;
    EXPECT_EQ(report->failure->code, ErrorCode::task_failed);
    EXPECT_EQ(report->failure->charged, Charged::refunded);
    EXPECT_EQ(report->failure->service_code, code) << error;
    EXPECT_EQ(report->failure->service_message, message) << error;
  }
  EXPECT_TRUE(decode_task(id, 200, task(R"("status": "failed")"))->failure);
}

TEST(Task, ProgressIsANumberOrNothing) {
  struct Progress {
    const char* text;
    std::optional<double> expected;
  };
  for (const auto& [text, expected] :
       {Progress{"0", 0.0}, Progress{"42", 42.0}, Progress{"0.5", 0.5}, Progress{"1e1", 10.0},
        Progress{"-1", -1.0}, Progress{"99999999999999999999", 1e20}, Progress{"null", {}},
        Progress{R"("42%")", {}}, Progress{"true", {}}, Progress{"{}", {}}, Progress{"[1]", {}},
        Progress{"1e999", {}}}) {
    const auto report = decode_task(id, 200, task(R"("status": "pending", "progress": )"s + text));
    ASSERT_TRUE(report) << text;
    EXPECT_EQ(report->progress, expected) << text;
  }
}

TEST(Task, UnknownFieldsMayBeAnything) {
  const auto report = decode_task(
      id, 200, task(R"("status": "pending", "n": 99999999999999999999, "m": -99999999999999999999,
              "d": 1e999, "lone": "\ud83d", "cut": "a\ud83dx", "swapped": "\ude00\ud83d",
              "a": [[{}]], "output": {"urls": 5}, "error": 5, "model": 5)"));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->status, TaskStatus::pending);
  EXPECT_TRUE(report->urls.empty());
}

TEST(Task, NullIsAbsent) {
  const auto report = decode_task(id, 200, task(R"("status": "completed", "created_at": null,
      "completed_at": null, "error": null, "upstream_task_id": null,
      "output": {"urls": ["https://a/b"], "metadata": null})"));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->created_at, std::nullopt);
  EXPECT_EQ(report->completed_at, std::nullopt);
  EXPECT_EQ(report->resolution, std::nullopt);
}

TEST(Task, EveryUrlIsKeptInOrder) {
  const auto report =
      decode_task(id, 200, completed(R"({"urls": ["https://a/1", "https://a/2"]})"));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->urls, ElementsAre("https://a/1", "https://a/2"));
}

TEST(Task, UpstreamTaskIdIsFoundInBothPlaces) {
  const auto in_metadata =
      R"({"urls": ["https://a/b"], "metadata": {"upstream_task_id": "inner"}})"s;
  const auto upstream = [&](const std::string& top) {
    auto report =
        decode_task(id, 200, task(top + R"("status": "completed", "output": )" + in_metadata));
    return report ? report->upstream_task_id.value_or("none") : report.error().message;
  };
  EXPECT_EQ(upstream(""), "inner");
  EXPECT_EQ(upstream(R"("upstream_task_id": "outer", )"), "outer");
  // The documentation does not mention this field. Another type must not lose a paid clip.
  EXPECT_EQ(upstream(R"("upstream_task_id": 5, )"), "inner");
  EXPECT_EQ(upstream(R"("upstream_task_id": "", )"), "inner");
}

struct Broken {
  const char* name;
  std::string body;
  const char* named;  ///< a part of the message
};
class BrokenTest : public testing::TestWithParam<Broken> {};
TEST_P(BrokenTest, IsABadResponseThatNamesTheField) {
  const auto report = decode_task(id, 200, GetParam().body);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::bad_response);
  EXPECT_EQ(report.error().http_status, 200U);
  EXPECT_EQ(report.error().task_id, id);
  EXPECT_THAT(report.error().message, HasSubstr(GetParam().named));
  EXPECT_THAT(report.error().message, HasSubstr(id));
}

INSTANTIATE_TEST_SUITE_P(
    All, BrokenTest,
    testing::Values(
        Broken{"empty", "", "byte 0"}, Broken{"html", "<!doctype html>", "byte 0"},
        Broken{"null", "null", "not an object"}, Broken{"number", "5", "not an object"},
        Broken{"array", "[" + task(R"("status": "pending")") + "]", "not an object"},
        Broken{"array_of_nothing", "[]", "not an object"},
        Broken{"no_id", R"({"status": "pending"})", "'id' is not a string"},
        Broken{"null_id", R"({"id": null, "status": "pending"})", "'id' is not a string"},
        Broken{"number_id", R"({"id": 7, "status": "pending"})", "'id' is not a string"},
        Broken{"other_id", R"({"id": "7d89c51e", "status": "pending"})", "'id' is another"},
        Broken{"no_status", task(R"("x": 1)"), "'status' is not a string"},
        Broken{"number_status", task(R"("status": 2)"), "'status' is not a string"},
        Broken{"unknown_status", task(R"("status": "queued")"), "'status' is 'queued'"},
        Broken{"none_status", task(R"("status": "none")"), "'status' is 'none'"},
        Broken{"upper_status", task(R"("status": "Completed")"), "'status' is 'Completed'"},
        Broken{"empty_status", task(R"("status": "")"), "'status' is ''"},
        Broken{"controls_in_status", task(R"("status": "\u001b[31m")"), "'status' is ' [31m'"},
        Broken{"string_time", task(R"("status": "pending", "created_at": "1774706165")"),
               "'created_at' is not an integer"},
        Broken{"double_time", task(R"("status": "pending", "created_at": 1774706165.0)"),
               "'created_at' is not an integer"},
        Broken{"bool_time", task(R"("status": "pending", "created_at": true)"),
               "'created_at' is not an integer"},
        Broken{"huge_time", task(R"("status": "pending", "created_at": 99999999999999999999)"),
               "'created_at' is not an integer"},
        Broken{"bool_end", task(R"("status": "pending", "completed_at": false)"),
               "'completed_at' is not an integer"},
        Broken{"array_output", completed(R"(["https://a/b"])"), "'output' is not an object"},
        Broken{"string_output", completed(R"("https://a/b")"), "'output' is not an object"},
        Broken{"string_urls", completed(R"({"urls": "https://a/b"})"),
               "'output.urls' is not an array"},
        Broken{"object_urls", completed(R"({"urls": {"0": "https://a/b"}})"),
               "'output.urls' is not an array"},
        Broken{"number_url", completed(R"({"urls": [5]})"), "'output.urls' has an entry"},
        Broken{"nested_url", completed(R"({"urls": [["https://a/b"]]})"),
               "'output.urls' has an entry"},
        Broken{"one_bad_url", completed(R"({"urls": ["https://a/b", 5]})"),
               "'output.urls' has an entry"},
        Broken{"array_metadata", completed(R"({"urls": ["https://a/b"], "metadata": []})"),
               "'output.metadata' is not an object"},
        Broken{"number_resolution",
               completed(R"({"urls": ["https://a/b"], "metadata": {"resolution": 720}})"),
               "'output.metadata.resolution' is not a string"},
        // json-glib 1.6 accepts these bodies, or crashes.
        Broken{"comment", "/* c */" + task(R"("status": "pending")"), "byte 0"},
        Broken{"trailing_document", task(R"("status": "pending")") + "{}", "byte"},
        Broken{"nul_escape", task(R"("status": "pending\u0000")"), "a NUL in a string"},
        Broken{"deep", std::string(100'000, '['), "nested too deeply"},
        Broken{"deep_unknown_field",
               task(R"("status": "pending", "x": )" + std::string(100'000, '[')),
               "nested too deeply"},
        Broken{"long", task(R"("status": "pending", "x": ")" + std::string(1U << 20U, 'x') + "\""),
               "longer than is allowed"}),
    [](const auto& tested) { return std::string(tested.param.name); });

// A safety filter has refused the video. The service does not document how it then writes the
// answer.
class WithoutVideoTest : public testing::TestWithParam<const char*> {};
TEST_P(WithoutVideoTest, IsAReportWithoutAUrl) {
  const auto report =
      decode_task(id, 200, task(R"("status": "completed")" + std::string(GetParam())));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->id, id);
  EXPECT_EQ(report->status, TaskStatus::completed);
  EXPECT_EQ(report->urls, std::vector<std::string>());
}
INSTANTIATE_TEST_SUITE_P(All, WithoutVideoTest,
                         testing::Values("", R"(, "output": null)", R"(, "output": {})",
                                         R"(, "output": {"urls": null})",
                                         R"(, "output": {"urls": []})",
                                         R"(, "output": {"urls": [""]})",
                                         R"(, "output": {"urls": [null, ""]})"));

TEST(Task, AnEmptyUrlBesideAnotherIsNoUrl) {
  const auto report = decode_task(id, 200, completed(R"({"urls": ["", "https://a/b", null]})"));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->urls, std::vector<std::string>{"https://a/b"});
}

TEST(Task, AnErrorAnswerIsClassifiedAndKeepsTheTask) {
  const auto report = decode_task(id, 401, R"({"error": {"code": "invalid_api_key",
      "message": "Bad key.", "type": "authentication_error"}})");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::invalid_api_key);
  EXPECT_EQ(report.error().service_message, "Bad key.");
  EXPECT_EQ(report.error().http_status, 401U);
  EXPECT_EQ(report.error().task_id, id);
}

TEST(Task, WhatIsNotFoundIsTheTaskUnlessTheServiceSaysTheModel) {
  const auto code = [](const char* body) { return decode_task(id, 404, body).error().code; };
  EXPECT_EQ(code(R"({"error": {"code": "task_not_found"}})"), ErrorCode::task_not_found);
  EXPECT_EQ(code("<html>"), ErrorCode::task_not_found);
  EXPECT_EQ(code(R"({"error": {"code": "not_found"}})"), ErrorCode::task_not_found);
  EXPECT_EQ(code(R"({"error": {"code": "model_not_found"}})"), ErrorCode::model_not_found);
}

TEST(Task, ATaskInAnErrorAnswerDoesNotCount) {
  for (const unsigned status : {302U, 404U, 500U}) {
    EXPECT_FALSE(decode_task(id, status, completed(R"({"urls": ["https://a/b"]})"))) << status;
  }
  EXPECT_TRUE(decode_task(id, 203, completed(R"({"urls": ["https://a/b"]})")));
}

// --- Errors ----------------------------------------------------------------------------------

TEST(ErrorAnswer, WithoutJsonIsClassifiedByItsStatus) {
  for (const auto& body : {""s, "<html>502 Bad Gateway</html>"s, "null"s, "[]"s, "{}"s,
                           R"({"error": null})"s, std::string(100'000, '['), "\xff\0"s}) {
    const auto error = decode_error(502, body);
    EXPECT_EQ(error.code, ErrorCode::internal_error);
    EXPECT_EQ(error.http_status, 502U);
    EXPECT_EQ(error.service_code + error.service_type + error.service_message, "");
    EXPECT_THAT(error.message, StartsWith("The answer (HTTP 502) has no word of the service."));
  }
}

TEST(ErrorAnswer, MayBeABareString) {
  EXPECT_EQ(decode_error(500, R"({"error": "out of order"})").service_message, "out of order");
}

TEST(ErrorAnswer, ServicesTextIsVerbatim) {
  const auto error = decode_error(
      400,
      R"({"error": {"code": "invalid_request", "message": "'model' is required. \u201c山\u201d \ud83d\ude00 \\n",
               "type": "invalid_request_error"}})");
  EXPECT_EQ(error.service_message, "'model' is required. “山” 😀 \\n");
  EXPECT_EQ(error.service_type, "invalid_request_error");
}

// json-glib 1.6 takes the next character, or the end of the string, for the other half.
TEST(ErrorAnswer, HalfASurrogatePairIsAReplacementCharacter) {
  const auto error = decode_error(
      400, R"({"error": {"code": "\ud83dx", "type": "\ude00\ud83d", "message": "cut \ud83d"}})");
  EXPECT_EQ(error.service_code, "\ufffdx");
  EXPECT_EQ(error.service_type, "\ufffd\ufffd");
  EXPECT_EQ(error.service_message, "cut \ufffd");
}

TEST(ErrorAnswer, ControlCharactersBecomeSpaces) {
  const auto error = decode_error(
      400, R"({"error": {"code": "a\u001bb", "type": "c\u009bd", "message": "1\n2\t3\u007f4"}})");
  EXPECT_EQ(error.service_code, "a b");
  EXPECT_EQ(error.service_type, "c d");
  EXPECT_EQ(error.service_message, "1 2 3 4");
}

TEST(ErrorAnswer, TextIsCutAtACharactersBorder) {
  const auto shown = [](const std::string& text) {
    return decode_error(400, R"({"error": {"message": ")" + text + "\"}}").service_message;
  };
  EXPECT_EQ(shown(std::string(1024, 'a')), std::string(1024, 'a'));
  EXPECT_EQ(shown(std::string(1025, 'a')), std::string(1024, 'a'));
  EXPECT_EQ(shown(std::string(1021, 'a') + "山b"), std::string(1021, 'a') + "山");
  EXPECT_EQ(shown(std::string(1022, 'a') + "山b"), std::string(1022, 'a'));
}

// --- Credits ---------------------------------------------------------------------------------

TEST(Credits, AreFoundWhereTheyMayBe) {
  struct Balance {
    const char* body;
    std::optional<double> expected;
  };
  for (const auto& [body, expected] : {
           Balance{R"({"data": {"credits": 1234}})", 1234.0},
           Balance{R"({"data": {"balance": 12.5}})", 12.5},
           Balance{R"({"data": 7})", 7.0},
           Balance{R"({"credits": 0})", 0.0},
           Balance{R"({"balance": 99999999999999999999})", 1e20},
           Balance{R"({"data": {"credits": "12", "balance": 3}})", 3.0},
           Balance{R"({"data": {"credits": 1, "balance": 2}, "credits": 3})", 1.0},
           Balance{R"({"data": {}, "credits": 3})", 3.0},
           Balance{R"({"credits": -1})", {}},
           Balance{R"({"credits": -99999999999999999999})", {}},
           Balance{R"({"credits": "12"})", {}},
           Balance{R"({"credits": true})", {}},
           Balance{R"({"credits": null})", {}},
           Balance{R"({"credits": 1e999})", {}},
           Balance{R"({"data": [5]})", {}},
           Balance{"5", {}},
           Balance{"{}", {}},
           Balance{"", {}},
           Balance{"[]", {}},
       }) {
    EXPECT_EQ(decode_credits(body), expected) << body;
  }
}

}  // namespace
}  // namespace veo::json
