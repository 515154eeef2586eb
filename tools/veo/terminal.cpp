// SPDX-License-Identifier: LGPL-2.1-or-later
#include "terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace veo::cli {

std::optional<std::size_t> terminal_columns(int fd) {
  constexpr std::size_t usual = 80;
  if (::isatty(fd) == 0) return std::nullopt;
  winsize size{};
  const bool known = ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : usual;
}

}  // namespace veo::cli
