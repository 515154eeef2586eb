// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

TEST(Uri, NamesATask) {
  Source::Settings settings;
  settings.request.prompt = "before";
  settings.by_uri = true;
  const auto uri = parse_uri("VEO:task/cbf6b69d-4f03");
  ASSERT_TRUE(uri);
  ASSERT_TRUE(set_uri(settings, *uri));
  EXPECT_EQ(settings.task_id, "cbf6b69d-4f03");
  EXPECT_FALSE(settings.by_uri) << "it never spends";
  EXPECT_THAT(settings.request.prompt, IsEmpty());
}

TEST(Uri, IsARequestThatTheBudgetOfUrisPays) {
  Source::Settings settings;
  settings.take = 7;
  const auto uri = parse_uri(
      "veo:clip?prompt=a%20dog%26cat&mode=quality&seed=12345&take=2&image-urls=%3C"
      "%22https://a.example/1.jpg%22,%22https://a.example/2.jpg%22%3E");
  ASSERT_TRUE(uri);
  ASSERT_TRUE(set_uri(settings, *uri));
  EXPECT_TRUE(settings.by_uri);
  EXPECT_EQ(settings.request.prompt, "a dog&cat");
  EXPECT_EQ(settings.request.mode, Mode::quality);
  EXPECT_THAT(settings.request.seed, Optional(12345U));
  EXPECT_EQ(settings.take, 2U);
  EXPECT_THAT(settings.request.image_urls,
              ElementsAre("https://a.example/1.jpg", "https://a.example/2.jpg"));
}

TEST(Uri, SaysNothingElse) {
  for (const auto* const text :
       {"", "http://a.example/", "veo:", "veo:task/", "veo:task/a/b", "veo:task/a?x=y",
        "veo://task/a", "veo:task/a#b", "veo:clip?prompt=x&api-url=https://a.example/",
        "veo:clip?prompt=x&prompt=y", "veo:clip?prompt=x&task-id=a", "veo:clip?prompt=%zz",
        "veo:clip?on-unknown=resubmit", "veo:film"}) {
    const auto uri = parse_uri(text);
    ASSERT_FALSE(uri) << text;
    EXPECT_EQ(uri.error().code, ErrorCode::invalid_request);
  }
  Source::Settings settings;
  EXPECT_FALSE(set_uri(settings, *parse_uri("veo:clip?prompt=x&mode=slow")));
}

}  // namespace
}  // namespace veo
