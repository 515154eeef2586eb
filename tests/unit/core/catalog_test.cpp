// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The rules, with a catalog made for these tests. The tests of data/catalog.json are beside its
// decoder, in tests/unit/json/catalog_decoder_test.cpp.
#include "veo/core/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace veo {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::string_literals;

Catalog catalog_with(std::vector<Rule> rules) {
  Catalog catalog;
  catalog.generation.name = "m";
  for (const auto name : list_input_fields()) {
    if (name != "extend_task_id") catalog.generation.fields.emplace_back(name);
  }
  catalog.generation.defaults = {{"mode", "fast"}, {"resolution", "720p"}};
  catalog.generation.credits = {{"fast", {{"720p", 40}, {"4k", 120}}}, {"lite", {{"720p", 20}}}};
  catalog.generation.rules = std::move(rules);
  catalog.extension.name = "m-extend";
  catalog.extension.fields = {"prompt", "extend_task_id"};
  return catalog;
}

Request dog() {
  Request request;
  request.prompt = "a dog";
  return request;
}

/// Finds the name of the rule that refuses the request; "" if none does.
std::string find_refusing_rule(const Request& request, const Catalog& catalog) {
  const auto valid = validate(request, catalog);
  if (valid) return "";
  EXPECT_EQ(valid.error().code, ErrorCode::invalid_request);
  EXPECT_EQ(valid.error().charged, Charged::no);
  EXPECT_EQ(valid.error().http_status, 0U);
  const auto& message = valid.error().message;
  const auto colon = message.find(": ");
  EXPECT_NE(colon, std::string::npos) << message;
  EXPECT_GT(message.size(), colon + 2) << message;
  return message.substr(0, colon);
}

// --- Conditions ------------------------------------------------------------------------------

struct ConditionCase {
  const char* name;
  Condition condition;
  void (*set)(Request&);
  bool holds;
};
class ConditionTest : public testing::TestWithParam<ConditionCase> {};

void nothing(Request&) {}

TEST_P(ConditionTest, AsRequirement) {
  auto request = dog();
  GetParam().set(request);
  const auto catalog = catalog_with({{"r", "text", {}, {GetParam().condition}}});
  EXPECT_EQ(find_refusing_rule(request, catalog), GetParam().holds ? "" : "r");
}

TEST_P(ConditionTest, AsPremise) {
  auto request = dog();
  GetParam().set(request);
  // No request meets this condition, so the rule refuses if and only if the premise is met.
  const Condition impossible{"prompt", {}, {}, 0};
  const auto catalog = catalog_with({{"r", "text", {GetParam().condition}, {impossible}}});
  EXPECT_EQ(find_refusing_rule(request, catalog), GetParam().holds ? "r" : "");
}

INSTANTIATE_TEST_SUITE_P(
    All, ConditionTest,
    testing::Values(
        ConditionCase{"value",
                      {"mode", {"lite", "fast"}, {}, {}},
                      [](Request& r) { r.mode = Mode::lite; },
                      true},
        ConditionCase{"other_value",
                      {"mode", {"lite"}, {}, {}},
                      [](Request& r) { r.mode = Mode::quality; },
                      false},
        ConditionCase{"default", {"mode", {"fast"}, {}, {}}, nothing, true},
        ConditionCase{"other_default", {"mode", {"lite"}, {}, {}}, nothing, false},
        ConditionCase{"set_goes_before_default",
                      {"mode", {"fast"}, {}, {}},
                      [](Request& r) { r.mode = Mode::lite; },
                      false},
        ConditionCase{
            "unset_has_no_value", {"generation_type", {"TEXT_2_VIDEO"}, {}, {}}, nothing, false},
        ConditionCase{"boolean",
                      {"enable_translation", {"false"}, {}, {}},
                      [](Request& r) { r.enable_translation = false; },
                      true},
        ConditionCase{"other_boolean",
                      {"enable_translation", {"false"}, {}, {}},
                      [](Request& r) { r.enable_translation = true; },
                      false},
        ConditionCase{"boolean_has_no_size",
                      {"enable_translation", {}, 0, {}},
                      [](Request& r) { r.enable_translation = true; },
                      false},
        ConditionCase{"integer_by_text",
                      {"seeds", {"12345"}, {}, {}},
                      [](Request& r) { r.seed = 12345; },
                      true},
        ConditionCase{"at_min", {"seeds", {}, 10, 20}, [](Request& r) { r.seed = 10; }, true},
        ConditionCase{"at_max", {"seeds", {}, 10, 20}, [](Request& r) { r.seed = 20; }, true},
        ConditionCase{"below_min", {"seeds", {}, 10, 20}, [](Request& r) { r.seed = 9; }, false},
        ConditionCase{"above_max", {"seeds", {}, 10, 20}, [](Request& r) { r.seed = 21; }, false},
        ConditionCase{
            "min_asks_whether_set", {"seeds", {}, 0, {}}, [](Request& r) { r.seed = 0; }, true},
        ConditionCase{"unset_meets_no_min", {"seeds", {}, 0, {}}, nothing, false},
        ConditionCase{"unset_meets_a_max_alone", {"seeds", {}, {}, 5}, nothing, true},
        ConditionCase{"list_length",
                      {"image_urls", {}, 1, 1},
                      [](Request& r) { r.image_urls = {"http://a/1"}; },
                      true},
        ConditionCase{"list_too_long",
                      {"image_urls", {}, 1, 1},
                      [](Request& r) {
                        r.image_urls = {"http://a/1", "http://a/2"};
                      },
                      false},
        ConditionCase{"empty_list_is_unset", {"image_urls", {}, {}, 0}, nothing, true},
        ConditionCase{"list_is_no_value",
                      {"image_urls", {"http://a/1"}, {}, {}},
                      [](Request& r) { r.image_urls = {"http://a/1"}; },
                      false},
        ConditionCase{"characters_not_bytes",
                      {"prompt", {}, 2, 2},
                      [](Request& r) { r.prompt = "山脉"; },
                      true},
        ConditionCase{
            "empty_text", {"prompt", {}, 1, {}}, [](Request& r) { r.prompt = ""; }, false}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Rules, EveryPremiseMustHold) {
  const Condition lite{"mode", {"lite"}, {}, {}};
  const Condition seeded{"seeds", {}, 0, {}};
  const Condition no_images{"image_urls", {}, {}, 0};
  const auto catalog = catalog_with({{"r", "text", {lite, seeded}, {no_images}}});
  auto request = dog();
  request.image_urls = {"http://a/1"};
  EXPECT_EQ(find_refusing_rule(request, catalog), "");
  request.mode = Mode::lite;
  EXPECT_EQ(find_refusing_rule(request, catalog), "");
  request.seed = 1;
  EXPECT_EQ(find_refusing_rule(request, catalog), "r");
}

TEST(Rules, EveryRequirementMustBeMet) {
  const Condition lite{"mode", {"lite"}, {}, {}};
  const Condition seeded{"seeds", {}, 0, {}};
  const auto catalog = catalog_with({{"r", "text", {}, {lite, seeded}}});
  auto request = dog();
  request.mode = Mode::lite;
  EXPECT_EQ(find_refusing_rule(request, catalog), "r");
  request.seed = 1;
  EXPECT_EQ(find_refusing_rule(request, catalog), "");
}

TEST(Rules, TheFirstOneBrokenIsNamedWithItsMessage) {
  const Condition lite{"mode", {"lite"}, {}, {}};
  const auto catalog = catalog_with({{"kept", "a", {}, {{"prompt", {}, 1, {}}}},
                                     {"first", "Only lite.", {}, {lite}},
                                     {"second", "c", {}, {lite}}});
  const auto valid = validate(dog(), catalog);
  ASSERT_FALSE(valid);
  EXPECT_EQ(valid.error().message, "first: Only lite.");
}

// --- Rules that hold whatever the catalog says -----------------------------------------------

struct Malformed {
  const char* name;
  void (*set)(Request&);
  const char* rule;
};
class MalformedTest : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedTest, IsRefused) {
  auto request = dog();
  GetParam().set(request);
  EXPECT_EQ(find_refusing_rule(request, catalog_with({})), GetParam().rule);
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedTest,
    testing::Values(
        Malformed{"fine", [](Request&) {}, ""},
        Malformed{"prompt_latin1", [](Request& r) { r.prompt = "caf\xe9"; }, "valid-text"},
        Malformed{"prompt_cut", [](Request& r) { r.prompt = "\xe5\xb1"; }, "valid-text"},
        Malformed{"prompt_surrogate", [](Request& r) { r.prompt = "\xed\xa0\xbd"; }, "valid-text"},
        Malformed{"prompt_nul", [](Request& r) { r.prompt = "a\0b"s; }, "valid-text"},
        Malformed{"watermark_latin1", [](Request& r) { r.watermark = "\xe9"; }, "valid-text"},
        Malformed{"image_nul", [](Request& r) { r.image_urls = {"http://a/\0"s}; }, "valid-text"},
        Malformed{"callback_latin1", [](Request& r) { r.callback_url = "http://a/\xe9"; },
                  "valid-text"},
        Malformed{"image_http", [](Request& r) { r.image_urls = {"http://a/1.jpg"}; }, ""},
        Malformed{"image_https_query",
                  [](Request& r) { r.image_urls = {"https://a.example:8443/1.jpg?sig=%2F&x=1#f"}; },
                  ""},
        Malformed{"image_upper", [](Request& r) { r.image_urls = {"HTTPS://A/1.jpg"}; }, ""},
        Malformed{"image_utf8", [](Request& r) { r.image_urls = {"https://ä.example/ü.png"}; }, ""},
        Malformed{"image_file", [](Request& r) { r.image_urls = {"file:///etc/passwd"}; },
                  "http-url"},
        Malformed{"image_data", [](Request& r) { r.image_urls = {"data:image/png;base64,AA=="}; },
                  "http-url"},
        Malformed{"image_ftp", [](Request& r) { r.image_urls = {"ftp://a/1.jpg"}; }, "http-url"},
        Malformed{"image_path", [](Request& r) { r.image_urls = {"/home/me/1.jpg"}; }, "http-url"},
        Malformed{"image_empty", [](Request& r) { r.image_urls = {""}; }, "http-url"},
        Malformed{"image_no_host", [](Request& r) { r.image_urls = {"http:///1.jpg"}; },
                  "http-url"},
        Malformed{"image_space", [](Request& r) { r.image_urls = {"http://a/1 2.jpg"}; },
                  "http-url"},
        Malformed{"image_newline", [](Request& r) { r.image_urls = {"http://a/1.jpg\n"}; },
                  "http-url"},
        Malformed{"second_image",
                  [](Request& r) {
                    r.image_urls = {"http://a/1", "b"};
                  },
                  "http-url"},
        Malformed{"callback", [](Request& r) { r.callback_url = "https://me:pw@a/hook"; }, ""},
        Malformed{"callback_ftp", [](Request& r) { r.callback_url = "ftp://a/hook"; }, "http-url"},
        Malformed{"callback_empty", [](Request& r) { r.callback_url = ""; }, "http-url"},
        Malformed{"extension", [](Request& r) { r.extend_task_id = "57c8772c-f834"; }, ""},
        Malformed{"extension_empty", [](Request& r) { r.extend_task_id = ""; }, "task-id"},
        Malformed{"extension_control", [](Request& r) { r.extend_task_id = "a\nb"; }, "task-id"},
        Malformed{"extension_dots", [](Request& r) { r.extend_task_id = ".."; }, "task-id"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Fields, WhatTheModelDoesNotTakeIsRefusedByName) {
  const auto catalog = catalog_with({});
  auto request = dog();
  request.extend_task_id = "id";
  request.callback_url = "https://a/hook";
  EXPECT_EQ(find_refusing_rule(request, catalog), "");
  const std::vector<std::pair<std::string, void (*)(Request&)>> fields = {
      {"mode", [](Request& r) { r.mode = Mode::fast; }},
      {"resolution", [](Request& r) { r.resolution = Resolution::p720; }},
      {"aspect_ratio", [](Request& r) { r.aspect_ratio = AspectRatio::landscape; }},
      {"generation_type", [](Request& r) { r.generation_type = GenerationType::text; }},
      {"image_urls", [](Request& r) { r.image_urls = {"http://a/1"}; }},
      {"enable_translation", [](Request& r) { r.enable_translation = true; }},
      {"seeds", [](Request& r) { r.seed = 10000; }},
      {"watermark", [](Request& r) { r.watermark = "w"; }},
  };
  for (const auto& [name, set] : fields) {
    auto other = request;
    set(other);
    const auto valid = validate(other, catalog);
    ASSERT_FALSE(valid) << name;
    EXPECT_THAT(valid.error().message,
                StartsWith("field-not-taken: '" + name + "' is set, but the model m-extend "));
  }
}

// --- Prices ----------------------------------------------------------------------------------

TEST(Price, IsTheCatalogsForWhatIsSetOrDefault) {
  const auto catalog = catalog_with({});
  auto request = dog();
  EXPECT_EQ(find_price(request, catalog), 40U);
  request.resolution = Resolution::k4;
  EXPECT_EQ(find_price(request, catalog), 120U);
  request.mode = Mode::lite;
  EXPECT_EQ(find_price(request, catalog), std::nullopt);
  request.resolution = Resolution::p720;
  EXPECT_EQ(find_price(request, catalog), 20U);
  request.mode = Mode::quality;
  EXPECT_EQ(find_price(request, catalog), std::nullopt);
}

TEST(Price, IsUnknownWithoutADefault) {
  auto catalog = catalog_with({});
  catalog.generation.defaults.erase("resolution");
  EXPECT_EQ(find_price(dog(), catalog), std::nullopt);
}

TEST(Price, OfAnExtensionIsTheUsersToSet) {
  auto catalog = catalog_with({});
  auto request = dog();
  request.extend_task_id = "id";
  EXPECT_EQ(find_price(request, catalog), std::nullopt);
  catalog.extend_credits = 55;
  EXPECT_EQ(find_price(request, catalog), 55U);
  EXPECT_EQ(find_price(dog(), catalog), 40U);
}

TEST(ExpectedTime, IsTheCatalogsForTheMode) {
  auto catalog = catalog_with({});
  auto request = dog();
  EXPECT_EQ(find_expected_time(request, catalog), std::nullopt);
  catalog.generation.seconds = {{"fast", 75}};
  EXPECT_EQ(find_expected_time(request, catalog), std::chrono::seconds(75))
      << "fast is the default";
  request.mode = Mode::lite;
  EXPECT_EQ(find_expected_time(request, catalog), std::nullopt);
  request.extend_task_id = "id";
  EXPECT_EQ(find_expected_time(request, catalog), std::nullopt);
  catalog.extend_seconds = 80;
  EXPECT_EQ(find_expected_time(request, catalog), std::chrono::seconds(80));
}

// --- Prompts that nobody means ---------------------------------------------------------------

class MeaninglessPrompt : public testing::TestWithParam<const char*> {};

TEST_P(MeaninglessPrompt, IsRefused) {
  const auto valid = validate({.prompt = GetParam()}, catalog_with({}));
  ASSERT_FALSE(valid);
  EXPECT_EQ(valid.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(valid.error().message, HasSubstr("prompt-says-nothing"));
}

INSTANTIATE_TEST_SUITE_P(Prompts, MeaninglessPrompt,
                         testing::Values(" ", "  \t\n", "-", "--", "!", "...", "\"\"", "(?!)", "—",
                                         "\u00A0", "\u3000", "\u200B", "\u2028", "\uFEFF", "、。",
                                         "\uE000", "_", "@", "#"));

class Prompt : public testing::TestWithParam<const char*> {};

TEST_P(Prompt, IsTaken) {
  const auto valid = validate({.prompt = GetParam()}, catalog_with({}));
  EXPECT_TRUE(valid) << valid.error().message;
}

// U+1FAE9 is newer than GLib 2.74's tables.
INSTANTIATE_TEST_SUITE_P(Prompts, Prompt,
                         testing::Values("a", "7", "狗", "🐕", "🐕!", "- a dog", "+", "$", "©", "½",
                                         "@prompt.txt", "\U0001FAE9"));

TEST(MeaninglessPrompt, IsExplained) {
  const auto explain = [](const char* prompt) {
    const auto valid = validate({.prompt = prompt}, catalog_with({}));
    return valid ? std::string("valid") : valid.error().message;
  };
  EXPECT_THAT(explain("-"), HasSubstr("\"$(cat prompt.txt)\""));
  EXPECT_THAT(explain("!"), AllOf(HasSubstr("variable of your shell"), HasSubstr("gst-launch")));
  EXPECT_THAT(explain("  "), HasSubstr("variable of your shell"));
}

}  // namespace
}  // namespace veo
