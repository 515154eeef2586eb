// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mount_namespace.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace veo::test {

std::string enter_mount_namespace() {
  const auto user = ::geteuid();
  const int flags = CLONE_NEWNS | (user == 0 ? 0 : CLONE_NEWUSER);
  if (::unshare(flags) != 0) {
    return std::string("this machine allows no mount namespace: ") + std::strerror(errno);
  }
  if (user != 0) std::ofstream("/proc/self/uid_map") << user << " " << user << " 1";
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return std::string("this machine allows no private mounts: ") + std::strerror(errno);
  }
  return "";
}

std::string make_read_only(const std::string& directory) {
  const char* const path = directory.c_str();
  if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
      ::mount(nullptr, path, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
    return std::string("this machine mounts nothing read-only: ") + std::strerror(errno);
  }
  return "";
}

}  // namespace veo::test
