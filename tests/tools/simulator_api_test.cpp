// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Compares the simulator's API with the provider's page, row by row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <ctime>
#include <map>
#include <optional>
#include <tuple>

#include "command.h"
#include "service.h"

namespace veo::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

const TemporaryFile& any_clip() {
  static const TemporaryFile file("clip.mp4", "not really a clip, but bytes");
  return file;
}

/// Arguments of a simulator that encodes no clip and completes tasks at once.
std::vector<std::string> quick(std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--clip", any_clip().path(), "--generation-time", "0s"});
  return more;
}

std::string error_code_of(const HttpAnswer& answer) {
  return Json::parse(answer.body).at("error").at("code");
}

TEST(SimulatorApi, EndsCleanlyOnSigterm) {
  auto simulator = Simulator::start(quick());
  EXPECT_THAT(simulator.api_url(), MatchesRegex("http://127\\.0\\.0\\.1:[0-9]+/v1"));
  EXPECT_THAT(simulator.files_url(), MatchesRegex("http://127\\.0\\.0\\.1:[0-9]+"));
  EXPECT_EQ(simulator.stop(), 0);
}

TEST(SimulatorApi, EndsWhileConnectionsStall) {
  auto service = Service(quick({"--fault", "credits:stall", "--fault", "connect-files:stall"}));
  HttpConnection stalled(service.simulator.api_url());
  stalled.write("GET", "/v1/credits", service.headers());
  const HttpConnection silent(service.simulator.files_url());
  const HttpConnection idle(service.simulator.api_url());
  while (service.simulator.state().at("credit_queries") == 0) {
  }
  EXPECT_EQ(service.simulator.stop(), 0);
}

struct Documented {
  const char* name;
  const char* body;
};
void PrintTo(const Documented& documented, std::ostream* out) { *out << documented.name; }
class DocumentedRequests : public testing::TestWithParam<Documented> {};

TEST_P(DocumentedRequests, AreAccepted) {
  const Service service(quick());
  const auto answer = service.submit_text(GetParam().body);
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  const auto body = Json::parse(answer.body);
  EXPECT_EQ(body.at("code"), 200);
  EXPECT_EQ(body.at("msg"), "success");
  EXPECT_THAT(body.at("data").at("taskId").get<std::string>(),
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(service.simulator.state().at("charges"), 1);
}

INSTANTIATE_TEST_SUITE_P(
    Page, DocumentedRequests,
    testing::Values(
        Documented{"text", R"({"model": "veo-3", "callback_url": "https://your-server.com/webhook",
          "input": {"prompt": "A dog playing in a park, cinematic lighting", "mode": "fast",
                    "resolution": "720p", "aspect_ratio": "16:9"}})"},
        Documented{"chinese",
                   R"({"model": "veo-3", "callback_url": "https://your-server.com/webhook",
          "input": {"prompt": "无人机航拍日落时分的山脉,电影级光影效果", "mode": "fast",
                    "resolution": "720p", "aspect_ratio": "16:9"}})"},
        Documented{"frames",
                   R"({"model": "veo-3", "callback_url": "https://your-server.com/webhook",
          "input": {"prompt": "人物从公园走到城市中心",
                    "generation_type": "FIRST_AND_LAST_FRAMES_2_VIDEO", "resolution": "720p",
                    "image_urls": ["https://example.com/start.jpg", "https://example.com/end.jpg"],
                    "aspect_ratio": "16:9"}})"},
        Documented{"reference", R"({"model": "veo-3",
          "callback_url": "https://your-server.com/webhook",
          "input": {"prompt": "以这些图片为参考,生成一段产品展示视频",
                    "generation_type": "REFERENCE_2_VIDEO", "mode": "fast", "resolution": "720p",
                    "image_urls": ["https://example.com/ref1.jpg", "https://example.com/ref2.jpg"],
                    "aspect_ratio": "16:9"}})"},
        Documented{"everything", R"({"model": "veo-3", "callback_url": "http://127.0.0.1:9/x",
          "input": {"prompt": "x", "mode": "lite", "resolution": "4k", "aspect_ratio": "Auto",
                    "generation_type": "TEXT_2_VIDEO", "image_urls": [],
                    "enable_translation": false, "seeds": 10000, "watermark": "mark"}})"}),
    [](const auto& test) { return test.param.name; });

/// A change to the minimal request at a JSON pointer. Null removes the member.
struct Refused {
  const char* name;
  const char* pointer;
  Json value;
  unsigned status;
  const char* code;
  const char* message;
};
void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.name; }
class RefusedRequests : public testing::TestWithParam<Refused> {};

TEST_P(RefusedRequests, NameTheFieldAndCostNothing) {
  const Service service(quick());
  const auto& refused = GetParam();
  auto body = Service::minimal();
  const Json::json_pointer pointer(refused.pointer);
  if (refused.value.is_null()) {
    body.at(pointer.parent_pointer()).erase(pointer.back());
  } else {
    body[pointer] = refused.value;
  }
  const auto answer = service.submit(body);
  EXPECT_EQ(answer.status, refused.status);
  const auto error = Json::parse(answer.body).at("error");
  EXPECT_EQ(error.at("code"), refused.code);
  EXPECT_EQ(error.at("type"), "invalid_request_error");
  EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr(refused.message));
  const auto state = service.simulator.state();
  EXPECT_EQ(state.at("charges"), 0);
  EXPECT_EQ(state.at("balance"), 10000);
  EXPECT_EQ(state.at("submissions"), 1);
}

Refused bad(const char* name, const char* pointer, Json value, const char* message) {
  return {name, pointer, std::move(value), 400, "invalid_request", message};
}
Json images(std::size_t count) {
  return std::vector<std::string>(count, "https://example.com/a.jpg");
}
Json input(const char* type, std::size_t count, const char* mode = "fast",
           const char* aspect = "16:9") {
  return {{"prompt", "x"},
          {"generation_type", type},
          {"image_urls", images(count)},
          {"mode", mode},
          {"aspect_ratio", aspect}};
}

INSTANTIATE_TEST_SUITE_P(
    Rules, RefusedRequests,
    testing::Values(
        bad("model_missing", "/model", nullptr, "'model' is required."),
        bad("model_type", "/model", 3, "'model' must be a string"),
        Refused{"model_unknown", "/model", "veo-2", 404, "model_not_found", "veo-2"},
        bad("input_missing", "/input", nullptr, "'input' is required."),
        bad("input_type", "/input", "x", "'input' must be an object"),
        bad("unknown_field", "/prompt", "x", "'prompt' is not a parameter"),
        bad("callback_type", "/callback_url", true, "'callback_url' must be a string"),
        bad("callback_scheme", "/callback_url", "ftp://a/b", "'callback_url' must be an http"),
        bad("prompt_missing", "/input/prompt", nullptr, "'prompt' is required."),
        bad("prompt_empty", "/input/prompt", "", "'prompt' is required."),
        bad("prompt_type", "/input/prompt", Json::array({"x"}), "'prompt' must be a string"),
        bad("unknown_input", "/input/seed", 12345, "'seed' is not a parameter"),
        bad("extension_field", "/input/extend_task_id", "x", "'extend_task_id' is not a"),
        bad("mode", "/input/mode", "FAST", "'mode' has an invalid value: 'FAST'"),
        bad("resolution", "/input/resolution", "4K", "'resolution' has an invalid value"),
        bad("aspect_ratio", "/input/aspect_ratio", "auto", "'aspect_ratio' has an invalid"),
        bad("generation_type", "/input/generation_type", "TEXT", "'generation_type' has an"),
        bad("images_type", "/input/image_urls", "http://a/b", "'image_urls' must be an array"),
        bad("images_items", "/input/image_urls", Json::array({1}), "'image_urls' must be an array"),
        bad("images_scheme", "/input/image_urls", Json::array({"file:///a"}), "must be http"),
        bad("images_count", "/input/image_urls", images(4), "more than 3"),
        bad("translation", "/input/enable_translation", "true", "must be a boolean"),
        bad("seeds_low", "/input/seeds", 9999, "from 10000 to 99999"),
        bad("seeds_high", "/input/seeds", 100000, "from 10000 to 99999"),
        bad("seeds_float", "/input/seeds", 12345.0, "'seeds' must be an integer"),
        bad("seeds_text", "/input/seeds", "12345", "'seeds' must be an integer"),
        bad("watermark", "/input/watermark", 1, "'watermark' must be a string"),
        bad("text_images", "/input", input("TEXT_2_VIDEO", 1), "takes no 'image_urls'"),
        bad("frames_none", "/input", input("FIRST_AND_LAST_FRAMES_2_VIDEO", 0), "takes 1 or 2"),
        bad("frames_three", "/input", input("FIRST_AND_LAST_FRAMES_2_VIDEO", 3), "takes 1 or 2"),
        bad("reference_none", "/input", input("REFERENCE_2_VIDEO", 0), "takes 1 to 3"),
        bad("reference_mode", "/input", input("REFERENCE_2_VIDEO", 1, "lite"), "only for mode"),
        bad("reference_auto", "/input", input("REFERENCE_2_VIDEO", 1, "fast", "Auto"),
            "only for aspect_ratio")),
    [](const auto& test) { return test.param.name; });

TEST(SimulatorApi, RefusesABodyThatIsNoJsonObject) {
  const Service service(quick());
  for (const auto* body : {"", "{", "[]", "\"x\"", R"({"model": "veo-3"} x)"}) {
    const auto answer = service.submit_text(body);
    EXPECT_EQ(answer.status, 400U) << body;
    EXPECT_EQ(error_code_of(answer), "invalid_request") << body;
  }
  auto headers = service.headers();
  headers[1].second = "text/plain";
  EXPECT_EQ(http_request("POST", service.simulator.api_url() + "/videos/generations", headers,
                         Service::minimal().dump())
                .status,
            400U);
  EXPECT_EQ(service.simulator.state().at("charges"), 0);
}

TEST(SimulatorApi, ChargesByModeAndResolution) {
  const Service service(quick());
  const std::vector<std::tuple<const char*, const char*, int>> prices = {
      {"fast", "720p", 40},     {"fast", "1080p", 50},     {"fast", "4k", 120},
      {"quality", "720p", 300}, {"quality", "1080p", 310}, {"quality", "4k", 380},
      {"lite", "720p", 20},     {"lite", "1080p", 30},     {"lite", "4k", 100}};
  int balance = 10000;
  for (const auto& [mode, resolution, price] : prices) {
    auto body = Service::minimal();
    body["input"]["mode"] = mode;
    body["input"]["resolution"] = resolution;
    EXPECT_EQ(service.submit(body).status, 200U);
    balance -= price;
    EXPECT_EQ(Json::parse(service.get("/credits").body), (Json{{"data", {{"credits", balance}}}}))
        << mode << " " << resolution;
  }
}

TEST(SimulatorApi, RefusesWhatTheBalanceDoesNotCover) {
  const Service service(quick({"--credits", "79"}));
  EXPECT_EQ(service.submit(Service::minimal()).status, 200U);
  const auto refused = service.submit(Service::minimal());
  EXPECT_EQ(refused.status, 402U);
  EXPECT_EQ(Json::parse(refused.body),
            Json::parse(R"({"error": {"code": "insufficient_credits", "type": "billing_error",
                            "message": "Your credit balance is too low. Please top up."}})"));
  EXPECT_EQ(service.simulator.state().at("balance"), 39);
  EXPECT_EQ(service.simulator.state().at("charges"), 1);
}

TEST(SimulatorApi, AsksForAKey) {
  const Service any(quick());
  const Service one(quick({"--key", "sk-the-one"}));
  const auto status = [](const Service& service, const HttpHeaders& headers) {
    return http_request("GET", service.simulator.api_url() + "/credits", headers).status;
  };
  EXPECT_EQ(status(any, {}), 401U);
  EXPECT_EQ(status(any, {{"Authorization", "Bearer pk-1"}}), 401U);
  EXPECT_EQ(status(any, {{"Authorization", "Basic sk-1"}}), 401U);
  EXPECT_EQ(status(any, {{"Authorization", "Bearer sk-1"}}), 200U);
  EXPECT_EQ(status(one, {{"Authorization", "Bearer sk-1"}}), 401U);
  EXPECT_EQ(status(one, {{"Authorization", "Bearer sk-the-one"}}), 200U);
}

TEST(SimulatorApi, AnswersUnknownPathsAndTasksWith404Or400) {
  const Service service(quick());
  const auto answer = service.get("/tasks/cbf6b69d-4f03-4817-8ed7-94c0292184a8");
  EXPECT_EQ(answer.status, 404U);
  EXPECT_EQ(error_code_of(answer), "task_not_found");
  EXPECT_EQ(service.get("/videos").status, 400U);
}

/// Returns the distinct values of a member, in the order in which polling saw them.
std::vector<Json> watch(const Service& service, const std::string& id, const char* member) {
  std::vector<Json> seen;
  for (;;) {
    const auto task = service.task(id);
    const auto value = task.value(member, Json());
    if (seen.empty() || seen.back() != value) seen.push_back(value);
    if (task.at("status") == "completed" || task.at("status") == "failed") return seen;
  }
}

TEST(SimulatorApi, ATaskGoesFromPendingToCompleted) {
  const auto before = std::time(nullptr);
  const Service service({"--clip", any_clip().path(), "--generation-time", "400ms"});
  const auto id = service.create();
  EXPECT_FALSE(service.task(id).contains("output"));
  EXPECT_THAT(watch(service, id, "status"), ElementsAre("pending", "processing", "completed"));
  const auto task = service.task(id);
  EXPECT_EQ(task.at("id"), id);
  EXPECT_EQ(task.at("model"), "veo-3");
  EXPECT_GE(task.at("created_at"), before);
  EXPECT_GE(task.at("completed_at"), task.at("created_at"));
  EXPECT_EQ(task.at("output").at("metadata"), (Json{{"resolution", "720p"}}));
  ASSERT_EQ(task.at("output").at("urls").size(), 1U);
  EXPECT_THAT(task.at("output").at("urls").at(0).get<std::string>(),
              StartsWith(service.simulator.files_url() + "/videos/"));
}

TEST(SimulatorApi, ProgressIsNullOrGrows) {
  const Service silent({"--clip", any_clip().path(), "--generation-time", "200ms"});
  EXPECT_THAT(watch(silent, silent.create(), "progress"), ElementsAre(nullptr));

  const Service telling({"--clip", any_clip().path(), "--generation-time", "400ms", "--progress"});
  auto seen = watch(telling, telling.create(), "progress");
  EXPECT_EQ(seen.back(), nullptr);  // completed
  seen.pop_back();
  EXPECT_GT(seen.size(), 2U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_LT(seen.back(), 100);
}

TEST(SimulatorApi, AFailedTaskIsRefunded) {
  const Service service(quick({"--fault", "task:failed*1", "--fault", "task:failed-code=odd*1@2"}));
  const auto task = service.end_of(service.create());
  EXPECT_EQ(task.at("error"), Json::parse(R"({"code": "upstream_error",
                                              "message": "Video generation failed"})"));
  EXPECT_FALSE(task.contains("output"));
  EXPECT_EQ(service.end_of(service.create()).at("error").at("code"), "odd");
  EXPECT_EQ(service.end_of(service.create()).at("status"), "completed");
  const auto state = service.simulator.state();
  EXPECT_EQ(state.at("charges"), 3);
  EXPECT_EQ(state.at("refunds"), 2);
  EXPECT_EQ(state.at("balance"), 9960);
}

TEST(SimulatorApi, ASlowTaskIsLater) {
  const Service service(quick({"--fault", "task:slow=1h*1"}));
  EXPECT_EQ(service.task(service.create()).at("status"), "pending");
  EXPECT_EQ(service.task(service.create()).at("status"), "completed");
}

TEST(SimulatorApi, LimitsTheRate) {
  const Service service(quick({"--rate-limit", "2/s"}));
  HttpConnection connection(service.simulator.api_url());
  std::map<unsigned, int> statuses;
  std::optional<std::string> retry_after;
  for (int i = 0; i < 20; ++i) {
    const auto answer = connection.request("GET", "/v1/credits", service.headers());
    ++statuses[answer.status];
    if (answer.status != 429) continue;
    EXPECT_EQ(error_code_of(answer), "rate_limit_exceeded");
    retry_after = answer.header("Retry-After");
  }
  EXPECT_GE(statuses[200], 2);
  EXPECT_GE(statuses[429], 1);
  EXPECT_EQ(statuses[200] + statuses[429], 20);
  EXPECT_EQ(retry_after, "1");
  EXPECT_EQ(service.simulator.state().at("connections").at("api"),
            (Json{{"total", 1}, {"open", 1}}));
}

TEST(SimulatorApi, CallsBackWithWhatAQueryAnswers) {
  namespace asio = boost::asio;
  namespace http = boost::beast::http;
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
  const Service service(quick());
  auto body = Service::minimal();
  body["callback_url"] =
      "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()) + "/hook?token=1";
  const std::string id = Json::parse(service.submit(body).body).at("data").at("taskId");

  auto socket = acceptor.accept();
  boost::beast::flat_buffer buffer;
  http::request<http::string_body> request;
  http::read(socket, buffer, request);
  EXPECT_EQ(request.method(), http::verb::post);
  EXPECT_EQ(request.target(), "/hook?token=1");
  EXPECT_EQ(request[http::field::content_type], "application/json");
  EXPECT_EQ(Json::parse(request.body()), service.end_of(id));
  http::write(socket, http::response<http::string_body>(http::status::no_content, 11));
  while (service.simulator.state().at("callbacks_delivered") == 0) {
  }
}

TEST(SimulatorApi, ExtendsCompletedTasksOnly) {
  const Service service(quick({"--fault", "task:slow=1h*1", "--extend-credits", "7"}));
  const auto running = service.create();
  const auto refused = service.submit(Service::extension(running));
  EXPECT_EQ(refused.status, 400U);
  EXPECT_EQ(error_code_of(refused), "invalid_request");
  const auto unknown = service.submit(Service::extension("x"));
  EXPECT_EQ(unknown.status, 404U);
  EXPECT_EQ(error_code_of(unknown), "task_not_found");

  const auto parent = service.create();
  const auto balance = service.simulator.state().at("balance").get<int>();
  const auto accepted = service.submit(Service::extension(parent));
  EXPECT_EQ(accepted.status, 200U);
  EXPECT_EQ(service.simulator.state().at("balance"), balance - 7);
  const auto task = service.end_of(Json::parse(accepted.body).at("data").at("taskId"));
  EXPECT_EQ(task.at("model"), "veo-3-extend");
  EXPECT_EQ(task.at("status"), "completed");

  auto more = Service::extension(parent);
  more["input"]["mode"] = "fast";
  EXPECT_EQ(service.submit(more).status, 400U);
}

TEST(SimulatorApi, ShowsTheUpstreamIdWithTheFault) {
  const Service service(
      quick({"--fault", "query:upstream-id*1", "--fault", "query:upstream-id=metadata*1@2"}));
  const auto id = service.create();
  EXPECT_EQ(service.task(id).at("upstream_task_id"), "upstream-" + id);
  EXPECT_EQ(service.task(id).at("output").at("metadata").at("upstream_task_id"), "upstream-" + id);
  EXPECT_EQ(service.submit(Service::extension("upstream-" + id)).status, 200U);
}

TEST(SimulatorApi, LogsEachRequestBeforeItsAnswerEnds) {
  const Service service(quick());
  const auto id = service.create();
  auto log = service.simulator.log();
  ASSERT_EQ(log.size(), 1U);
  EXPECT_EQ(log[0].at("listener"), "api");
  EXPECT_EQ(log[0].at("connection"), 1);
  EXPECT_EQ(log[0].at("method"), "POST");
  EXPECT_EQ(log[0].at("target"), "/v1/videos/generations");
  EXPECT_EQ(Json::parse(log[0].at("body").get<std::string>()), Service::minimal());
  EXPECT_EQ(log[0].at("headers").at("Authorization"),
            Json::array({"Bearer " + service.simulator.key()}));
  EXPECT_EQ(log[0].at("status"), 200);
  const auto answer = service.get("/tasks/" + id);
  log = service.simulator.log();
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log[1].at("body_sent"), answer.body.size());
  EXPECT_EQ(log[1].at("connection"), 2);
}

TEST(SimulatorApi, SpeaksTls) {
  const TemporaryDirectory directory;
  const auto [certificate, key] = make_certificate(directory);
  auto service = Service(quick({"--tls-cert", certificate, "--tls-key", key}));
  EXPECT_THAT(service.simulator.api_url(), StartsWith("https://127.0.0.1:"));
  const auto url = service.create_file();
  EXPECT_THAT(url, StartsWith(service.simulator.files_url() + "/"));
  EXPECT_THAT(url, StartsWith("https://"));
  EXPECT_EQ(http_request("GET", url).body, "not really a clip, but bytes");
  EXPECT_EQ(service.simulator.stop(), 0);
}

}  // namespace
}  // namespace veo::test
