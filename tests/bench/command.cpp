// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Compares `veo` with scripts that people write by hand, with real clips. The runs alternate:
//
//   first frame     veo generate … -o - | ffmpeg -i -     of a task that is completed at once
//                   curl -o FILE URL && ffmpeg -i FILE    of a completed task
//   complete file   veo generate … -o FILE
//                   curl POST; until completed: sleep 5, curl, jq; curl -o FILE
//
// Each time begins with the start of the line.
//
// Usage: command [--runs N]   (VEO_COMMAND: the program; VEO_TEST_CLIPS: real clips)
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "clips.h"
#include "command.h"
#include "http_client.h"
#include "simulator.h"

namespace {

using Clock = std::chrono::steady_clock;
using veo::test::Simulator;
using veo::test::TemporaryDirectory;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Measures the time to the first byte of a shell line's output, in milliseconds.
double measure_first_byte(const std::string& line) {
  const auto began = Clock::now();
  std::FILE* pipe = ::popen(("exec bash -c '" + line + "'").c_str(), "r");
  if (pipe == nullptr || std::fgetc(pipe) == EOF) throw std::runtime_error(line);
  const std::chrono::duration<double, std::milli> taken = Clock::now() - began;
  while (std::fgetc(pipe) != EOF) {
  }
  ::pclose(pipe);
  return taken.count();
}

/// Measures the time to the end of a shell line, in milliseconds.
double measure_end(const std::string& line) {
  const auto began = Clock::now();
  if (std::system(("exec bash -c '" + line + "'").c_str()) != 0) throw std::runtime_error(line);
  const std::chrono::duration<double, std::milli> taken = Clock::now() - began;
  return taken.count();
}

std::string environment(const Simulator& simulator, const std::string& record,
                        const std::string& cache) {
  return "export VEO_API_URL=" + simulator.api_url() + " VEO_API_KEY=" + simulator.key() +
         " VEO_LEDGER=" + record + " VEO_CACHE_DIR=" + cache + "; ";
}

std::string url_of(const Simulator& simulator) {
  const std::string id = simulator.state().at("tasks").at(0).at("id");
  const auto answer = veo::test::http_request("GET", simulator.api_url() + "/tasks/" + id,
                                              {{"Authorization", "Bearer " + simulator.key()}});
  return nlohmann::json::parse(answer.body).at("output").at("urls").at(0);
}

std::vector<std::string> with_clip(std::vector<std::string> arguments) {
  if (const auto clip = veo::test::clip_path("veo31-dialogue.mp4")) {
    arguments.insert(arguments.end(), {"--clip", *clip});
  }
  return arguments;
}

void first_frame(const std::string& veo, int runs) {
  const std::string decode = " -frames:v 1 -f rawvideo -";
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int run = 0; run < runs; ++run) {
    const auto simulator =
        Simulator::start(with_clip({"--generation-time", "0s", "--bandwidth", "2M"}));
    const TemporaryDirectory home;
    const auto generate = environment(simulator, home.file("ledger.db"), home.file("cache")) +
                          "export VEO_POLL_INTERVAL=20; " + veo +
                          " generate \"a dog\" -q -o - | ffmpeg -v error -i -" + decode;
    ours.push_back(measure_first_byte(generate));
    const auto file = home.file("clip.mp4");
    theirs.push_back(measure_first_byte("curl -sf -o " + file + " " + url_of(simulator) +
                                        " && ffmpeg -v error -i " + file + decode));
  }
  std::printf("first decoded frame at 2 MB/s, median of %d:\n", runs);
  std::printf("  veo generate -o - | ffmpeg       %6.0f ms\n", median(ours));
  std::printf("  curl -o FILE && ffmpeg -i FILE   %6.0f ms\n", median(theirs));
  std::printf("  ratio                            %6.3f\n", median(ours) / median(theirs));
}

unsigned requests(const Simulator& simulator) {
  const auto state = simulator.state();
  return state.at("submissions").get<unsigned>() + state.at("queries").get<unsigned>() +
         state.at("file_requests").get<unsigned>();
}

/// Writes the script that every tutorial has.
std::string write_script(const Simulator& simulator, const std::string& file) {
  const auto head = " -H \"Authorization: Bearer " + simulator.key() + "\"";
  const auto api = simulator.api_url();
  return "set -e; id=$(curl -sf" + head + " -H \"Content-Type: application/json\" -d " +
         R"("{\"model\":\"veo-3\",\"input\":{\"prompt\":\"a dog\"}}" )" + api +
         "/videos/generations | jq -r .data.taskId); while :; do task=$(curl -sf" + head + " " +
         api +
         "/tasks/$id); [ \"$(jq -r .status <<<\"$task\")\" = completed ] && break; sleep 5; " +
         "done; curl -sf -o " + file + " \"$(jq -r .output.urls[0] <<<\"$task\")\"";
}

void whole_file(const std::string& veo, int runs) {
  const double seconds[] = {11, 13, 9, 14, 12, 10, 15};
  const TemporaryDirectory home;
  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> our_requests;
  std::vector<double> their_requests;
  const auto learn = [&](double time, const std::string& prompt, bool counts) {
    const auto simulator = Simulator::start(
        with_clip({"--generation-time", std::to_string(static_cast<int>(time * 1000)) + "ms"}));
    const auto line = environment(simulator, home.file("ledger.db"), home.file("cache")) + veo +
                      " generate \"" + prompt + "\" -q -o " + home.file("ours.mp4");
    const auto taken = measure_end(line);
    if (!counts) return;
    ours.push_back(taken - time * 1000);
    our_requests.push_back(requests(simulator));
  };
  // The state of a user's ledger after two videos.
  learn(12, "one before", false);
  learn(12, "another before", false);
  for (int run = 0; run < runs; ++run) {
    const auto time = seconds[static_cast<std::size_t>(run) % std::size(seconds)];
    learn(time, "run " + std::to_string(run), true);
    const auto simulator = Simulator::start(
        with_clip({"--generation-time", std::to_string(static_cast<int>(time * 1000)) + "ms"}));
    theirs.push_back(measure_end(write_script(simulator, home.file("theirs.mp4"))) - time * 1000);
    their_requests.push_back(requests(simulator));
  }
  std::printf("from submission to the file beyond the generation of 9 to 15 s, median of %d:\n",
              runs);
  std::printf("  veo generate -o FILE             %6.0f ms, %2.0f requests\n", median(ours),
              median(our_requests));
  std::printf("  curl, jq, sleep 5                %6.0f ms, %2.0f requests\n", median(theirs),
              median(their_requests));
  std::printf("  ratio                            %6.3f\n", median(ours) / median(theirs));
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 2 ? std::stoi(argv[2]) : 7;
  const char* const veo = std::getenv("VEO_COMMAND");
  if (veo == nullptr) throw std::runtime_error("VEO_COMMAND is not set");
  first_frame(veo, runs);
  whole_file(veo, runs);
}
