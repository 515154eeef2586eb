// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace veo::test {

/// What the shell command writes to its standard output. Throws std::runtime_error where it cannot
/// be started; what it exits with is not looked at.
std::string output_of(const std::string& command);

/// A directory of its own, removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A self-signed certificate for 127.0.0.1, made by openssl: PEM files in `directory`.
struct Certificate {
  std::string certificate;
  std::string key;
};
Certificate make_certificate(const TemporaryDirectory& directory);

}  // namespace veo::test
