// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where a clip's bytes are kept while they arrive, in any order: an anonymous file in memory, and
// the map of what is there.
#pragma once

#include <boost/icl/interval_set.hpp>
#include <cstdint>
#include <optional>
#include <span>

#include "file_handle.h"
#include "veo/core/result.h"

namespace veo {

/// Thread-compatible: the caller locks, but for read() of bytes that are known to be there.
class Spool {
 public:
  /// Fails with cache.
  static Result<Spool> create();

  /// Fails with cache: no memory.
  Status write(std::uint64_t offset, std::span<const std::uint8_t> bytes);
  /// Fails with cache where the bytes are not there.
  Status read(std::uint64_t offset, std::span<std::uint8_t> into) const;
  /// How many bytes are there from `offset` on, without a hole.
  [[nodiscard]] std::uint64_t run_at(std::uint64_t offset) const;
  /// Where the first byte after `offset` is that is there.
  [[nodiscard]] std::optional<std::uint64_t> next_after(std::uint64_t offset) const;
  /// Bytes in all.
  [[nodiscard]] std::uint64_t held() const;
  void clear();

 private:
  explicit Spool(FileHandle file) : file_(std::move(file)) {}

  FileHandle file_;
  boost::icl::interval_set<std::uint64_t> map_;
};

}  // namespace veo
