// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/submission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <utility>

#include "veo/core/error_table.h"

namespace veo {

// GoogleTest prints a value with it.
static void PrintTo(Submitted::Kind kind, std::ostream* out) {
  constexpr const char* names[] = {"accepted", "not_sent", "rate_limited", "refused", "unknown"};
  *out << names[static_cast<std::size_t>(kind)];
}

namespace {

using SubmittedKind = Submitted::Kind;
using testing::HasSubstr;
using namespace std::chrono_literals;

SubmissionEvidence complete(unsigned status) {
  SubmissionEvidence evidence;
  evidence.begun = evidence.got_head = evidence.complete = true;
  evidence.status = status;
  return evidence;
}

Error failure(ErrorCode code, const char* message) {
  Error error;
  error.code = code;
  error.message = message;
  return error;
}

SubmissionAnswer says(unsigned status, const std::string& code, const std::string& type) {
  SubmissionAnswer answer;
  answer.well_formed_error = true;
  answer.error =
      service_error(classify_service_error(status, code), status, {code, type, "its words"});
  return answer;
}

SubmissionAnswer accepts(std::string id) {
  SubmissionAnswer answer;
  answer.task_id = std::move(id);
  return answer;
}

const SubmissionAnswer no_answer;

// --- The table, row by row -------------------------------------------------------------------

TEST(NeverBegun, MayBeSentAgain) {
  SubmissionEvidence evidence;
  evidence.failure = failure(ErrorCode::network, "No route.");
  const auto end = classify_submission(evidence, no_answer);
  EXPECT_EQ(end.kind, SubmittedKind::not_sent);
  EXPECT_EQ(end.error, with_cost(*evidence.failure));
  EXPECT_THAT(end.error.message, HasSubstr("Nothing was sent, and nothing is paid."));
  EXPECT_EQ(end.error.charged, Charged::no);
}

TEST(NeverBegun, ExplainsItselfWithoutAFailure) {
  const auto end = classify_submission({}, no_answer);
  EXPECT_EQ(end.kind, SubmittedKind::not_sent);
  EXPECT_EQ(end.error.code, ErrorCode::network);
  EXPECT_THAT(end.error.message, HasSubstr("nothing was sent"));
}

TEST(NeverBegun, AProxysAnswerIsNotTheServices) {
  // libsoup reports a refused CONNECT like this: the message has a status, and there is no error.
  for (const unsigned status : {200U, 403U, 407U, 502U, 503U}) {
    auto evidence = complete(status);
    evidence.begun = false;
    EXPECT_EQ(classify_submission(evidence, accepts("id")).kind, SubmittedKind::not_sent) << status;
  }
}

TEST(RateLimit, MayBeSentAgainAfterTheTimeTheServiceNames) {
  auto evidence = complete(429);
  evidence.retry_after = 7s;
  const auto end =
      classify_submission(evidence, says(429, "rate_limit_exceeded", "rate_limit_error"));
  EXPECT_EQ(end.kind, SubmittedKind::rate_limited);
  EXPECT_EQ(end.retry_after, 7s);
  EXPECT_EQ(end.error.code, ErrorCode::rate_limit_exceeded);
  EXPECT_EQ(end.error.charged, Charged::no);
}

struct Refusal {
  unsigned status;
  const char* code;  ///< empty for a body without an error object
  const char* type;
  ErrorCode expected;
  Charged charged;
};
class RefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, IsFinal) {
  const auto& row = GetParam();
  const bool speaks = *row.code != '\0';
  auto evidence = complete(row.status);
  evidence.retry_after = 1s;
  const auto end =
      classify_submission(evidence, speaks ? says(row.status, row.code, row.type) : no_answer);
  EXPECT_EQ(end.kind, SubmittedKind::refused);
  EXPECT_EQ(nick(end.error.code), nick(row.expected));
  EXPECT_EQ(end.error.charged, row.charged);
  EXPECT_EQ(end.error.http_status, row.status);
  EXPECT_EQ(end.error.service_code, row.code);
  EXPECT_EQ(end.error.service_message, speaks ? "its words" : "");
  EXPECT_EQ(end.retry_after, std::nullopt);
  EXPECT_EQ(end.task_id, "");
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusalTest,
    testing::Values(Refusal{400, "invalid_request", "invalid_request_error",
                            ErrorCode::invalid_request, Charged::no},
                    Refusal{401, "invalid_api_key", "authentication_error",
                            ErrorCode::invalid_api_key, Charged::no},
                    Refusal{402, "insufficient_credits", "billing_error",
                            ErrorCode::insufficient_credits, Charged::no},
                    Refusal{403, "ip_not_allowed", "permission_error", ErrorCode::ip_not_allowed,
                            Charged::no},
                    Refusal{404, "model_not_found", "invalid_request_error",
                            ErrorCode::model_not_found, Charged::no},
                    Refusal{404, "task_not_found", "invalid_request_error",
                            ErrorCode::task_not_found, Charged::no},
                    Refusal{429, "spend_limit_exceeded", "billing_error",
                            ErrorCode::spend_limit_exceeded, Charged::no},
                    // A 429 that the service's rate limiter did not send is final.
                    Refusal{429, "", "", ErrorCode::rate_limit_exceeded, Charged::no},
                    Refusal{400, "", "", ErrorCode::invalid_request, Charged::no},
                    Refusal{401, "", "", ErrorCode::invalid_api_key, Charged::no},
                    Refusal{413, "", "", ErrorCode::invalid_request, Charged::no},
                    Refusal{499, "odd", "", ErrorCode::invalid_request, Charged::no},
                    Refusal{503, "upstream_error", "upstream_error", ErrorCode::upstream_error,
                            Charged::refunded}));

TEST(Acceptance, NeedsOnlyATaskId) {
  for (const unsigned status : {200U, 201U, 202U}) {
    const auto end = classify_submission(complete(status), accepts("cbf6b69d"));
    EXPECT_EQ(end.kind, SubmittedKind::accepted) << status;
    EXPECT_EQ(end.task_id, "cbf6b69d");
    EXPECT_EQ(end.error, Error{});
  }
}

TEST(Acceptance, HoldsWhateverElseTheAnswerSays) {
  auto answer = says(200, "internal_error", "api_error");
  answer.task_id = "cbf6b69d";
  EXPECT_EQ(classify_submission(complete(200), answer).kind, SubmittedKind::accepted);
}

// The id comes from a complete JSON document, so a reset or a missing last chunk after the document
// takes nothing back.
TEST(Acceptance, HoldsHoweverTheStreamEnds) {
  for (const auto code : {ErrorCode::network, ErrorCode::tls, ErrorCode::timeout}) {
    auto evidence = complete(200);
    evidence.complete = false;
    evidence.failure = failure(code, "The stream broke.");
    const auto end = classify_submission(evidence, accepts("cbf6b69d"));
    EXPECT_EQ(end.kind, SubmittedKind::accepted);
    EXPECT_EQ(end.task_id, "cbf6b69d");
    EXPECT_EQ(end.error, Error{});
  }
}

struct Unknown {
  const char* name;
  SubmissionEvidence evidence;
  SubmissionAnswer answer;
  const char* seen;  ///< a part of the message
};
class UnknownTest : public testing::TestWithParam<Unknown> {};

TEST_P(UnknownTest, IsNeverSentAgain) {
  const auto& row = GetParam();
  const auto end = classify_submission(row.evidence, row.answer);
  EXPECT_EQ(end.kind, SubmittedKind::unknown);
  EXPECT_EQ(end.error.code, ErrorCode::submit_unknown);
  EXPECT_EQ(end.error.charged, Charged::unknown);
  EXPECT_EQ(end.error.http_status, row.evidence.status);
  EXPECT_EQ(end.error.service_code, row.answer.error.service_code);
  EXPECT_EQ(end.error.task_id, row.answer.task_id.value_or(""));
  EXPECT_EQ(end.task_id, "");
  EXPECT_EQ(end.retry_after, std::nullopt);
  EXPECT_THAT(end.error.message, HasSubstr(row.seen));
  // The message only describes the evidence; make_unknown_submission_error() explains it to the
  // user.
  EXPECT_THAT(end.error.message, HasSubstr("no answer decides it"));
}

SubmissionEvidence lost() {
  SubmissionEvidence evidence;
  evidence.begun = true;
  return evidence;
}
SubmissionEvidence with(SubmissionEvidence evidence, Error error) {
  evidence.complete = false;
  evidence.failure = std::move(error);
  return evidence;
}
SubmissionEvidence restarted(unsigned status) {
  auto evidence = complete(status);
  evidence.second_start = true;
  return evidence;
}
SubmissionEvidence half(unsigned status) {
  auto evidence = complete(status);
  evidence.complete = false;
  return evidence;
}

INSTANTIATE_TEST_SUITE_P(
    All, UnknownTest,
    testing::Values(
        Unknown{"lost", lost(), {}, "the connection ended"},
        Unknown{"reset",
                with(lost(), failure(ErrorCode::network, "Connection reset.")),
                {},
                "Connection reset."},
        Unknown{"timeout",
                with(lost(), failure(ErrorCode::timeout, "No answer for 60 s.")),
                {},
                "No answer for 60 s."},
        Unknown{"half_200", half(200), {}, "HTTP 200, broken off"},
        Unknown{"half_400", half(400), says(400, "invalid_request", ""), "HTTP 400, broken off"},
        Unknown{"half_429", half(429), says(429, "rate_limit_exceeded", ""), "HTTP 429"},
        Unknown{"half_503", half(503), says(503, "upstream_error", "upstream_error"), "HTTP 503"},
        // libsoup may end a message with both the status 200 and an error, for example if TLS ends
        // early.
        Unknown{"failed_200",
                with(complete(200), failure(ErrorCode::tls, "TLS ended early.")),
                {},
                "TLS ended early."},
        Unknown{"found_302", complete(302), {}, "HTTP 302"},
        Unknown{"redirect_307", complete(307), accepts("id"), "HTTP 307"},
        Unknown{"timeout_408", complete(408), {}, "HTTP 408"},
        Unknown{"conflict_409", complete(409), says(409, "invalid_request", ""), "HTTP 409"},
        Unknown{"misdirected_421", complete(421), {}, "HTTP 421"},
        Unknown{"restarted_421", restarted(421), {}, "HTTP 421"},
        Unknown{"restarted_200", restarted(200), accepts("id"), "HTTP 200"},
        Unknown{"restarted_400", restarted(400), says(400, "invalid_request", ""), "HTTP 400"},
        Unknown{"internal_500", complete(500), says(500, "internal_error", "api_error"),
                "HTTP 500, \"its words\""},
        Unknown{"refusal_in_a_500", complete(500), says(500, "invalid_request", ""), "HTTP 500"},
        Unknown{"upstream_in_a_500", complete(500), says(500, "upstream_error", "upstream_error"),
                "HTTP 500"},
        Unknown{"gateway_502", complete(502), {}, "HTTP 502"},
        Unknown{"gateway_503", complete(503), {}, "HTTP 503"},
        Unknown{"other_code_503", complete(503), says(503, "internal_error", "upstream_error"),
                "HTTP 503"},
        Unknown{"other_type_503", complete(503), says(503, "upstream_error", "api_error"),
                "HTTP 503"},
        Unknown{"no_id_200", complete(200), {}, "HTTP 200 without a task id"},
        Unknown{"empty_id_200", complete(200), accepts(""), "HTTP 200 without a task id"},
        Unknown{"error_200", complete(200), says(200, "insufficient_credits", "billing_error"),
                "HTTP 200, \"its words\""},
        Unknown{"limited_200", complete(200), says(200, "rate_limit_exceeded", "rate_limit_error"),
                "HTTP 200"},
        Unknown{"id_in_a_500", complete(500), accepts("id"), "HTTP 500"},
        Unknown{"informational", complete(101), accepts("id"), "HTTP 101"}),
    [](const auto& tested) { return std::string(tested.param.name); });

// --- The law ---------------------------------------------------------------------------------

// For every combination of evidence: a POST may be sent again only if it never began, or after the
// complete 429 of the rate limiter; and only a complete answer, or a task id, decides the outcome.
TEST(Law, HoldsForEveryCombination) {
  const SubmissionAnswer answers[] = {
      no_answer,
      accepts("id"),
      says(429, "rate_limit_exceeded", "rate_limit_error"),
      says(400, "invalid_request", "invalid_request_error"),
      says(503, "upstream_error", "upstream_error"),
  };
  unsigned combinations = 0;
  for (unsigned bits = 0; bits < 32; ++bits) {
    for (unsigned status = 100; status < 600; ++status) {
      for (const auto& answer : answers) {
        SubmissionEvidence evidence;
        evidence.begun = (bits & 1U) != 0;
        evidence.got_head = (bits & 2U) != 0;
        evidence.second_start = (bits & 4U) != 0;
        evidence.complete = (bits & 8U) != 0;
        if ((bits & 16U) != 0) evidence.failure = failure(ErrorCode::network, "broken");
        evidence.status = status;
        const bool complete = bits == (1U | 2U | 8U);
        const auto kind = classify_submission(evidence, answer).kind;
        ++combinations;
        ASSERT_EQ(kind == SubmittedKind::not_sent, !evidence.begun) << bits << ' ' << status;
        if (kind == SubmittedKind::rate_limited) {
          ASSERT_TRUE(complete && status == 429) << bits << ' ' << status;
        }
        if (kind == SubmittedKind::refused) {
          ASSERT_TRUE(complete && (status / 100 == 4 || status == 503)) << bits << ' ' << status;
        }
        const bool has_answer = evidence.begun && evidence.got_head && !evidence.second_start;
        ASSERT_EQ(kind == SubmittedKind::accepted,
                  has_answer && status / 100 == 2 && answer.task_id)
            << bits << ' ' << status;
      }
    }
  }
  EXPECT_EQ(combinations, 32U * 500U * 5U);
}

// Whether a submission that failed has cost anything stands in the text, too.
TEST(Refused, SaysWhatItCosts) {
  for (const unsigned status : {400U, 401U, 402U, 403U, 404U, 429U}) {
    const auto end = classify_submission(complete(status), no_answer);
    ASSERT_EQ(end.kind, SubmittedKind::refused) << status;
    EXPECT_THAT(end.error.message, HasSubstr("The submission was refused, and nothing is paid."))
        << status;
  }
}

}  // namespace
}  // namespace veo
