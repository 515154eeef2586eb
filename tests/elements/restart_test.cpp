// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Applications that do not wait. fallbacksrc (of gst-plugins-rs) sets its source to NULL and to
// PLAYING again if no data has come for five seconds. GES asks GstDiscoverer first, which gives up
// after a time. Each of them must find the same paid task again.
#include <gst/pbutils/pbutils.h>
#include <gtest/gtest.h>

#include <string>

#include "environment.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

class Restart : public testing::TestWithParam<const char*> {
 protected:
  explicit Restart(const char* generation_time = "1s")
      : simulator_(Simulator::start({"--generation-time", generation_time, "--frames", "24"})),
        api_url_("VEO_API_URL", simulator_.api_url()),
        api_key_("VEO_API_KEY", simulator_.key()),
        interval_("VEO_POLL_INTERVAL", "20"),
        ledger_("VEO_LEDGER", simulator_.ledger()),
        cache_("VEO_CACHE_DIR", simulator_.cache()),
        budget_("VEO_URI_BUDGET", "400") {}

  void expect_one_charge() const {
    EXPECT_EQ(simulator_.state().at("submissions"), 1);
    EXPECT_EQ(simulator_.state().at("charges"), 1);
  }

  const Simulator simulator_;
  const Environment api_url_;
  const Environment api_key_;
  const Environment interval_;
  const Environment ledger_;
  const Environment cache_;
  const Environment budget_;
};

/// Restarts the source as fallbacksrc does: the source alone, while the rest of the pipeline goes
/// on.
void restart(GstElement* source) {
  gst_element_set_state(source, GST_STATE_NULL);
  gst_element_sync_state_with_parent(source);
}

// The restart comes at each news of the task: before it is submitted, after it was accepted, and
// while it is generated.
TEST_P(Restart, ASourceThatIsRestartedPaysOnce) {
  TestPipeline run(GetParam());
  run.watch("video");
  run.start();
  const auto source = run.element("source");
  int restarts = 0;
  while (const auto message = run.next(GST_MESSAGE_ELEMENT)) {
    if (run.failure() || run.eos()) break;
    if (!gst_message_has_name(message.get(), "veo-task") || restarts == 6) continue;
    ++restarts;
    restart(source.get());
  }
  EXPECT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_TRUE(run.eos());
  EXPECT_EQ(restarts, 6);
  EXPECT_FALSE(run.seen("video").empty());
  expect_one_charge();
}

INSTANTIATE_TEST_SUITE_P(
    Sources, Restart,
    testing::Values("veosrc name=source prompt=x ! fakesink name=video async=false",
                    // The request of the element's own survives a restart, too.
                    "veosrc name=source prompt=x reuse=false ! fakesink name=video async=false",
                    // uridecodebin makes a new veosrc each time.
                    "uridecodebin name=source uri=veo:clip?prompt=x caps=video/x-raw ! "
                    "fakesink name=video async=false"));

class Impatience : public Restart {
 protected:
  Impatience() : Restart("2s") {}

  static GstDiscovererResult discover(GstClockTime patience) {
    const GstPtr<GstDiscoverer> discoverer(gst_discoverer_new(patience, nullptr));
    auto* const info = gst_discoverer_discover_uri(discoverer.get(), "veo:clip?prompt=x", nullptr);
    const auto result = gst_discoverer_info_get_result(info);
    gst_object_unref(info);
    return result;
  }
};

TEST_F(Impatience, ADiscovererThatGivesUpHasPaidOnce) {
  EXPECT_EQ(discover(GST_SECOND), GST_DISCOVERER_TIMEOUT);
  EXPECT_EQ(discover(30 * GST_SECOND), GST_DISCOVERER_OK);
  expect_one_charge();
}

}  // namespace
}  // namespace veo::test
