// SPDX-License-Identifier: LGPL-2.1-or-later
#include "shell.h"

#include <sqlite3.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "http_client.h"

namespace veo::test {

namespace fs = std::filesystem;

Shell::Shell(const Simulator& simulator) : api_url_(simulator.api_url()), key_(simulator.key()) {}

Program::Settings Shell::settings(const std::vector<std::string>& args) const {
  const char* const program = std::getenv("VEO_COMMAND");
  if (program == nullptr)
    throw std::runtime_error("VEO_COMMAND is not set: run this by meson test");
  Program::Settings settings{.args = {program},
                             .env = {{"VEO_API_URL", api_url_},
                                     {"VEO_API_KEY", key_},
                                     {"VEO_LEDGER", ledger()},
                                     {"VEO_CACHE_DIR", state_.file("cache")},
                                     {"VEO_POLL_INTERVAL", "10"}},
                             .directory = home_.path()};
  settings.args.insert(settings.args.end(), args.begin(), args.end());
  return settings;
}

Program::Ended Shell::veo(const std::vector<std::string>& args) const {
  return Program(settings(args)).wait();
}

Program::Settings Shell::script(const std::string& line) const {
  auto started = settings({});
  const auto program = started.args.front();
  started.args = {"/bin/bash", "-c", "veo() { " + program + " \"$@\"; }; " + line};
  return started;
}

Program::Ended Shell::sh(const std::string& line) const { return Program(script(line)).wait(); }

std::string Shell::contents(const std::string& name) const {
  std::ifstream stream(file(name), std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

int Shell::recorded(const std::string& state) const {
  // Read a copy without the index of the WAL: SQLite then counts each commit that is on the disk,
  // as the next process does after a kill, even if the writer was stopped before it could update
  // the index.
  const TemporaryDirectory directory;
  const auto copy = directory.file("ledger.db");
  std::error_code none;
  std::filesystem::copy_file(ledger(), copy, none);
  std::filesystem::copy_file(ledger() + "-wal", copy + "-wal", none);
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(copy.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database(raw, &sqlite3_close);
  int count = -1;
  const auto read = [](void* data, int, char** values, char**) {
    *static_cast<int*>(data) = std::atoi(values[0]);
    return 0;
  };
  if (opened == SQLITE_OK) {
    const auto query = "SELECT count(*) FROM submission WHERE state = '" + state + "'";
    sqlite3_exec(raw, query.c_str(), read, &count, nullptr);
  }
  return count;
}

std::vector<std::string> Shell::files() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(home_.path())) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void kill_between_submissions(const Program& program, const Shell& shell) {
  for (;;) {
    program.stop();
    if (shell.recorded("sending") == 0) break;
    program.kill(SIGCONT);
    std::this_thread::yield();
  }
  program.kill(SIGKILL);
}

std::vector<nlohmann::json> json_lines(const std::string& text) {
  std::vector<nlohmann::json> objects;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) objects.push_back(nlohmann::json::parse(line));
  return objects;
}

nlohmann::json last_event(const std::string& text, const std::string& event) {
  nlohmann::json found;
  for (const auto& object : json_lines(text)) {
    if (object.at("event") == event) found = object;
  }
  return found;
}

const std::string& small_clip() {
  static const TemporaryDirectory directory;
  static const auto path = [] {
    const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", "48"});
    const HttpHeaders headers{{"Authorization", "Bearer " + simulator.key()},
                              {"Content-Type", "application/json"}};
    const auto made = http_request("POST", simulator.api_url() + "/videos/generations", headers,
                                   R"({"model": "veo-3", "input": {"prompt": "a dog"}})");
    const auto id = nlohmann::json::parse(made.body).at("data").at("taskId").get<std::string>();
    for (;;) {
      const auto answer = http_request("GET", simulator.api_url() + "/tasks/" + id, headers);
      const auto task = nlohmann::json::parse(answer.body);
      if (task.at("status") != "completed") continue;
      const auto video = http_request("GET", task.at("output").at("urls").at(0).get<std::string>());
      std::ofstream(directory.file("clip.mp4"), std::ios::binary) << video.body;
      return directory.file("clip.mp4");
    }
  }();
  return path;
}

Simulator start_simulator(const std::string& generation_time,
                          const std::vector<std::string>& more) {
  std::vector<std::string> args{"--generation-time", generation_time, "--clip", small_clip()};
  args.insert(args.end(), more.begin(), more.end());
  return Simulator::start(args);
}

}  // namespace veo::test
