// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace veo::test {

/// Runs the shell command and returns its standard output. Throws std::runtime_error if the command
/// cannot be started. The exit code is ignored.
std::string output_of(const std::string& command);

/// A new directory. The destructor removes it with everything in it.
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

/// The paths of two PEM files.
struct Certificate {
  std::string certificate;
  std::string key;
};
/// Makes a self-signed certificate for 127.0.0.1 with openssl, in `directory`.
Certificate make_certificate(const TemporaryDirectory& directory);

}  // namespace veo::test
