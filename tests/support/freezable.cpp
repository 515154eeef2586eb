// SPDX-License-Identifier: LGPL-2.1-or-later
#include "freezable.h"

#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "veo/system/file_system.h"
#include "veo/system/guarded.h"

namespace veo::test {

namespace fs = std::filesystem;

namespace {

struct Ice {
  std::string path;
  bool is_frozen = false;
  unsigned held = 0;  // the number of waiting threads
};

struct Process {
  Guarded<Ice> ice;
  ConditionVariable changed;
};

// SQLite keeps pointers to this object, so it is never destroyed.
Process& process() {
  static auto* const instance = new Process;
  return *instance;
}

void wait_if_frozen(const std::string& path) {
  auto ice = process().ice.lock();
  if (!ice->is_frozen || ice->path.empty() || !path.starts_with(ice->path)) return;
  ++ice->held;
  ice.wait(process().changed, [](const Ice& now) { return !now.is_frozen; });
  --ice->held;
}

std::string find_path(int fd) {
  std::error_code error;
  return fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error).string();
}

std::string find_path(int directory, const char* path) {
  if (*path == '/' || directory == AT_FDCWD) return path;
  return find_path(directory) + "/" + path;
}

class FrozenFileSystem : public FileSystem {
 public:
  int openat(int directory, const char* path, int flags, mode_t mode) override {
    if ((flags & (O_CREAT | O_TRUNC)) != 0) wait_if_frozen(find_path(directory, path));
    return FileSystem::openat(directory, path, flags, mode);
  }
  ssize_t pwrite(int fd, const void* from, std::size_t size, off_t offset) override {
    wait_if_frozen(find_path(fd));
    return FileSystem::pwrite(fd, from, size, offset);
  }
  int fsync(int fd) override {
    wait_if_frozen(find_path(fd));
    return FileSystem::fsync(fd);
  }
  int ftruncate(int fd, off_t size) override {
    wait_if_frozen(find_path(fd));
    return FileSystem::ftruncate(fd, size);
  }
  int fallocate(int fd, off_t offset, off_t size) override {
    wait_if_frozen(find_path(fd));
    return FileSystem::fallocate(fd, offset, size);
  }
  int mkdir(const char* path, mode_t mode) override {
    wait_if_frozen(path);
    return FileSystem::mkdir(path, mode);
  }
  int renameat(int from_directory, const char* from, int to_directory, const char* to) override {
    wait_if_frozen(find_path(to_directory, to));
    return FileSystem::renameat(from_directory, from, to_directory, to);
  }
  int unlinkat(int directory, const char* path, int flags) override {
    wait_if_frozen(find_path(directory, path));
    return FileSystem::unlinkat(directory, path, flags);
  }
};

// ---- the system calls of SQLite's VFS

int open_for_sqlite(const char* path, int flags, int mode) {
  if ((flags & (O_CREAT | O_TRUNC)) != 0) wait_if_frozen(path);
  return ::open(path, flags, mode);
}
ssize_t write_file(int fd, const void* from, std::size_t size) {
  wait_if_frozen(find_path(fd));
  return ::write(fd, from, size);
}
ssize_t pwrite_file(int fd, const void* from, std::size_t size, off_t offset) {
  wait_if_frozen(find_path(fd));
  return ::pwrite(fd, from, size, offset);
}
int truncate_file(int fd, off_t size) {
  wait_if_frozen(find_path(fd));
  return ::ftruncate(fd, size);
}
int unlink_file(const char* path) {
  wait_if_frozen(path);
  return ::unlink(path);
}

template <class Function>
void replace(const char* name, Function* function) {
  auto* const vfs = sqlite3_vfs_find(nullptr);
  // A build of SQLite does not know the system calls that it does not use.
  vfs->xSetSystemCall(vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(function));
}

class FreezableDirectory : public Freezable {
 public:
  FreezableDirectory() {
    process().ice.lock()->path = directory_.path();
    FileSystem::set(&files_);
    replace("open", open_for_sqlite);
    replace("write", write_file);
    replace("pwrite", pwrite_file);
    replace("pwrite64", pwrite_file);
    replace("ftruncate", truncate_file);
    replace("unlink", unlink_file);
  }
  ~FreezableDirectory() override {
    FreezableDirectory::thaw();
    process().ice.lock()->path.clear();
  }

  [[nodiscard]] std::string path() const override { return directory_.path(); }
  void freeze() override { process().ice.lock()->is_frozen = true; }
  void thaw() override {
    process().ice.lock()->is_frozen = false;
    process().changed.notify_all();
  }
  [[nodiscard]] bool holds_a_thread() const override { return process().ice.lock()->held > 0; }

 private:
  const TemporaryDirectory directory_;
  // Threads that waited may still run in this object, so it is never destroyed.
  FrozenFileSystem& files_ = *[] {
    static auto* const instance = new FrozenFileSystem;
    return instance;
  }();
};

bool run(const std::string& command) {
  const int status = std::system(("( " + command + " ) >/dev/null 2>&1").c_str());
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class FreezableMount : public Freezable {
 public:
  FreezableMount() {
    fs::create_directory(path());
    if (!run("truncate -s 32M " + image() + " && mkfs.ext4 -q -F " + image() +
             " && mount -o loop " + image() + " " + path())) {
      throw std::runtime_error("no ext4 can be made and mounted here");
    }
    // The guard thaws the disk when this process ends (the pipe closes), and at the latest after
    // two minutes.
    const auto guard = "bash -c 'read -t 120; fsfreeze -u " + path() + "; umount -l " + path() +
                       "' >/dev/null 2>&1";
    guard_ = ::popen(guard.c_str(), "we");
    fs::create_directory(path() + "/home");
    fs::permissions(path() + "/home", fs::perms::owner_all);
    if (guard_ == nullptr || !run("fsfreeze -f " + path()) || !run("fsfreeze -u " + path())) {
      end();
      throw std::runtime_error("no file system can be frozen here");
    }
  }
  ~FreezableMount() override { end(); }

  [[nodiscard]] std::string path() const override { return directory_.file("mount"); }
  void freeze() override {
    if (!run("fsfreeze -f " + path())) throw std::runtime_error("fsfreeze");
    frozen_ = true;
  }
  void thaw() override {
    if (std::exchange(frozen_, false)) run("fsfreeze -u " + path());
  }
  /// Looks for a thread in uninterruptible sleep.
  [[nodiscard]] bool holds_a_thread() const override {
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "stat");
      std::string line;
      std::getline(file, line);
      const bool is_store = line.find("(veo-ledger)") != std::string::npos ||
                            line.find("(veo-clips)") != std::string::npos;
      if (is_store && line.find(") D ") != std::string::npos) return true;
    }
    return false;
  }

 private:
  [[nodiscard]] std::string image() const { return directory_.file("image"); }
  void end() {
    thaw();
    // If files are still open, the lazy umount ends when they are closed.
    run("umount " + path() + " || umount -l " + path());
    if (guard_ != nullptr) ::pclose(std::exchange(guard_, nullptr));
  }

  const TemporaryDirectory directory_;
  std::FILE* guard_ = nullptr;
  bool frozen_ = false;
};

}  // namespace

std::unique_ptr<Freezable> make_freezable_directory() {
  return std::make_unique<FreezableDirectory>();
}

std::unique_ptr<Freezable> mount_freezable_file_system(std::string& why) {
  if (::geteuid() != 0) {
    why = "only root can freeze a file system";
    return nullptr;
  }
  try {
    return std::make_unique<FreezableMount>();
  } catch (const std::exception& error) {
    why = error.what();
    return nullptr;
  }
}

}  // namespace veo::test
