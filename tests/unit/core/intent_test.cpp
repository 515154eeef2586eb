// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/intent.h"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <set>
#include <string>

namespace veo {
namespace {

const Intent::Settings service{.api_url = "https://api.aivideoapi.ai/v1"};

Request a_dog() { return {.prompt = "a dog"}; }

std::string id_of(const Request& request, const Intent::Settings& options = service) {
  return make_intent(request, options).id;
}

// These ids are in the ledgers of users. Another program computed them from the form that intent.h
// describes. If one of these tests fails, do not change the test: with another id, each recorded
// intent would be paid again.
TEST(IntentIsFrozen, ForThePlainestRequest) {
  EXPECT_EQ(make_canonical_request(a_dog()), "prompt 5 a dog\n");
  EXPECT_EQ(
      make_intent(a_dog(), service),
      (Intent{.id = "07a43333b8f664142a7adbb763a2597023cb810a8ea24e7fbd3d6b233d6cb624",
              .request = "57f2d5113283eb01f12ba1a144a6e1d9576e743de4ca39f57159b4db69a5ca99"}));
}

TEST(IntentIsFrozen, ForEveryField) {
  const Request request{.prompt = "山\nmode 4 lite",
                        .mode = Mode::quality,
                        .resolution = Resolution::k4,
                        .aspect_ratio = AspectRatio::portrait,
                        .generation_type = GenerationType::first_and_last_frames,
                        .image_urls = {"https://a/1", "https://a/2"},
                        .enable_translation = false,
                        .seed = 12345,
                        .watermark = "mine"};
  EXPECT_EQ(make_canonical_request(request),
            "prompt 15 山\nmode 4 lite\n"
            "mode 7 quality\n"
            "resolution 2 4k\n"
            "aspect_ratio 4 9:16\n"
            "generation_type 29 FIRST_AND_LAST_FRAMES_2_VIDEO\n"
            "image_urls 11 https://a/1\n"
            "image_urls 11 https://a/2\n"
            "enable_translation 5 false\n"
            "seeds 5 12345\n"
            "watermark 4 mine\n");
  EXPECT_EQ(
      make_intent(request, {.api_url = service.api_url, .account = "work", .take = 3}),
      (Intent{.id = "613b26a3c13837b284285805d075236fb8546812b183a7445acd82dbc0a8ac53",
              .request = "3ac606006d0cffeec3903ac15b6aabc2e9c645aceb3f799cd033627c2391f5f6"}));
}

TEST(IntentIsFrozen, ForAnExtension) {
  const Request request{.prompt = "on it goes", .extend_task_id = "task_1"};
  EXPECT_EQ(make_canonical_request(request), "prompt 10 on it goes\nextend_task_id 6 task_1\n");
  EXPECT_EQ(id_of(request), "9982d0cdcab936550b4b6823b9701413b1bb75a29c128771cda59d54bcb5a925");
}

TEST(IntentIsFrozen, ForARequestId) {
  EXPECT_EQ(id_of(a_dog(), {.api_url = service.api_url, .request_id = "order-7"}),
            "6d33c1a80d58b0c451ccb4ebde38c868c06d5f7b87b5b748cad035d776ffad90");
}

struct Edit {
  const char* name;
  void (*apply)(Request&);
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.name; }
std::string name_of(const testing::TestParamInfo<Edit>& info) { return info.param.name; }

class DocumentedDefault : public testing::TestWithParam<Edit> {};
TEST_P(DocumentedDefault, IsTheSameAsUnset) {
  auto request = a_dog();
  GetParam().apply(request);
  ASSERT_NE(request, a_dog());
  EXPECT_EQ(make_intent(request, service), make_intent(a_dog(), service));
}
INSTANTIATE_TEST_SUITE_P(
    All, DocumentedDefault,
    testing::Values(
        Edit{"mode", [](Request& r) { r.mode = Mode::fast; }},
        Edit{"resolution", [](Request& r) { r.resolution = Resolution::p720; }},
        Edit{"aspect_ratio", [](Request& r) { r.aspect_ratio = AspectRatio::landscape; }},
        Edit{"enable_translation", [](Request& r) { r.enable_translation = true; }},
        Edit{"generation_type", [](Request& r) { r.generation_type = GenerationType::text; }}),
    name_of);

// With images and no type, the service chooses another type than TEXT_2_VIDEO.
TEST(Intent, TextToVideoWithImagesIsNotTheDefault) {
  auto unset = a_dog();
  unset.image_urls = {"https://a/1"};
  auto text = unset;
  text.generation_type = GenerationType::text;
  EXPECT_NE(make_intent(text, service), make_intent(unset, service));
}

// The callback URL goes to the service, but it does not change the clip.
TEST(Intent, TheCallbackUrlIsNotAPartOfIt) {
  auto request = a_dog();
  request.callback_url = "https://me.example/done";
  EXPECT_EQ(make_intent(request, service), make_intent(a_dog(), service));
}

TEST(Intent, EveryOtherValueIsAnother) {
  const Edit edits[] = {
      {"", [](Request&) {}},
      {"a byte of the prompt", [](Request& r) { r.prompt = "a dag"; }},
      {"its case", [](Request& r) { r.prompt = "A dog"; }},
      {"a space after it", [](Request& r) { r.prompt = "a dog "; }},
      {"a newline after it", [](Request& r) { r.prompt = "a dog\n"; }},
      {"a null byte after it", [](Request& r) { r.prompt.push_back('\0'); }},
      {"an accent in one character", [](Request& r) { r.prompt = "a dóg"; }},
      {"the same accent in two", [](Request& r) { r.prompt = "a do\u0301g"; }},
      {"quality", [](Request& r) { r.mode = Mode::quality; }},
      {"lite", [](Request& r) { r.mode = Mode::lite; }},
      {"1080p", [](Request& r) { r.resolution = Resolution::p1080; }},
      {"4k", [](Request& r) { r.resolution = Resolution::k4; }},
      {"9:16", [](Request& r) { r.aspect_ratio = AspectRatio::portrait; }},
      {"Auto", [](Request& r) { r.aspect_ratio = AspectRatio::automatic; }},
      {"reference", [](Request& r) { r.generation_type = GenerationType::reference; }},
      {"frames", [](Request& r) { r.generation_type = GenerationType::first_and_last_frames; }},
      {"an image", [](Request& r) { r.image_urls = {"https://a/1"}; }},
      {"another image", [](Request& r) { r.image_urls = {"https://a/2"}; }},
      {"its signature", [](Request& r) { r.image_urls = {"https://a/1?sig=1"}; }},
      {"both images",
       [](Request& r) {
         r.image_urls = {"https://a/1", "https://a/2"};
       }},
      {"in another order",
       [](Request& r) {
         r.image_urls = {"https://a/2", "https://a/1"};
       }},
      {"no translation", [](Request& r) { r.enable_translation = false; }},
      {"a seed", [](Request& r) { r.seed = 10000; }},
      {"another seed", [](Request& r) { r.seed = 10001; }},
      {"an empty watermark", [](Request& r) { r.watermark = ""; }},
      {"a watermark", [](Request& r) { r.watermark = "w"; }},
      {"an extension", [](Request& r) { r.extend_task_id = "task_1"; }},
      {"of another task", [](Request& r) { r.extend_task_id = "task_2"; }},
  };
  std::set<std::string> ids;
  std::set<std::string> requests;
  for (const auto& edit : edits) {
    auto request = a_dog();
    edit.apply(request);
    const auto intent = make_intent(request, service);
    EXPECT_TRUE(ids.insert(intent.id).second) << edit.name;
    EXPECT_TRUE(requests.insert(intent.request).second) << edit.name;
  }
}

// The text of a prompt must not be able to imitate other fields.
TEST(Intent, NoValueReachesIntoTheNextField) {
  auto apart = a_dog();
  apart.mode = Mode::lite;
  for (const char* prompt : {"a dog\nmode 4 lite", "a dog\nmode 4 lite\n", "a dog\nmode=lite",
                             "5 a dog\nmode 4 lite", "a dog mode 4 lite"}) {
    EXPECT_NE(id_of({.prompt = prompt}), id_of(apart)) << prompt;
  }

  auto one = a_dog();
  one.image_urls = {"https://a/1\nimage_urls 11 https://a/2"};
  auto two = a_dog();
  two.image_urls = {"https://a/1", "https://a/2"};
  EXPECT_NE(id_of(one), id_of(two));

  const auto with = [](std::string api, std::string account, std::string request_id) {
    return id_of(a_dog(), {.api_url = std::move(api),
                           .account = std::move(account),
                           .request_id = std::move(request_id)});
  };
  EXPECT_NE(with("https://a", "b\ntake 1 1", ""), with("https://a", "b", ""));
  EXPECT_NE(with("https://a\naccount 1 b", "", ""), with("https://a", "b", ""));
  EXPECT_NE(with("https://a", "", "1\ntake 1 1"), with("https://a", "", "1"));
}

TEST(Intent, IsOfTheServiceTheAccountAndTheTake) {
  std::set<std::string> ids;
  for (const Intent::Settings& options : {
           service,
           Intent::Settings{.api_url = "https://api.aivideoapi.ai/v2"},
           Intent::Settings{.api_url = service.api_url, .account = "work"},
           Intent::Settings{.api_url = service.api_url, .account = "Work"},
           Intent::Settings{.api_url = service.api_url, .take = 2},
           Intent::Settings{.api_url = service.api_url, .take = 12},
           Intent::Settings{.api_url = service.api_url, .request_id = "1"},
           Intent::Settings{.api_url = service.api_url, .account = "work", .request_id = "1"},
       }) {
    const auto intent = make_intent(a_dog(), options);
    EXPECT_TRUE(ids.insert(intent.id).second) << options.api_url << " " << options.account << " "
                                              << options.take << " " << options.request_id;
    EXPECT_EQ(intent.request, make_intent(a_dog(), service).request);
  }
}

// The request-id alone identifies the intent. The hash of the request is kept beside it.
TEST(Intent, ARequestIdStandsForRequestAndTake) {
  const Intent::Settings order{.api_url = service.api_url, .request_id = "order-7"};
  auto again = order;
  again.take = 2;
  const Request cat{.prompt = "a cat"};
  EXPECT_EQ(id_of(a_dog(), order), id_of(cat, again));
  EXPECT_NE(make_intent(a_dog(), order).request, make_intent(cat, again).request);
}

TEST(HasQuery, KnowsASignedUrl) {
  EXPECT_TRUE(has_query("https://a.example/1.png?X-Amz-Signature=1"));
  EXPECT_TRUE(has_query("https://a.example/1.png?"));
  EXPECT_FALSE(has_query("https://a.example/1.png#here"));
  EXPECT_FALSE(has_query(""));
}

}  // namespace
}  // namespace veo
