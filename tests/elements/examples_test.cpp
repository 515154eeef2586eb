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

// The example submits all tasks, and pays for them, before it downloads the first clip.
TEST(ExampleAhead, HasAllMadeAtOnce) {
  const auto simulator = Simulator::start({"--generation-time", "500ms", "--frames", "24"});
  const TemporaryDirectory directory;
  const auto said =
      output_of("cd " + directory.file("") + " && VEO_API_URL=" + simulator.api_url() +
                " VEO_API_KEY=" + simulator.key() + " VEO_LEDGER=" + simulator.ledger() +
                " VEO_CACHE_DIR=" + simulator.cache() +
                " VEO_POLL_INTERVAL=20 $VEO_EXAMPLE_AHEAD one two three 2>&1");
  EXPECT_EQ(said, "1.mp4: one\n2.mp4: two\n3.mp4: three\n");
  EXPECT_EQ(simulator.state().at("charges"), 3);
  int submitted = 0;
  for (const auto& request : simulator.log()) {
    if (request.at("listener") == "files") break;
    submitted += request.at("method") == "POST" ? 1 : 0;
  }
  EXPECT_EQ(submitted, 3);
  for (const char* name : {"1.mp4", "2.mp4", "3.mp4"}) {
    EXPECT_EQ(output_of("ffprobe -v error -count_frames -select_streams v -show_entries "
                        "stream=nb_read_frames -of csv=p=0 " +
                        directory.file(name)),
              "24\n");
  }
}

/// Makes a film of three shots at the simulator. Returns what the program printed.
std::string film(const Simulator& simulator, const std::string& destination) {
  return output_of("VEO_API_URL=" + simulator.api_url() + " VEO_API_KEY=" + simulator.key() +
                   " VEO_LEDGER=" + simulator.ledger() + " VEO_CACHE_DIR=" + simulator.cache() +
                   " VEO_POLL_INTERVAL=20 GST_PLUGIN_FEATURE_RANK=fakevideosink:MAX,"
                   "fakeaudiosink:MAX $VEO_EXAMPLE_FILM " +
                   destination + " 'a dog' 'it runs' 'it \"rests\"' 2>&1");
}

std::string probe(const std::string& file) {
  return output_of(
      "ffprobe -v error -count_frames -select_streams v -show_entries "
      "stream=codec_name,nb_read_frames -of csv=p=0 " +
      file);
}

TEST(ExampleFilm, IsKeptTranscodedAndShownForThreeCharges) {
  const TemporaryDirectory directory;
  output_of(
      "ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=24:duration=1 -f lavfi -i "
      "sine=sample_rate=48000:duration=1 -c:v libx264 -pix_fmt yuv420p -c:a aac -ac 2 " +
      directory.file("clip.mp4"));
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", directory.file("clip.mp4")});
  auto said = film(simulator, directory.file("film.mp4"));
  EXPECT_THAT(said, HasSubstr("shot3: Submitting"));
  EXPECT_EQ(probe(directory.file("film.mp4")), "h264,72\n") << said;
  said = film(simulator, directory.file("film.webm"));
  EXPECT_EQ(probe(directory.file("film.webm")), "vp9,72\n") << said;

  said = film(simulator, "display");
  const std::string last = simulator.state().at("tasks").at(2).at("id");
  EXPECT_THAT(said, HasSubstr("shot3: task " + last + " is completed"));
  EXPECT_THAT(said, testing::Not(HasSubstr("shot2: Submitting")));
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

TEST(ExampleTranscode, HasEachPictureAndTheSoundAsItWas) {
  const TemporaryDirectory directory;
  output_of(
      "ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=24:duration=1 -f lavfi -i "
      "sine=sample_rate=48000:duration=1 -c:v libx264 -pix_fmt yuv420p -c:a aac -ac 2 " +
      directory.file("clip.mp4"));
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", directory.file("clip.mp4")});
  const auto line = "VEO_API_URL=" + simulator.api_url() + " VEO_API_KEY=" + simulator.key() +
                    " VEO_LEDGER=" + simulator.ledger() + " VEO_CACHE_DIR=" + simulator.cache() +
                    " VEO_POLL_INTERVAL=20 $VEO_EXAMPLE_TRANSCODE ";
  const auto said = output_of(line + "'a dog' " + directory.file("dog.mkv") + " 2>&1");
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  EXPECT_THAT(said, HasSubstr("Generating " + id));
  EXPECT_THAT(said, HasSubstr("dog.mkv: of task " + id));
  EXPECT_EQ(probe(directory.file("dog.mkv")), "vp9,24\n") << said;
  const auto sound = [](const std::string& file) {
    return output_of("ffmpeg -v error -i " + file + " -map 0:a -c copy -f md5 -");
  };
  EXPECT_EQ(sound(directory.file("dog.mkv")), sound(directory.file("clip.mp4")));
  EXPECT_THAT(output_of(line + "veo:task/unknown " + directory.file("no.mkv") + " 2>&1; echo $?"),
              HasSubstr("[task-not-found, charged: unknown]\n1\n"));
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

}  // namespace
}  // namespace veo::test
