// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The plugin as GStreamer's registry knows the plugin.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench.h"

using namespace veo::test;

GST_START_TEST(test_plugin) {
  auto* const found = gst_registry_find_plugin(gst_registry_get(), "veo");
  fail_unless(found != nullptr, "GST_PLUGIN_PATH does not lead to the plugin");
  const ObjectPtr<GstPlugin> plugin(gst_plugin_load(found));
  gst_object_unref(found);
  fail_unless(plugin != nullptr);
  // GStreamer loads no plugin with a licence that it does not know.
  fail_unless_equals_string(gst_plugin_get_license(plugin.get()), "LGPL");
  fail_unless_equals_string(gst_plugin_get_source(plugin.get()), "gst-veo");
}
GST_END_TEST;

GST_START_TEST(test_features) {
  GList* const features = gst_registry_get_feature_list_by_plugin(gst_registry_get(), "veo");
  std::vector<std::string> names;
  for (GList* one = features; one != nullptr; one = one->next) {
    names.emplace_back(gst_plugin_feature_get_name(GST_PLUGIN_FEATURE(one->data)));
  }
  gst_plugin_feature_list_free(features);
  std::ranges::sort(names);
  expect_equal(names, {"veoextend", "veolivesrc", "veosrc"});
}
GST_END_TEST;

/// Documentation tools list the types with this mark.
GST_START_TEST(test_types_are_plugin_api) {
  for (const char* const name : {"veosrc", "veoextend", "veolivesrc"}) {
    const ObjectPtr<GstElement> element(
        GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make(name, nullptr))));
    guint count = 0;
    const std::unique_ptr<GParamSpec*, decltype(&g_free)> specs(
        g_object_class_list_properties(G_OBJECT_GET_CLASS(element.get()), &count), g_free);
    for (guint i = 0; i < count; ++i) {
      const auto* const spec = specs.get()[i];
      if (!G_IS_PARAM_SPEC_ENUM(spec)) continue;
      GstPluginAPIFlags flags = {};
      fail_unless(gst_type_is_plugin_api(spec->value_type, &flags), "%s.%s", name, spec->name);
      fail_unless(g_str_has_prefix(g_type_name(spec->value_type), "GstVeo"));
    }
  }
}
GST_END_TEST;

/// GST_DEBUG=veo*:6 shows all debug categories of the plugin.
GST_START_TEST(test_debug_categories) {
  const auto src = make_element("veosrc", nullptr);
  const auto extend = make_element("veoextend", nullptr);
  const auto live = make_element("veolivesrc", nullptr);
  for (const char* const name : {"veosrc", "veoextend", "veolivesrc", "veo-job", "veo-clip",
                                 "veo-http", "veo-ledger", "veo-film"}) {
    fail_unless(_gst_debug_get_category(name) != nullptr, "there is no category %s", name);
  }
}
GST_END_TEST;

static Suite* plugin_suite() {
  auto* const suite = suite_create("plugin");
  auto* const tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_plugin);
  tcase_add_test(tcase, test_features);
  tcase_add_test(tcase, test_types_are_plugin_api);
  tcase_add_test(tcase, test_debug_categories);
  return suite;
}

GST_CHECK_MAIN(plugin);
