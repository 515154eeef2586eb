// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A simulator, and requests to it as an application sends them.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "http_client.h"
#include "simulator.h"

namespace veo::test {

using Json = nlohmann::json;

/// A file that is removed at the end of the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name, const std::string& content = "")
      : path_(std::filesystem::temp_directory_path() /
              ("veo-" + std::to_string(::getpid()) + "-" + std::to_string(++count) + "-" + name)) {
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  static inline int count = 0;
  std::filesystem::path path_;
};

class Service {
 public:
  explicit Service(const std::vector<std::string>& args) : simulator(Simulator::start(args)) {}

  [[nodiscard]] HttpHeaders headers() const {
    return {{"Authorization", "Bearer " + simulator.key()}, {"Content-Type", "application/json"}};
  }
  [[nodiscard]] HttpAnswer get(const std::string& path) const {
    return http_request("GET", simulator.api_url() + path, headers());
  }
  [[nodiscard]] HttpAnswer submit(const Json& body) const { return submit_text(body.dump()); }
  [[nodiscard]] HttpAnswer submit_text(const std::string& body) const {
    return http_request("POST", simulator.api_url() + "/videos/generations", headers(), body);
  }
  /// Submits the smallest request. Returns the task id.
  [[nodiscard]] std::string create() const {
    return Json::parse(submit(minimal()).body).at("data").at("taskId");
  }
  static Json minimal() { return {{"model", "veo-3"}, {"input", {{"prompt", "a dog"}}}}; }
  static Json extension(const std::string& id) {
    return {{"model", "veo-3-extend"}, {"input", {{"prompt", "on"}, {"extend_task_id", id}}}};
  }
  [[nodiscard]] Json task(const std::string& id) const {
    return Json::parse(get("/tasks/" + id).body);
  }
  /// Polls until the task has ended. Returns the last answer.
  [[nodiscard]] Json end_of(const std::string& id) const {
    for (;;) {
      auto answer = task(id);
      if (answer.at("status") == "completed" || answer.at("status") == "failed") return answer;
    }
  }
  /// Makes a task. Returns the URL of its file.
  [[nodiscard]] std::string create_file() const {
    return end_of(create()).at("output").at("urls").at(0);
  }

  Simulator simulator;
};

}  // namespace veo::test
