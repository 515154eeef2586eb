// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What became of a batch's requests: JSON lines in the directory of the results, each written and
// synced before it is told. Lines are only ever added, and the last one of a request counts. A line
// that a kill cut short is the file's last: it is taken off by who writes next.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "veo/core/result.h"

namespace veo::cli {

class Manifest {
 public:
  /// That of the directory, which is made where there is none. Whoever has it has the directory for
  /// himself, until he ends. Fails with invalid_request (somebody else has it) or cache.
  static Result<Manifest> open(const std::string& directory);
  ~Manifest();
  Manifest(Manifest&& other) noexcept;
  Manifest& operator=(Manifest&&) = delete;

  /// The last line of the request; null: there is none.
  [[nodiscard]] nlohmann::json find(const std::string& id) const;
  /// `entry` has the member `id`. Durable on return. Fails with cache.
  Status add(const nlohmann::json& entry);

 private:
  Manifest(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status load();

  std::string path_;
  int fd_ = -1;
  std::map<std::string, nlohmann::json> entries_;
};

}  // namespace veo::cli
