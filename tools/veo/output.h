// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where a video goes. A regular file comes to its name whole: it is written beside it, synced and
// renamed, so that there is never half a file under the name that was asked for. Standard output
// and all that is no regular file are written in place.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "interruption.h"
#include "veo/core/result.h"

namespace veo::cli {

class Output {
 public:
  enum class Written {
    all,
    closed,       ///< the reader has gone
    interrupted,  ///< while it waited for the reader
  };

  /// `path`: `-` for standard output. Empty: a file that finish() names. Finds all that can be
  /// found before anything is spent. Fails with invalid_request or cache.
  static Result<Output> open(const std::string& path, const Interruption& interruption);
  /// A file that was not finished is gone.
  ~Output();
  Output(Output&&) noexcept;
  Output& operator=(Output&&) noexcept;

  [[nodiscard]] bool is_in_place() const;
  /// Fails with cache.
  Result<Written> write(std::span<const std::uint8_t> bytes);
  /// `name`: of the file, where there was none. Returns its path; of standard output `-`. Fails
  /// with cache.
  Result<std::string> finish(const std::string& name);

 private:
  struct Private;
  explicit Output(std::unique_ptr<Private> p);
  std::unique_ptr<Private> p_;
};

}  // namespace veo::cli
