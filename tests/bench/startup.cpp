// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What does the first veosrc of a process cost, and the command, before they do anything? Side by
// side, alternating, each in a process of its own:
//
//   element   gst_element_factory_make(), with the loading of its plugin, in a process that has
//             called gst_init(): time, growth of resident memory, of the part that no other process
//             shares, and of the number of shared libraries
//   command   `veo --version` and `curl --version`: from their start to their end
//
// The least time is that of the work itself; the median shows what else the machine does.
//
// Usage: startup [--runs N]    (VEO_COMMAND: the program; each element: startup --element NAME)
#include <fcntl.h>
#include <gst/gst.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "command.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Cost {
  double time = 0;      // ms
  double memory = 0;    // MiB resident
  double unshared = 0;  // MiB, of this process alone
  double libraries = 0;
};

double milliseconds_since(Clock::time_point began) {
  return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

/// Of this process, in its present state.
Cost measure_process() {
  Cost now;
  std::ifstream rollup("/proc/self/smaps_rollup");
  for (std::string line; std::getline(rollup, line);) {
    std::istringstream fields(line);
    std::string name;
    double kib = 0;
    fields >> name >> kib;
    if (name == "Rss:") now.memory = kib / 1024;
    if (name.starts_with("Private_")) now.unshared += kib / 1024;
  }
  std::set<std::string> libraries;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto path = line.find('/');
    if (path != std::string::npos && line.find(".so", path) != std::string::npos) {
      libraries.insert(line.substr(path));
    }
  }
  now.libraries = static_cast<double>(libraries.size());
  return now;
}

/// Prints the cost of the first element of that name.
int create(const char* name) {
  gst_init(nullptr, nullptr);
  const auto before = measure_process();
  const auto began = Clock::now();
  GstElement* const element = gst_element_factory_make(name, nullptr);
  const auto time = milliseconds_since(began);
  const auto after = measure_process();
  if (element == nullptr) return 1;
  std::printf("%f %f %f %f\n", time, after.memory - before.memory, after.unshared - before.unshared,
              after.libraries - before.libraries);
  return 0;
}

Cost create_apart(const std::string& self, const std::string& element) {
  std::istringstream fields(veo::test::output_of(self + " --element " + element));
  Cost cost;
  if (!(fields >> cost.time >> cost.memory >> cost.unshared >> cost.libraries)) {
    throw std::runtime_error("there is no " + element);
  }
  return cost;
}

Cost run(std::string command) {
  std::string argument = "--version";
  char* argv[] = {command.data(), argument.data(), nullptr};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const auto began = Clock::now();
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, argv[0], &files, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&files);
  int status = 0;
  rusage usage{};
  if (failed != 0 || ::wait4(pid, &status, 0, &usage) != pid || status != 0) {
    throw std::runtime_error(command + " failed");
  }
  return {.time = milliseconds_since(began), .memory = static_cast<double>(usage.ru_maxrss) / 1024};
}

double count_libraries(const std::string& command) {
  return std::stod(
      veo::test::output_of("LD_TRACE_LOADED_OBJECTS=1 " + command + " | grep -c '\\.so'"));
}

double least(const std::vector<Cost>& costs) {
  return std::min_element(costs.begin(), costs.end(),
                          [](const Cost& a, const Cost& b) { return a.time < b.time; })
      ->time;
}

double median(const std::vector<Cost>& costs, double Cost::*what) {
  std::vector<double> values;
  for (const auto& cost : costs) values.push_back(cost.*what);
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure_elements(const std::string& self, int runs) {
  const std::vector<std::string> elements{"veosrc", "souphttpsrc", "filesrc"};
  for (const auto& element : elements) create_apart(self, element);  // the registry, the page cache
  std::map<std::string, std::vector<Cost>> costs;
  for (int i = 0; i < runs; ++i) {
    for (const auto& element : elements) costs[element].push_back(create_apart(self, element));
  }
  std::printf("the first element of a process, median of %d (least):\n", runs);
  for (const auto& element : elements) {
    const auto& of = costs[element];
    std::printf("  %-12s %6.2f ms (%5.2f)  %5.1f MiB resident, %5.1f unshared  %3.0f libraries\n",
                element.c_str(), median(of, &Cost::time), least(of), median(of, &Cost::memory),
                median(of, &Cost::unshared), median(of, &Cost::libraries));
  }
  std::printf("  veosrc/souphttpsrc: time %.2f, memory %.2f\n",
              median(costs["veosrc"], &Cost::time) / median(costs["souphttpsrc"], &Cost::time),
              median(costs["veosrc"], &Cost::memory) / median(costs["souphttpsrc"], &Cost::memory));
}

void measure_commands(const std::string& veo, int runs) {
  run(veo);
  run("curl");
  std::vector<Cost> ours;
  std::vector<Cost> theirs;
  for (int i = 0; i < runs; ++i) {
    ours.push_back(run(veo));
    theirs.push_back(run("curl"));
  }
  std::printf("--version, median of %d (least):\n", runs);
  const auto print = [](const char* name, const std::vector<Cost>& of, double libraries) {
    std::printf("  %-12s %6.2f ms (%5.2f)  %5.1f MiB at most  %3.0f libraries\n", name,
                median(of, &Cost::time), least(of), median(of, &Cost::memory), libraries);
  };
  print("veo", ours, count_libraries(veo));
  print("curl", theirs, count_libraries("$(command -v curl)"));
  std::printf("  veo/curl: time %.2f\n", median(ours, &Cost::time) / median(theirs, &Cost::time));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 2 && words[0] == "--element") return create(words[1].c_str());
  const int runs = words.size() == 2 && words[0] == "--runs" ? std::stoi(words[1]) : 31;
  try {
    const char* const veo = std::getenv("VEO_COMMAND");
    if (veo == nullptr) throw std::runtime_error("VEO_COMMAND is not set");
    measure_elements(argv[0], runs);
    measure_commands(veo, runs);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "startup: %s\n", problem.what());
    return 1;
  }
  return 0;
}
