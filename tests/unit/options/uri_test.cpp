// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/options/uri.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "veo/core/escape.h"

namespace veo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

TEST(Uri, NamesATask) {
  Options settings;
  settings.request.prompt = "before";
  settings.by_uri = true;
  const auto uri = parse_uri("VEO:task/cbf6b69d-4f03");
  ASSERT_TRUE(uri);
  ASSERT_TRUE(set_uri(settings, *uri));
  EXPECT_EQ(settings.task_id, "cbf6b69d-4f03");
  EXPECT_FALSE(settings.by_uri) << "a URI with a task id never spends";
  EXPECT_THAT(settings.request.prompt, IsEmpty());
}

TEST(Uri, IsARequestThatTheBudgetOfUrisPays) {
  Options settings;
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

TEST(Uri, IsRefusedInAnyOtherForm) {
  for (const auto* const text :
       {"", "http://a.example/", "veo:", "veo:task/", "veo:task/a/b", "veo:task/a?x=y",
        "veo://task/a", "veo:task/a#b", "veo:clip?prompt=x&api-url=https://a.example/",
        "veo:clip?prompt=x&prompt=y", "veo:clip?prompt=x&task-id=a", "veo:clip?prompt=%zz",
        "veo:clip?on-unknown=resubmit", "veo:film"}) {
    const auto uri = parse_uri(text);
    ASSERT_FALSE(uri) << text;
    EXPECT_EQ(uri.error().code, ErrorCode::invalid_request);
  }
  Options settings;
  EXPECT_FALSE(set_uri(settings, *parse_uri("veo:clip?prompt=x&mode=slow")));
}

TEST(Uri, NamesATaskOfAnyId) {
  const std::pair<std::string, std::string> ids[] = {
      {"models%2Fx%2Foperations%2F1", "models/x/operations/1"},
      {"..%2f..%2Fevil", "../../evil"},
      {".hidden", ".hidden"},
      {"a%20b%252Fc%3Fd%23e", "a b%2Fc?d#e"},
      {"%C3%A4%2F%E6%97%A5%E6%9C%AC", "ä/日本"},
      {"ä", "ä"},
      {std::string(512, 'x'), std::string(512, 'x')},
  };
  for (const auto& [text, id] : ids) {
    const auto uri = parse_uri("veo:task/" + text);
    ASSERT_TRUE(uri) << uri.error().message;
    EXPECT_EQ(uri->task_id, id);
  }
  const std::pair<std::string, std::string> flaws[] = {
      {std::string(513, 'x'), "513 bytes"},
      {"a%0Ab", "U+000A"},
      {"%FF", "UTF-8"},
      {"a%00b", "percent-encoded"},
      {"%zz", "%25"},
      {"..", "no URL"},
      {"a/b", "%2F"},
      {"a?b", "%3F"},
      {"a#b", "%23"},
  };
  for (const auto& [text, flaw] : flaws) {
    const auto uri = parse_uri("veo:task/" + text);
    ASSERT_FALSE(uri) << flaw;
    EXPECT_THAT(uri.error().message, HasSubstr(flaw));
  }
}

/// Returns the image-urls that a URI with this value sets, or nullopt if the URI is refused.
std::optional<std::vector<std::string>> image_urls_of(const std::string& value) {
  Options settings;
  const auto uri = parse_uri("veo:clip?image-urls=" + percent_encode(value));
  if (!uri || !set_uri(settings, *uri)) return std::nullopt;
  return settings.request.image_urls;
}

TEST(Uri, TakesAnArrayAsGStreamerWritesIt) {
  const std::pair<std::string, std::vector<std::string>> arrays[] = {
      {"http://a/1.jpg", {"http://a/1.jpg"}},
      {"<>", {}},
      {R"(<"a">)", {"a"}},
      {R"(<"a","b">)", {"a", "b"}},
      {"< \"a\"\t,\n\"b\" > ", {"a", "b"}},
      {R"(<"a",>)", {"a"}},
      {"<http://a/1.jpg, \"b\">", {"http://a/1.jpg", "b"}},
      {R"(<"http://h/a?b=c,d">)", {"http://h/a?b=c,d"}},
      {R"(<"a\"b\\c">)", {"a\"b\\c"}},
      {R"(<"\303\244a\142\9">)", {"äab9"}},
      {R"(<"ä">)", {"ä"}},
      {"<a:b/c.d-e_f+g>", {"a:b/c.d-e_f+g"}},
      {R"(<"NULL">)", {"NULL"}},
      {"<(string)\"a\", (gchararray)b>", {"a", "b"}},
  };
  for (const auto& [text, texts] : arrays) {
    EXPECT_THAT(image_urls_of(text), Optional(texts)) << text;
  }
  // GStreamer refuses these texts too, or splits them into other elements.
  for (const auto* const text :
       {"<",           R"(<"a)",        R"(<"a")",          R"(<"a\")",  R"(<"\)",
        "<,>",         R"(<"a",,"b">)", R"(<"a" "b">)",     R"(<"a">x)", "<a b>",
        "<'a'>",       "<<a>>",         R"(<{"a"}>)",       "<[1,2]>",   "<(int)1>",
        "<(string)>",  "<a;b>",         "<http://h/a?b=c>", "<ä>",       "<NULL>",
        R"(<"\000">)", R"(<"\377">)"}) {
    EXPECT_EQ(image_urls_of(text), std::nullopt) << text;
  }
}

TEST(Uri, HasALimit) {
  const std::string begin = "veo:clip?prompt=x&image-urls=<\"";
  const std::string end = "\">";
  const auto of_size = [&](std::size_t size) {
    return begin + std::string(size - begin.size() - end.size(), 'a') + end;
  };
  Options settings;
  const auto longest = parse_uri(of_size(longest_uri));
  ASSERT_TRUE(longest);
  ASSERT_TRUE(set_uri(settings, *longest));
  EXPECT_EQ(settings.request.image_urls.at(0).size(), longest_uri - begin.size() - end.size());
  for (const std::size_t size : {longest_uri + 1, std::size_t{28'000}, std::size_t{1'000'000}}) {
    const auto refused = parse_uri(of_size(size));
    ASSERT_FALSE(refused) << size;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
    EXPECT_THAT(refused.error().message, HasSubstr(std::to_string(size) + " bytes, and 16384"));
  }
  for (const auto* const piece : {"<", "\"", "\\", "\"a\",", "%3C", "&"}) {
    std::string text = "veo:clip?image-urls=<";
    while (text.size() + 3 < longest_uri) text += piece;
    const auto uri = parse_uri(text);
    EXPECT_FALSE(uri && set_uri(settings, *uri)) << piece;
    const auto told = uri ? std::size_t{0} : uri.error().message.size();
    EXPECT_LT(told, 2000U) << "the message must not repeat the URI";
  }
}

}  // namespace
}  // namespace veo
