// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Films on the command line: `extend` continues a task, `join` joins files.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <numeric>

#include "frame_number.h"
#include "mp4_boxes.h"
#include "shell.h"

namespace veo::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Starts a simulator with clips of 64 frames. 64 is the smallest number of frames that fills AAC
/// frames exactly.
Simulator quick(std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--generation-time", "0s", "--frames", "64"});
  return Simulator::start(more);
}

std::string task_id(const Simulator& simulator, std::size_t index) {
  return simulator.state().at("tasks").at(index).at("id");
}

std::vector<int> count_to(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

class Film : public testing::Test {
 protected:
  static std::vector<int> numbers(const Shell& shell, const std::string& name) {
    return frame_numbers(shell.file(name), 1280, 720);
  }
  static std::string samples(const Shell& shell, const std::string& name) {
    return output_of(
        "ffprobe -v error -select_streams a:0 -show_entries frame=nb_samples -of "
        "csv=p=0 " +
        shell.file(name) + " | awk '{s+=$1} END {print s}'");
  }
  std::string clip(const std::string& name, const std::string& size,
                   const std::string& how = "-c:v libx264 -preset veryfast -pix_fmt yuv420p") {
    output_of("ffmpeg -v error -f lavfi -i testsrc2=size=" + size +
              ":rate=24:duration=1 -f lavfi -i sine=sample_rate=48000:duration=1 " + how +
              " -c:a aac -ac 2 " + directory_.file(name) + " 2>&1");
    return directory_.file(name);
  }
  /// Expects a plain MP4 that lasts so many frames.
  static void expect_plain(const std::string& bytes, int frames, const std::string& entry) {
    EXPECT_THAT(list_outermost_boxes(list_mp4_boxes(bytes)),
                ElementsAre("ftyp", "moov", "free", "mdat"));
    const auto header = read_mp4_header(bytes);
    EXPECT_EQ(header.tracks.at(0).entry, entry);
    EXPECT_DOUBLE_EQ(header.seconds, frames / 24.0);
    for (const auto& track : header.tracks) {
      EXPECT_DOUBLE_EQ(track.shown_seconds, frames / 24.0) << track.entry;
      // The edit of the sound has one tick more (FilmMuxer says why).
      const double tick = track.entry == "mp4a" ? 1 / 48'000.0 : 0;
      EXPECT_DOUBLE_EQ(track.edit_seconds, frames / 24.0 + tick) << track.entry;
    }
    EXPECT_EQ(header.tracks.at(0).samples, static_cast<unsigned>(frames));
  }
  static void expect_fragments(const std::string& bytes, const std::string& entry) {
    const auto boxes = list_mp4_boxes(bytes);
    EXPECT_THAT(list_outermost_boxes(boxes), Contains("moof"));
    EXPECT_THAT(paths_of(boxes), Contains("moov.mvex"));
    const auto entries = contents_of(boxes, "moov.trak.mdia.minf.stbl.stsd");
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].substr(12, 4), entry);
  }

  TemporaryDirectory directory_;
};

class FilmDelivery : public Film, public testing::WithParamInterface<const char*> {};

TEST_P(FilmDelivery, OfAChainHasEachFrameOnce) {
  auto simulator = quick({"--extend", GetParam()});
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "a.mp4"}).exit_code, 0);
  auto made = shell.veo({"extend", task_id(simulator, 0), "it runs", "-o", "ab.mp4"});
  ASSERT_EQ(made.exit_code, 0) << made;
  EXPECT_EQ(numbers(shell, "ab.mp4"), count_to(128));
  made = shell.veo({"extend", task_id(simulator, 1), "it sleeps", "-o", "abc.mp4", "--json"});
  ASSERT_EQ(made.exit_code, 0) << made;
  EXPECT_EQ(numbers(shell, "abc.mp4"), count_to(192));
  EXPECT_EQ(samples(shell, "abc.mp4"), "384000\n");
  const auto done = last_event(made.output, "done");
  EXPECT_EQ(done.at("task-id"), task_id(simulator, 2));
  EXPECT_EQ(done.at("bytes"), shell.contents("abc.mp4").size());
  const auto joined = last_event(made.output, "join");
  const auto kind = std::string(GetParam());
  EXPECT_EQ(joined.at("join"), kind == "continuation" ? "append" : "replace");
  EXPECT_EQ(joined.at("contained-steps"), kind == "continuation" ? 0 : kind == "parent" ? 1 : 2);
  // If the delivered file is the film, it stays as it is.
  if (kind != "whole") expect_plain(shell.contents("abc.mp4"), 192, "avc1");

  // The same line again makes the same film and pays nothing.
  simulator.refuse_files();
  made = shell.veo({"extend", task_id(simulator, 1), "it sleeps", "-o", "again.mp4"});
  EXPECT_EQ(shell.contents("again.mp4"), shell.contents("abc.mp4")) << made;
  EXPECT_EQ(simulator.state().at("charges"), 3);
}

INSTANTIATE_TEST_SUITE_P(Kinds, FilmDelivery, testing::Values("continuation", "parent", "whole"),
                         [](const auto& row) { return std::string(row.param); });

TEST_F(Film, IsJoinedAsTheFlagSays) {
  const auto simulator = quick({"--extend", "whole"});
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog"}).exit_code, 0);
  const auto parent = task_id(simulator, 0);
  for (const std::string join : {"append", "replace"}) {
    const auto made = shell.veo({"extend", parent, "it runs", "--join=" + join, "-o", join});
    ASSERT_EQ(made.exit_code, 0) << made;
  }
  EXPECT_EQ(shell.veo({"extend", parent, "it runs", "--join=both"}).exit_code, 2);
  EXPECT_EQ(numbers(shell, "append").size(), 192U);
  EXPECT_EQ(numbers(shell, "replace"), count_to(128));
  EXPECT_EQ(simulator.state().at("charges"), 2);
}

TEST_F(Film, IsPipedIntoFfmpeg) {
  const auto simulator = quick();
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog"}).exit_code, 0);
  const auto ended = shell.sh("set -o pipefail; veo extend " + task_id(simulator, 0) +
                              " 'it runs' -o - | ffmpeg -v warning -i - -f framecrc -");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.output, HasSubstr("0,        127,"));
}

TEST_F(Film, AppendedWritesTheParentWhileTheContinuationIsGenerated) {
  const auto simulator = quick({"--fault", "task:slow=1h*1@2"});
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog"}).exit_code, 0);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  auto settings =
      shell.settings({"extend", task_id(simulator, 0), "it runs", "--join=append", "-o", "-"});
  settings.output = pipe[1];
  Program running(settings);
  ::close(pipe[1]);
  std::array<char, 8> first{};
  ASSERT_EQ(::read(pipe[0], first.data(), first.size()), 8);
  EXPECT_EQ(std::string(first.data() + 4, 4), "ftyp");
  running.kill(SIGTERM);
  while (::read(pipe[0], first.data(), first.size()) > 0) {
  }
  ::close(pipe[0]);
  EXPECT_EQ(running.wait().exit_code, 130);
}

TEST_F(Film, ThatIsInterruptedPointsToTheSameLine) {
  auto simulator = quick();
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "a.mp4"}).exit_code, 0);
  const std::vector<std::string> line{"extend", task_id(simulator, 0), "it runs", "-o", "film.mp4"};
  // The download stands still before the header at the end of the continuation.
  simulator.set_faults({"file:stall=20000"});
  const auto files = simulator.state().at("file_requests").get<int>();
  Program running(shell.settings(line));
  ASSERT_TRUE(wait_until([&] { return simulator.state().at("file_requests") >= files + 2; }));
  running.kill(SIGINT);
  const auto ended = running.wait();
  EXPECT_EQ(ended.exit_code, 130) << ended;
  EXPECT_THAT(
      ended.errors,
      HasSubstr("It is paid, and not lost. The same line again goes on with it to the film."));
  EXPECT_THAT(ended.errors, AllOf(Not(HasSubstr("veo download")), Not(HasSubstr("moov"))));
  simulator.set_faults({});
  EXPECT_EQ(shell.veo(line).exit_code, 0);
  EXPECT_EQ(numbers(shell, "film.mp4"), count_to(128));
  EXPECT_EQ(simulator.state().at("charges"), 2);

  // Nothing promises a task of a submission that may never have an answer.
  simulator.set_faults({"submit:stall"});
  Program submitting(shell.settings({"extend", task_id(simulator, 0), "it sleeps"}));
  ASSERT_TRUE(wait_until([&] { return simulator.state().at("submissions") == 3; }));
  submitting.kill(SIGINT);
  ASSERT_TRUE(submitting.wait_for("Interrupted."));
  while (!submitting.has_ended()) submitting.kill(SIGINT);
  EXPECT_THAT(submitting.wait().errors,
              AllOf(HasSubstr("it may be accepted and paid, and veo waits for its answer"),
                    HasSubstr("Without it, the same line says what is known, and submits nothing "
                              "twice.")));
}

TEST_F(Film, ThatNobodyReadsToItsEndEndsQuietlyAndIsKept) {
  auto simulator = quick();
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog"}).exit_code, 0);
  const auto ended = shell.sh("veo extend " + task_id(simulator, 0) +
                              " 'it runs' -o - -q | head -c 1000 >/dev/null; "
                              "exit ${PIPESTATUS[0]}");
  EXPECT_EQ(ended.exit_code, 0) << ended;
  EXPECT_THAT(ended.errors, IsEmpty());
  simulator.refuse_files();
  EXPECT_EQ(shell.veo({"download", task_id(simulator, 1), "-o", "b.mp4"}).exit_code, 0);
}

TEST_F(Film, ThatCouldNotBeJoinedIsNotPaidFor) {
  const auto simulator = Simulator::start(
      {"--generation-time", "0s", "--clip", clip("other.mp4", "320x180", "-c:v mpeg4")});
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog"}).exit_code, 0);
  const auto parent = task_id(simulator, 0);
  const auto ended = shell.veo({"extend", parent, "it runs", "-o", "film.mp4"});
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("mpeg4"));
  EXPECT_THAT(ended.errors, HasSubstr("--clip-only"));
  EXPECT_EQ(simulator.state().at("submissions"), 1);
  EXPECT_THAT(shell.files(), ElementsAre(parent + ".mp4"));
}

TEST_F(Film, WhoseContinuationDoesNotFitLeavesNoFileAndSaysWhereTheClipIs) {
  const auto simulator =
      Simulator::start({"--generation-time", "0s", "--clip", clip("a.mp4", "320x180"), "--clip",
                        clip("b.mp4", "640x360")});
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "a.mp4"}).exit_code, 0);
  const auto ended =
      shell.veo({"extend", task_id(simulator, 0), "it runs", "-o", "film.mp4", "--json"});
  EXPECT_EQ(ended.exit_code, 9) << ended;
  const auto error = last_event(ended.output, "error");
  EXPECT_EQ(error.at("code"), "bad-media");
  EXPECT_EQ(error.at("task-id"), task_id(simulator, 1));
  EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr("320x180"));
  EXPECT_THAT(error.at("message").get<std::string>(), HasSubstr("640x360"));
  EXPECT_THAT(error.at("next").get<std::string>(), HasSubstr("veo download"));
  EXPECT_THAT(shell.files(), ElementsAre("a.mp4"));
}

TEST_F(Film, SaysWhereItsSoundIsNotExact) {
  const auto simulator = quick();
  const Shell shell(simulator);
  const auto stereo = clip("stereo.mp4", "320x180");
  const auto mono = directory_.file("mono.mp4");
  output_of("ffmpeg -v error -i " + stereo + " -c:v copy -c:a aac -ac 1 " + mono + " 2>&1");
  const auto joined = shell.veo({"join", stereo, mono, "-o", "film.mp4", "--json"});
  ASSERT_EQ(joined.exit_code, 0) << joined;
  // One second is 47 AAC frames, less than half a frame later.
  EXPECT_EQ(last_event(joined.output, "notice").at("message"),
            "The film's sound may click at 1.002 s, where two clips meet, because their channels "
            "differ. The rest of the film is exact.");
  const auto same = shell.veo({"join", stereo, stereo, "-o", "same.mp4", "--json"});
  ASSERT_EQ(same.exit_code, 0) << same;
  EXPECT_THAT(same.output, testing::Not(HasSubstr("notice")));
}

TEST_F(Film, OfFilesHasEachFrameOnce) {
  const auto simulator = quick();
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "a.mp4"}).exit_code, 0);
  ASSERT_EQ(shell.veo({"extend", task_id(simulator, 0), "it runs", "--clip-only", "-o", "b.mp4"})
                .exit_code,
            0);
  const auto joined = shell.veo({"join", "a.mp4", "b.mp4", "a.mp4", "-o", "film.mp4", "--json"});
  ASSERT_EQ(joined.exit_code, 0) << joined;
  auto wanted = count_to(128);
  const auto again = count_to(64);
  wanted.insert(wanted.end(), again.begin(), again.end());
  EXPECT_EQ(numbers(shell, "film.mp4"), wanted);
  EXPECT_EQ(samples(shell, "film.mp4"), "384000\n");
  const auto told = last_event(joined.output, "joined");
  EXPECT_EQ(told.at("frames"), 192);
  EXPECT_EQ(told.at("bytes"), shell.contents("film.mp4").size());

  const auto piped = shell.sh("set -o pipefail; veo join a.mp4 b.mp4 -o - | cat > piped.mp4");
  EXPECT_EQ(piped.exit_code, 0) << piped;
  EXPECT_EQ(numbers(shell, "piped.mp4"), count_to(128));
}

TEST_F(Film, IsAPlainMp4InAFileAndFragmentsInAPipe) {
  const auto simulator = quick();
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "a.mp4"}).exit_code, 0);
  ASSERT_EQ(shell.veo({"generate", "a cat", "-o", "b.mp4"}).exit_code, 0);
  auto joined = shell.veo({"join", "a.mp4", "b.mp4", "-o", "film.mp4"});
  ASSERT_EQ(joined.exit_code, 0) << joined;
  EXPECT_EQ(joined.errors, "veo: Saved film.mp4: 128 frames of 2 clips.\n");
  expect_plain(shell.contents("film.mp4"), 128, "avc1");
  EXPECT_EQ(shell.veo({"join", "a.mp4", "-o", "one.mp4"}).errors,
            "veo: Saved one.mp4: 64 frames of 1 clip.\n");
  joined = shell.veo({"join", "a.mp4", "b.mp4", "--fragmented", "-o", "fragmented.mp4"});
  ASSERT_EQ(joined.exit_code, 0) << joined;
  expect_fragments(shell.contents("fragmented.mp4"), "avc1");
  joined = shell.sh(
      "set -e -o pipefail; veo join a.mp4 b.mp4 -o - | cat > piped.mp4; mkfifo fifo.mp4; "
      "cat fifo.mp4 > through-fifo.mp4 & veo join a.mp4 b.mp4 -o fifo.mp4; wait $!");
  ASSERT_EQ(joined.exit_code, 0) << joined;
  EXPECT_EQ(shell.contents("piped.mp4"), shell.contents("fragmented.mp4"));
  EXPECT_EQ(shell.contents("through-fifo.mp4"), shell.contents("fragmented.mp4"));
  EXPECT_EQ(numbers(shell, "fragmented.mp4"), numbers(shell, "film.mp4"));

  // A film of the service's clips, and a film of such a film.
  const auto parent = task_id(simulator, 0);
  auto made = shell.veo({"extend", parent, "it runs", "--fragmented", "-o", "extended.mp4"});
  ASSERT_EQ(made.exit_code, 0) << made;
  expect_fragments(shell.contents("extended.mp4"), "avc1");
  joined = shell.veo({"join", "film.mp4", "a.mp4", "-o", "again.mp4"});
  ASSERT_EQ(joined.exit_code, 0) << joined;
  expect_plain(shell.contents("again.mp4"), 192, "avc1");
  EXPECT_EQ(samples(shell, "again.mp4"), "384000\n");
}

TEST_F(Film, IsAvc3IfItsClipsAreNotKnownToShareTheirParameterSets) {
  const auto simulator = quick();
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "a.mp4"}).exit_code, 0);
  // With join=append the film begins before its continuation exists.
  const auto parent = task_id(simulator, 0);
  auto made = shell.veo({"extend", parent, "it runs", "--join=append", "-o", "appended.mp4"});
  ASSERT_EQ(made.exit_code, 0) << made;
  expect_plain(shell.contents("appended.mp4"), 128, "avc3");
  EXPECT_EQ(numbers(shell, "appended.mp4"), count_to(128));
  const auto encode = "-c:v libx264 -preset veryfast -pix_fmt yuv420p ";
  const auto a = clip("x.mp4", "320x180", encode);
  const auto b = clip("y.mp4", "320x180", encode + std::string("-x264-params cabac=0:ref=1"));
  made = shell.veo({"join", a, b, a, "-o", "film.mp4"});
  ASSERT_EQ(made.exit_code, 0) << made;
  const auto header = read_mp4_header(shell.contents("film.mp4"));
  EXPECT_EQ(header.tracks.at(0).entry, "avc3");
  EXPECT_EQ(header.seconds, 3);
  EXPECT_EQ(output_of("ffmpeg -v warning -i " + shell.file("film.mp4") +
                      " -map 0:v -f framecrc - 2>&1 | grep -vc '^#'"),
            "72\n");
}

// ulimit counts blocks of 1,024 bytes.
TEST_F(Film, ThatDoesNotFitOnTheDiskLeavesNoFileAndSaysWhy) {
  const auto simulator = quick();
  const Shell shell(simulator);
  ASSERT_EQ(shell.veo({"generate", "a dog", "-o", "a.mp4"}).exit_code, 0);
  ASSERT_EQ(shell.veo({"join", "a.mp4", "a.mp4", "-o", "film.mp4"}).exit_code, 0);
  const auto size = shell.contents("film.mp4").size();
  std::filesystem::remove(shell.file("film.mp4"));
  // The disk is full while the first clip is written, and while the media are shifted.
  for (const auto blocks : {size / 4096, (size - 1) / 1024}) {
    const auto ended =
        shell.sh("ulimit -f " + std::to_string(blocks) + "; veo join a.mp4 a.mp4 -o film.mp4");
    EXPECT_EQ(ended.exit_code, 9) << blocks << ended;
    EXPECT_THAT(ended.errors, AllOf(HasSubstr("Cannot write film.mp4: File too large."),
                                    Not(HasSubstr("fits into no film"))));
    EXPECT_THAT(shell.files(), ElementsAre("a.mp4"));
  }
}

TEST_F(Film, IsReadAlikeByFfmpegAndGstreamer) {
  const auto simulator = quick();
  const Shell shell(simulator);
  for (const std::string name : {"a", "b", "c"}) {
    ASSERT_EQ(shell.veo({"generate", name, "-o", name + ".mp4"}).exit_code, 0);
  }
  ASSERT_EQ(shell.veo({"join", "a.mp4", "b.mp4", "c.mp4", "-o", "film.mp4"}).exit_code, 0);
  std::vector<int> wanted;
  for (int clip = 0; clip < 3; ++clip) {
    const auto one = count_to(64);
    wanted.insert(wanted.end(), one.begin(), one.end());
  }
  EXPECT_EQ(numbers(shell, "film.mp4"), wanted);
  EXPECT_EQ(samples(shell, "film.mp4"), "384000\n");
  // The first pixels have the frame's number, and one frame has as many bytes as that.
  const std::string dump =
      "videocrop right=736 bottom=688 ! videoconvert ! video/x-raw,format=GRAY8 ! filesink "
      "location=";
  const auto expect_all = [&](const std::string& line, const std::string& out) {
    const auto ended = shell.sh("timeout 60 gst-launch-1.0 -q " + line);
    EXPECT_EQ(ended.exit_code, 0) << line << ended;
    const auto gray = shell.contents(out);
    std::vector<int> seen;
    for (std::size_t at = 0; at + 544 * 32 <= gray.size(); at += 544 * 32) {
      const auto* const luma = reinterpret_cast<const std::uint8_t*>(gray.data()) + at;
      const auto number = read_frame_number(luma, 544, 544, 32);
      seen.push_back(number ? static_cast<int>(*number) : -1);
    }
    EXPECT_EQ(seen, wanted) << line;
  };
  const std::string demux =
      " ! qtdemux name=d d.video_0 ! queue ! h264parse ! avdec_h264 ! " + dump;
  const std::string sound =
      " d.audio_0 ! queue ! aacparse ! avdec_aac ! audioconvert ! "
      "audio/x-raw,format=S16LE,channels=1 ! filesink location=";
  expect_all("filesrc location=film.mp4" + demux + "pull.gray" + sound + "pull.pcm", "pull.gray");
  expect_all("fdsrc ! queue" + demux + "push.gray" + sound + "push.pcm < film.mp4", "push.gray");
  expect_all("playbin uri=file://" + shell.file("film.mp4") + " video-sink='" + dump +
                 "playbin.gray' audio-sink='fakesink sync=false'",
             "playbin.gray");
  EXPECT_EQ(shell.contents("pull.pcm").size(), 2U * 384'000);
  EXPECT_EQ(shell.contents("push.pcm").size(), 2U * 384'000);
  EXPECT_THAT(shell.sh("gst-discoverer-1.0 film.mp4").output,
              HasSubstr("Duration: 0:00:08.000000000"));
}

TEST_F(Film, OfFilesThatDoNotFitIsNotBegun) {
  const auto simulator = quick();
  const Shell shell(simulator);
  const auto a = clip("a.mp4", "320x180");
  const auto b = clip("b.mp4", "640x360");
  auto ended = shell.veo({"join", a, b, "-o", "film.mp4"});
  EXPECT_EQ(ended.exit_code, 9) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("b.mp4: "));
  EXPECT_THAT(ended.errors, HasSubstr("320x180"));
  ended = shell.veo({"join", a, "nowhere.mp4", "-o", "film.mp4"});
  EXPECT_EQ(ended.exit_code, 2) << ended;
  EXPECT_THAT(ended.errors, HasSubstr("nowhere.mp4"));
  EXPECT_EQ(shell.veo({"join", a}).exit_code, 2) << "without -o";
  EXPECT_EQ(shell.veo({"join", a, ".", "-o", "film.mp4"}).exit_code, 2);
  EXPECT_THAT(shell.files(), IsEmpty());
}

}  // namespace
}  // namespace veo::test
