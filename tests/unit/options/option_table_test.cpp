// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/options/option_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>
#include <vector>

#include "veo/core/intent.h"

namespace veo {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using Kind = OptionType::Kind;

bool takes(std::string_view name, const std::string& text) {
  Options settings;
  return set_option(settings, OptionSetter::command, name, text).has_value();
}

/// A value that is not the default, of each option.
OptionValue another_value(const Option& option) {
  const OptionType& type = option.type;
  switch (type.kind) {
    case Kind::flag:
      return type.standard == 0;
    case Kind::number:
      return type.standard + 1;
    case Kind::choice:
      return std::int64_t{type.choices.back().number};
    case Kind::list:
      return std::vector<std::string>{"one", "two"};
    case Kind::object:
      // An address that nobody looks at.
      return std::shared_ptr<GTlsDatabase>(std::shared_ptr<void>(),
                                           reinterpret_cast<GTlsDatabase*>(0x1000));
    case Kind::text:
      break;
  }
  return std::string("text");
}

TEST(Options, HaveOneNameEach) {
  std::set<std::string_view> names;
  for (const auto& option : option_table())
    EXPECT_TRUE(names.insert(option.name).second) << option.name.value;
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
  for (const auto& [name, text] : lines) {
    EXPECT_TRUE(set_option(settings, OptionSetter::command, name, text)) << name;
  }
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
  EXPECT_EQ(settings.on_unknown, OnUnknown::resubmit);
  EXPECT_EQ(settings.max_credits, 40U);
  EXPECT_EQ(settings.network.timeout, std::chrono::seconds(7));
  EXPECT_EQ(settings.network.retries, -1);
  EXPECT_EQ(settings.poll_interval, std::chrono::milliseconds(250));
  EXPECT_EQ(settings.layout, LayoutMode::original);
}

TEST(Options, ReadAsTheirDefaultAndThenAsWhatWasSet) {
  for (const auto& option : option_table()) {
    Options options;
    const auto standard = get_option(options, option);
    const OptionType& type = option.type;
    if (type.kind == Kind::flag) {
      EXPECT_EQ(standard, OptionValue(type.standard != 0)) << option.name.value;
    } else if (type.kind == Kind::number || type.kind == Kind::choice) {
      EXPECT_EQ(standard, OptionValue(type.standard)) << option.name.value;
    }

    const auto value = another_value(option);
    ASSERT_NE(value, standard) << option.name.value;
    ASSERT_TRUE(set_option(options, option, value)) << option.name.value;
    if (option.exposure == Option::Exposure::secret) {
      EXPECT_EQ(get_option(options, option), OptionValue(std::string())) << option.name.value;
    } else {
      EXPECT_EQ(get_option(options, option), value) << option.name.value;
    }
    // Each row reaches a member of its own.
    for (const auto& other : option_table()) {
      EXPECT_EQ(other.member.value.is_equal(options, {}), &other != &option)
          << option.name.value << " and " << other.name.value;
    }
  }
}

// Numbers at both ends of their ranges, and one beyond each.
TEST(Options, KeepToTheirRanges) {
  for (const auto& option : option_table()) {
    const OptionType& type = option.type;
    if (type.kind != Kind::number) continue;
    const auto name = std::string(option.name.value);
    Options options;
    for (const auto good : {type.least, type.most}) {
      EXPECT_TRUE(set_option(options, option, OptionValue(good))) << name;
      EXPECT_EQ(get_option(options, option), OptionValue(good)) << name;
      EXPECT_TRUE(set_option(options, option, std::to_string(good))) << name;
    }
    for (const auto bad : {type.least - 1, type.most + 1}) {
      EXPECT_FALSE(set_option(options, option, OptionValue(bad))) << name;
      const auto refused = set_option(options, option, std::to_string(bad));
      ASSERT_FALSE(refused) << name;
      EXPECT_THAT(refused.error().message, HasSubstr("(" + range_of(option) + ")"));
      EXPECT_EQ(get_option(options, option), OptionValue(type.most)) << name << ": it stays";
    }
  }
}

TEST(Options, OfARequestOrAJobMakeAnotherJob) {
  const Options plain;
  EXPECT_TRUE(is_same_job(plain, Options()));
  for (const auto& option : option_table()) {
    Options options;
    ASSERT_TRUE(set_option(options, option, another_value(option)));
    EXPECT_EQ(is_same_job(plain, options), option.identity == Option::Identity::reader)
        << option.name.value;
  }
  Options other;
  other.parent_upstream_id = "parent";
  EXPECT_FALSE(is_same_job(plain, other));
  other = {};
  other.instance = "one";
  EXPECT_FALSE(is_same_job(plain, other));
}

// The intent (core/intent.h) and the table must not disagree about what is paid for itself.
TEST(Options, OfARequestMakeAnotherIntent) {
  const auto intent_of = [](const Options& options) {
    return make_intent(options.request, {.api_url = options.access.api_url,
                                         .account = "",
                                         .take = options.take,
                                         .request_id = options.request_id})
               .id +
           (options.reuse ? "" : "/an instance of its own");
  };
  for (const auto& option : option_table()) {
    Options options;
    ASSERT_TRUE(set_option(options, option, another_value(option)));
    EXPECT_EQ(intent_of(options) != intent_of({}), option.identity == Option::Identity::request)
        << option.name.value;
  }
}

TEST(Options, OfEachSetterAreTheContract) {
  const auto names_for = [](OptionSetter setter) {
    std::vector<std::string> names;
    for (const auto& option : option_table()) {
      if (find_option(option.name, setter) != nullptr) names.emplace_back(option.name.value);
    }
    return names;
  };
  const std::vector<std::string> for_uris{
      "prompt",          "mode",       "resolution",         "aspect-ratio",
      "generation-type", "image-urls", "enable-translation", "seed",
      "watermark",       "take"};
  EXPECT_EQ(names_for(OptionSetter::uri), for_uris);
  const std::vector<std::string> besides_in_batches{"callback-url", "extend-task-id", "task-id",
                                                    "request-id", "on-unknown"};
  auto for_batches = for_uris;
  for_batches.insert(for_batches.end(), besides_in_batches.begin(), besides_in_batches.end());
  EXPECT_THAT(names_for(OptionSetter::batch), testing::UnorderedElementsAreArray(for_batches));
  EXPECT_EQ(find_option("tls-database", OptionSetter::command), nullptr);
  EXPECT_EQ(find_option("prompt-tag", OptionSetter::command), nullptr);
  EXPECT_EQ(find_option("join", OptionSetter::source_element), nullptr);
  EXPECT_NE(find_option("join", OptionSetter::extension_element), nullptr);
  EXPECT_EQ(names_for(OptionSetter::source_element).size(), option_table().size() - 1);
}

TEST(Options, AreToldInOneLine) {
  for (const auto& option : option_table()) {
    const auto help = help_of(option);
    EXPECT_FALSE(help.empty()) << option.name.value;
    EXPECT_FALSE(help.ends_with('.')) << option.name.value;
    EXPECT_EQ(help.find('\n'), std::string::npos) << option.name.value;
  }
}

TEST(Options, MakeInstancesThatDiffer) { EXPECT_NE(make_instance(), make_instance()); }

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
  const auto refused = set_option(settings, OptionSetter::command, "mode", "slow");
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(refused.error().message, HasSubstr("fast|quality|lite"));
  EXPECT_EQ(settings.request, Request{});
}

// GObject's properties store any number, so the Source has to ask check_ranges().
TEST(Options, AreCheckedAgainstTheirRanges) {
  EXPECT_TRUE(check_ranges({}));
  unsigned checked = 0;
  for (const auto& option : option_table()) {
    const OptionType& type = option.type;
    if (type.kind != Kind::number) continue;
    for (const auto good : {type.least, type.most}) {
      Options options;
      option.member.value.set(options, good);
      EXPECT_TRUE(check_ranges(options)) << option.name.value << "=" << good;
    }
    std::vector<std::int64_t> wrong{type.most + 1};
    if (type.least != 0) wrong.push_back(type.least - 1);
    // gst-launch-1.0 turns -1 into the largest guint.
    if (type.least >= 0) wrong.push_back(std::numeric_limits<std::uint32_t>::max());
    for (const auto bad : wrong) {
      Options options;
      option.member.value.set(options, bad);
      if (get_option(options, option) != OptionValue(bad)) continue;  // 0 unsets a seed
      ++checked;
      const auto refused = check_ranges(options);
      ASSERT_FALSE(refused) << option.name.value << "=" << bad;
      EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
      EXPECT_THAT(refused.error().message,
                  AllOf(HasSubstr(std::string(option.name.value) + ": " + std::to_string(bad)),
                        HasSubstr(range_of(option)), HasSubstr("Nothing was sent")));
    }
  }
  EXPECT_GE(checked, 14U);
}

TEST(Options, OfARequestAreNotCheckedForATaskThatIsNamed) {
  Options options;
  options.take = 0;
  EXPECT_FALSE(check_ranges(options));
  options.task_id = "T";
  EXPECT_TRUE(check_ranges(options));
  options.network.timeout = std::chrono::seconds(0);
  EXPECT_FALSE(check_ranges(options));
}

}  // namespace
}  // namespace veo
