// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One intent costs one charge, whatever is done to the elements. The simulator counts the charges.
#include <gmock/gmock.h>
#include <gst/pbutils/pbutils.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "command.h"
#include "environment.h"
#include "sha256.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using testing::HasSubstr;

int charges(const Simulator& simulator) { return simulator.state().at("charges"); }
int submissions(const Simulator& simulator) { return simulator.state().at("submissions"); }

Simulator quick(std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--generation-time", "0s", "--frames", "24"});
  return Simulator::start(more);
}

struct Outcome {
  std::optional<Failure> failure;
  std::vector<std::uint8_t> bytes;
  std::vector<std::string> tasks;
  std::vector<std::string> warnings;

  [[nodiscard]] std::string code() const { return failure ? failure->details.at("code") : ""; }
};

/// Runs `veosrc PROPERTIES` to its end in a pipeline of its own.
Outcome play(const Simulator& simulator, const std::string& properties) {
  TestPipeline run("veosrc name=src " + properties + " ! fakesink name=sink sync=false");
  run.use(simulator, shares_cache);
  run.watch("sink");
  EXPECT_TRUE(run.finish()) << properties;
  return {run.failure(), run.bytes("sink"), run.tasks(), run.warnings()};
}

std::string sha256_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return sha256(std::string(std::istreambuf_iterator<char>(file), {}));
}

std::string clip_of(const Simulator& simulator) {
  for (const auto& entry : std::filesystem::directory_iterator(simulator.cache() + "/shared")) {
    if (entry.path().extension() == ".mp4") return entry.path();
  }
  return "";
}

TEST(Money, TheSameLineAgainPlaysTheKeptClip) {
  auto simulator = quick();
  const auto first = play(simulator, "prompt=x");
  ASSERT_FALSE(first.failure) << first.failure->text;
  const auto state = simulator.state();
  EXPECT_EQ(state.at("charges"), 1);

  simulator.refuse_files();
  const auto again = play(simulator, "prompt=x mode=fast take=1");
  ASSERT_FALSE(again.failure) << again.failure->text;
  EXPECT_EQ(again.bytes, first.bytes);
  EXPECT_EQ(simulator.state().at("charges"), 1);
  EXPECT_EQ(simulator.state().at("queries"), state.at("queries")) << "a query was sent";

  // The cache holds the original file.
  const std::string sha256 = state.at("tasks").at(0).at("sha256");
  EXPECT_EQ(sha256_of_file(clip_of(simulator)), sha256);
}

TEST(Money, AKeptClipIsPlayedWithoutAServiceAKeyOrARule) {
  auto simulator = quick();
  const auto first = play(simulator, "prompt=x");
  ASSERT_FALSE(first.failure);
  simulator.stop();
  // The service is down, the price exceeds the limit, and no key is set. A paid clip plays all the
  // same.
  TestPipeline run("veosrc name=src prompt=x max-credits=1 ! fakesink name=sink sync=false");
  run.use(simulator, shares_cache);
  g_object_set(run.element("src").get(), "api-key", nullptr, nullptr);
  run.watch("sink");
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(run.bytes("sink"), first.bytes);
}

TEST(Money, AnotherTakeIsAnotherTask) {
  const auto simulator = quick();
  EXPECT_FALSE(play(simulator, "prompt=x").failure);
  EXPECT_FALSE(play(simulator, "prompt=x take=2").failure);
  EXPECT_FALSE(play(simulator, "prompt=x take=2").failure);
  EXPECT_EQ(charges(simulator), 2);
}

TEST(Money, WithoutReuseEachElementSubmitsOnce) {
  const auto simulator = quick();
  EXPECT_FALSE(play(simulator, "prompt=x").failure);
  TestPipeline run("veosrc name=src prompt=x reuse=false ! fakesink name=sink sync=false");
  run.use(simulator, shares_cache);
  for (int i = 0; i < 5; ++i) {
    run.start(GST_STATE_PAUSED);
    ASSERT_TRUE(run.next(GST_MESSAGE_ASYNC_DONE));
    ASSERT_FALSE(run.failure()) << run.failure()->text;
    gst_element_set_state(run.pipeline(), GST_STATE_READY);
  }
  EXPECT_EQ(charges(simulator), 2);
  run.stop();
  EXPECT_FALSE(play(simulator, "prompt=x reuse=false").failure);
  EXPECT_EQ(charges(simulator), 3);
}

TEST(Money, ARequestIdStandsForOneRequest) {
  const auto simulator = quick();
  const std::string signed_url = "image-urls=<\"https://a.example/1.jpg?signature=";
  const auto first = play(simulator, "prompt=x request-id=job-7 " + signed_url + "one\">");
  ASSERT_FALSE(first.failure) << first.failure->text;
  EXPECT_TRUE(first.warnings.empty());
  const auto again = play(simulator, "prompt=x request-id=job-7 " + signed_url + "two\">");
  EXPECT_FALSE(again.failure) << again.failure->text;
  EXPECT_EQ(submissions(simulator), 1);
  const auto other = play(simulator, "prompt=y request-id=job-7");
  ASSERT_TRUE(other.failure);
  EXPECT_EQ(other.code(), "invalid-request");
  EXPECT_EQ(charges(simulator), 1);
  EXPECT_EQ(submissions(simulator), 1);
}

TEST(Money, ASignedImageUrlIsWarnedOf) {
  const auto simulator = quick();
  const auto run = play(simulator, "prompt=x image-urls=<\"https://a.example/1.jpg?s=secret\">");
  ASSERT_FALSE(run.failure) << run.failure->text;
  ASSERT_EQ(run.warnings.size(), 1U);
  EXPECT_THAT(run.warnings[0], HasSubstr("request-id"));
  // The ledger does not contain the URL's signature.
  EXPECT_EQ(output_of("grep -c secret " + simulator.ledger() + " " + simulator.ledger() + "-wal"),
            simulator.ledger() + ":0\n" + simulator.ledger() + "-wal:0\n");
}

TEST(Money, AnUnansweredSubmissionStandsUntilTheUserDecides) {
  auto simulator = quick({"--fault", "submit:lost-answer*1"});
  const auto first = play(simulator, "prompt=x");
  ASSERT_TRUE(first.failure);
  EXPECT_EQ(first.code(), "submit-unknown");
  EXPECT_EQ(first.failure->details.at("charged"), "unknown");
  EXPECT_THAT(first.failure->text, HasSubstr("the balance was 9960 credits"));
  EXPECT_THAT(first.failure->text, HasSubstr("on-unknown=resubmit"));
  EXPECT_THAT(first.failure->text, HasSubstr("task-id"));

  const auto second = play(simulator, "prompt=x");
  EXPECT_EQ(second.code(), "submit-unknown");
  EXPECT_THAT(second.failure->text, HasSubstr("9960"));
  EXPECT_EQ(play(simulator, "prompt=x reuse=false").code(), "submit-unknown");
  EXPECT_EQ(submissions(simulator), 1);

  EXPECT_FALSE(play(simulator, "prompt=x on-unknown=resubmit").failure);
  EXPECT_EQ(submissions(simulator), 2);
  EXPECT_FALSE(play(simulator, "prompt=x on-unknown=resubmit").failure);
  EXPECT_FALSE(play(simulator, "prompt=x").failure);
  EXPECT_EQ(submissions(simulator), 2);
}

TEST(Money, TheTaskOfAnUnknownSubmissionCanBeNamed) {
  auto simulator = quick({"--fault", "submit:lost-answer*1"});
  EXPECT_EQ(play(simulator, "prompt=x").code(), "submit-unknown");
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  EXPECT_FALSE(play(simulator, "prompt=x task-id=" + id).failure);
  // After that the same line without `task-id` finds the task.
  EXPECT_FALSE(play(simulator, "prompt=x").failure);
  EXPECT_EQ(charges(simulator), 1);
  EXPECT_EQ(submissions(simulator), 1);
}

TEST(Money, ResubmittingEndsAfterTwoADay) {
  auto simulator = quick({"--fault", "submit:lost-answer"});
  EXPECT_EQ(play(simulator, "prompt=x").code(), "submit-unknown");
  EXPECT_EQ(play(simulator, "prompt=x on-unknown=resubmit").code(), "submit-unknown");
  EXPECT_EQ(play(simulator, "prompt=x on-unknown=resubmit").code(), "submit-unknown");
  EXPECT_EQ(submissions(simulator), 3);
  const auto fourth = play(simulator, "prompt=x on-unknown=resubmit");
  EXPECT_EQ(fourth.code(), "submit-unknown");
  EXPECT_THAT(fourth.failure->text, HasSubstr("limit"));
  EXPECT_EQ(submissions(simulator), 3);
}

TEST(Money, AFailedTaskIsNotSubmittedAgainWithinTheProcess) {
  auto simulator = quick({"--fault", "task:failed*1"});
  const auto first = play(simulator, "prompt=x");
  EXPECT_EQ(first.code(), "task-failed");
  const auto second = play(simulator, "prompt=x");
  EXPECT_EQ(second.code(), "task-failed");
  EXPECT_EQ(second.failure->details.at("task-id"), first.failure->details.at("task-id"));
  EXPECT_EQ(submissions(simulator), 1);
}

TEST(Money, ADamagedClipIsFetchedAgainAndNotGeneratedAgain) {
  const auto simulator = quick();
  const auto first = play(simulator, "prompt=x");
  const auto path = clip_of(simulator);
  const auto queries = simulator.state().at("queries");
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(50'000);
    file.put('!');
  }
  const auto again = play(simulator, "prompt=x");
  ASSERT_FALSE(again.failure) << again.failure->text;
  EXPECT_EQ(again.bytes, first.bytes);
  std::filesystem::resize_file(path, 1000);
  EXPECT_EQ(play(simulator, "prompt=x").bytes, first.bytes);
  std::filesystem::remove(path);
  EXPECT_EQ(play(simulator, "prompt=x").bytes, first.bytes);
  EXPECT_EQ(charges(simulator), 1);
  EXPECT_EQ(simulator.state().at("queries"), queries) << "the recorded URL is still valid";
}

TEST(Money, AUrlThatIsRefusedIsAskedForAnew) {
  auto simulator = quick();
  const auto first = play(simulator, "prompt=x");
  std::filesystem::remove(clip_of(simulator));
  const int queries = simulator.state().at("queries");
  // The host refuses the URL, as hosts do after a URL has expired.
  execute(simulator.ledger(), "UPDATE submission SET url = url || '.gone'");
  const auto again = play(simulator, "prompt=x");
  ASSERT_FALSE(again.failure) << again.failure->text;
  EXPECT_EQ(again.bytes, first.bytes);
  EXPECT_EQ(simulator.state().at("queries"), queries + 1);
  EXPECT_EQ(charges(simulator), 1);

  std::filesystem::remove(clip_of(simulator));
  simulator.set_faults({"file:status=404"});
  const auto gone = play(simulator, "prompt=x");
  ASSERT_TRUE(gone.failure);
  EXPECT_EQ(gone.code(), "network");
  EXPECT_EQ(charges(simulator), 1);
}

TEST(Money, ALostLedgerIsNotASecondPayment) {
  const auto simulator = quick();
  // The original, because the other layout has the date of the submission, which only the ledger
  // knows.
  const auto first = play(simulator, "prompt=x layout=original");
  std::filesystem::remove_all(std::filesystem::path(simulator.ledger()).parent_path());
  const auto again = play(simulator, "prompt=x layout=original");
  ASSERT_FALSE(again.failure) << again.failure->text;
  EXPECT_EQ(again.bytes, first.bytes);
  ASSERT_EQ(again.warnings.size(), 1U);
  EXPECT_THAT(again.warnings[0], HasSubstr("ledger"));
  EXPECT_EQ(charges(simulator), 1);
}

TEST(Money, ATaskThatTheServiceForgotIsNotSubmittedAgain) {
  auto simulator = Simulator::start({"--generation-time", "1h"});
  {
    TestPipeline run("veosrc name=src prompt=x ! fakesink");
    run.use(simulator, shares_cache);
    run.start(GST_STATE_PAUSED);
    while (run.tasks().empty() || run.tasks().back().rfind("none", 0) == 0) {
      ASSERT_TRUE(run.next(GST_MESSAGE_ELEMENT));
    }
  }
  simulator.set_faults({"query:error=task_not_found"});
  // The task is old enough that the service must know the task.
  execute(simulator.ledger(),
          "UPDATE submission SET changed_ledger_time = changed_ledger_time - 61000");
  const auto gone = play(simulator, "prompt=x");
  EXPECT_EQ(gone.code(), "task-not-found");
  EXPECT_THAT(gone.failure->text, HasSubstr("40 credits"));
  EXPECT_THAT(gone.failure->text, HasSubstr("take"));
  EXPECT_EQ(submissions(simulator), 1);
}

TEST(Money, ADryRunSaysWhetherItWouldReuse) {
  const auto simulator = quick();
  const auto before = play(simulator, "prompt=x dry-run=true");
  ASSERT_FALSE(before.failure);
  EXPECT_EQ(before.tasks, std::vector<std::string>{"none 40"});
  EXPECT_FALSE(std::filesystem::exists(simulator.ledger())) << "the dry run made a ledger";
  EXPECT_FALSE(play(simulator, "prompt=x").failure);
  const auto after = play(simulator, "prompt=x dry-run=true");
  EXPECT_EQ(after.tasks, std::vector<std::string>{"none 40 reused"});
}

TEST(Money, ADailyBudgetLimitsTheSpending) {
  const auto simulator = quick();
  const Environment budget("VEO_DAILY_BUDGET", "60");
  EXPECT_FALSE(play(simulator, "prompt=x").failure);
  const auto over = play(simulator, "prompt=y");
  EXPECT_EQ(over.code(), "budget-exceeded");
  EXPECT_THAT(over.failure->text, HasSubstr("40 are spent"));
  EXPECT_FALSE(play(simulator, "prompt=x").failure) << "a paid clip can be played";
  EXPECT_FALSE(play(simulator, "prompt=y mode=lite").failure);
  EXPECT_EQ(charges(simulator), 2);
  const Environment unreadable("VEO_DAILY_BUDGET", "1e3");
  EXPECT_EQ(play(simulator, "prompt=z").code(), "budget-exceeded");
  EXPECT_EQ(submissions(simulator), 2);
}

// --- Each intent is charged once, whatever is done ---

TEST(OneCharge, ThroughAThousandCyclesFromReadyToPaused) {
  const auto simulator = Simulator::start({"--generation-time", "1s", "--frames", "24"});
  TestPipeline run("veosrc name=src prompt=x ! fakesink name=sink sync=false");
  run.use(simulator, shares_cache);
  for (int i = 0; i < 1000; ++i) {
    gst_element_set_state(run.pipeline(), GST_STATE_PAUSED);
    gst_element_set_state(run.pipeline(), GST_STATE_READY);
  }
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(submissions(simulator), 1);
  EXPECT_EQ(charges(simulator), 1);
}

TEST(OneCharge, ThroughFiveHundredFlushingSeeks) {
  const auto simulator = quick();
  TestPipeline run("veosrc name=src prompt=x ! fakesink name=sink sync=false");
  run.use(simulator);
  run.start(GST_STATE_PAUSED);
  ASSERT_TRUE(run.next(GST_MESSAGE_ASYNC_DONE));
  gint64 size = 0;
  ASSERT_TRUE(gst_element_query_duration(run.pipeline(), GST_FORMAT_BYTES, &size));
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(gst_element_seek_simple(run.pipeline(), GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH,
                                        (i * 7919) % size));
    ASSERT_TRUE(run.next(GST_MESSAGE_ASYNC_DONE));
    ASSERT_FALSE(run.failure()) << run.failure()->text;
  }
  EXPECT_EQ(submissions(simulator), 1);
}

TEST(OneCharge, ThroughAHundredLoops) {
  const auto simulator = quick();
  TestPipeline run("veosrc name=src prompt=x ! fakesink name=sink sync=false");
  run.use(simulator);
  run.start();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(run.next(GST_MESSAGE_EOS));
    ASSERT_FALSE(run.failure()) << run.failure()->text;
    ASSERT_TRUE(gst_element_seek_simple(run.pipeline(), GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH, 0));
  }
  EXPECT_EQ(submissions(simulator), 1);
}

TEST(OneCharge, OfManyElementsAtOnce) {
  const auto simulator = Simulator::start({"--generation-time", "300ms", "--frames", "24"});
  std::vector<std::unique_ptr<TestPipeline>> runs;
  for (int i = 0; i < 16; ++i) {
    runs.push_back(
        std::make_unique<TestPipeline>("veosrc name=src prompt=x ! fakesink name=sink sync=false"));
    runs.back()->use(simulator, shares_cache);
    runs.back()->watch("sink");
    runs.back()->start();
  }
  for (auto& run : runs) {
    ASSERT_TRUE(run->finish());
    ASSERT_FALSE(run->failure()) << run->failure()->text;
    EXPECT_EQ(run->bytes("sink"), runs.front()->bytes("sink"));
  }
  EXPECT_EQ(submissions(simulator), 1);
  // All elements share one job, which polls, and one download.
  EXPECT_LT(simulator.state().at("file_requests"), 4);
}

/// Players that make their sources themselves. Some of them make several sources one after the
/// other.
class Shape : public testing::TestWithParam<const char*> {
 protected:
  Shape()
      : simulator_(Simulator::start({"--generation-time", "100ms", "--frames", "24"})),
        api_url_("VEO_API_URL", simulator_.api_url()),
        api_key_("VEO_API_KEY", simulator_.key()),
        interval_("VEO_POLL_INTERVAL", "20"),
        ledger_("VEO_LEDGER", simulator_.ledger()),
        cache_("VEO_CACHE_DIR", simulator_.cache()) {}

  const Simulator simulator_;
  const Environment api_url_;
  const Environment api_key_;
  const Environment interval_;
  const Environment ledger_;
  const Environment cache_;
};

TEST_P(Shape, PaysOnce) {
  const Environment budget("VEO_URI_BUDGET", "40");
  for (int i = 0; i < 3; ++i) {
    TestPipeline run(GetParam());
    ASSERT_TRUE(run.finish());
    ASSERT_FALSE(run.failure()) << run.failure()->text;
  }
  EXPECT_EQ(submissions(simulator_), 1);
  EXPECT_EQ(charges(simulator_), 1);
}

// The lines leave out the flag soft-volume, because playsink always leaks the element that it makes
// for this flag.
INSTANTIATE_TEST_SUITE_P(
    Players, Shape,
    testing::Values(
        "veosrc prompt=x ! decodebin ! fakesink", "veosrc prompt=x ! decodebin3 ! fakesink",
        "uridecodebin uri=veo:clip?prompt=x ! fakesink",
        "uridecodebin3 uri=veo:clip?prompt=x ! fakesink",
        "urisourcebin uri=veo:clip?prompt=x ! fakesink",
        "playbin flags=0x3 uri=veo:clip?prompt=x video-sink=fakesink audio-sink=fakesink",
        "playbin3 flags=0x3 uri=veo:clip?prompt=x video-sink=fakesink audio-sink=fakesink"));

using Uris = Shape;

TEST_F(Uris, DiscovererPaysOnce) {
  const Environment budget("VEO_URI_BUDGET", "40");
  for (int i = 0; i < 2; ++i) {
    GError* error = nullptr;
    GstDiscoverer* discoverer = gst_discoverer_new(30 * GST_SECOND, &error);
    GstDiscovererInfo* info = gst_discoverer_discover_uri(discoverer, "veo:clip?prompt=x", &error);
    ASSERT_EQ(error, nullptr) << error->message;
    EXPECT_EQ(gst_discoverer_info_get_duration(info), GST_SECOND);
    gst_object_unref(info);
    gst_object_unref(discoverer);
  }
  EXPECT_EQ(submissions(simulator_), 1);
}

TEST_F(Uris, NothingIsSpentWithoutABudgetOfTheirOwn) {
  TestPipeline run(
      "playbin flags=0x3 uri=veo:clip?prompt=x video-sink=fakesink audio-sink=fakesink");
  ASSERT_TRUE(run.finish());
  ASSERT_TRUE(run.failure());
  EXPECT_EQ(run.failure()->details.at("code"), "budget-exceeded");
  EXPECT_EQ(submissions(simulator_), 0);
}

TEST_F(Uris, TheirBudgetCountsWhatUrisSpent) {
  const Environment budget("VEO_URI_BUDGET", "60");
  EXPECT_FALSE(play(simulator_, "prompt=other").failure) << "it counts only URIs";
  for (const char* line : {"uridecodebin uri=veo:clip?prompt=x ! fakesink",
                           "uridecodebin uri=veo:clip?prompt=y ! fakesink"}) {
    TestPipeline run(line);
    ASSERT_TRUE(run.finish());
    EXPECT_EQ(run.failure().has_value(), std::string(line).find("=y") != std::string::npos);
  }
  EXPECT_EQ(submissions(simulator_), 2);
}

TEST_F(Uris, AKnownTaskIsPlayedAndNeverSpends) {
  EXPECT_FALSE(play(simulator_, "prompt=x").failure);
  const std::string id = simulator_.state().at("tasks").at(0).at("id");
  TestPipeline run("playbin flags=0x3 uri=veo:task/" + id +
                   " video-sink=fakesink audio-sink=fakesink");
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  EXPECT_EQ(submissions(simulator_), 1);
}

TEST_F(Uris, TheRequestIsWhatTheUriSays) {
  const Environment budget("VEO_URI_BUDGET", "1000");
  TestPipeline run(
      "uridecodebin "
      "uri=veo:clip?prompt=50%25%20%26%20more%2b&mode=quality&resolution=1080p&aspect-ratio=9:16"
      "&seed=12345&watermark=w&enable-translation=false&take=3"
      "&image-urls=%3C%22https://a.example/1.jpg%22,%22https://a.example/2.jpg%22%3E"
      "&generation-type=first-and-last-frames ! fakesink");
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
  const auto body = nlohmann::json::parse(simulator_.log().at(0).at("body").get<std::string>());
  EXPECT_EQ(body.at("input"),
            (nlohmann::json{{"prompt", "50% & more+"},
                            {"mode", "quality"},
                            {"resolution", "1080p"},
                            {"aspect_ratio", "9:16"},
                            {"generation_type", "FIRST_AND_LAST_FRAMES_2_VIDEO"},
                            {"image_urls", {"https://a.example/1.jpg", "https://a.example/2.jpg"}},
                            {"enable_translation", false},
                            {"seeds", 12345},
                            {"watermark", "w"}}));
}

TEST_F(Uris, AnInvalidUriOrParameterIsRefused) {
  const Environment budget("VEO_URI_BUDGET", "1000");
  for (const char* uri : {"veo:clip?prompt=x&api-url=http://127.0.0.1:1/v1",
                          "veo:clip?prompt=x&api-key=sk-x",
                          "veo:clip?prompt=x&on-unknown=resubmit",
                          "veo:clip?prompt=x&task-id=abc",
                          "veo:clip?prompt=x&callback-url=http://a.example/",
                          "veo:clip?prompt=x&reuse=false",
                          "veo:clip?prompt=x&prompt=y",
                          "veo:clip?prompt=x&mode=best",
                          "veo:clip?prompt=x&seed=-1",
                          "veo:clip?prompt=x&take=0",
                          "veo:clip?prompt=x&unknown=1",
                          "veo:clip?prompt=x#fragment",
                          "veo:clip?prompt=%FF",
                          "veo:clip?prompt=a%00b",
                          "veo://clip?prompt=x",
                          "veo:task/",
                          "veo:task/a%0Ab",
                          "veo:task/%2E%2E",
                          "veo:clip?prompt=x&image-urls=%3C(int)1%3E",
                          "veo:task/../x",
                          "veo:task/abc?prompt=x",
                          "veo:other",
                          "veo:clip"}) {
    const GstPtr<GstElement> source(gst_element_make_from_uri(GST_URI_SRC, uri, "src", nullptr));
    ASSERT_TRUE(source) << uri;
    TestPipeline run("fakesink name=sink");
    gst_bin_add(GST_BIN(run.pipeline()), GST_ELEMENT(gst_object_ref(source.get())));
    ASSERT_TRUE(gst_element_link(source.get(), run.element("sink").get()));
    ASSERT_TRUE(run.finish()) << uri;
    ASSERT_TRUE(run.failure()) << uri;
    EXPECT_EQ(run.failure()->details.at("code"), "invalid-request") << uri;
  }
  EXPECT_EQ(submissions(simulator_), 0);
}

}  // namespace
}  // namespace veo::test
