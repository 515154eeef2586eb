// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "veo/media/byte_stream.h"

namespace veo::media {

/// A file as a ByteStream that gives few bytes at a time, like a download.
class FileStream : public ByteStream {
 public:
  explicit FileStream(const std::string& path) : file_(std::fopen(path.c_str(), "rb")) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override {
    if (offset >= broken_at) return fail({.code = ErrorCode::network, .message = "broken"});
    if (file_ == nullptr || std::fseek(file_.get(), static_cast<long>(offset), SEEK_SET) != 0) {
      return fail({.code = ErrorCode::cache, .message = "no such file"});
    }
    furthest = std::max(furthest, offset);
    return std::fread(into.data(), 1, std::min<std::size_t>(into.size(), 5000), file_.get());
  }

  std::uint64_t broken_at = ~std::uint64_t{0};
  std::uint64_t furthest = 0;  ///< the largest offset that was read so far

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace veo::media
