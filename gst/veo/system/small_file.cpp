// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/small_file.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "patient_wait.h"
#include "veo/system/file_handle.h"

namespace veo {

namespace {

/// Names what is at the place of a file.
const char* describe_kind(mode_t mode) {
  if (S_ISDIR(mode)) return "it is a directory";
  if (S_ISFIFO(mode)) return "it is a pipe, not a regular file";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "it is a device, not a regular file";
  return "it is not a regular file";
}

class Reader {
 public:
  Reader(const SmallFile& rules, const Patience* patience) : rules_(rules), patience_(patience) {}

  [[nodiscard]] Result<std::string> read(const std::string& path) const {
    // O_NONBLOCK: open(2) must not wait until a FIFO has a writer.
    const FileHandle file(retried(
        [&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0) return refuse(std::strerror(errno));
    const bool is_pipe = S_ISFIFO(info.st_mode);
    if (!S_ISREG(info.st_mode) && !(is_pipe && patience_ != nullptr)) {
      return refuse(describe_kind(info.st_mode));
    }
    if (rules_.find_objection) {
      if (const auto objection = rules_.find_objection(file.get(), info)) return refuse(*objection);
    }
    // Ask for one byte more than the limit, to tell a file that is too large. A text of up to 64
    // KiB never gets another buffer, because it may be a key, and the old buffer would keep the
    // key.
    const auto most = rules_.most + 1;
    std::string text(std::min(most, first_size), '\0');
    std::size_t size = 0;
    std::optional<PatientWait> wait;
    if (is_pipe) wait.emplace(*patience_);
    while (size < most) {
      if (size == text.size()) text.resize(std::min(most, 2 * size));
      if (wait) {
        if (auto late = wait_for_bytes(file.get(), *wait)) return refuse(*late);
      }
      const auto count =
          retried([&] { return ::read(file.get(), text.data() + size, text.size() - size); });
      if (count < 0 && errno == EAGAIN && wait) continue;
      if (count < 0) return refuse(std::strerror(errno));
      if (count == 0) break;
      size += static_cast<std::size_t>(count);
    }
    if (size > rules_.most) {
      return refuse("it has more than " + std::to_string(rules_.most) + " bytes");
    }
    text.resize(size);
    return text;
  }

 private:
  static constexpr std::size_t first_size = 64U << 10U;

  /// Waits until the pipe has bytes or has ended. Returns why the wait ended without either.
  static std::optional<std::string> wait_for_bytes(int fd, const PatientWait& wait) {
    pollfd pipe{fd, POLLIN, 0};
    while (::poll(&pipe, 1, wait.slice()) <= 0) {
      if (wait.is_cancelled()) return "nobody waits for it any more";
      if (wait.is_over()) return "it is a pipe whose writer did not write and close it in time";
    }
    return std::nullopt;
  }

  [[nodiscard]] tl::unexpected<Error> refuse(const std::string& why) const {
    return fail({.code = rules_.code, .message = rules_.what + " cannot be used: " + why + "."});
  }

  const SmallFile& rules_;
  const Patience* const patience_;  // null: no pipes
};

}  // namespace

Result<std::string> read_small_file(const std::string& path, const SmallFile& rules) {
  return Reader(rules, nullptr).read(path);
}

Result<std::string> read_small_file_or_pipe(const std::string& path, const SmallFile& rules,
                                            const Patience& patience) {
  return Reader(rules, &patience).read(path);
}

}  // namespace veo
