// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/system/private_directory.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "veo/system/environment.h"

namespace veo {

namespace {

constexpr mode_t private_mode = 0700;

/// How the user names another folder.
struct Advice {
  const char* places;        ///< the settings that decide, the strongest first
  const char* variable;      ///< the environment's variable for this folder
  const char* file;          ///< what follows the folder in the variable's value
  const char* in_its_place;  ///< how to do without the folder
};

Advice find_advice(ErrorCode code) {
  if (code == ErrorCode::ledger) {
    return {.places =
                "the property ledger or VEO_LEDGER to a file such as /data/veo/ledger.db, or "
                "XDG_STATE_HOME",
            .variable = "VEO_LEDGER",
            .file = "/ledger.db",
            .in_its_place = ""};
  }
  return {.places = "the property cache-dir, VEO_CACHE_DIR or XDG_CACHE_HOME",
          .variable = "VEO_CACHE_DIR",
          .file = "",
          .in_its_place = ", or set VEO_CACHE_SIZE=0 to keep no clips"};
}

FileHandle open_directory(const std::string& path) {
  return FileHandle(retried([&] {
    return FileSystem::get().openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  }));
}

/// A folder that could not be made.
struct Failure {
  std::string folder;
  int reason;  // errno
};

/// Does `mkdir -p`: an existing directory is no failure. Syncs each new name to the disk. Returns
/// the first folder that is missing and could not be made.
std::optional<Failure> make_with_parents(const std::string& path) {
  auto& files = FileSystem::get();
  std::optional<Failure> first;
  for (std::size_t slash = 0; slash != std::string::npos;) {
    const auto parent = slash == 0 ? (path.starts_with('/') ? "/" : ".") : path.substr(0, slash);
    slash = path.find('/', slash + 1);
    const auto folder = path.substr(0, slash);
    if (files.mkdir(folder.c_str(), private_mode) != 0) {
      const int reason = errno;
      // Some file systems refuse to make a folder that is there, for another reason than EEXIST.
      if (reason != EEXIST && !first && !open_directory(folder)) first = {folder, reason};
      continue;
    }
    if (const auto directory = open_directory(parent)) {
      retried([&] { return files.fsync(directory.get()); });
    }
  }
  return first;
}

/// Makes the error of a directory that cannot be used, with the setting that names another one.
class Refusal {
 public:
  Refusal(const std::string& path, ErrorCode code, const std::string& what)
      : path_(path), code_(code), what_(what) {}

  /// A step failed, and `why` names the step.
  [[nodiscard]] Error fail_by(const std::string& why) const {
    const auto advice = find_advice(code_);
    return make(why + ". Set " + advice.places + " to a folder that you can write to" +
                advice.in_its_place + "." + describe_home());
  }

  /// The directory is there, and this user must not use it itself. A folder in it would do, if the
  /// user can make one: a container's volume often belongs to root and a group of the user.
  [[nodiscard]] Error refuse(const std::string& why, const std::string& cure) const {
    if (::faccessat(AT_FDCWD, path_.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return fail_by(why);
    const auto advice = find_advice(code_);
    const auto inner = path_ + (path_.ends_with('/') ? "veo" : "/veo");
    return make(why + ". " + cure + "A folder in it can be used: set " + advice.variable + "=" +
                inner + advice.file + ". The folder is made for you alone.");
  }

 private:
  [[nodiscard]] Error make(const std::string& text) const {
    return {.code = code_, .message = what_ + " " + path_ + " cannot be used: " + text};
  }

  /// Says so if the folder is beneath / because the user has no home.
  [[nodiscard]] std::string describe_home() const {
    if (!path_.starts_with("/.")) return "";
    const auto home = environment::get("HOME");
    return home ? " HOME is " + *home + "." : " HOME is not set.";
  }

  const std::string& path_;
  const ErrorCode code_;
  const std::string& what_;
};

}  // namespace

Result<FileHandle> open_private_directory(const std::string& path, ErrorCode code,
                                          const std::string& what) {
  auto& files = FileSystem::get();
  const Refusal refusal(path, code, what);
  auto directory = open_directory(path);
  if (!directory && errno == ENOENT) {
    const auto failure = make_with_parents(path);
    directory = open_directory(path);
    if (!directory && failure) {
      return fail(refusal.fail_by("the folder " + failure->folder +
                                  " cannot be made: " + std::strerror(failure->reason)));
    }
  }
  struct stat info {};
  if (!directory || files.fstat(directory.get(), &info) != 0) {
    return fail(refusal.fail_by(std::strerror(errno)));
  }
  if (info.st_uid != ::geteuid()) return fail(refusal.refuse("it belongs to another user", ""));
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    // A sticky folder such as /tmp is for everybody, and must stay so.
    const bool is_shared = (info.st_mode & S_ISVTX) != 0;
    return fail(refusal.refuse("others may write there",
                               is_shared ? "" : "Make it yours alone: chmod go-w. "));
  }
  return directory;
}

}  // namespace veo
