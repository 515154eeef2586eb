// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/options/option_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace veo {
namespace {

using testing::HasSubstr;

bool takes(std::string_view name, const std::string& text) {
  Options settings;
  return set_option(settings, name, text).has_value();
}

TEST(Options, HaveOneNameEach) {
  std::set<std::string_view> names;
  for (const auto& option : option_table())
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
}

TEST(Options, SetTheirFields) {
  Options settings;
  const std::pair<const char*, const char*> lines[] = {{"prompt", "a dog"},
                                                       {"mode", "lite"},
                                                       {"resolution", "4k"},
                                                       {"aspect-ratio", "auto"},
                                                       {"image-urls", "https://a/1"},
                                                       {"image-urls", "https://a/2"},
                                                       {"seed", "12345"},
                                                       {"enable-translation", "false"},
                                                       {"take", "2"},
                                                       {"on-unknown", "resubmit"},
                                                       {"max-credits", "40"},
                                                       {"timeout", "7"},
                                                       {"retries", "-1"},
                                                       {"poll-interval", "250"},
                                                       {"layout", "original"},
                                                       {"generation-type", "reference"}};
  for (const auto& [name, text] : lines) EXPECT_TRUE(set_option(settings, name, text)) << name;
  const Request wanted{.prompt = "a dog",
                       .mode = Mode::lite,
                       .resolution = Resolution::k4,
                       .aspect_ratio = AspectRatio::automatic,
                       .generation_type = GenerationType::reference,
                       .image_urls = {"https://a/1", "https://a/2"},
                       .enable_translation = false,
                       .seed = 12345};
  EXPECT_EQ(settings.request, wanted);
  EXPECT_EQ(settings.take, 2U);
  EXPECT_TRUE(settings.resubmit);
  EXPECT_EQ(settings.max_credits, 40U);
  EXPECT_EQ(settings.network.timeout, std::chrono::seconds(7));
  EXPECT_EQ(settings.network.retries, -1);
  EXPECT_EQ(settings.poll_interval, std::chrono::milliseconds(250));
  EXPECT_EQ(settings.layout, LayoutMode::original);
}

TEST(Options, AskForATaskOfTheirOwn) {
  Options one;
  Options other;
  EXPECT_TRUE(set_option(one, "reuse", "false"));
  EXPECT_TRUE(set_option(other, "reuse", "false"));
  EXPECT_NE(one.instance, "");
  EXPECT_NE(one.instance, other.instance);
  EXPECT_TRUE(set_option(one, "reuse", "true"));
  EXPECT_EQ(one.instance, "");
}

TEST(Options, RefuseWhatIsNotOfTheirForm) {
  EXPECT_FALSE(takes("mode", "slow"));
  EXPECT_FALSE(takes("mode", ""));
  EXPECT_FALSE(takes("take", "0"));
  EXPECT_FALSE(takes("take", "1.5"));
  EXPECT_FALSE(takes("take", "4294967296"));
  EXPECT_FALSE(takes("seed", "100000"));
  EXPECT_FALSE(takes("retries", "-2"));
  EXPECT_FALSE(takes("timeout", "0"));
  EXPECT_FALSE(takes("dry-run", "perhaps"));
  EXPECT_FALSE(takes("tls-database", "x"));
  Options settings;
  const auto refused = set_option(settings, "mode", "slow");
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(refused.error().message, HasSubstr("fast|quality|lite"));
  EXPECT_EQ(settings.request, Request{});
}

}  // namespace
}  // namespace veo
