// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/unknown_submission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "veo/core/intent.h"

namespace veo {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

constexpr const char* to_copy = "gst-launch-1.0 veosrc";

/// Makes a record as a job makes it.
Record a_record(const std::string& prompt = "a dog in a park") {
  const std::string api = "https://api.aivideoapi.ai/v1";
  const Request request{.prompt = prompt, .mode = Mode::quality, .resolution = Resolution::k4};
  const auto intent = make_intent(request, {.api_url = api});
  return {.intent = intent.id,
          .request = intent.request,
          .state = RecordState::unknown,
          .credits = 380,
          .api_url = api,
          .mode = "quality",
          .resolution = "4k",
          .prompt = prompt,
          .reserved_at = UnixTime(1'795'410'900'000ms),
          .sending_at = UnixTime(1'795'410'918'000ms)};
}

TEST(UnknownSubmission, SaysWhenWhatAndBothWaysOn) {
  const auto error = make_unknown_submission_error(a_record(), true);
  EXPECT_EQ(error.code, ErrorCode::submit_unknown);
  EXPECT_EQ(error.charged, Charged::unknown);
  EXPECT_THAT(error.message,
              AllOf(HasSubstr("2026-11-23 05:15:18 UTC"), HasSubstr("\"a dog in a park\""),
                    HasSubstr("quality"), HasSubstr("4k"), HasSubstr("380 credits"),
                    HasSubstr("no answer of it was recorded"), HasSubstr("task-id"),
                    HasSubstr("on-unknown=resubmit"), HasSubstr("may pay a second time"),
                    HasSubstr("the balance has fallen by the price, do not submit anew")));
}

TEST(UnknownSubmission, OfAnExtensionNamesItsParentAndNoPriceOfZero) {
  auto record = a_record();
  record.parent_task_id = "task_1";
  record.credits = 0;
  EXPECT_THAT(make_unknown_submission_error(record, true).message,
              AllOf(HasSubstr("quality, 4k, extends task task_1, price unknown) was sent"),
                    Not(HasSubstr("0 credits"))));
}

TEST(UnknownSubmission, WithoutATimeOfSendingTheReservationsIsGiven) {
  auto record = a_record();
  record.sending_at.reset();
  EXPECT_THAT(make_unknown_submission_error(record, true).message,
              HasSubstr("2026-11-23 05:15:00 UTC"));
}

TEST(UnknownSubmission, SaysWhatWasSeenInsteadOfNothing) {
  auto seen = a_record();
  seen.error_message = "the answer was 500.";
  EXPECT_THAT(make_unknown_submission_error(seen, true).message,
              AllOf(HasSubstr("the answer was 500."), Not(HasSubstr("no answer"))));
}

TEST(UnknownSubmission, HintsAtTheBalanceWhereItIsKnown) {
  auto record = a_record();
  EXPECT_THAT(make_unknown_submission_error(record, true).message,
              Not(HasSubstr("the balance was")));
  record.balance = 1620.0;
  EXPECT_THAT(make_unknown_submission_error(record, true).message,
              HasSubstr("the balance was 1620 credits"));
  record.balance = 0.5;
  EXPECT_THAT(make_unknown_submission_error(record, true).message, HasSubstr("0.500000 credits"));
  EXPECT_EQ(
      make_balance_hint(-3),
      " A hint: the balance was -3 credits afterwards. Compare it with the balance before, if "
      "you know that one.");
}

TEST(UnknownSubmission, NamesTheTaskThatTheServiceMayHaveNamed) {
  auto record = a_record();
  record.task_id = "task_1";
  const auto error = make_unknown_submission_error(record, true);
  EXPECT_EQ(error.task_id, "task_1");
  EXPECT_THAT(error.message, HasSubstr("try task-id=task_1 for the same request first"));
}

// The first line to copy costs nothing. A reader in a hurry copies that one.
TEST(UnknownSubmission, OffersTwoLinesToCopyFirstTheFreeOne) {
  const auto text = make_unknown_submission_error(a_record(), true).message;
  const std::string element =
      "gst-launch-1.0 veosrc prompt='a dog in a park' mode=quality resolution=4k ";
  const auto free = text.find(element + "task-id=ID ! decodebin ! autovideosink\n");
  const auto paid = text.find(element + "on-unknown=resubmit ! decodebin ! autovideosink");
  ASSERT_NE(free, std::string::npos) << text;
  ASSERT_NE(paid, std::string::npos) << text;
  EXPECT_LT(free, paid);
}

// If the user set another service or another ledger, a line without these would go to the wrong
// one.
TEST(UnknownSubmission, OffersNoLineWhereTheUsersHadMore) {
  EXPECT_THAT(make_unknown_submission_error(a_record(), false).message,
              AllOf(Not(HasSubstr(to_copy)), HasSubstr("for the same request")));
}

// A shell and the parser of gst-launch both read the line, so these prompts would need two levels
// of quotes. A line that is misread submits another request.
class PromptToQuote : public testing::TestWithParam<const char*> {};
TEST_P(PromptToQuote, IsNotOfferedToCopy) {
  const auto error = make_unknown_submission_error(a_record(GetParam()), true);
  EXPECT_THAT(error.message, AllOf(Not(HasSubstr(to_copy)),
                                   HasSubstr("with on-unknown=resubmit for the same request.")));
}
INSTANTIATE_TEST_SUITE_P(All, PromptToQuote,
                         testing::Values("it's a dog", "a \"dog\"", "a \\ dog", "a dog\nin a park",
                                         "a dog ! fakesink", "a dog\ttake=2", "a dog\rtake=2", ""));

// The record has the other fields only as a text, with redacted URLs, so the line cannot be
// written.
TEST(UnknownSubmission, OffersNoLineWithoutAllOfTheRequest) {
  auto record = a_record();
  record.details = "aspect-ratio=9:16";
  EXPECT_THAT(make_unknown_submission_error(record, true).message, Not(HasSubstr(to_copy)));
}

// A line without the parent would submit another request, and this one would stay unknown.
TEST(UnknownSubmission, OffersNoLineForAnExtension) {
  auto record = a_record();
  record.parent_task_id = "task_1";
  EXPECT_THAT(make_unknown_submission_error(record, true).message, Not(HasSubstr(to_copy)));
}

TEST(UnknownSubmission, OffersNoLineThatMakesAnotherIntent) {
  const Request request{
      .prompt = a_record().prompt, .mode = Mode::quality, .resolution = Resolution::k4};
  for (const Intent::Settings& options :
       {Intent::Settings{.api_url = a_record().api_url, .take = 2},
        Intent::Settings{.api_url = a_record().api_url, .request_id = "order-7"}}) {
    auto record = a_record();
    record.intent = make_intent(request, options).id;
    EXPECT_THAT(make_unknown_submission_error(record, true).message, Not(HasSubstr(to_copy)))
        << options.take;
  }
}

TEST(UnknownSubmission, CutsALongPromptBetweenCharacters) {
  // After 59 bytes each character has three bytes, so the 60th byte is within a character.
  std::string prompt(59, 'x');
  for (int i = 0; i < 20; ++i) prompt += "山";
  EXPECT_THAT(make_unknown_submission_error(a_record(prompt), true).message,
              HasSubstr("\"" + std::string(59, 'x') + "…\""));
  EXPECT_THAT(make_unknown_submission_error(a_record(std::string(60, 'y')), true).message,
              HasSubstr("\"" + std::string(60, 'y') + "\""));
}

}  // namespace
}  // namespace veo
