// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures the throughput and the CPU time of a download of 1 GiB (moov last) over loopback into a
// fakesink. One nginx serves the file and the answer about the task. The runs alternate:
//
//   souphttpsrc  with its best blocksize of 64 KiB, 256 KiB, 1 MiB
//   curl         to /dev/null
//   veosrc       without a cache (VEO_CACHE_SIZE=0)
//   veosrc       with the clip hashed, written, and in the cache before EOS
//   curl         into a file, then sha256sum of the file: a script with the same result
//
// Usage: throughput [--runs N] [--size MIB] [--directory DIR]    (DIR has the file and the cache)
#include <gio/gio.h>
#include <gst/gst.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "await.h"
#include "clips.h"

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
namespace fs = std::filesystem;

struct Cost {
  double wall = 0;  ///< in seconds
  double cpu = 0;   ///< the CPU time of the client alone, in seconds
};

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

double cpu_of(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::uint32_t big_endian(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value = value << 8U | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

/// Writes the clip with random bytes at the end of its mdat, so that the file has `size` bytes.
void make_file(const std::string& clip, const fs::path& path, std::uint64_t size) {
  std::ifstream in(clip, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  std::size_t mdat = 0;
  while (bytes.compare(mdat + 4, 4, "mdat") != 0) mdat += big_endian(bytes, mdat);
  const auto old = big_endian(bytes, mdat);
  auto padding = size - bytes.size();
  const auto grown = static_cast<std::uint32_t>(old + padding);
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(mdat));
  for (const auto shift : {24U, 16U, 8U, 0U}) out.put(static_cast<char>(grown >> shift));
  out.write(bytes.data() + mdat + 4, static_cast<std::streamsize>(old - 4));
  std::string noise(1U << 20U, '\0');
  std::mt19937_64 random(1);
  for (auto& byte : noise) byte = static_cast<char>(random());
  for (; padding > 0; padding -= std::min<std::uint64_t>(padding, noise.size())) {
    out.write(noise.data(),
              static_cast<std::streamsize>(std::min<std::uint64_t>(padding, noise.size())));
  }
  out.write(bytes.data() + mdat + old, static_cast<std::streamsize>(bytes.size() - mdat - old));
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

/// A process of nginx on a free port of loopback. It ends with this process.
class Nginx {
 public:
  explicit Nginx(const fs::path& directory) {
    // Another program could take the port before nginx binds it. Then nginx ends, and this process
    // does too.
    const GSocketListenerPtr listener(g_socket_listener_new(), g_object_unref);
    port_ = g_socket_listener_add_any_inet_port(listener.get(), nullptr, nullptr);
    g_socket_listener_close(listener.get());
    const auto config = directory / "nginx.conf";
    errors_ = directory / "error.log";
    // The worker of root's nginx is another user, who cannot read a private directory of root.
    std::ofstream(config) << (::geteuid() == 0 ? "user root; " : "")
                          << "worker_processes 1; daemon off; pid " << (directory / "pid").string()
                          << "; error_log " << errors_.string()
                          << "; events {} http { access_log off; sendfile on; default_type "
                             "application/json; server { listen 127.0.0.1:"
                          << port_ << "; root " << (directory / "www").string() << "; } }";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execlp("nginx", "nginx", "-c", config.c_str(), nullptr);
      ::_exit(127);
    }
  }
  ~Nginx() {
    // SIGTERM lets the process end its worker, too.
    if (!has_ended()) ::kill(pid_, SIGTERM);
    try {
      veo::test::await("nginx ends", [this] { return has_ended(); });
    } catch (const std::runtime_error& problem) {
      std::fprintf(stderr, "throughput: %s\n", problem.what());
      ::kill(pid_, SIGKILL);
    }
  }
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;

  [[nodiscard]] std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  /// True once the process has ended.
  [[nodiscard]] bool has_ended() const {
    return ended_ = ended_ || ::waitpid(pid_, nullptr, WNOHANG) == pid_;
  }
  /// The error log of the process.
  [[nodiscard]] std::string errors() const {
    std::ifstream in(errors_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  using GSocketListenerPtr = std::unique_ptr<GSocketListener, decltype(&g_object_unref)>;
  fs::path errors_;
  guint16 port_ = 0;
  pid_t pid_ = -1;
  mutable bool ended_ = false;
};

Cost play(const std::string& line) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (error != nullptr) throw std::runtime_error(line + ": " + error->message);
  GstBus* bus = gst_element_get_bus(pipeline);
  const auto cpu = cpu_of(RUSAGE_SELF);
  const auto began = Clock::now();
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 600 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  const Cost cost{Seconds(Clock::now() - began).count(), cpu_of(RUSAGE_SELF) - cpu};
  const bool good = message != nullptr && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
  if (message != nullptr) gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  if (!good) throw std::runtime_error(line + ": did not come to its end");
  return cost;
}

Cost shell(const std::string& line) {
  const auto cpu = cpu_of(RUSAGE_CHILDREN);
  const auto began = Clock::now();
  if (std::system(line.c_str()) != 0) throw std::runtime_error(line);
  return {Seconds(Clock::now() - began).count(), cpu_of(RUSAGE_CHILDREN) - cpu};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string option(int argc, char** argv, const std::string& name, const std::string& fallback) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (name == argv[i]) return argv[i + 1];
  }
  return fallback;
}

void run(int argc, char** argv) {
  const int runs = std::stoi(option(argc, argv, "--runs", "5"));
  const auto mib = std::stoull(option(argc, argv, "--size", "1024"));
  const fs::path directory = option(argc, argv, "--directory", "");
  const auto clip = veo::test::clip_path("veo31-dialogue.mp4");
  if (!clip || directory.empty()) throw std::runtime_error("needs real clips and --directory");
  fs::create_directories(directory / "www/v1/tasks");
  make_file(*clip, directory / "www/clip.mp4", mib << 20U);
  const Nginx nginx(directory);
  const auto url = nginx.url("/clip.mp4");
  std::ofstream(directory / "www/v1/tasks/clip")
      << R"({"id": "clip", "status": "completed", "model": "veo-3", "created_at": 1774790227,)"
      << R"( "completed_at": 1774790300, "output": {"urls": [")" << url << R"("]}})";
  veo::test::await("nginx serves " + nginx.url("/v1/tasks/clip"), [&] {
    if (nginx.has_ended()) throw std::runtime_error("nginx has ended; " + nginx.errors());
    return std::system(("curl -sf -m 5 -o /dev/null " + nginx.url("/v1/tasks/clip")).c_str()) == 0;
  });

  const auto ours = [&](const char* limit) {
    const auto home = directory / "home";
    fs::remove_all(home);
    g_setenv("VEO_CACHE_SIZE", limit, TRUE);
    return play("veosrc task-id=clip api-key=sk-bench api-url=" + nginx.url("/v1") +
                " ledger=" + (home / "ledger.db").string() +
                " cache-dir=" + (home / "cache").string() + " ! fakesink sync=false");
  };
  const auto theirs = [&](const char* blocksize) {
    return play("souphttpsrc location=" + url + " blocksize=" + blocksize +
                " ! fakesink sync=false");
  };
  const std::vector<std::pair<std::string, std::function<Cost()>>> all = {
      {"souphttpsrc, 64 KiB", [&] { return theirs("65536"); }},
      {"souphttpsrc, 256 KiB", [&] { return theirs("262144"); }},
      {"souphttpsrc, 1 MiB", [&] { return theirs("1048576"); }},
      {"curl", [&] { return shell("curl -sf -m 600 -o /dev/null " + url); }},
      {"veosrc, nothing kept", [&] { return ours("0"); }},
      {"veosrc, in the cache", [&] { return ours("100G"); }},
      {"curl and sha256sum",
       [&] {
         const auto file = (directory / "file").string();
         fs::remove(file);
         return shell("curl -sf -m 600 -o " + file + " " + url + " && sha256sum " + file +
                      " >/dev/null");
       }},
  };
  std::map<std::string, std::vector<double>> wall;
  std::map<std::string, std::vector<double>> cpu;
  for (int i = -1; i < runs; ++i) {  // the first round only fills the page cache
    for (std::size_t k = 0; k < all.size(); ++k) {
      const auto& [name, measure] = all[i % 2 == 0 ? k : all.size() - 1 - k];
      const auto cost = measure();
      if (i < 0) continue;
      wall[name].push_back(cost.wall);
      cpu[name].push_back(cost.cpu);
    }
  }
  const double gib = static_cast<double>(mib) / 1024;
  const auto best = std::min(
      {median(wall[all[0].first]), median(wall[all[1].first]), median(wall[all[2].first])});
  const auto cheapest =
      std::min({median(cpu[all[0].first]), median(cpu[all[1].first]), median(cpu[all[2].first])});
  std::printf("%llu MiB over loopback, median of %d:\n", mib, runs);
  for (const auto& [name, _] : all) {
    std::printf(
        "  %-22s %5.2f GiB/s, CPU %.2f s/GiB, speed %.2f of souphttpsrc's best, %.2f of "
        "curl's, CPU %.2f of souphttpsrc's least\n",
        name.c_str(), gib / median(wall[name]), median(cpu[name]) / gib, best / median(wall[name]),
        median(wall["curl"]) / median(wall[name]), median(cpu[name]) / cheapest);
  }
  fs::remove_all(directory / "home");
  fs::remove(directory / "file");
}

}  // namespace

int main(int argc, char** argv) {
  gst_init(nullptr, nullptr);
  try {
    run(argc, argv);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "throughput: %s\n", problem.what());
    return 1;
  }
  return 0;
}
