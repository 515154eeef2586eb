// SPDX-License-Identifier: LGPL-2.1-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "command.h"
#include "simulator.h"

namespace veo::test {
namespace {

using testing::HasSubstr;

std::string embed(const Simulator& simulator, const std::string& file) {
  return output_of("VEO_API_URL=" + simulator.api_url() + " VEO_API_KEY=" + simulator.key() +
                   " VEO_POLL_INTERVAL=20 $VEO_EXAMPLE_EMBED 'a dog in a park' " + file + " 2>&1");
}

TEST(ExampleEmbed, KeepsTheClipAndTheTask) {
  const auto simulator = Simulator::start({"--generation-time", "100ms", "--frames", "24"});
  const TemporaryDirectory directory;
  const auto said = embed(simulator, directory.file("dog.mp4"));
  const auto task = simulator.state().at("tasks").at(0);
  EXPECT_THAT(said, HasSubstr("task: " + task.at("id").get<std::string>()));
  EXPECT_THAT(said, HasSubstr("submit: Submitting, for 40 credits"));
  const auto probed = output_of(
      "ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames "
      "-of csv=p=0 " +
      directory.file("dog.mp4"));
  EXPECT_EQ(probed, "24\n");
}

TEST(ExampleEmbed, TellsWhatFailed) {
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--fault", "task:failed", "--frames", "24"});
  const TemporaryDirectory directory;
  const auto said = embed(simulator, directory.file("dog.mp4"));
  EXPECT_THAT(said, HasSubstr("code: task-failed, charged: refunded"));
}

}  // namespace
}  // namespace veo::test
