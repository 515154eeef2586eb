// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The command line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace simulator {

/// The content of an extension's file.
enum class Extend { continuation, parent, whole };
/// The order of a clip's boxes.
enum class Layout { moov_last, moov_first, fragmented };
/// The file host's validators: a strong ETag with Last-Modified, a weak ETag alone, or none.
enum class Etag { strong, weak, none };

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::uint16_t file_port = 0;
  std::string tls_cert;
  std::string tls_key;

  std::chrono::milliseconds generation_time{3000};
  bool progress = false;
  Extend extend = Extend::continuation;
  Layout layout = Layout::moov_last;
  std::vector<std::string> clips;
  std::vector<std::string> task_ids;
  unsigned frames = 192;

  std::string key;
  std::int64_t credits = 10'000;
  std::int64_t extend_credits = 40;
  std::uint64_t rate_limit = 0;  ///< requests per second; 0 for no limit

  std::uint64_t bandwidth = 0;  ///< bytes per second; 0 for no limit
  std::chrono::milliseconds latency{0};
  bool no_ranges = false;
  Etag etag = Etag::strong;

  std::vector<std::string> faults;
  std::string log;
};

/// Parses the command line. Returns the options, or the exit code if the program must end: 0 after
/// --help, and 2 after an error, which is printed to stderr.
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace simulator
