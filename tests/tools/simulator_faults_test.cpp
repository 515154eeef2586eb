// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Each fault of the simulator, as a client sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <functional>

#include "service.h"
#include "sha256.h"

namespace veo::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

/// Returns bytes with the brand's version at byte 15, as the fault `changed` expects, and text at
/// the end.
std::string make_content() {
  std::string content = "0123456789012345";
  while (content.size() < 50'000) content += std::to_string(content.size()) + ",";
  return content.substr(0, 49'999) + "e";
}

class SimulatorFaults : public testing::Test {
 protected:
  Service start(const std::vector<std::string>& faults) {
    std::vector<std::string> args = {"--clip", file_.path(), "--generation-time", "0s"};
    for (const auto& fault : faults) args.insert(args.end(), {"--fault", fault});
    return Service(args);
  }

  const std::string content_ = make_content();
  const TemporaryFile file_{"faults.mp4", content_};
};

struct BadSpec {
  const char* name;
  const char* spec;
  const char* says;
};
void PrintTo(const BadSpec& bad, std::ostream* out) { *out << bad.spec; }
class BadSpecs : public testing::TestWithParam<BadSpec> {};

TEST_P(BadSpecs, AreRefusedAtStartAndAtRunTime) {
  const auto exit = run_simulator({"--fault", GetParam().spec});
  EXPECT_EQ(exit.code, 2);
  EXPECT_THAT(exit.output, AllOf(HasSubstr(GetParam().spec), HasSubstr(GetParam().says)));

  auto simulator = Simulator::start({});
  EXPECT_THROW(simulator.set_faults({GetParam().spec}), std::runtime_error);
}

INSTANTIATE_TEST_SUITE_P(
    Specs, BadSpecs,
    testing::Values(BadSpec{"no_phase", "stall", "PHASE:EFFECT"},
                    BadSpec{"unknown_phase", "poll:stall", "no phase 'poll'"},
                    BadSpec{"unknown_effect", "query:explode", "no effect 'explode'"},
                    BadSpec{"wrong_phase", "query:truncate=5,changed", "'changed' is for file"},
                    BadSpec{"no_value", "file:truncate", "write truncate=BYTES"},
                    BadSpec{"empty_value", "file:truncate=", "empty value"},
                    BadSpec{"needless_value", "file:gzip=1", "takes no value"},
                    BadSpec{"bad_number", "file:truncate=many", "not a number of bytes"},
                    BadSpec{"bad_status", "query:status=99", "200 to 599"},
                    BadSpec{"bad_code", "query:error=teapot", "none of the API's error codes"},
                    BadSpec{"zero_rate", "file:drip=0", "never end"},
                    BadSpec{"zero_start", "file:stall@0", "@1"},
                    BadSpec{"trailing_comma", "file:stall,", "no effect ''"}),
    [](const auto& test) { return test.param.name; });

TEST(SimulatorOptions, AreCheckedAndHelpListsTheFaults) {
  EXPECT_EQ(run_simulator({"--no-such-option"}).code, 2);
  EXPECT_EQ(run_simulator({"--generation-time", "soon"}).code, 2);
  EXPECT_EQ(run_simulator({"--clip", "/nonexistent"}).code, 2);
  EXPECT_EQ(run_simulator({"--layout", "sideways"}).code, 2);
  const auto help = run_simulator({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.output, AllOf(HasSubstr("--generation-time"), HasSubstr("chunked-cut=BYTES")));
}

TEST_F(SimulatorFaults, HitCountRequestsFromTheNth) {
  const auto service = start({"credits:status=500*2@2"});
  std::vector<unsigned> statuses;
  for (int i = 0; i < 5; ++i) statuses.push_back(service.get("/credits").status);
  EXPECT_THAT(statuses, testing::ElementsAre(200U, 500U, 500U, 200U, 200U));
  EXPECT_EQ(service.simulator.log().at(1).at("fault"), "credits:status=500*2@2");
  EXPECT_EQ(service.simulator.log().at(3).at("fault"), "");
}

TEST_F(SimulatorFaults, CanBeReplacedAtRunTime) {
  auto service = start({"credits:status=500"});
  EXPECT_EQ(service.get("/credits").status, 500U);
  service.simulator.set_faults({"credits:error=ip_not_allowed@2"});
  EXPECT_EQ(service.get("/credits").status, 200U);
  EXPECT_EQ(service.get("/credits").status, 403U);
  service.simulator.set_faults({});
  EXPECT_EQ(service.get("/credits").status, 200U);
}

/// A fault of a submission, the answer to the submission, and the charges.
struct SubmitFault {
  const char* name;
  const char* spec;
  int charges;
  std::function<void(const HttpAnswer&)> check;
};
void PrintTo(const SubmitFault& fault, std::ostream* out) { *out << fault.spec; }
class SubmitFaults : public SimulatorFaults, public testing::WithParamInterface<SubmitFault> {};

TEST_P(SubmitFaults, AreSeenOnTheWire) {
  const auto service = start({GetParam().spec});
  GetParam().check(service.submit(Service::minimal()));
  EXPECT_EQ(service.simulator.state().at("charges"), GetParam().charges);
  EXPECT_EQ(service.simulator.state().at("submissions"), 1);
  ASSERT_EQ(service.simulator.log().size(), 1U);
  EXPECT_EQ(service.simulator.log()[0].at("fault"), GetParam().spec);
}

std::function<void(const HttpAnswer&)> error(unsigned status, const char* code, const char* type) {
  return [=](const HttpAnswer& answer) {
    EXPECT_EQ(answer.status, status);
    const auto row = Json::parse(answer.body).at("error");
    EXPECT_EQ(row.at("code"), code);
    EXPECT_EQ(row.at("type"), type);
    EXPECT_NE(row.at("message"), "");
  };
}
void no_answer(const HttpAnswer& answer) {
  EXPECT_EQ(answer.status, 0U);
  EXPECT_THAT(answer.error, HasSubstr("end of stream"));
}
void reset(const HttpAnswer& answer) {
  EXPECT_EQ(answer.status, 0U);
  EXPECT_THAT(answer.error, HasSubstr("reset"));
}

INSTANTIATE_TEST_SUITE_P(
    Wire, SubmitFaults,
    testing::Values(
        SubmitFault{"e400", "submit:error=invalid_request", 0,
                    error(400, "invalid_request", "invalid_request_error")},
        SubmitFault{"e401", "submit:error=invalid_api_key", 0,
                    error(401, "invalid_api_key", "authentication_error")},
        SubmitFault{"e402", "submit:error=insufficient_credits", 0,
                    error(402, "insufficient_credits", "billing_error")},
        SubmitFault{"e403", "submit:error=ip_not_allowed", 0,
                    error(403, "ip_not_allowed", "permission_error")},
        SubmitFault{"e404_model", "submit:error=model_not_found", 0,
                    error(404, "model_not_found", "invalid_request_error")},
        SubmitFault{"e404_task", "submit:error=task_not_found", 0,
                    error(404, "task_not_found", "invalid_request_error")},
        SubmitFault{"e429_spend", "submit:error=spend_limit_exceeded", 0,
                    error(429, "spend_limit_exceeded", "billing_error")},
        SubmitFault{"e500", "submit:error=internal_error", 0,
                    error(500, "internal_error", "api_error")},
        SubmitFault{"e503", "submit:error=upstream_error", 0,
                    error(503, "upstream_error", "upstream_error")},
        SubmitFault{"status_503", "submit:status=503", 0,
                    error(503, "upstream_error", "upstream_error")},
        SubmitFault{"status_429", "submit:status=429", 0,
                    error(429, "rate_limit_exceeded", "rate_limit_error")},
        SubmitFault{"status_421", "submit:status=421", 0, error(421, "http_421", "api_error")},
        SubmitFault{"charged", "submit:status=500,charged", 1,
                    error(500, "internal_error", "api_error")},
        SubmitFault{"retry_after", "submit:error=rate_limit_exceeded,retry-after=7", 0,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(answer.status, 429U);
                      EXPECT_EQ(answer.header("Retry-After"), "7");
                    }},
        SubmitFault{"retry_after_date", "submit:error=rate_limit_exceeded,retry-after-date=3600", 0,
                    [](const HttpAnswer& answer) {
                      std::tm time{};
                      ASSERT_NE(strptime(answer.header("Retry-After").value().c_str(),
                                         "%a, %d %b %Y %H:%M:%S GMT", &time),
                                nullptr);
                      EXPECT_NEAR(static_cast<double>(timegm(&time) - std::time(nullptr)), 3600,
                                  30);
                    }},
        SubmitFault{"redirect", "submit:redirect=http://127.0.0.2/a%2Cb", 0,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(answer.status, 302U);
                      EXPECT_EQ(answer.header("Location"), "http://127.0.0.2/a,b");
                    }},
        SubmitFault{"redirect_307", "submit:redirect-loop,status=307", 0,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(answer.status, 307U);
                      EXPECT_EQ(answer.header("Location"), "/v1/videos/generations");
                    }},
        SubmitFault{"html", "submit:html", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(answer.status, 200U);
                      EXPECT_THAT(answer.header("Content-Type").value(), StartsWith("text/html"));
                      EXPECT_THAT(answer.body, StartsWith("<!DOCTYPE html>"));
                    }},
        SubmitFault{"html_502", "submit:html=502", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(answer.status, 502U);
                      EXPECT_THAT(answer.body, HasSubstr("Bad Gateway"));
                    }},
        SubmitFault{"not_json", "submit:not-json", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(answer.status, 200U);
                      EXPECT_FALSE(Json::accept(answer.body));
                    }},
        SubmitFault{"deep_json", "submit:deep-json", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(answer.body.size(), 200'000U);
                      EXPECT_EQ(answer.body.find(']'), 100'000U);
                    }},
        SubmitFault{"huge", "submit:huge", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_GT(answer.body.size(), std::size_t{1} << 20U);
                      EXPECT_EQ(Json::parse(answer.body).at("code"), 200);
                    }},
        SubmitFault{"wrong_types", "submit:wrong-types", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(
                          Json::parse(answer.body),
                          Json::parse(R"({"code": "200", "msg": 7, "data": {"taskId": 36}})"));
                    }},
        SubmitFault{"no_task_id", "submit:no-task-id", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(Json::parse(answer.body),
                                Json::parse(R"({"code": 200, "msg": "success", "data": {}})"));
                    }},
        SubmitFault{"extra_fields", "submit:extra-fields", 1,
                    [](const HttpAnswer& answer) {
                      const auto body = Json::parse(answer.body);
                      EXPECT_GT(body.size(), 3U);
                      EXPECT_TRUE(body.at("data").contains("taskId"));
                    }},
        SubmitFault{"lost_answer", "submit:lost-answer", 1, no_answer},
        SubmitFault{"half_answer", "submit:half-answer", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(answer.status, 200U);
                      EXPECT_FALSE(answer.complete);
                      EXPECT_EQ(answer.body.size(),
                                std::stoul(answer.header("Content-Length").value()) / 2);
                    }},
        SubmitFault{"reset", "submit:reset", 0, reset},
        SubmitFault{"reset_charged", "submit:reset,charged", 1, reset},
        SubmitFault{"reset_in_body", "submit:reset=5", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_EQ(answer.status, 200U);
                      EXPECT_EQ(answer.body.size(), 5U);
                      EXPECT_THAT(answer.error, HasSubstr("reset"));
                    }},
        SubmitFault{"reset_before_reading", "submit:reset-before-reading", 0, reset},
        SubmitFault{"slice", "submit:slice=1", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_TRUE(answer.complete);
                      EXPECT_EQ(Json::parse(answer.body).at("code"), 200);
                    }},
        SubmitFault{"chunked", "submit:chunked", 1,
                    [](const HttpAnswer& answer) {
                      EXPECT_TRUE(answer.complete);
                      EXPECT_EQ(answer.header("Transfer-Encoding"), "chunked");
                      EXPECT_FALSE(answer.header("Content-Length"));
                      EXPECT_EQ(Json::parse(answer.body).at("code"), 200);
                    }}),
    [](const auto& test) { return test.param.name; });

TEST_F(SimulatorFaults, StallUntilThePeerLeaves) {
  const auto service = start({"submit:stall*1"});
  {
    HttpConnection connection(service.simulator.api_url());
    connection.write("POST", "/v1/videos/generations", service.headers(),
                     Service::minimal().dump());
    while (service.simulator.state().at("submissions") == 0) {
    }
    EXPECT_EQ(service.simulator.state().at("connections").at("api").at("open"), 1);
  }
  while (service.simulator.state().at("connections").at("api").at("open") != 0) {
  }
  EXPECT_EQ(service.simulator.state().at("charges"), 0);
  ASSERT_EQ(service.simulator.log().size(), 1U);
  EXPECT_EQ(service.simulator.log()[0].at("status"), 0);
}

TEST_F(SimulatorFaults, DelayAndDripTakeTheirTime) {
  const auto service = start({"credits:delay=100ms*1", "credits:drip=100*1@2"});
  const auto time = [&service] {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(Json::parse(service.get("/credits").body).at("data").at("credits"), 10000);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  EXPECT_GE(time(), 0.1);
  EXPECT_GE(time(), 0.25);  // 28 bytes at 100 a second
}

TEST_F(SimulatorFaults, DescribeTasksWrongly) {
  const auto service = start({"query:unknown-status*1@1", "query:no-urls*1@2",
                              "query:url=ftp://a/b*1@3", "query:no-task-id*1@4"});
  const auto id = service.create();
  EXPECT_EQ(service.task(id).at("status"), "paused");
  EXPECT_EQ(service.task(id).at("output").at("urls"), Json::array());
  EXPECT_EQ(service.task(id).at("output").at("urls"), Json::array({"ftp://a/b"}));
  EXPECT_FALSE(service.task(id).contains("id"));
}

TEST_F(SimulatorFaults, CloseOrResetConnections) {
  const auto service = start({"connect-files:close*1", "connect-files:reset*1@2"});
  const auto url = service.create_file();
  EXPECT_EQ(http_request("GET", url).status, 0U);
  EXPECT_EQ(http_request("GET", url).status, 0U);
  EXPECT_EQ(http_request("GET", url).body, content_);
  EXPECT_EQ(service.simulator.state().at("file_requests"), 1);
}

/// A fault of a request for a file. With an empty `range` the request asks for no range.
struct FileFault {
  const char* name;
  const char* spec;
  const char* range;
  std::function<void(const HttpAnswer&, const std::string& content)> check;
};
void PrintTo(const FileFault& fault, std::ostream* out) { *out << fault.spec; }
class FileFaults : public SimulatorFaults, public testing::WithParamInterface<FileFault> {};

TEST_P(FileFaults, AreSeenOnTheWire) {
  const auto service = start({GetParam().spec});
  const auto url = service.create_file();
  HttpHeaders headers;
  if (*GetParam().range != '\0') headers.emplace_back("Range", GetParam().range);
  const auto answer = http_request("GET", url, headers);
  GetParam().check(answer, content_);
  const auto entry = service.simulator.log().back();
  EXPECT_EQ(entry.at("fault"), GetParam().spec);
  EXPECT_EQ(entry.at("body_sent"), answer.body.size());
}

std::function<void(const HttpAnswer&, const std::string&)> cut(std::size_t size, bool complete,
                                                               const char* length) {
  return [=](const HttpAnswer& answer, const std::string& content) {
    EXPECT_EQ(answer.status, 200U);
    EXPECT_EQ(answer.complete, complete);
    EXPECT_EQ(answer.body, content.substr(0, size));
    EXPECT_EQ(answer.header("Content-Length").value_or("chunked"), length);
  };
}

INSTANTIATE_TEST_SUITE_P(
    Wire, FileFaults,
    testing::Values(
        FileFault{"truncate", "file:truncate=1000", "", cut(1000, false, "50000")},
        FileFault{"truncate_nothing", "file:truncate=0", "", cut(0, false, "50000")},
        FileFault{"reset", "file:reset=30000", "",
                  [](const HttpAnswer& answer, const std::string& content) {
                    EXPECT_EQ(answer.body, content.substr(0, 30000));
                    EXPECT_THAT(answer.error, HasSubstr("reset"));
                  }},
        FileFault{"chunked", "file:chunked", "", cut(50000, true, "chunked")},
        FileFault{"chunked_cut", "file:chunked-cut=1000", "", cut(1000, true, "chunked")},
        FileFault{"chunked_cut_unterminated", "file:chunked-cut-unterminated=1000", "",
                  cut(1000, false, "chunked")},
        FileFault{"slice", "file:slice=777", "", cut(50000, true, "50000")},
        FileFault{
            "status", "file:status=503", "",
            [](const HttpAnswer& answer, const std::string&) { EXPECT_EQ(answer.status, 503U); }},
        FileFault{"redirect", "file:redirect=file:///etc/passwd", "",
                  [](const HttpAnswer& answer, const std::string&) {
                    EXPECT_EQ(answer.status, 302U);
                    EXPECT_EQ(answer.header("Location"), "file:///etc/passwd");
                  }},
        FileFault{"redirect_loop", "file:redirect-loop", "",
                  [](const HttpAnswer& answer, const std::string&) {
                    EXPECT_EQ(answer.status, 302U);
                    EXPECT_THAT(answer.header("Location").value(), StartsWith("/videos/"));
                  }},
        FileFault{"gzip", "file:gzip", "",
                  [](const HttpAnswer& answer, const std::string& content) {
                    EXPECT_EQ(answer.header("Content-Encoding"), "gzip");
                    EXPECT_EQ(answer.body, content);
                  }},
        FileFault{"not_mp4", "file:not-mp4", "",
                  [](const HttpAnswer& answer, const std::string&) {
                    EXPECT_EQ(answer.status, 200U);
                    EXPECT_THAT(answer.header("Content-Type").value(), StartsWith("text/html"));
                  }},
        FileFault{"no_ranges", "file:no-ranges", "bytes=5-9",
                  [](const HttpAnswer& answer, const std::string& content) {
                    EXPECT_EQ(answer.status, 200U);
                    EXPECT_EQ(answer.body, content);
                    EXPECT_FALSE(answer.header("Accept-Ranges"));
                  }},
        FileFault{"ignore_range", "file:ignore-range", "bytes=5-9",
                  [](const HttpAnswer& answer, const std::string& content) {
                    EXPECT_EQ(answer.status, 200U);
                    EXPECT_EQ(answer.body, content);
                    EXPECT_EQ(answer.header("Accept-Ranges"), "bytes");
                  }},
        FileFault{"wrong_range", "file:wrong-range", "bytes=5-9",
                  [](const HttpAnswer& answer, const std::string& content) {
                    EXPECT_EQ(answer.status, 206U);
                    EXPECT_EQ(answer.header("Content-Range"), "bytes 6-9/50000");
                    EXPECT_EQ(answer.body, content.substr(6, 4));
                  }},
        FileFault{"wrong_total", "file:wrong-total", "bytes=5-9",
                  [](const HttpAnswer& answer, const std::string& content) {
                    EXPECT_EQ(answer.header("Content-Range"), "bytes 5-9/50001");
                    EXPECT_EQ(answer.body, content.substr(5, 5));
                  }},
        FileFault{"changed", "file:changed", "",
                  [](const HttpAnswer& answer, const std::string& content) {
                    auto expected = content;
                    expected[15] = '4';     // '5' ^ 1
                    expected.back() = 'E';  // 'e' ^ 0x20
                    EXPECT_EQ(answer.body, expected);
                    EXPECT_NE(answer.header("ETag"), "\"" + sha256(content).substr(0, 32) + "\"");
                    EXPECT_EQ(answer.header("ETag"), "\"" + sha256(expected).substr(0, 32) + "\"");
                  }}),
    [](const auto& test) { return test.param.name; });

TEST_F(SimulatorFaults, AStalledFileStaysOpen) {
  const auto service = start({"file:stall=1000"});
  const auto url = service.create_file();
  {
    HttpConnection connection(url);
    connection.write("GET", url.substr(service.simulator.files_url().size()));
    // The simulator logs the request when it begins to stall. All bytes are on their way then.
    while (service.simulator.log().back().at("listener") != "files") {
    }
    EXPECT_EQ(service.simulator.log().back().at("body_sent"), 1000);
    EXPECT_EQ(service.simulator.state().at("connections").at("files").at("open"), 1);
  }
  while (service.simulator.state().at("connections").at("files").at("open") != 0) {
  }
}

}  // namespace
}  // namespace veo::test
