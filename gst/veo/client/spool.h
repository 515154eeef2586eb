// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clip's file while its bytes arrive, in any order: the file, and the map of what is there.
#pragma once

#include <boost/icl/interval_set.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "veo/core/result.h"
#include "veo/ledger/file_handle.h"

namespace veo {

/// Thread-compatible: the caller locks, but for read() of bytes that are known to be there.
class Spool {
 public:
  /// `file` is not null, open for reading and, unless it is whole, for writing.
  explicit Spool(std::shared_ptr<const FileHandle> file, std::uint64_t whole = 0);

  /// Fails with cache.
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
  std::shared_ptr<const FileHandle> file_;
  boost::icl::interval_set<std::uint64_t> map_;
};

}  // namespace veo
