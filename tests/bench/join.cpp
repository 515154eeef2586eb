// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures the time and the memory of joining clips, and describes the result. The runs alternate,
// and each is a process:
//
//   ours    veo::media::Joiner, file to file, in fragments
//   ffmpeg  -f concat -c copy
//
// Usage: join [--runs N] [--clips N]    (ours: join --join OUT CLIP…)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "clips.h"
#include "command.h"
#include "veo/media/library.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FilePtr = std::unique_ptr<std::FILE, Close>;

class File : public veo::media::ByteStream {
 public:
  explicit File(const std::string& path) : file_(std::fopen(path.c_str(), "rb")) {}
  veo::Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (offset != position_) std::fseek(file_.get(), static_cast<long>(offset), SEEK_SET);
    const auto got = std::fread(into.data(), 1, into.size(), file_.get());
    position_ = offset + got;
    return got;
  }

 private:
  FilePtr file_;
  std::uint64_t position_ = 0;
};

int join(const std::string& to, const std::vector<std::string>& clips) {
  const FilePtr out(std::fopen(to.c_str(), "wb"));
  const auto media = veo::media::load();
  if (!media) {
    std::cerr << media.error().message << "\n";
    return 1;
  }
  const auto film = (*media)->make_joiner({});
  const auto write = [&out](const veo::media::Bytes& bytes) {
    std::fwrite(bytes.data(), 1, bytes.size(), out.get());
  };
  for (const auto& clip : clips) {
    File file(clip);
    if (const auto begun = film->append(file); !begun) {
      std::cerr << begun.error().message << "\n";
      return 1;
    }
    auto piece = film->read();
    for (; piece && !piece->empty(); piece = film->read()) write(*piece);
    if (!piece) return 1;
  }
  const auto last = film->finish();
  if (!last) return 1;
  write(*last);
  return 0;
}

struct Cost {
  double wall = 0;    ///< in seconds
  double memory = 0;  ///< the peak in MiB
};

Cost run(std::vector<std::string> args) {
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  const auto began = Clock::now();
  const auto pid = ::fork();
  if (pid == 0) {
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  ::wait4(pid, &status, 0, &usage);
  if (status != 0) throw std::runtime_error(args[0] + " failed");
  return {std::chrono::duration<double>(Clock::now() - began).count(),
          static_cast<double>(usage.ru_maxrss) / 1024};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string contents_of(const std::string& file) {
  using veo::test::output_of;
  auto text = output_of(
      "ffprobe -v error -count_frames -select_streams v -show_entries "
      "stream=nb_read_frames,start_time -of csv=p=0 " +
      file + " | awk -F, '{printf \"%d frames from %s s, \", $2, $1}'");
  return text + output_of(
                    "ffprobe -v error -select_streams a -show_entries frame=nb_samples -of "
                    "csv=p=0 " +
                    file + " | awk '{s+=$1} END {printf \"%d samples\", s}'");
}

void measure(const std::string& self, std::size_t runs, std::size_t clips) {
  const auto a = veo::test::clip_path("veo31-dialogue.mp4");
  const auto b = veo::test::clip_path("veo30-dialogue.mp4");
  if (!a || !b) throw std::runtime_error("needs the real clips");
  const veo::test::TemporaryDirectory directory;
  const auto line = [&](std::size_t count) {
    std::vector<std::string> args{self, "--join", directory.file("ours.mp4")};
    for (std::size_t i = 0; i < count; ++i) args.push_back(i % 2 == 0 ? *a : *b);
    return args;
  };
  std::ofstream list(directory.file("list"));
  for (std::size_t i = 0; i < clips; ++i) list << "file " << (i % 2 == 0 ? *a : *b) << "\n";
  list.close();
  const std::vector<std::string> peer = {"ffmpeg",
                                         "-v",
                                         "error",
                                         "-y",
                                         "-f",
                                         "concat",
                                         "-safe",
                                         "0",
                                         "-i",
                                         directory.file("list"),
                                         "-c",
                                         "copy",
                                         directory.file("peer.mp4")};
  std::vector<double> ours, theirs, memory, few, peers_memory;
  for (std::size_t i = 0; i <= runs; ++i) {
    const auto first = i % 2 == 0 ? run(line(clips)) : run(peer);
    const auto second = i % 2 == 0 ? run(peer) : run(line(clips));
    const auto small = run(line(2));
    if (i == 0) continue;  // the first run only fills the page cache
    ours.push_back(i % 2 == 0 ? first.wall : second.wall);
    theirs.push_back(i % 2 == 0 ? second.wall : first.wall);
    memory.push_back(i % 2 == 0 ? first.memory : second.memory);
    peers_memory.push_back(i % 2 == 0 ? second.memory : first.memory);
    few.push_back(small.memory);
  }
  std::printf("%zu real clips joined, median of %zu:\n", clips, runs);
  run(line(clips));  // the last run joined two clips
  std::printf("  ours    %4.0f ms, %3.0f MiB (2 clips: %3.0f MiB); %s\n", 1e3 * median(ours),
              median(memory), median(few), contents_of(directory.file("ours.mp4")).c_str());
  std::printf("  ffmpeg  %4.0f ms, %3.0f MiB; %s\n", 1e3 * median(theirs), median(peers_memory),
              contents_of(directory.file("peer.mp4")).c_str());
  std::printf("  ratio   %.2f\n", median(ours) / median(theirs));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() > 2 && words[0] == "--join") {
    return join(words[1], {words.begin() + 2, words.end()});
  }
  std::size_t runs = 7;
  std::size_t clips = 20;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    if (words[i] == "--runs") runs = std::stoul(words[i + 1]);
    if (words[i] == "--clips") clips = std::stoul(words[i + 1]);
  }
  try {
    measure(argv[0], runs, clips);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "join: %s\n", problem.what());
    return 1;
  }
  return 0;
}
