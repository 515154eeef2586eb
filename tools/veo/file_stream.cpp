// SPDX-License-Identifier: LGPL-2.1-or-later
#include "file_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace veo::cli {

namespace {

Error problem(const std::string& path, const std::string& what) {
  return {.code = ErrorCode::invalid_request, .message = "Cannot read " + path + ": " + what + "."};
}

}  // namespace

Result<std::unique_ptr<FileStream>> FileStream::open(const std::string& path) {
  // With O_NONBLOCK the call does not wait if the path names a FIFO.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(problem(path, std::strerror(errno)));
  std::unique_ptr<FileStream> stream(new FileStream(path, fd));
  struct stat what {};
  if (::fstat(fd, &what) != 0 || !S_ISREG(what.st_mode)) {
    return fail(problem(path, "it is no file"));
  }
  return stream;
}

FileStream::FileStream(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

FileStream::~FileStream() { ::close(fd_); }

Result<std::size_t> FileStream::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  for (;;) {
    const auto got = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail(problem(path_, std::strerror(errno)));
  }
}

}  // namespace veo::cli
