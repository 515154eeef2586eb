// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The manifest records the result of each request of a batch. It is a file of JSON lines in the
// directory of the results. A line is written and synced before the command reports it. The command
// only adds lines, and the last line of a request is valid. If a kill cuts a line short, it is the
// last line of the file, and the next open() removes it.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "veo/core/result.h"

namespace veo::cli {

class Manifest {
 public:
  /// Opens the manifest of the directory, and creates the directory if it does not exist. The
  /// manifest is locked while it is open, so only one batch can use the directory. Fails with
  /// invalid_request (another batch has the lock) or cache.
  static Result<Manifest> open(const std::string& directory);
  ~Manifest();
  Manifest(Manifest&& other) noexcept;
  Manifest& operator=(Manifest&&) = delete;

  /// Returns the last line of the request. null: there is none.
  [[nodiscard]] nlohmann::json find(const std::string& id) const;
  /// Adds a line. `entry` must have the member `id`. The line is durable when add() returns. Fails
  /// with cache.
  Status add(const nlohmann::json& entry);

 private:
  Manifest(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status load();

  std::string path_;
  int fd_ = -1;
  std::map<std::string, nlohmann::json> entries_;
};

}  // namespace veo::cli
