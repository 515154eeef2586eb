// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_pipeline.h"

namespace veo::test {
namespace {

using testing::HasSubstr;

GstPtr<GstElement> make() {
  return GstPtr<GstElement>(
      GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make("veosrc", nullptr))));
}

std::string read(GstElement* element, const char* name) {
  GValue value = G_VALUE_INIT;
  const auto* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
  g_value_init(&value, spec->value_type);
  g_object_get_property(G_OBJECT(element), name, &value);
  const std::unique_ptr<char, decltype(&g_free)> text(gst_value_serialize(&value), g_free);
  g_value_unset(&value);
  return text ? text.get() : "NULL";
}

/// The contract's table of properties (docs/veosrc.md): each name, and the default that
/// gst-inspect-1.0 reads from an instance.
struct PropertyRow {
  const char* name;
  const char* initial;
  const char* set;  ///< a value in gst-launch-1.0's spelling; reading gives it back
};
const PropertyRow rows[] = {
    {"prompt", "NULL", "dog"},
    {"mode", "fast", "quality"},
    {"resolution", "720p", "4k"},
    {"aspect-ratio", "16:9", "auto"},
    {"generation-type", "unset", "first-and-last-frames"},
    {"image-urls", "<  >", nullptr},
    {"enable-translation", "true", "false"},
    {"seed", "0", "10000"},
    {"watermark", "NULL", "mine"},
    {"callback-url", "NULL", "https://a.example/"},
    {"callback-listen", "NULL", "127.0.0.1:8080"},
    {"extend-task-id", "NULL", "abc"},
    {"task-id", "NULL", "abc"},
    {"max-credits", "0", "100"},
    {"dry-run", "false", "true"},
    {"api-url", "NULL", "https://a.example/v1"},
    {"api-key-file", "NULL", "/tmp/key"},
    {"allow-http", "NULL", "simulator:8080"},
    {"allow-addresses", "NULL", "198.18.0.0/15"},
    {"proxy", "NULL", nullptr},
    {"ssl-ca-file", "NULL", "/tmp/ca.pem"},
    {"user-agent", "NULL", "mine/1"},
    {"generation-timeout", "1800", "10"},
    {"timeout", "15", "3"},
    {"retries", "5", "-1"},
    {"poll-interval", "0", "250"},
    {"layout", "streamable", "original"},
    {"prompt-tag", "false", "true"},
};

TEST(Properties, HaveTheContractsDefaultsAndReadBack) {
  const auto src = make();
  for (const auto& row : rows) {
    EXPECT_EQ(read(src.get(), row.name), row.initial) << row.name;
    if (row.set == nullptr) continue;
    gst_util_set_object_arg(G_OBJECT(src.get()), row.name, row.set);
    EXPECT_THAT(read(src.get(), row.name), HasSubstr(row.set)) << row.name;
  }
}

TEST(Properties, AllHaveANickAndABlurb) {
  const auto src = make();
  guint count = 0;
  GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(src.get()), &count);
  for (guint i = 0; i < count; ++i) {
    if (specs[i]->owner_type != G_OBJECT_TYPE(src.get())) continue;
    EXPECT_STRNE(g_param_spec_get_nick(specs[i]), g_param_spec_get_name(specs[i]));
    EXPECT_GT(std::string(g_param_spec_get_blurb(specs[i])).size(), 3U);
  }
  g_free(specs);
}

TEST(Properties, TheKeyCannotBeRead) {
  const auto src = make();
  const auto* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(src.get()), "api-key");
  ASSERT_NE(spec, nullptr);
  EXPECT_EQ(spec->flags & G_PARAM_READABLE, 0U);
  EXPECT_NE(spec->flags & G_PARAM_WRITABLE, 0U);
}

TEST(Properties, AProxysPasswordCannotBeRead) {
  const auto src = make();
  g_object_set(src.get(), "proxy", "http://user:password@proxy.example:3128", nullptr);
  EXPECT_THAT(read(src.get(), "proxy"), HasSubstr("proxy.example"));
  EXPECT_THAT(read(src.get(), "proxy"), testing::Not(HasSubstr("password")));
}

TEST(Properties, TheEnvironmentsKeyIsNoDefault) {
  ::setenv("VEO_API_KEY", "sk-environment", 1);
  ::setenv("VEO_API_URL", "https://environment.example/v1", 1);
  const auto src = make();
  EXPECT_EQ(read(src.get(), "api-url"), "NULL");
  ::unsetenv("VEO_API_KEY");
  ::unsetenv("VEO_API_URL");
}

TEST(Properties, ThePadIsAnMp4Stream) {
  const auto src = make();
  const GstPtr<GstPad> pad(gst_element_get_static_pad(src.get(), "src"));
  ASSERT_TRUE(pad);
  GstCaps* caps = gst_pad_query_caps(pad.get(), nullptr);
  const std::unique_ptr<char, decltype(&g_free)> text(gst_caps_to_string(caps), g_free);
  EXPECT_STREQ(text.get(), "video/quicktime, variant=(string)iso");
  gst_caps_unref(caps);
}

TEST(Properties, SchedulingIsPushAndSaysThatBandwidthIsLimited) {
  const auto src = make();
  GstQuery* query = gst_query_new_scheduling();
  const GstPtr<GstPad> pad(gst_element_get_static_pad(src.get(), "src"));
  gst_pad_set_active(pad.get(), TRUE);
  ASSERT_TRUE(gst_pad_query(pad.get(), query));
  EXPECT_FALSE(gst_query_has_scheduling_mode(query, GST_PAD_MODE_PULL));
  EXPECT_TRUE(gst_query_has_scheduling_mode(query, GST_PAD_MODE_PUSH));
  GstSchedulingFlags flags;
  gst_query_parse_scheduling(query, &flags, nullptr, nullptr, nullptr);
  EXPECT_NE(flags & GST_SCHEDULING_FLAG_BANDWIDTH_LIMITED, 0);
  gst_query_unref(query);
  gst_pad_set_active(pad.get(), FALSE);
}

}  // namespace
}  // namespace veo::test
