// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The destination of a video. A regular file is complete when its name appears: the bytes go to a
// temporary file in the same directory, which is synced and renamed at the end. Bytes for standard
// output, and for anything that is no regular file, are written there directly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "interruption.h"
#include "veo/core/result.h"

namespace veo::cli {

/// How many bytes of a clip a command takes and writes at a time, at most.
inline constexpr std::size_t largest_piece = 256U << 10U;

class Output {
 public:
  enum class Written {
    all,
    closed,       ///< the reader has closed the pipe
    interrupted,  ///< a signal ended the wait for the reader
  };

  /// `path`: a file, or `-` for standard output. Empty: finish() names the file. Checks as much as
  /// possible, so that a bad path costs no credits. Fails with invalid_request or cache.
  static Result<Output> open(const std::string& path, const Interruption& interruption);
  /// Removes a file that was not finished.
  ~Output();
  Output(Output&&) noexcept;
  Output& operator=(Output&&) noexcept;

  /// Whether the bytes go directly to their destination, without a temporary file.
  [[nodiscard]] bool is_in_place() const;
  /// Fails with cache.
  Result<Written> write(std::span<const std::uint8_t> bytes);
  /// Writes all of `bytes` at `offset`, and copies bytes that were written. Only an output that is
  /// not in place can go back in its file. read_at() returns the number of bytes; 0: the end. Both
  /// fail with cache.
  Result<Written> write_at(std::uint64_t offset, std::span<const std::uint8_t> bytes);
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> into);
  /// Gives the file its name. `name`: the name of a file that open() got no path for. Returns the
  /// path of the file, or `-` for standard output. Fails with cache.
  Result<std::string> finish(const std::string& name);

 private:
  struct Private;
  explicit Output(std::unique_ptr<Private> p);
  std::unique_ptr<Private> p_;
};

/// Makes the error of a write to `path`, which may be `-`. `reason`: the errno.
Error make_write_error(const std::string& path, int reason);

}  // namespace veo::cli
