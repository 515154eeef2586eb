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

// The contract, written out once more: a change of a row must not change what others depend on.
struct Contract {
  ErrorCode code;
  const char* nick;
  const char* gst;
  int exit_code;
  unsigned http_status;
  const char* libav;
  bool ends_batch;
};
constexpr Contract contracts[] = {
    {ErrorCode::invalid_request, "invalid-request", "RESOURCE/SETTINGS", 2, 400, "AVERROR(EINVAL)",
     false},
    {ErrorCode::model_not_found, "model-not-found", "RESOURCE/SETTINGS", 2, 400, "AVERROR(EINVAL)",
     false},
    {ErrorCode::missing_api_key, "missing-api-key", "RESOURCE/NOT_AUTHORIZED", 3, 403,
     "AVERROR(EACCES)", true},
    {ErrorCode::invalid_api_key, "invalid-api-key", "RESOURCE/NOT_AUTHORIZED", 3, 403,
     "AVERROR(EACCES)", true},
    {ErrorCode::ip_not_allowed, "ip-not-allowed", "RESOURCE/NOT_AUTHORIZED", 3, 403,
     "AVERROR(EACCES)", true},
    {ErrorCode::insufficient_credits, "insufficient-credits", "RESOURCE/NOT_AUTHORIZED", 4, 402,
     "AVERROR(EDQUOT)", true},
    {ErrorCode::spend_limit_exceeded, "spend-limit-exceeded", "RESOURCE/NOT_AUTHORIZED", 4, 402,
     "AVERROR(EDQUOT)", true},
    {ErrorCode::budget_exceeded, "budget-exceeded", "RESOURCE/NOT_AUTHORIZED", 4, 402,
     "AVERROR(EDQUOT)", true},
    {ErrorCode::task_not_found, "task-not-found", "RESOURCE/NOT_FOUND", 5, 404, "AVERROR(ENOENT)",
     false},
    {ErrorCode::rate_limit_exceeded, "rate-limit-exceeded", "RESOURCE/BUSY", 6, 503,
     "AVERROR(EBUSY)", false},
    {ErrorCode::timeout, "timeout", "RESOURCE/READ", 6, 504, "AVERROR(ETIMEDOUT)", false},
    {ErrorCode::task_failed, "task-failed", "RESOURCE/FAILED", 7, 502, "AVERROR(EIO)", false},
    {ErrorCode::upstream_error, "upstream-error", "RESOURCE/FAILED", 7, 502, "AVERROR(EIO)", false},
    {ErrorCode::submit_unknown, "submit-unknown", "RESOURCE/FAILED", 8, 502, "AVERROR(EIO)", false},
    {ErrorCode::internal_error, "internal-error", "RESOURCE/READ", 9, 502, "AVERROR(EIO)", false},
    {ErrorCode::network, "network", "RESOURCE/READ", 9, 502, "AVERROR(EIO)", false},
    {ErrorCode::tls, "tls", "RESOURCE/READ", 9, 502, "AVERROR(EIO)", false},
    {ErrorCode::bad_response, "bad-response", "RESOURCE/READ", 9, 502, "AVERROR(EIO)", false},
    {ErrorCode::cache, "cache", "RESOURCE/OPEN_READ_WRITE", 9, 502, "AVERROR(EIO)", true},
    {ErrorCode::ledger, "ledger", "RESOURCE/OPEN_READ_WRITE", 9, 502, "AVERROR(EIO)", true},
    {ErrorCode::bad_media, "bad-media", "STREAM/WRONG_TYPE", 9, 502, "AVERROR_INVALIDDATA", false},
};

TEST(Error, TheTableIsTheContract) {
  ASSERT_EQ(std::size(contracts), error_code_count);
  ASSERT_EQ(error_table().size(), error_code_count);
  for (const auto& expected : contracts) {
    const ErrorRow& row = error_row(expected.code);
    EXPECT_EQ(row.code.value, expected.code) << expected.nick;
    EXPECT_EQ(nick(expected.code), expected.nick);
    EXPECT_EQ(row.gst.value.name, expected.gst) << expected.nick;
    EXPECT_EQ(row.exit_code.value, expected.exit_code) << expected.nick;
    EXPECT_EQ(row.http_status.value, expected.http_status) << expected.nick;
    EXPECT_EQ(row.libav.value.name, expected.libav) << expected.nick;
    EXPECT_EQ(row.ends_batch.value, expected.ends_batch) << expected.nick;
  }
}

TEST(Error, MeansASentence) {
  for (const auto& row : error_table()) {
    EXPECT_TRUE(row.meaning.value.ends_with('.')) << row.nick.value;
    EXPECT_EQ(row.meaning.value.find('|'), std::string_view::npos)
        << row.nick.value << ": a cell of a Markdown table";
  }
}

// Money in doubt first, then what stops every submission.
TEST(Error, ABatchReportsTheMostUrgentFailure) {
  const auto rank = [](ErrorCode code) -> int { return error_row(code).batch_rank; };
  const ErrorCode most_urgent_first[] = {ErrorCode::submit_unknown,
                                         ErrorCode::ledger,
                                         ErrorCode::cache,
                                         ErrorCode::missing_api_key,
                                         ErrorCode::invalid_api_key,
                                         ErrorCode::ip_not_allowed,
                                         ErrorCode::budget_exceeded,
                                         ErrorCode::insufficient_credits,
                                         ErrorCode::task_failed,
                                         ErrorCode::upstream_error,
                                         ErrorCode::task_not_found,
                                         ErrorCode::bad_media,
                                         ErrorCode::spend_limit_exceeded,
                                         ErrorCode::network};
  for (std::size_t i = 1; i < std::size(most_urgent_first); ++i) {
    EXPECT_LT(rank(most_urgent_first[i - 1]), rank(most_urgent_first[i]))
        << nick(most_urgent_first[i]);
  }
}

TEST(Error, NicksAreTheContract) {
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
  for (const auto& row : error_table()) {
    const auto sentence = advice(row.code);
    if (sentence.empty()) {
      EXPECT_EQ(with_advice("Text.", row.code), "Text.");
      continue;
    }
    EXPECT_TRUE(sentence.ends_with('.')) << row.nick.value;
    EXPECT_TRUE(seen.insert(sentence).second) << row.nick.value;
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
        // The service's documentation, row for row.
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
  EXPECT_EQ(error.message,
            "The answer (HTTP 502) has no word of the service. A proxy, a sign-in page or another "
            "server may have sent it. Run it again in some minutes.");
  EXPECT_EQ(error.service_code + error.service_type + error.service_message, "");
}

// The page of a proxy knows nothing of the account.
TEST(ServiceError, OfAPageBlamesNoAccount) {
  const auto error = service_error(ErrorCode::insufficient_credits, 402, {});
  EXPECT_THAT(error.message, testing::HasSubstr("https_proxy"));
  EXPECT_THAT(error.message, testing::Not(testing::HasSubstr("Top up")));
}

TEST(ServiceError, SaysWhenThereIsACodeAlone) {
  const auto error = service_error(ErrorCode::ip_not_allowed, 403, {"ip_not_allowed", "", ""});
  EXPECT_THAT(error.message,
              testing::StartsWith("The service refuses without a reason (HTTP 403, "));
}

TEST(Advice, IsTakenOutOfATextWhole) {
  for (const auto& row : error_table()) {
    const auto with = with_advice("It broke.", row.code);
    EXPECT_EQ(without_advice(with, row.code), "It broke.") << row.nick.value;
    EXPECT_EQ(without_advice("It broke.", row.code), "It broke.") << row.nick.value;
    EXPECT_EQ(without_advice(with + " Nothing was sent.", row.code), "It broke. Nothing was sent.");
    EXPECT_EQ(without_advice(with_advice("", row.code) + " So.", row.code),
              row.advice.value.empty() ? " So." : "So.");
  }
}

struct CostRow {
  Charged charged;
  unsigned http_status;
  const char* message;
  const char* expected;
};

TEST(WithCost, FollowsFromTheChargeAndTheAnswer) {
  const CostRow costs[] = {
      {Charged::no, 0, "No route.", "No route. Nothing was sent, and nothing is paid."},
      {Charged::no, 401, "No.", "No. The submission was refused, and nothing is paid."},
      {Charged::refunded, 503, "No.",
       "No. The submission was refused. The provider says that the credits come back by "
       "themselves."},
      {Charged::unknown, 500, "Lost.", "Lost."},
      {Charged::no, 0, "Nothing was sent. Wait.", "Nothing was sent. Wait."},
      {Charged::no, 0, "", "Nothing was sent, and nothing is paid."},
  };
  for (const auto& cost : costs) {
    const Error error{.code = ErrorCode::network,
                      .message = cost.message,
                      .http_status = cost.http_status,
                      .charged = cost.charged};
    const auto told = with_cost(error);
    EXPECT_EQ(told.message, cost.expected);
    EXPECT_EQ(with_cost(told), told) << "the sentence comes once";
  }
}

TEST(IsPaid, IsATaskThatWasAcceptedAndNotGivenUp) {
  const auto is_paid_as = [](ErrorCode code, const char* task, Charged charged) {
    return is_paid({.code = code, .message = "", .task_id = task, .charged = charged});
  };
  EXPECT_TRUE(is_paid_as(ErrorCode::network, "T", Charged::unknown));
  EXPECT_TRUE(is_paid_as(ErrorCode::bad_media, "T", Charged::unknown));
  EXPECT_FALSE(is_paid_as(ErrorCode::network, "", Charged::unknown));
  EXPECT_FALSE(is_paid_as(ErrorCode::network, "T", Charged::no));
  EXPECT_FALSE(is_paid_as(ErrorCode::submit_unknown, "T", Charged::unknown));
  EXPECT_FALSE(is_paid_as(ErrorCode::task_failed, "T", Charged::unknown));
  EXPECT_FALSE(is_paid_as(ErrorCode::task_not_found, "T", Charged::unknown));
}

}  // namespace
}  // namespace veo
