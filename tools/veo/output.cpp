// SPDX-License-Identifier: LGPL-2.1-or-later
#include "output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <utility>

namespace veo::cli {

namespace fs = std::filesystem;

namespace {

/// A pipe that is writable for poll() takes this many bytes without blocking (pipe(7)).
constexpr std::size_t pipe_piece = PIPE_BUF;
constexpr std::size_t file_piece = 1U << 20U;

}  // namespace

struct Output::Private {
  ~Private() {
    if (fd >= 0 && fd != STDOUT_FILENO) ::close(fd);
    if (!temporary.empty()) ::unlink(temporary.c_str());
  }

  /// Makes the temporary file in the directory of the target, so that a rename completes the
  /// target.
  Status make_temporary() {
    auto directory = target.empty() ? fs::path(".") : fs::path(target).parent_path();
    if (directory.empty()) directory = ".";
    auto name = (directory / ".veo-XXXXXX").string();
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0) return fail(make_write_error(target.empty() ? name : target, errno));
    temporary = std::move(name);
    // mkostemp(3) makes a file that only its owner can read. Give it the mode that other programs
    // would give it.
    const auto mask = ::umask(0);
    ::umask(mask);
    struct stat before {};
    const bool is_there = !target.empty() && ::stat(target.c_str(), &before) == 0;
    const auto mode = is_there ? before.st_mode & 07777U : 0666U & ~mask;
    if (::fchmod(fd, mode) != 0) return fail(make_write_error(target, errno));
    return {};
  }

  /// Waits until the output can take more bytes. A regular file always can.
  Result<Written> wait_for_room() const {
    std::array<pollfd, 2> fds{{{fd, POLLOUT, 0}, {interruption->fd(), POLLIN, 0}}};
    while (::poll(fds.data(), fds.size(), -1) < 0) {
      if (errno != EINTR) return fail(make_write_error(target, errno));
    }
    if (fds[1].revents != 0) return Written::interrupted;
    const bool is_gone = (fds[0].revents & POLLERR) != 0 && (fds[0].revents & POLLOUT) == 0;
    return is_gone ? Written::closed : Written::all;
  }

  /// Opens the target for writing. If it is a FIFO, waits until a reader has opened it.
  Result<Written> open_in_place() {
    for (;;) {
      fd = ::open(target.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
      if (fd >= 0) break;
      if (errno != ENXIO) return fail(make_write_error(target, errno));
      pollfd stop{interruption->fd(), POLLIN, 0};
      if (::poll(&stop, 1, 50) > 0) return Written::interrupted;
    }
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return Written::all;
  }

  std::string shown;      // the user's path, for messages; empty: not known yet
  std::string target;     // the user's path, or where its link leads; empty: not known yet
  std::string temporary;  // empty: written in place
  int fd = -1;
  const Interruption* interruption = nullptr;
};

Output::Output(std::unique_ptr<Private> p) : p_(std::move(p)) {}
Output::~Output() = default;
Output::Output(Output&&) noexcept = default;
Output& Output::operator=(Output&&) noexcept = default;

Result<Output> Output::open(const std::string& path, const Interruption& interruption) {
  auto p = std::make_unique<Private>();
  p->target = path;
  p->shown = path;
  p->interruption = &interruption;
  if (path == "-") {
    if (::isatty(STDOUT_FILENO) != 0) {
      return fail({.code = ErrorCode::invalid_request,
                   .message = "A terminal cannot show a video: write it to a pipe, or name a file "
                              "with -o. Nothing was sent."});
    }
    if ((::fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY) {
      return fail(make_write_error(path, EBADF));
    }
    p->fd = STDOUT_FILENO;
    return Output(std::move(p));
  }
  struct stat there {};
  if (!path.empty() && ::stat(path.c_str(), &there) == 0) {
    if (S_ISDIR(there.st_mode)) {
      return fail({.code = ErrorCode::invalid_request,
                   .message = path + " is a directory: name a file in it. Nothing was sent."});
    }
    if (::access(path.c_str(), W_OK) != 0) return fail(make_write_error(path, errno));
    if (!S_ISREG(there.st_mode)) return Output(std::move(p));
    // Replace the file that a link points to, so that the link stays a link.
    std::error_code ignored;
    const auto real = fs::canonical(path, ignored);
    if (!ignored) p->target = real.string();
  }
  if (auto made = p->make_temporary(); !made) return fail(std::move(made.error()));
  return Output(std::move(p));
}

bool Output::is_in_place() const { return p_->temporary.empty(); }

Result<Output::Written> Output::write(std::span<const std::uint8_t> bytes) {
  if (p_->fd < 0) {
    auto opened = p_->open_in_place();
    if (!opened || *opened != Written::all) return opened;
  }
  while (!bytes.empty()) {
    auto room = p_->wait_for_room();
    if (!room || *room != Written::all) return room;
    const auto piece = is_in_place() ? pipe_piece : file_piece;
    const auto written = ::write(p_->fd, bytes.data(), std::min(piece, bytes.size()));
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno == EPIPE) {
      return Written::closed;
    } else if (errno != EINTR && errno != EAGAIN) {
      return fail(make_write_error(p_->target, errno));
    }
  }
  return Written::all;
}

Result<Output::Written> Output::write_at(std::uint64_t offset,
                                         std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    auto room = p_->wait_for_room();
    if (!room || *room != Written::all) return room;
    const auto written = ::pwrite(p_->fd, bytes.data(), std::min(file_piece, bytes.size()),
                                  static_cast<off_t>(offset));
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    } else if (errno != EINTR) {
      return fail(make_write_error(p_->target, errno));
    }
  }
  return Written::all;
}

Result<std::size_t> Output::read_at(std::uint64_t offset, std::span<std::uint8_t> into) {
  for (;;) {
    const auto got = ::pread(p_->fd, into.data(), into.size(), static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail(make_write_error(p_->target, errno));
  }
}

Result<std::string> Output::finish(const std::string& name) {
  if (is_in_place()) return p_->shown;
  if (p_->target.empty()) p_->target = p_->shown = name;
  if (::fsync(p_->fd) != 0) return fail(make_write_error(p_->target, errno));
  // A network file system may report a full disk only at close(2).
  if (::close(std::exchange(p_->fd, -1)) != 0) return fail(make_write_error(p_->target, errno));
  if (::rename(p_->temporary.c_str(), p_->target.c_str()) != 0) {
    return fail(make_write_error(p_->target, errno));
  }
  p_->temporary.clear();
  return p_->shown;
}

Error make_write_error(const std::string& path, int reason) {
  return {.code = ErrorCode::cache,
          .message = "Cannot write " + (path == "-" ? std::string("to standard output") : path) +
                     ": " + std::strerror(reason) + "."};
}

}  // namespace veo::cli
