// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veo {
namespace {

using testing::ElementsAre;

TEST(Request, WireNamesAreTheApis) {
  EXPECT_EQ(wire_name(Mode::fast), "fast");
  EXPECT_EQ(wire_name(Mode::quality), "quality");
  EXPECT_EQ(wire_name(Mode::lite), "lite");
  EXPECT_EQ(wire_name(Resolution::p720), "720p");
  EXPECT_EQ(wire_name(Resolution::p1080), "1080p");
  EXPECT_EQ(wire_name(Resolution::k4), "4k");
  EXPECT_EQ(wire_name(AspectRatio::landscape), "16:9");
  EXPECT_EQ(wire_name(AspectRatio::portrait), "9:16");
  EXPECT_EQ(wire_name(AspectRatio::automatic), "Auto");
  EXPECT_EQ(wire_name(GenerationType::text), "TEXT_2_VIDEO");
  EXPECT_EQ(wire_name(GenerationType::first_and_last_frames), "FIRST_AND_LAST_FRAMES_2_VIDEO");
  EXPECT_EQ(wire_name(GenerationType::reference), "REFERENCE_2_VIDEO");
}

TEST(Request, FieldNamesAreTheApisInItsOrder) {
  const auto names = list_input_fields();
  EXPECT_THAT(
      std::vector(names.begin(), names.end()),
      ElementsAre("prompt", "mode", "resolution", "aspect_ratio", "generation_type", "image_urls",
                  "enable_translation", "seeds", "watermark", "extend_task_id"));
}

TEST(Request, WhatIsUnsetHasNoValue) {
  const Request request{.prompt = "a dog"};
  for (const auto name : list_input_fields()) {
    EXPECT_EQ(find_input_field(request, name).has_value(), name == "prompt") << name;
  }
  EXPECT_FALSE(find_input_field(request, "callback_url"));  // this is not a field of `input`
  EXPECT_FALSE(find_input_field(request, ""));
  EXPECT_FALSE(request.is_extension());
}

TEST(Request, WhatIsSetToTheDefaultHasAValue) {
  Request request;
  request.mode = Mode::fast;
  request.resolution = Resolution::p720;
  request.aspect_ratio = AspectRatio::landscape;
  request.generation_type = GenerationType::text;
  request.enable_translation = true;
  EXPECT_EQ(std::get<std::string_view>(*find_input_field(request, "mode")), "fast");
  EXPECT_EQ(std::get<std::string_view>(*find_input_field(request, "resolution")), "720p");
  EXPECT_EQ(std::get<std::string_view>(*find_input_field(request, "aspect_ratio")), "16:9");
  EXPECT_EQ(std::get<std::string_view>(*find_input_field(request, "generation_type")),
            "TEXT_2_VIDEO");
  EXPECT_EQ(std::get<bool>(*find_input_field(request, "enable_translation")), true);
}

TEST(Request, EachTypeOfFieldKeepsItsType) {
  Request request;
  request.prompt = "山";
  request.image_urls = {"https://a/1", "https://a/2"};
  request.enable_translation = false;
  request.seed = 99999;
  request.watermark = "";
  request.extend_task_id = "id";
  EXPECT_EQ(std::get<std::string_view>(*find_input_field(request, "prompt")), "山");
  EXPECT_EQ(std::get<bool>(*find_input_field(request, "enable_translation")), false);
  EXPECT_EQ(std::get<std::int64_t>(*find_input_field(request, "seeds")), 99999);
  EXPECT_EQ(std::get<std::string_view>(*find_input_field(request, "watermark")), "");
  EXPECT_EQ(std::get<std::string_view>(*find_input_field(request, "extend_task_id")), "id");
  EXPECT_THAT(std::get<std::span<const std::string>>(*find_input_field(request, "image_urls")),
              ElementsAre("https://a/1", "https://a/2"));
  EXPECT_TRUE(request.is_extension());
}

}  // namespace
}  // namespace veo
