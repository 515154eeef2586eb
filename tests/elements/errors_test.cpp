// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bad input of every kind must give a clear error on the bus, with its details. Bad input must
// never give a hang, a crash, a critical warning or a silent EOS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "command.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Case {
  std::string name;
  std::vector<std::string> simulator;
  std::string properties;
  std::string domain;
  int gst_code;
  std::string code;
  std::string charged;
  std::string text;      ///< a part of the expected message
  unsigned charges = 0;  ///< the simulator's count of charges
  unsigned submissions = 1;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class Errors : public testing::TestWithParam<Case> {};

TEST_P(Errors, AreClearAndOnTheBus) {
  const auto& expected = GetParam();
  auto arguments = expected.simulator;
  arguments.insert(arguments.end(), {"--generation-time", "0s", "--frames", "24"});
  const auto simulator = Simulator::start(arguments);
  TestPipeline run("veosrc name=src " + expected.properties + " ! fakesink name=sink");
  run.use(simulator);
  run.watch("sink");
  ASSERT_TRUE(run.finish()) << "a hang";
  run.stop();
  ASSERT_TRUE(run.failure()) << "a silent EOS";
  const auto& failure = *run.failure();
  EXPECT_EQ(failure.domain, expected.domain);
  EXPECT_EQ(failure.code, expected.gst_code);
  EXPECT_EQ(failure.details.at("code"), expected.code) << failure.text;
  EXPECT_EQ(failure.details.at("charged"), expected.charged);
  EXPECT_THAT(failure.text, HasSubstr(expected.text));
  EXPECT_THAT(failure.text + failure.debug, Not(HasSubstr(simulator.key())));
  const auto state = simulator.state();
  EXPECT_EQ(state.at("charges").get<unsigned>(), expected.charges);
  EXPECT_EQ(state.at("submissions").get<unsigned>(), expected.submissions);
  // Each START is followed by COMPLETE, ERROR or CANCELED.
  int open = 0;
  for (const auto& one : run.progress()) {
    if (one.type == "start") ++open;
    if (one.type == "complete" || one.type == "error" || one.type == "canceled") --open;
  }
  EXPECT_EQ(open, 0);
}

constexpr auto settings = GST_RESOURCE_ERROR_SETTINGS;
constexpr auto not_authorized = GST_RESOURCE_ERROR_NOT_AUTHORIZED;
constexpr auto busy = GST_RESOURCE_ERROR_BUSY;
constexpr auto not_found = GST_RESOURCE_ERROR_NOT_FOUND;
constexpr auto failed = GST_RESOURCE_ERROR_FAILED;
constexpr auto read_error = GST_RESOURCE_ERROR_READ;

// clang-format would break the columns of these tables.
// clang-format off

const std::string x0 = "prompt=x retries=0";
/// With a passing trouble the source asks again until this time is over. A disk may stall for two
/// seconds meanwhile.
const std::string x_short = "prompt=x retries=0 generation-timeout=4";
const std::string x5 = "prompt=x retries=5";
const char* const resource = "resource";

// The service's error table, as answers to the submission. A definite answer is final: the
// submission is sent once.
INSTANTIATE_TEST_SUITE_P(ErrorTable, Errors, testing::Values(
    Case{"invalid_request", {"--fault", "submit:error=invalid_request"}, x5,
         resource, settings, "invalid-request", "no", ""},
    Case{"invalid_api_key", {"--fault", "submit:error=invalid_api_key"}, x5,
         resource, not_authorized, "invalid-api-key", "no", "key"},
    Case{"insufficient_credits", {"--credits", "10"}, x5,
         resource, not_authorized, "insufficient-credits", "no", "credit balance is too low"},
    Case{"ip_not_allowed", {"--fault", "submit:error=ip_not_allowed"}, x5,
         resource, not_authorized, "ip-not-allowed", "no", ""},
    Case{"model_not_found", {"--fault", "submit:error=model_not_found"}, x5,
         resource, settings, "model-not-found", "no", ""},
    Case{"rate_limit_exceeded", {"--fault", "submit:error=rate_limit_exceeded"}, x0,
         resource, busy, "rate-limit-exceeded", "no", ""},
    Case{"spend_limit_exceeded", {"--fault", "submit:error=spend_limit_exceeded"}, x5,
         resource, not_authorized, "spend-limit-exceeded", "no", ""},
    Case{"internal_error", {"--fault", "submit:error=internal_error"}, x5,
         resource, failed, "submit-unknown", "unknown", ""},
    Case{"upstream_error", {"--fault", "submit:error=upstream_error"}, x5,
         resource, failed, "upstream-error", "refunded", ""},
    Case{"task_not_found", {}, "task-id=11111111-2222-3333-4444-555555555555 retries=0",
         resource, not_found, "task-not-found", "unknown", "11111111", 0, 0}),
    [](const auto& row) { return row.param.name; });

// The source checks the catalog's rules itself: it names the broken rule and sends nothing.
INSTANTIATE_TEST_SUITE_P(Rules, Errors, testing::Values(
    Case{"no_prompt", {}, "",
         resource, settings, "invalid-request", "no", "prompt-not-empty", 0, 0},
    Case{"seed_too_small", {}, "prompt=x seed=7",
         resource, settings, "invalid-request", "no", "seed-range", 0, 0},
    Case{"text_with_images", {},
         "prompt=x generation-type=text image-urls=<\"https://a.example/1.jpg\">",
         resource, settings, "invalid-request", "no", "text-without-images", 0, 0},
    Case{"reference_needs_fast", {},
         "prompt=x generation-type=reference mode=quality "
         "image-urls=<\"https://a.example/1.jpg\">",
         resource, settings, "invalid-request", "no", "reference-needs-fast", 0, 0},
    Case{"reference_not_auto", {},
         "prompt=x generation-type=reference aspect-ratio=auto "
         "image-urls=<\"https://a.example/1.jpg\">",
         resource, settings, "invalid-request", "no", "reference-needs-aspect-ratio", 0, 0},
    Case{"reference_needs_images", {}, "prompt=x generation-type=reference",
         resource, settings, "invalid-request", "no", "reference-needs-images", 0, 0},
    Case{"frames_need_images", {}, "prompt=x generation-type=first-and-last-frames",
         resource, settings, "invalid-request", "no", "frames-need-images", 0, 0},
    Case{"image_of_another_scheme", {}, "prompt=x image-urls=<\"file:///etc/passwd\">",
         resource, settings, "invalid-request", "no", "http-url", 0, 0},
    Case{"extension_with_a_mode", {}, "prompt=x extend-task-id=abc mode=fast",
         resource, settings, "invalid-request", "no", "field-not-taken", 0, 0},
    Case{"task_id_of_another_shape", {}, "task-id=\"a\tb\"",
         resource, settings, "invalid-request", "no", "task-id", 0, 0},
    Case{"above_max_credits", {}, "prompt=x max-credits=39",
         resource, not_authorized, "budget-exceeded", "no", "40", 0, 0},
    Case{"price_unknown_is_above", {}, "prompt=x extend-task-id=abc max-credits=1000000",
         resource, not_authorized, "budget-exceeded", "no", "extend_credits", 0, 0}),
    [](const auto& row) { return row.param.name; });

// Answers that leave open whether the service accepted the submission. Such a submission is never
// sent again.
INSTANTIATE_TEST_SUITE_P(Unknown, Errors, testing::Values(
    Case{"lost_answer", {"--fault", "submit:lost-answer"}, x5,
         resource, failed, "submit-unknown", "unknown", "", 1},
    Case{"half_answer", {"--fault", "submit:half-answer"}, x5,
         resource, failed, "submit-unknown", "unknown", "", 1},
    Case{"reset", {"--fault", "submit:reset"}, x5,
         resource, failed, "submit-unknown", "unknown", ""},
    Case{"html", {"--fault", "submit:html"}, x5,
         resource, failed, "submit-unknown", "unknown", "", 1},
    Case{"no_task_id", {"--fault", "submit:no-task-id"}, x5,
         resource, failed, "submit-unknown", "unknown", "", 1},
    Case{"misdirected", {"--fault", "submit:status=421"}, x5,
         resource, failed, "submit-unknown", "unknown", ""},
    Case{"redirect", {"--fault", "submit:redirect=http://127.0.0.1:1/"}, x5,
         resource, failed, "submit-unknown", "unknown", ""}),
    [](const auto& row) { return row.param.name; });

// Bad answers to a query of the task.
INSTANTIATE_TEST_SUITE_P(Query, Errors, testing::Values(
    Case{"html", {"--fault", "query:html"}, x_short,
         resource, read_error, "timeout", "unknown", "", 1},
    Case{"wrong_types", {"--fault", "query:wrong-types"}, x_short,
         resource, read_error, "timeout", "unknown", "", 1},
    Case{"deep_json", {"--fault", "query:deep-json"}, x_short,
         resource, read_error, "timeout", "unknown", "", 1},
    Case{"huge", {"--fault", "query:huge"}, x_short,
         resource, read_error, "timeout", "unknown", "", 1},
    Case{"unknown_status", {"--fault", "query:unknown-status"}, x_short,
         resource, read_error, "timeout", "unknown", "status", 1},
    Case{"internal_error", {"--fault", "query:error=internal_error"}, x_short,
         resource, read_error, "timeout", "unknown", "", 1},
    Case{"task_failed", {"--fault", "task:failed"}, x0,
         resource, failed, "task-failed", "refunded", "Video generation failed", 1},
    Case{"stall", {"--fault", "query:stall"}, x_short + " timeout=1",
         resource, read_error, "timeout", "unknown", "", 1},
    Case{"generation_timeout", {"--fault", "task:slow=1h"}, x0 + " generation-timeout=4",
         resource, read_error, "timeout", "unknown", "task-id", 1}),
    [](const auto& row) { return row.param.name; });

// Bad URLs, and bad answers from the file host.
INSTANTIATE_TEST_SUITE_P(File, Errors, testing::Values(
    Case{"ftp", {"--fault", "query:url=ftp://127.0.0.1/v.mp4"}, x0,
         resource, read_error, "bad-response", "unknown", "ftp", 1},
    Case{"file", {"--fault", "query:url=file:///etc/passwd"}, x0,
         resource, read_error, "bad-response", "unknown", "", 1},
    Case{"http_elsewhere", {"--fault", "query:url=http://files.example/v.mp4"}, x0,
         resource, read_error, "bad-response", "unknown", "", 1},
    Case{"not_mp4", {"--fault", "file:not-mp4"}, x0,
         "stream", GST_STREAM_ERROR_WRONG_TYPE, "bad-media", "unknown", "", 1},
    Case{"truncated", {"--fault", "file:truncate=20000", "--no-ranges"}, x0,
         resource, read_error, "network", "unknown", "", 1},
    Case{"cut_at_a_chunk", {"--fault", "file:chunked-cut=20000", "--no-ranges"}, x0,
         resource, read_error, "network", "unknown", "", 1},
    Case{"gone", {"--fault", "file:status=404"}, x0,
         resource, read_error, "network", "unknown", "404", 1},
    Case{"gzip", {"--fault", "file:gzip"}, x0,
         resource, read_error, "bad-response", "unknown", "", 1},
    Case{"redirect_loop", {"--fault", "file:redirect-loop"}, x0,
         resource, read_error, "bad-response", "unknown", "", 1},
    Case{"wrong_range", {"--fault", "file:wrong-range"}, x0,
         resource, read_error, "bad-response", "unknown", "", 1},
    Case{"stall", {"--fault", "file:stall=5000"}, x0 + " timeout=1",
         resource, read_error, "timeout", "unknown", "", 1}),
    [](const auto& row) { return row.param.name; });

// clang-format on

Failure fails(TestPipeline& run) {
  EXPECT_TRUE(run.finish()) << "a hang";
  EXPECT_TRUE(run.failure()) << "a silent EOS";
  return run.failure().value_or(Failure{});
}

TEST(Errors, WithoutAKeyTheSimulatorIsNamed) {
  TestPipeline run("veosrc name=src prompt=x api-url=http://127.0.0.1:1/v1 ! fakesink");
  const auto failure = fails(run);
  EXPECT_EQ(failure.details.at("code"), "missing-api-key");
  EXPECT_EQ(failure.code, not_authorized);
  EXPECT_THAT(failure.text, HasSubstr("veo-simulator"));
}

TEST(Errors, AKeyFileThatOthersCanReadIsRefused) {
  const auto path =
      std::filesystem::temp_directory_path() / ("veo-key-" + std::to_string(::getpid()));
  std::ofstream(path) << "sk-open-secret\n";
  ::chmod(path.c_str(), 0644);
  TestPipeline run("veosrc name=src prompt=x api-url=http://127.0.0.1:1/v1 api-key-file=" +
                   path.string() + " ! fakesink");
  const auto failure = fails(run);
  std::filesystem::remove(path);
  EXPECT_EQ(failure.details.at("code"), "invalid-api-key");
  EXPECT_THAT(failure.text, HasSubstr("chmod 600"));
  EXPECT_THAT(failure.text + failure.debug, Not(HasSubstr("open-secret")));
}

TEST(Errors, AClosedPortIsSurelyNotSentAndSaysWhere) {
  TestPipeline run(
      "veosrc name=src prompt=x retries=2 api-url=http://127.0.0.1:1/v1 api-key=sk-x ! "
      "fakesink");
  const auto failure = fails(run);
  EXPECT_EQ(failure.details.at("code"), "network");
  EXPECT_EQ(failure.details.at("charged"), "no");
  EXPECT_THAT(failure.text, HasSubstr("127.0.0.1:1"));
}

TEST(Errors, AnUnknownHostIsSurelyNotSent) {
  TestPipeline run(
      "veosrc name=src prompt=x retries=0 api-url=https://nonexistent.invalid/v1 "
      "api-key=sk-x "
      "! fakesink");
  const auto failure = fails(run);
  EXPECT_EQ(failure.details.at("code"), "network");
  EXPECT_EQ(failure.details.at("charged"), "no");
  EXPECT_THAT(failure.text, HasSubstr("nonexistent.invalid"));
}

TEST(Errors, PlainHttpBeyondThisMachineIsRefused) {
  TestPipeline run(
      "veosrc name=src prompt=x api-url=http://api.example/v1 api-key=sk-x ! fakesink");
  const auto failure = fails(run);
  EXPECT_EQ(failure.details.at("code"), "invalid-request");
  EXPECT_EQ(failure.code, settings);
}

TEST(Errors, APeerThatCannotBeAuthenticatedGetsNothing) {
  const TemporaryDirectory directory;
  const auto certificate = make_certificate(directory);
  const auto simulator = Simulator::start(
      {"--tls-cert", certificate.certificate, "--tls-key", certificate.key, "--frames", "24"});
  {
    TestPipeline run("veosrc name=src prompt=x retries=0 ! fakesink");
    run.use(simulator);
    const auto failure = fails(run);
    EXPECT_EQ(failure.details.at("code"), "tls");
    EXPECT_EQ(failure.details.at("charged"), "no");
    EXPECT_TRUE(simulator.log().empty());
  }
  TestPipeline run("veosrc name=src prompt=x retries=0 ssl-ca-file=" + certificate.certificate +
                   " ! fakesink");
  run.use(simulator);
  ASSERT_TRUE(run.finish());
  EXPECT_FALSE(run.failure()) << run.failure()->text;
}

TEST(Errors, PassingTroubleIsOvercome) {
  const auto simulator = Simulator::start(
      {"--generation-time", "0s", "--frames", "24", "--fault", "submit:error=rate_limit_exceeded*2",
       "--fault", "query:error=internal_error*2", "--fault", "query:html*1@4", "--fault",
       "file:status=503*1", "--fault", "query:extra-fields"});
  TestPipeline run("veosrc name=src prompt=x retries=5 ! fakesink");
  run.use(simulator);
  ASSERT_TRUE(run.finish());
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  const auto state = simulator.state();
  EXPECT_EQ(state.at("charges"), 1);
  EXPECT_EQ(state.at("submissions"), 3);
}

TEST(Errors, ABrokenDownloadIsResumed) {
  auto simulator = Simulator::start({"--generation-time", "0s", "--fault", "file:truncate=50000*1",
                                     "--fault", "file:reset=60000*1@3"});
  TestPipeline whole("veosrc name=src prompt=x ! fakesink name=sink sync=false");
  whole.use(simulator);
  whole.watch("sink");
  ASSERT_TRUE(whole.finish());
  ASSERT_FALSE(whole.failure()) << whole.failure()->text;
  simulator.set_faults({});
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  TestPipeline clean("veosrc name=src task-id=" + id + " ! fakesink name=sink sync=false");
  clean.use(simulator);
  clean.watch("sink");
  ASSERT_TRUE(clean.finish());
  EXPECT_EQ(whole.bytes("sink"), clean.bytes("sink"));
}

}  // namespace
}  // namespace veo::test
