// SPDX-License-Identifier: LGPL-2.1-or-later
//
// libveo-media: which programs load the library, where they find it, and what happens without it.
// The programs under test are copies in a directory tree of their own, where files can be missing.
#include "veo/media/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "command.h"
#include "program.h"
#include "simulator.h"

namespace veo::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* media_name = "libveo-media-1.0.so.0";
constexpr int exit_bad_media = 9;

std::string path_in(const char* variable) {
  const char* const path = std::getenv(variable);
  if (path == nullptr) throw std::runtime_error(std::string(variable) + " is not set");
  return path;
}

enum class Media { there, missing, broken, other };

/// A build directory that has only the plugin, the command and the libraries.
class Tree {
 public:
  explicit Tree(Media media) {
    copy("VEO_CLIENT_LIBRARY", "gst/veo/libveo-client-1.0.so.0");
    copy("VEO_PLUGIN", "plugin/libgstveo.so");
    fs::create_symlink(path_in("VEO_CORE_ELEMENTS"), path("plugin/libgstcoreelements.so"));
    copy("VEO_COMMAND", "tools/veo/veo");
    const auto to = std::string("gst/veo/") + media_name;
    if (media == Media::there) copy("VEO_MEDIA_LIBRARY", to);
    if (media == Media::other) copy("VEO_OTHER_VERSION", to);
    if (media == Media::broken) std::ofstream(path(to)) << "not a library";
  }

  [[nodiscard]] std::string path(const std::string& name) const { return directory_.file(name); }

 private:
  void copy(const char* variable, const std::string& name) {
    fs::create_directories(fs::path(path(name)).parent_path());
    fs::copy_file(path_in(variable), path(name));
  }

  TemporaryDirectory directory_;
};

/// Runs the programs of a tree, as the programs of one account.
class MediaLibrary : public testing::Test {
 protected:
  [[nodiscard]] std::map<std::string, std::string> environment(const Tree& tree) const {
    return {{"VEO_API_URL", simulator_.api_url()},
            {"VEO_API_KEY", simulator_.key()},
            {"VEO_LEDGER", simulator_.ledger()},
            {"VEO_CACHE_DIR", simulator_.cache()},
            {"VEO_POLL_INTERVAL", "10"},
            {"GST_PLUGIN_PATH", ""},
            {"GST_PLUGIN_SYSTEM_PATH", tree.path("plugin")},
            {"GST_REGISTRY", tree.path("registry.bin")},
            {"GST_REGISTRY_FORK", "no"},
            // The test runner's value points to the libraries of the build.
            {"LD_LIBRARY_PATH", ""}};
  }
  [[nodiscard]] Program::Ended play(const Tree& tree, const std::string& line) const {
    return Program({.args = {path_in("VEO_MEDIA_PIPELINE"), line}, .env = environment(tree)})
        .wait();
  }
  /// `files` is where the dynamic linker lists the files that it loads.
  [[nodiscard]] Program::Ended veo(const Tree& tree, const std::vector<std::string>& args,
                                   const std::string& files = "") const {
    Program::Settings settings{.args = {tree.path("tools/veo/veo")}, .env = environment(tree)};
    settings.args.insert(settings.args.end(), args.begin(), args.end());
    if (!files.empty()) {
      settings.env.insert({{"LD_DEBUG", "files"}, {"LD_DEBUG_OUTPUT", files}});
    }
    return Program(settings).wait();
  }
  [[nodiscard]] std::string file(const std::string& name) const { return home_.file(name); }
  [[nodiscard]] unsigned submissions() const {
    return simulator_.state().at("submissions").get<unsigned>();
  }
  /// Makes a clip of one task, and returns the task's id.
  [[nodiscard]] std::string make_clip(const std::string& to) const {
    const auto made = veo(Tree(Media::missing), {"generate", "a dog", "-q", "-o", to});
    EXPECT_EQ(made.exit_code, 0) << made;
    return simulator_.state().at("tasks").at(0).at("id");
  }
  /// Returns the dynamic linker's list.
  [[nodiscard]] std::string read_listing(const std::string& name) const {
    std::ostringstream text;
    for (const auto& entry : fs::directory_iterator(home_.path())) {
      if (entry.path().filename().string().starts_with(name + ".")) {
        text << std::ifstream(entry.path()).rdbuf();
      }
    }
    return text.str();
  }

 private:
  Simulator simulator_ =
      Simulator::start({"--generation-time", "0s", "--frames", "64", "--extend", "continuation"});
  TemporaryDirectory home_;
};

/// Whether the dynamic linker finds a libveo-media in this system, so that the library is missing
/// nowhere.
bool is_installed() {
  return !output_of("PATH=$PATH:/sbin ldconfig -p | grep -F " + std::string(media_name)).empty();
}

TEST_F(MediaLibrary, IsNotLoadedByAVeosrc) {
  const auto ended = play(Tree(Media::there), "veosrc prompt=a ! fakesink");
  EXPECT_THAT(ended.output, AllOf(HasSubstr("eos\n"), HasSubstr("libveo-client-1.0.so")));
  EXPECT_THAT(ended.output, AllOf(Not(HasSubstr("libav")), Not(HasSubstr("libsw")),
                                  Not(HasSubstr("libveo-media"))));
  EXPECT_EQ(submissions(), 1U);
}

TEST_F(MediaLibrary, IsLoadedByAFilmFromBesideTheClient) {
  const Tree tree(Media::there);
  const auto ended = play(tree, "veosrc prompt=a ! veoextend prompt=b ! fakesink");
  EXPECT_THAT(ended.output, AllOf(HasSubstr("eos\n"), HasSubstr("libavformat.so"),
                                  HasSubstr(tree.path("gst/veo/libveo-media-1.0.so.0"))));
  EXPECT_EQ(submissions(), 2U);
}

TEST_F(MediaLibrary, IsNotLoadedByTheCommandForOneClip) {
  const Tree tree(Media::there);
  const auto ended = veo(tree, {"generate", "a dog", "-q", "-o", file("a.mp4")}, file("generate"));
  ASSERT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(read_listing("generate"),
              AllOf(HasSubstr("libveo-client-1.0.so"), Not(HasSubstr("libav")),
                    Not(HasSubstr("libveo-media"))));
  const auto joined =
      veo(tree, {"join", file("a.mp4"), file("a.mp4"), "-o", file("film.mp4")}, file("join"));
  ASSERT_EQ(joined.exit_code, 0) << joined;
  EXPECT_THAT(read_listing("join"),
              AllOf(HasSubstr(tree.path("tools/veo/../../gst/veo/libveo-media-1.0.so.0")),
                    HasSubstr("libavformat.so")));
}

TEST_F(MediaLibrary, MissingCostsNothingInAPipeline) {
  if (is_installed()) GTEST_SKIP() << "libveo-media is installed in this system";
  const auto ended = play(Tree(Media::missing), "veosrc prompt=a ! veoextend prompt=b ! fakesink");
  EXPECT_THAT(
      ended.output,
      AllOf(HasSubstr("error Films and pictures need the library libveo-media-1.0.so.0, "
                      "which cannot be loaded: libveo-media-1.0.so.0: cannot open shared "
                      "object file"),
            HasSubstr("(Debian: libavcodec"), HasSubstr("Nothing was sent, and nothing is paid.")));
  EXPECT_EQ(submissions(), 0U) << "the clip before it is not paid either";
}

TEST_F(MediaLibrary, MissingCostsNothingInTheCommand) {
  if (is_installed()) GTEST_SKIP() << "libveo-media is installed in this system";
  const auto task = make_clip(file("a.mp4"));
  const Tree tree(Media::missing);
  const auto extended = veo(tree, {"extend", task, "it sleeps", "-o", file("film.mp4")});
  EXPECT_EQ(extended.exit_code, exit_bad_media) << extended;
  EXPECT_THAT(extended.errors, AllOf(HasSubstr("need the library libveo-media-1.0.so.0"),
                                     HasSubstr("Nothing was sent, and nothing is paid.")));
  EXPECT_EQ(submissions(), 1U);
  const auto joined = veo(tree, {"join", file("a.mp4"), file("a.mp4"), "-o", file("film.mp4")});
  EXPECT_EQ(joined.exit_code, exit_bad_media) << joined;
  EXPECT_THAT(joined.errors, HasSubstr("need the library libveo-media-1.0.so.0"));
  EXPECT_FALSE(fs::exists(file("film.mp4")));
}

TEST_F(MediaLibrary, MissingLeavesTheHistoryWithoutPictures) {
  if (is_installed()) GTEST_SKIP() << "libveo-media is installed in this system";
  static_cast<void>(make_clip(file("a.mp4")));
  const auto with = veo(Tree(Media::there), {"history", "--html"});
  ASSERT_EQ(with.exit_code, 0) << with;
  EXPECT_THAT(with.output, HasSubstr("data:image/jpeg;base64,"));
  const auto without = veo(Tree(Media::missing), {"history", "--html"});
  ASSERT_EQ(without.exit_code, 0) << without;
  EXPECT_THAT(without.output,
              AllOf(Not(HasSubstr("data:image/jpeg;base64,")), HasSubstr("class=\"play\"")))
      << "a video without a picture plays, too";
  EXPECT_THAT(without.errors, HasSubstr("The page has no pictures. Films and pictures need the"));
}

TEST_F(MediaLibrary, IsRefusedWhereItIsNone) {
  const Tree tree(Media::broken);
  const auto ended = veo(tree, {"join", "a.mp4", "-o", file("film.mp4")});
  EXPECT_EQ(ended.exit_code, exit_bad_media) << ended;
  EXPECT_THAT(
      ended.errors,
      HasSubstr(tree.path("tools/veo/../../gst/veo/libveo-media-1.0.so.0: file too short")));
}

TEST_F(MediaLibrary, OfAnotherVersionIsRefused) {
  const Tree tree(Media::other);
  const auto ended = veo(tree, {"join", "a.mp4", "-o", file("film.mp4")});
  EXPECT_EQ(ended.exit_code, exit_bad_media) << ended;
  EXPECT_THAT(ended.errors,
              HasSubstr(tree.path(
                  "tools/veo/../../gst/veo/libveo-media-1.0.so.0 is of gst-veo 0.0.7, and this is "
                  "gst-veo ")));
}

TEST(Load, GivesOneLibraryToAllCallers) {
  const auto one = media::load();
  ASSERT_TRUE(one) << one.error().message;
  const auto other = media::load();
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(*one, *other);
}

}  // namespace
}  // namespace veo::test
