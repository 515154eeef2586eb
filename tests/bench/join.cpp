// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures the time and the memory of joining clips, and describes the result. The runs alternate,
// and each is a process:
//
//   fragments  veo::media::Joiner, into a file, as into a pipe
//   plain      veo::media::Joiner, into a plain MP4 that is not synced
//   veo join   into a plain MP4 that is synced, from the start of the command
//   ffmpeg     -f concat -c copy, into a plain MP4 with its index at the end
//   faststart  the same, with the index at the front
//
// Usage: join [--runs N] [--clips N]    (ours: join --fragments|--plain OUT CLIP…)
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
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

/// The file of a plain film.
class FilmFile : public veo::media::FilmFile {
 public:
  explicit FilmFile(const std::string& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {}
  ~FilmFile() override { ::close(fd_); }
  FilmFile(const FilmFile&) = delete;
  FilmFile& operator=(const FilmFile&) = delete;

  veo::Status write(std::uint64_t offset, std::span<const std::uint8_t> bytes) override {
    const auto done = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done == static_cast<ssize_t>(bytes.size())) return {};
    return veo::fail({.code = veo::ErrorCode::cache, .message = "cannot write"});
  }
  veo::Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    const auto got = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    return veo::fail({.code = veo::ErrorCode::cache, .message = "cannot read"});
  }

 private:
  int fd_;
};

int join(bool is_plain, const std::string& to, const std::vector<std::string>& clips) {
  const FilePtr out(is_plain ? nullptr : std::fopen(to.c_str(), "wb"));
  std::optional<FilmFile> file;
  if (is_plain) file.emplace(to);
  const auto media = veo::media::load();
  if (!media) {
    std::cerr << media.error().message << "\n";
    return 1;
  }
  const auto film = (*media)->make_joiner({.file = is_plain ? &*file : nullptr});
  const auto write = [&out](const veo::media::Bytes& bytes) {
    if (!bytes.empty()) std::fwrite(bytes.data(), 1, bytes.size(), out.get());
  };
  for (const auto& clip : clips) {
    File stream(clip);
    if (const auto begun = film->append(stream); !begun) {
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

struct Peer {
  std::string name;
  std::string file;  ///< that it writes
  std::function<std::vector<std::string>(std::size_t clips)> line;
  std::vector<double> wall;
  std::vector<double> memory;
};

void measure(const std::string& self, std::size_t runs, std::size_t clips) {
  const auto a = veo::test::clip_path("veo31-dialogue.mp4");
  const auto b = veo::test::clip_path("veo30-dialogue.mp4");
  if (!a || !b) throw std::runtime_error("needs the real clips");
  const veo::test::TemporaryDirectory directory;
  const auto sources = [&](std::vector<std::string> line, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) line.push_back(i % 2 == 0 ? *a : *b);
    return line;
  };
  std::ofstream list(directory.file("list"));
  for (std::size_t i = 0; i < clips; ++i) list << "file " << (i % 2 == 0 ? *a : *b) << "\n";
  list.close();
  const auto ours = [&](const std::string& how, const std::string& to) {
    return [&, how, to](std::size_t count) { return sources({self, how, to}, count); };
  };
  const auto concat = [&](const std::string& to, std::vector<std::string> more) {
    return [&, to, more](std::size_t) {
      std::vector<std::string> line{"ffmpeg", "-v",    "error", "-y", "-f",
                                    "concat", "-safe", "0",     "-i", directory.file("list"),
                                    "-c",     "copy"};
      line.insert(line.end(), more.begin(), more.end());
      line.push_back(to);
      return line;
    };
  };
  const auto path = [&](const char* name) { return directory.file(std::string(name) + ".mp4"); };
  std::vector<Peer> peers{
      {"fragments", path("fragments"), ours("--fragments", path("fragments")), {}, {}},
      {"plain", path("plain"), ours("--plain", path("plain")), {}, {}},
      {"ffmpeg", path("ffmpeg"), concat(path("ffmpeg"), {}), {}, {}},
      {"faststart",
       path("faststart"),
       concat(path("faststart"), {"-movflags", "faststart"}),
       {},
       {}}};
  if (const char* const veo = std::getenv("VEO_COMMAND"); veo != nullptr) {
    const auto line = [&, veo](std::size_t count) {
      return sources({veo, "join", "-q", "-o", path("command")}, count);
    };
    peers.push_back({"veo join", path("command"), line, {}, {}});
  }
  std::vector<double> few;
  for (std::size_t i = 0; i <= runs; ++i) {
    // Each run begins with another peer.
    for (std::size_t k = 0; k < peers.size(); ++k) {
      auto& peer = peers[(k + i) % peers.size()];
      const auto cost = run(peer.line(clips));
      if (i == 0) continue;  // the first run only fills the page cache
      peer.wall.push_back(cost.wall);
      peer.memory.push_back(cost.memory);
    }
    if (i > 0) few.push_back(run(ours("--plain", path("few"))(2)).memory);
  }
  std::printf("%zu real clips joined, median of %zu:\n", clips, runs);
  const auto theirs = median(peers[2].wall);
  for (const auto& peer : peers) {
    std::printf("  %-9s  %4.0f ms, %.2f of ffmpeg, %3.0f MiB; %s\n", peer.name.c_str(),
                1e3 * median(peer.wall), median(peer.wall) / theirs, median(peer.memory),
                contents_of(peer.file).c_str());
  }
  std::printf("  2 clips, plain: %3.0f MiB\n", median(few));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() > 2 && (words[0] == "--fragments" || words[0] == "--plain")) {
    return join(words[0] == "--plain", words[1], {words.begin() + 2, words.end()});
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
