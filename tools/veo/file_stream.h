// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>
#include <string>

#include "veo/media/byte_stream.h"

namespace veo::cli {

/// The bytes of a complete clip in a file.
class FileStream : public media::ByteStream {
 public:
  /// Opens a regular file. open() and read() fail with invalid_request.
  static Result<std::unique_ptr<FileStream>> open(const std::string& path);
  ~FileStream() override;
  FileStream(const FileStream&) = delete;
  FileStream& operator=(const FileStream&) = delete;

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> into) override;

 private:
  FileStream(std::string path, int fd);

  const std::string path_;
  const int fd_;
};

}  // namespace veo::cli
