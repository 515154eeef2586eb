// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "veo/core/error_table.h"
#include "veo/core/task.h"

namespace veo {
namespace {

using testing::HasSubstr;

// The contract, written out once more: a renamed enumerator must not rename a nick.
struct Nick {
  ErrorCode code;
  const char* nick;
};
constexpr Nick nicks[] = {
    {ErrorCode::invalid_request, "invalid-request"},
    {ErrorCode::model_not_found, "model-not-found"},
    {ErrorCode::missing_api_key, "missing-api-key"},
    {ErrorCode::invalid_api_key, "invalid-api-key"},
    {ErrorCode::ip_not_allowed, "ip-not-allowed"},
    {ErrorCode::insufficient_credits, "insufficient-credits"},
    {ErrorCode::spend_limit_exceeded, "spend-limit-exceeded"},
    {ErrorCode::budget_exceeded, "budget-exceeded"},
    {ErrorCode::task_not_found, "task-not-found"},
    {ErrorCode::rate_limit_exceeded, "rate-limit-exceeded"},
    {ErrorCode::timeout, "timeout"},
    {ErrorCode::task_failed, "task-failed"},
    {ErrorCode::upstream_error, "upstream-error"},
    {ErrorCode::submit_unknown, "submit-unknown"},
    {ErrorCode::internal_error, "internal-error"},
    {ErrorCode::network, "network"},
    {ErrorCode::tls, "tls"},
    {ErrorCode::bad_response, "bad-response"},
    {ErrorCode::cache, "cache"},
    {ErrorCode::ledger, "ledger"},
    {ErrorCode::bad_media, "bad-media"},
};

TEST(Error, NicksAreTheContract) {
  for (const auto& row : nicks) EXPECT_EQ(nick(row.code), row.nick);
  EXPECT_EQ(nick(Charged::no), "no");
  EXPECT_EQ(nick(Charged::refunded), "refunded");
  EXPECT_EQ(nick(Charged::unknown), "unknown");
  EXPECT_EQ(nick(TaskStatus::none), "none");
  EXPECT_EQ(nick(TaskStatus::pending), "pending");
  EXPECT_EQ(nick(TaskStatus::processing), "processing");
  EXPECT_EQ(nick(TaskStatus::completed), "completed");
  EXPECT_EQ(nick(TaskStatus::failed), "failed");
}

TEST(Error, AdviceIsASentenceOrNothing) {
  std::set<std::string_view> seen;
  for (const auto& row : nicks) {
    const auto sentence = advice(row.code);
    if (sentence.empty()) {
      EXPECT_EQ(with_advice("Text.", row.code), "Text.");
      continue;
    }
    EXPECT_TRUE(sentence.ends_with('.')) << row.nick;
    EXPECT_TRUE(seen.insert(sentence).second) << row.nick;
    EXPECT_EQ(with_advice("Text.", row.code), "Text. " + std::string(sentence));
    EXPECT_EQ(with_advice("", row.code), sentence);
  }
  EXPECT_GT(seen.size(), 15U);
  EXPECT_THAT(std::string(advice(ErrorCode::missing_api_key)), HasSubstr("veo-simulator"));
}

struct Classified {
  unsigned status;
  const char* service_code;
  ErrorCode expected;
};
class ServiceErrorTest : public testing::TestWithParam<Classified> {};

TEST_P(ServiceErrorTest, IsClassified) {
  EXPECT_EQ(nick(classify_service_error(GetParam().status, GetParam().service_code)),
            nick(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    ByCodeAndStatus, ServiceErrorTest,
    testing::Values(
        // API.md, row for row.
        Classified{400, "invalid_request", ErrorCode::invalid_request},
        Classified{401, "invalid_api_key", ErrorCode::invalid_api_key},
        Classified{402, "insufficient_credits", ErrorCode::insufficient_credits},
        Classified{403, "ip_not_allowed", ErrorCode::ip_not_allowed},
        Classified{404, "model_not_found", ErrorCode::model_not_found},
        Classified{404, "task_not_found", ErrorCode::task_not_found},
        Classified{429, "rate_limit_exceeded", ErrorCode::rate_limit_exceeded},
        Classified{429, "spend_limit_exceeded", ErrorCode::spend_limit_exceeded},
        Classified{500, "internal_error", ErrorCode::internal_error},
        Classified{503, "upstream_error", ErrorCode::upstream_error},
        // The code goes before the status.
        Classified{400, "spend_limit_exceeded", ErrorCode::spend_limit_exceeded},
        Classified{0, "upstream_error", ErrorCode::upstream_error},
        // The status alone.
        Classified{400, "", ErrorCode::invalid_request},
        Classified{401, "", ErrorCode::invalid_api_key},
        Classified{402, "", ErrorCode::insufficient_credits},
        Classified{403, "", ErrorCode::ip_not_allowed},
        Classified{404, "", ErrorCode::model_not_found},
        Classified{429, "", ErrorCode::rate_limit_exceeded},
        Classified{500, "", ErrorCode::internal_error},
        Classified{503, "", ErrorCode::upstream_error},
        Classified{402, "out_of_money", ErrorCode::insufficient_credits},
        // What the page does not have. Our own codes are not the service's to use.
        Classified{418, "teapot", ErrorCode::invalid_request},
        Classified{422, "", ErrorCode::invalid_request},
        Classified{502, "", ErrorCode::internal_error},
        Classified{504, "budget_exceeded", ErrorCode::internal_error},
        Classified{302, "", ErrorCode::bad_response}, Classified{200, "", ErrorCode::bad_response},
        Classified{0, "content_policy", ErrorCode::bad_response}));

TEST(ServiceError, SpeaksTheServicesOwnWords) {
  const auto error =
      service_error(ErrorCode::insufficient_credits, 402,
                    {"insufficient_credits", "billing_error", "Your credit balance is too low."});
  EXPECT_EQ(error.code, ErrorCode::insufficient_credits);
  EXPECT_EQ(error.http_status, 402U);
  EXPECT_EQ(error.service_code, "insufficient_credits");
  EXPECT_EQ(error.service_type, "billing_error");
  EXPECT_EQ(error.service_message, "Your credit balance is too low.");
  EXPECT_EQ(error.charged, Charged::no);
  EXPECT_EQ(error.task_id, "");
  EXPECT_EQ(error.message,
            "The service says: \"Your credit balance is too low.\" (HTTP 402, "
            "insufficient_credits). Top up in the provider's dashboard, under Billing.");
}

TEST(ServiceError, SaysWhenThereAreNoWords) {
  const auto error = service_error(ErrorCode::internal_error, 502, {});
  EXPECT_EQ(error.message, "The service refused without saying why (HTTP 502). Try again later.");
  EXPECT_EQ(error.service_code + error.service_type + error.service_message, "");
}

}  // namespace
}  // namespace veo
