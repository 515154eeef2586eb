// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A machine without decoders: the element says so before the submission, and names Debian's
// packages. gst-launch-1.0 runs with the plugins that the test chooses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "command.h"
#include "simulator.h"

namespace veo::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Decoders : public testing::Test {
 protected:
  /// Runs the pipeline with these plugins of GStreamer alone, and returns what gst-launch-1.0
  /// prints.
  std::string launch(const std::vector<std::string>& plugins, const std::string& line) {
    const auto folder = directory_.file("plugins");
    std::filesystem::create_directory(folder);
    const std::filesystem::path system =
        output_of("printf %s \"$(pkg-config --variable=pluginsdir gstreamer-1.0)\"");
    for (const auto& plugin : plugins) {
      const auto name = "libgst" + plugin + ".so";
      EXPECT_TRUE(std::filesystem::exists(system / name)) << name;
      std::filesystem::create_symlink(system / name, folder + "/" + name);
    }
    return output_of("GST_PLUGIN_SYSTEM_PATH_1_0=" + folder +
                     " GST_REGISTRY_1_0=" + directory_.file("registry") +
                     " VEO_API_URL=" + simulator_.api_url() + " VEO_API_KEY=" + simulator_.key() +
                     " VEO_LEDGER=" + directory_.file("ledger.db") + " VEO_CACHE_DIR=" +
                     directory_.file("cache") + " timeout 60 gst-launch-1.0 " + line + " 2>&1");
  }

  const Simulator simulator_ = Simulator::start({"--generation-time", "0s", "--frames", "24"});
  const TemporaryDirectory directory_;
};

const std::vector<std::string> without_decoders = {"coreelements", "playback", "typefindfunctions",
                                                   "isomp4"};

/// Returns how often `part` is in `text`.
std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST_F(Decoders, TheirPackageIsNamedBeforeTheSubmission) {
  const auto said = launch(without_decoders, "veosrc prompt=x ! decodebin ! fakesink");
  EXPECT_THAT(said, AllOf(HasSubstr("no decoder for H.264 and no decoder for AAC"),
                          HasSubstr("apt install gstreamer1.0-libav."), Not(HasSubstr("demuxer"))));
  EXPECT_LT(said.find("gstreamer1.0-libav"), said.find("Submitting")) << said;
  // The submission goes on: the same line shows the clip when the package is here.
  EXPECT_EQ(simulator_.state().at("charges"), 1);
}

/// The pipeline of this test stores the film, and cannot know what the application will do with it.
TEST_F(Decoders, TheWordComesOnceInAProcess) {
  auto plugins = without_decoders;
  plugins.pop_back();
  const auto said = launch(plugins,
                           "veosrc prompt=A ! queue ! veoextend prompt=B ! queue ! filesink "
                           "location=" +
                               directory_.file("film.mp4"));
  EXPECT_EQ(count(said, "GStreamer has no"), 1U) << said;
  EXPECT_THAT(said, HasSubstr("no demuxer for MP4, no decoder for H.264 and no decoder for AAC"));
  EXPECT_THAT(said, HasSubstr("apt install gstreamer1.0-plugins-good gstreamer1.0-libav."));
  EXPECT_EQ(simulator_.state().at("charges"), 2);
  EXPECT_GT(std::filesystem::file_size(directory_.file("film.mp4")), 0U);
}

/// A sink that takes the file as it is needs no decoder, also behind veoextend.
TEST_F(Decoders, AFileNeedsNone) {
  const auto said = launch(without_decoders,
                           "veosrc prompt=A ! veoextend prompt=B ! filesink "
                           "location=" +
                               directory_.file("film.mp4"));
  EXPECT_THAT(said, Not(HasSubstr("GStreamer has no"))) << said;
  EXPECT_EQ(simulator_.state().at("charges"), 2);
}

TEST_F(Decoders, ADryRunSaysNothing) {
  const auto said = launch(without_decoders, "veosrc prompt=x dry-run=true ! queue ! fakesink");
  EXPECT_THAT(said, Not(HasSubstr("GStreamer has no"))) << said;
  EXPECT_EQ(simulator_.state().at("charges"), 0);
}

TEST_F(Decoders, WithAllOfThemThereIsNoWord) {
  auto plugins = without_decoders;
  plugins.emplace_back("libav");
  const auto said = launch(plugins, "veosrc prompt=x ! decodebin ! fakesink");
  EXPECT_THAT(said, AllOf(HasSubstr("Accepted as task"), Not(HasSubstr("GStreamer has no"))));
}

}  // namespace
}  // namespace veo::test
