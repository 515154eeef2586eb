// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The tags of a clip and of a film come through demuxers, decoders and muxers into files. FFmpeg
// and GStreamer's discoverer read the files.
#include <gmock/gmock.h>
#include <gst/pbutils/pbutils.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "command.h"
#include "test_pipeline.h"

namespace veo::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr bool shares_cache = true;
const char* const prompt = "a dog in a park";

Simulator quick(std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--generation-time", "0s", "--frames", "24"});
  return Simulator::start(more);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run_line(const Simulator& simulator, const std::string& line) {
  TestPipeline run(line);
  run.use(simulator, shares_cache);
  ASSERT_TRUE(run.finish());
  ASSERT_FALSE(run.failure()) << run.failure()->text;
}

/// Removes the quotes and backslashes that matroskamux of GStreamer 1.22 puts into texts.
std::string unquote(std::string text) {
  if (!text.starts_with('"')) return text;
  std::erase_if(text, [](char c) { return c == '"' || c == '\\'; });
  return text;
}

/// Returns the tags that FFmpeg finds in the file or in its streams, by their names in lower case.
std::map<std::string, std::string> tags_by_ffmpeg(const std::string& path) {
  const auto all = json::parse(
      output_of("ffprobe -v error -of json -show_entries format_tags:stream_tags " + path));
  std::map<std::string, std::string> tags;
  const auto take = [&tags](const json& of) {
    const auto found = of.value("tags", json::object());
    for (const auto& [name, value] : found.items()) {
      auto key = name;
      std::ranges::transform(key, key.begin(), [](unsigned char c) { return std::tolower(c); });
      // Matroska has the plural, and Ogg an older name.
      if (key == "comments") key = "comment";
      tags.emplace(key, unquote(value.get<std::string>()));
    }
  };
  take(all.value("format", json::object()));
  for (const auto& stream : all.value("streams", json::array())) take(stream);
  return tags;
}

/// Returns a text among the tags that GStreamer's discoverer finds; "": there is none.
std::string tag_by_discoverer(const std::string& path, const char* tag) {
  auto* const discoverer = gst_discoverer_new(20 * GST_SECOND, nullptr);
  const std::unique_ptr<char, decltype(&g_free)> uri(gst_filename_to_uri(path.c_str(), nullptr),
                                                     g_free);
  auto* const info = gst_discoverer_discover_uri(discoverer, uri.get(), nullptr);
  EXPECT_EQ(gst_discoverer_info_get_result(info), GST_DISCOVERER_OK) << path;
  std::string text;
  // The discoverer of GStreamer 1.22 merges all tags. Later ones keep them apart.
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
  const auto* const tags = gst_discoverer_info_get_tags(info);
  G_GNUC_END_IGNORE_DEPRECATIONS
  for (guint i = 0; tags != nullptr && i < gst_tag_list_get_tag_size(tags, tag); ++i) {
    const gchar* value = nullptr;
    if (gst_tag_list_peek_string_index(tags, tag, i, &value) != FALSE) {
      text += (text.empty() ? "" : " | ") + std::string(value);
    }
  }
  gst_discoverer_info_unref(info);
  g_object_unref(discoverer);
  return text;
}

struct Muxed {
  const char* name;
  const char* extension;
  const char* line;  ///< after the source, up to the sink
  bool has_description = true;
  /// In Vorbis comments, FFmpeg takes the description for the comment.
  bool has_comment = true;
};
void PrintTo(const Muxed& muxed, std::ostream* out) { *out << muxed.name; }

class Muxer : public testing::TestWithParam<Muxed> {
 protected:
  const Simulator simulator_ = quick();
  const TemporaryDirectory directory_;
};

TEST_P(Muxer, KeepsTheTags) {
  const auto path = directory_.file(std::string("out.") + GetParam().extension);
  run_line(simulator_, "veosrc prompt-tag=true prompt=\"" + std::string(prompt) + "\"" +
                           GetParam().line + " ! filesink location=" + path);
  if (HasFailure()) return;
  const std::string id = simulator_.state().at("tasks").at(0).at("id");
  const auto found = tags_by_ffmpeg(path);
  const auto at = [&found](const char* key) {
    const auto one = found.find(key);
    return one != found.end() ? one->second : "";
  };
  EXPECT_EQ(at("title"), prompt);
  if (GetParam().has_comment) {
    EXPECT_EQ(at("comment"), "veo-task-id=" + id);
  }
  EXPECT_THAT(at("encoder"), HasSubstr("gst-veo"));
  EXPECT_EQ(at("date").substr(0, 2), "20") << at("date");
  EXPECT_THAT(tag_by_discoverer(path, GST_TAG_TITLE), HasSubstr(prompt));
  EXPECT_THAT(tag_by_discoverer(path, GST_TAG_COMMENT), HasSubstr("veo-task-id=" + id));
  if (GetParam().has_description) {
    EXPECT_EQ(tag_by_discoverer(path, GST_TAG_DESCRIPTION), prompt);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Muxer,
    testing::Values(
        Muxed{"none", "mp4", ""},
        Muxed{
            "mp4mux", "mp4",
            " ! qtdemux name=d mp4mux name=m d.video_0 ! queue ! h264parse ! m. d.audio_0 ! queue "
            "! aacparse ! m. m."},
        Muxed{
            "qtmux", "mov",
            " ! qtdemux name=d qtmux name=m d.video_0 ! queue ! h264parse ! m. d.audio_0 ! queue ! "
            "aacparse ! m. m."},
        Muxed{"matroskamux", "mkv",
              " ! qtdemux name=d matroskamux name=m d.video_0 ! queue ! h264parse ! m. d.audio_0 ! "
              "queue ! aacparse ! m. m.",
              false},
        Muxed{"webmmux", "webm",
              " ! decodebin name=d webmmux name=m d. ! queue ! videoconvert ! videoscale ! "
              "video/x-raw,width=160,height=90 ! vp8enc deadline=1 cpu-used=16 ! m. d. ! queue ! "
              "audioconvert ! vorbisenc ! m. m.",
              false},
        Muxed{
            "flacenc", "flac",
            " ! decodebin name=d d. ! queue ! audioconvert ! flacenc ! identity name=m d. ! queue "
            "! video/x-raw ! fakesink m.",
            true, false},
        Muxed{"oggmux", "ogg",
              " ! decodebin name=d oggmux name=m d. ! queue ! audioconvert ! vorbisenc ! m. d. ! "
              "queue ! video/x-raw ! fakesink m.",
              true, false}),
    [](const auto& one) { return one.param.name; });

class Tags : public testing::Test {
 protected:
  /// Runs the source into a file, and returns the path.
  std::string keep(const Simulator& simulator, const std::string& source, const char* name) {
    auto path = directory_.file(name);
    run_line(simulator, source + " ! filesink location=" + path);
    return path;
  }

  const TemporaryDirectory directory_;
};

TEST_F(Tags, APromptStaysOutOfFilesByDefault) {
  const auto simulator = quick();
  const auto path = keep(simulator, "veosrc prompt=\"a secret dog\"", "clip.mp4");
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  EXPECT_EQ(tags_by_ffmpeg(path)["title"], "Veo task " + id);
  EXPECT_THAT(read_file(path), Not(HasSubstr("secret")));
}

/// A reader may read the first half of the bytes today, and the other half tomorrow.
TEST_F(Tags, EachRunGivesTheSameBytes) {
  const auto simulator = quick();
  const auto first = read_file(keep(simulator, "veosrc prompt=x", "first.mp4"));
  EXPECT_EQ(read_file(keep(simulator, "veosrc prompt=x", "second.mp4")), first);
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  EXPECT_EQ(read_file(keep(simulator, "veosrc task-id=" + id, "third.mp4")), first);
  EXPECT_EQ(simulator.state().at("charges"), 1);
}

/// The service's own tags stay. Its name of the encoder wins over the name of the application, for
/// which FFmpeg has the same key.
TEST_F(Tags, TheFilesOwnTagsStay) {
  const auto simulator = quick();
  const auto path = keep(simulator, "veosrc prompt=x", "clip.mp4");
  EXPECT_EQ(tags_by_ffmpeg(path)["encoder"], "gst-veo simulator");
  EXPECT_EQ(tag_by_discoverer(path, GST_TAG_ENCODER), "gst-veo simulator");
  EXPECT_THAT(tag_by_discoverer(path, GST_TAG_APPLICATION_NAME), testing::StartsWith("gst-veo "));
}

TEST_F(Tags, AFilmNamesAllItsTasks) {
  const auto simulator = quick();
  const auto path =
      keep(simulator, "veosrc prompt=A ! veoextend prompt=B ! veoextend prompt=C", "film.mp4");
  std::string comment;
  const auto tasks = simulator.state().at("tasks");
  for (const auto& task : tasks) {
    comment += (comment.empty() ? "" : "\n") + ("veo-task-id=" + task.at("id").get<std::string>());
  }
  auto found = tags_by_ffmpeg(path);
  EXPECT_EQ(found["title"], "Veo film of 3 clips");
  EXPECT_EQ(found["comment"], comment);
  EXPECT_THAT(found["encoder"], testing::StartsWith("gst-veo "));
  EXPECT_EQ(found["date"].substr(0, 2), "20") << found["date"];
  EXPECT_EQ(tag_by_discoverer(path, GST_TAG_TITLE), "Veo film of 3 clips");
}

}  // namespace
}  // namespace veo::test
