// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/clocks.h"

#include <linux/time_types.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>

namespace veo {

namespace {

using std::chrono::milliseconds;

/// Returns the kernel's id of this boot, and the time namespace, in which CLOCK_BOOTTIME may have
/// an offset of its own. Empty: /proc is not there.
std::string find_boot() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  if (boot.empty()) return "";
  // Kernels before 5.6 have no time namespaces.
  struct stat info {};
  if (::stat("/proc/self/ns/time", &info) == 0) boot += " " + std::to_string(info.st_ino);
  return boot;
}

/// A process stays in its boot and in its time namespace.
const std::string& boot() {
  static const auto* const instance = new std::string(find_boot());
  return *instance;
}

/// Calls the kernel directly. A library that is preloaded to show another date to programs
/// (faketime) changes what clock_gettime() says about each clock.
std::optional<milliseconds> read_uptime() {
#ifdef SYS_clock_gettime64
  constexpr long call = SYS_clock_gettime64;
#else
  constexpr long call = SYS_clock_gettime;
#endif
  __kernel_timespec now{};
  if (::syscall(call, CLOCK_BOOTTIME, &now) != 0) return std::nullopt;
  return milliseconds(now.tv_sec * 1000 + now.tv_nsec / 1'000'000);
}

}  // namespace

ClockReading read_clocks() {
  const auto wall = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  const auto uptime = read_uptime();
  if (!uptime) return {wall};
  return {wall, boot(), *uptime};
}

}  // namespace veo
