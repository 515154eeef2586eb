// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The format of a catalog, and the content of the catalog that is compiled in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <tuple>

#include "veo/json/codec.h"

namespace veo::json {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;
using testing::UnorderedElementsAre;
using Json = nlohmann::json;

// --- The format ------------------------------------------------------------------------------

Json small_catalog() {
  return Json::parse(R"({
    "format": 1,
    "source": "a test",
    "generation": {
      "name": "m",
      "fields": ["prompt", "mode", "seeds"],
      "defaults": {"mode": "fast"},
      "credits": {"fast": {"720p": 4294967295}},
      "rules": [{
        "name": "r", "message": "text",
        "when": [{"field": "mode", "values": ["a", "b"]}],
        "require": [{"field": "seeds", "min": -5, "max": 7}]
      }]
    },
    "extension": {"name": "m-extend", "fields": ["prompt"]}
  })");
}

TEST(CatalogDecoder, ReadsTheFileHosts) {
  auto json = small_catalog();
  EXPECT_THAT(decode_catalog(json.dump())->file_hosts, IsEmpty());
  json["file_hosts"] = {"file.example", "10.1.2.3"};
  EXPECT_THAT(decode_catalog(json.dump())->file_hosts, ElementsAre("file.example", "10.1.2.3"));
  for (const auto* wrong :
       {"https://file.example", "file.example:443", "File.Example", "a b", "*"}) {
    json["file_hosts"] = {wrong};
    const auto refused = decode_catalog(json.dump());
    ASSERT_FALSE(refused) << wrong;
    EXPECT_THAT(refused.error().message, HasSubstr("file_hosts[0] is not the name of a host"));
  }
  EXPECT_THAT(builtin_catalog().file_hosts, ElementsAre("file.aivideoapi.ai"));
}

TEST(CatalogDecoder, ReadsEverything) {
  const auto catalog = decode_catalog(small_catalog().dump());
  ASSERT_TRUE(catalog) << catalog.error().message;
  EXPECT_EQ(catalog->extend_credits, std::nullopt);
  EXPECT_EQ(catalog->extension.name, "m-extend");
  EXPECT_THAT(catalog->extension.fields, ElementsAre("prompt"));
  EXPECT_THAT(catalog->extension.rules, IsEmpty());
  const auto& model = catalog->generation;
  EXPECT_EQ(model.name, "m");
  EXPECT_THAT(model.fields, ElementsAre("prompt", "mode", "seeds"));
  EXPECT_THAT(model.defaults, ElementsAre(Pair("mode", "fast")));
  EXPECT_THAT(model.credits, ElementsAre(Pair("fast", ElementsAre(Pair("720p", 4294967295U)))));
  ASSERT_EQ(model.rules.size(), 1U);
  const auto& rule = model.rules[0];
  EXPECT_EQ(rule.name, "r");
  EXPECT_EQ(rule.message, "text");
  ASSERT_EQ(rule.when.size(), 1U);
  EXPECT_EQ(rule.when[0].field, "mode");
  EXPECT_THAT(rule.when[0].values, ElementsAre("a", "b"));
  EXPECT_EQ(rule.when[0].min, std::nullopt);
  EXPECT_EQ(rule.when[0].max, std::nullopt);
  ASSERT_EQ(rule.require.size(), 1U);
  EXPECT_EQ(rule.require[0].field, "seeds");
  EXPECT_THAT(rule.require[0].values, IsEmpty());
  EXPECT_EQ(rule.require[0].min, -5);
  EXPECT_EQ(rule.require[0].max, 7);
}

TEST(CatalogDecoder, ReadsTheUsersPriceOfAnExtension) {
  auto json = small_catalog();
  json["extend_credits"] = 40;
  EXPECT_EQ(decode_catalog(json.dump())->extend_credits, 40U);
}

TEST(CatalogDecoder, ReadsHowLongVideosTake) {
  auto json = small_catalog();
  EXPECT_THAT(decode_catalog(json.dump())->generation.seconds, IsEmpty());
  EXPECT_EQ(decode_catalog(json.dump())->extend_seconds, std::nullopt);
  json["generation"]["seconds"]["fast"] = 75;
  json["extend_seconds"] = 80;
  EXPECT_THAT(decode_catalog(json.dump())->generation.seconds, ElementsAre(Pair("fast", 75U)));
  EXPECT_EQ(decode_catalog(json.dump())->extend_seconds, 80U);
}

struct Mistake {
  const char* name;
  const char* pointer;  ///< a JSON pointer (RFC 6901) to the value that changes
  const char* value;    ///< the new value; null if the value is removed
  const char* named;    ///< a part of the message
};
class MistakeTest : public testing::TestWithParam<Mistake> {};
TEST_P(MistakeTest, IsNamedWithItsPlace) {
  const auto& [name, pointer, value, named] = GetParam();
  auto json = small_catalog();
  const Json::json_pointer where(pointer);
  if (value != nullptr) {
    json[where] = Json::parse(value);
  } else {
    json[where.parent_pointer()].erase(where.back());
  }
  const auto catalog = decode_catalog(json.dump());
  ASSERT_FALSE(catalog);
  EXPECT_EQ(catalog.error().code, ErrorCode::invalid_request);
  EXPECT_EQ(catalog.error().message, std::string("The catalog cannot be used: ") + named);
}
INSTANTIATE_TEST_SUITE_P(
    All, MistakeTest,
    testing::Values(
        Mistake{"no_format", "/format", nullptr, "format is not 1."},
        Mistake{"other_format", "/format", "2", "format is not 1."},
        Mistake{"text_format", "/format", "\"1\"", "format is not 1."},
        Mistake{"no_source", "/source", nullptr, "source is not a non-empty string."},
        Mistake{"misspelt", "/extend_credit", "40", "it has an unknown member 'extend_credit'."},
        Mistake{"text_price", "/extend_credits", "\"40\"",
                "extend_credits is not a number of credits."},
        Mistake{"negative_seconds", "/extend_seconds", "-1",
                "extend_seconds is not a number of seconds."},
        Mistake{"no_model", "/generation", nullptr, "generation is not an object."},
        Mistake{"model_list", "/extension", "[]", "extension is not an object."},
        Mistake{"no_name", "/generation/name", nullptr,
                "generation.name is not a non-empty string."},
        Mistake{"empty_name", "/generation/name", "\"\"",
                "generation.name is not a non-empty string."},
        Mistake{"no_fields", "/extension/fields", nullptr, "extension.fields is empty."},
        Mistake{"text_fields", "/extension/fields", "\"prompt\"",
                "extension.fields is not an array."},
        Mistake{"misspelt_field", "/generation/fields/1", "\"modus\"",
                "generation.fields[1] names the field 'modus', which the API does not have."},
        Mistake{"default_of_no_field", "/generation/defaults/watermark", "\"w\"",
                "generation.defaults names 'watermark', which is none of 'fields'."},
        Mistake{"boolean_default", "/generation/defaults/mode", "true",
                "generation.defaults.mode is not a non-empty string."},
        Mistake{"negative_price", "/generation/credits/fast/720p", "-1",
                "generation.credits.fast.720p is not a number of credits."},
        Mistake{"broken_price", "/generation/credits/fast/720p", "1.5",
                "generation.credits.fast.720p is not a number of credits."},
        Mistake{"huge_price", "/generation/credits/fast/720p", "4294967296",
                "generation.credits.fast.720p is not a number of credits."},
        Mistake{"flat_prices", "/generation/credits/fast", "40",
                "generation.credits.fast is not an object."},
        Mistake{"unknown_in_rule", "/generation/rules/0/unless", "[]",
                "generation.rules[0] has an unknown member 'unless'."},
        Mistake{"no_message", "/generation/rules/0/message", nullptr,
                "generation.rules[0].message is not a non-empty string."},
        Mistake{"no_requirement", "/generation/rules/0/require", "[]",
                "generation.rules[0].require is empty."},
        Mistake{"misspelt_in_rule", "/generation/rules/0/when/0/field", "\"seed\"",
                "generation.rules[0].when[0].field names the field 'seed', which the API does not "
                "have."},
        Mistake{"nothing_to_ask", "/generation/rules/0/when/0/values", "[]",
                "generation.rules[0].when[0] has neither 'values' nor 'min' nor 'max'."},
        Mistake{"number_value", "/generation/rules/0/when/0/values/1", "5",
                "generation.rules[0].when[0].values[1] is not a non-empty string."},
        Mistake{"double_bound", "/generation/rules/0/require/0/min", "1.5",
                "generation.rules[0].require[0].min is not an integer."},
        Mistake{"text_bound", "/generation/rules/0/require/0/max", "\"7\"",
                "generation.rules[0].require[0].max is not an integer."}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(CatalogDecoder, RefusesWhatIsNoJsonObject) {
  for (const auto* text : {"", "[]", "null", "// comment\n{}", "{} {}"}) {
    const auto catalog = decode_catalog(text);
    ASSERT_FALSE(catalog) << text;
    EXPECT_EQ(catalog.error().code, ErrorCode::invalid_request);
    EXPECT_THAT(catalog.error().message, StartsWith("The catalog cannot be used: "));
  }
}

// --- The catalog that is compiled in ---------------------------------------------------------

TEST(BuiltinCatalog, IsTheApiPage) {
  const auto& catalog = builtin_catalog();
  EXPECT_EQ(catalog.generation.name, "veo-3");
  EXPECT_THAT(
      catalog.generation.fields,
      UnorderedElementsAre("prompt", "mode", "resolution", "aspect_ratio", "generation_type",
                           "image_urls", "enable_translation", "seeds", "watermark"));
  EXPECT_THAT(
      catalog.generation.defaults,
      UnorderedElementsAre(Pair("mode", "fast"), Pair("resolution", "720p"),
                           Pair("aspect_ratio", "16:9"), Pair("enable_translation", "true")));
  EXPECT_EQ(catalog.extension.name, "veo-3-extend");
  EXPECT_THAT(catalog.extension.fields, UnorderedElementsAre("prompt", "extend_task_id"));
  EXPECT_THAT(catalog.extension.credits, IsEmpty());
  EXPECT_EQ(catalog.extend_credits, std::nullopt);
  EXPECT_EQ(&builtin_catalog(), &catalog);
}

Request dog() {
  Request request;
  request.prompt = "a dog";
  return request;
}

class PriceTest : public testing::TestWithParam<
                      std::tuple<std::optional<Mode>, std::optional<Resolution>, std::uint32_t>> {};
TEST_P(PriceTest, IsThePages) {
  auto request = dog();
  std::uint32_t credits = 0;
  std::tie(request.mode, request.resolution, credits) = GetParam();
  EXPECT_EQ(find_price(request, builtin_catalog()), credits);
  request.extend_task_id = "id";
  EXPECT_EQ(find_price(request, builtin_catalog()), std::nullopt);
}
INSTANTIATE_TEST_SUITE_P(All, PriceTest,
                         testing::Values(std::tuple(Mode::fast, Resolution::p720, 40U),
                                         std::tuple(Mode::fast, Resolution::p1080, 50U),
                                         std::tuple(Mode::fast, Resolution::k4, 120U),
                                         std::tuple(Mode::quality, Resolution::p720, 300U),
                                         std::tuple(Mode::quality, Resolution::p1080, 310U),
                                         std::tuple(Mode::quality, Resolution::k4, 380U),
                                         std::tuple(Mode::lite, Resolution::p720, 20U),
                                         std::tuple(Mode::lite, Resolution::p1080, 30U),
                                         std::tuple(Mode::lite, Resolution::k4, 100U),
                                         // An unset field has the documented default.
                                         std::tuple(std::nullopt, std::nullopt, 40U),
                                         std::tuple(std::nullopt, Resolution::k4, 120U),
                                         std::tuple(Mode::lite, std::nullopt, 20U)));

struct Ruled {
  const char* name;
  void (*set)(Request&);
  const char* rule;  ///< the rule that refuses the request; empty if none does
};
class RuleTest : public testing::TestWithParam<Ruled> {};
TEST_P(RuleTest, IsThePages) {
  auto request = dog();
  GetParam().set(request);
  const auto valid = validate(request, builtin_catalog());
  if (*GetParam().rule == '\0') {
    EXPECT_TRUE(valid) << valid.error().message;
    return;
  }
  ASSERT_FALSE(valid);
  EXPECT_EQ(valid.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(valid.error().message, StartsWith(std::string(GetParam().rule) + ": "));
}

std::vector<std::string> images(std::size_t count) {
  return std::vector<std::string>(count, "https://example.com/a.jpg");
}
template <std::size_t count>
void text(Request& request) {
  request.generation_type = GenerationType::text;
  request.image_urls = images(count);
}
template <std::size_t count>
void frames(Request& request) {
  request.generation_type = GenerationType::first_and_last_frames;
  request.image_urls = images(count);
}
template <std::size_t count>
void references(Request& request) {
  request.generation_type = GenerationType::reference;
  request.image_urls = images(count);
}

INSTANTIATE_TEST_SUITE_P(
    All, RuleTest,
    testing::Values(Ruled{"prompt_alone", [](Request&) {}, ""},
                    Ruled{"no_prompt", [](Request& r) { r.prompt = ""; }, "prompt-not-empty"},
                    Ruled{"seed_min", [](Request& r) { r.seed = 10000; }, ""},
                    Ruled{"seed_max", [](Request& r) { r.seed = 99999; }, ""},
                    Ruled{"seed_zero", [](Request& r) { r.seed = 0; }, "seed-range"},
                    Ruled{"seed_low", [](Request& r) { r.seed = 9999; }, "seed-range"},
                    Ruled{"seed_high", [](Request& r) { r.seed = 100000; }, "seed-range"},
                    Ruled{"images_without_type", [](Request& r) { r.image_urls = images(2); }, ""},
                    Ruled{"text_0", text<0>, ""}, Ruled{"text_1", text<1>, "text-without-images"},
                    Ruled{"frames_0", frames<0>, "frames-need-images"},
                    Ruled{"frames_1", frames<1>, ""}, Ruled{"frames_2", frames<2>, ""},
                    Ruled{"frames_3", frames<3>, "frames-need-images"},
                    Ruled{"frames_quality_auto",
                          [](Request& r) {
                            frames<1>(r);
                            r.mode = Mode::quality;
                            r.aspect_ratio = AspectRatio::automatic;
                          },
                          ""},
                    Ruled{"references_0", references<0>, "reference-needs-images"},
                    Ruled{"references_1", references<1>, ""},
                    Ruled{"references_3", references<3>, ""},
                    Ruled{"references_4", references<4>, "reference-needs-images"},
                    Ruled{"references_fast",
                          [](Request& r) {
                            references<1>(r);
                            r.mode = Mode::fast;
                          },
                          ""},
                    Ruled{"references_quality",
                          [](Request& r) {
                            references<1>(r);
                            r.mode = Mode::quality;
                          },
                          "reference-needs-fast"},
                    Ruled{"references_lite",
                          [](Request& r) {
                            references<1>(r);
                            r.mode = Mode::lite;
                          },
                          "reference-needs-fast"},
                    Ruled{"references_landscape",
                          [](Request& r) {
                            references<1>(r);
                            r.aspect_ratio = AspectRatio::landscape;
                          },
                          ""},
                    Ruled{"references_portrait",
                          [](Request& r) {
                            references<1>(r);
                            r.aspect_ratio = AspectRatio::portrait;
                          },
                          ""},
                    Ruled{"references_auto",
                          [](Request& r) {
                            references<1>(r);
                            r.aspect_ratio = AspectRatio::automatic;
                          },
                          "reference-needs-aspect-ratio"},
                    Ruled{"references_4k",
                          [](Request& r) {
                            references<1>(r);
                            r.resolution = Resolution::k4;
                          },
                          ""},
                    Ruled{"extension", [](Request& r) { r.extend_task_id = "id"; }, ""},
                    Ruled{"extension_without_prompt",
                          [](Request& r) {
                            r.extend_task_id = "id";
                            r.prompt = "";
                          },
                          "prompt-not-empty"},
                    Ruled{"extension_with_mode",
                          [](Request& r) {
                            r.extend_task_id = "id";
                            r.mode = Mode::fast;
                          },
                          "field-not-taken"},
                    Ruled{"extension_with_callback",
                          [](Request& r) {
                            r.extend_task_id = "id";
                            r.callback_url = "https://a/hook";
                          },
                          ""}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace veo::json
