// SPDX-License-Identifier: LGPL-2.1-or-later
#include "undo_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace veo::test {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), "undo log: " + what);
}

bool is_within(const std::string& path, const std::string& directory) {
  return path.starts_with(directory + "/");
}

}  // namespace

/// An open file, independent of its name. It is never closed, because SQLite uses POSIX locks, and
/// the first close of any descriptor of the file would drop them.
class UndoLog::File {
 public:
  explicit File(int fd) : fd_(fd) {}

  [[nodiscard]] struct stat info() const {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) fail("fstat");
    return info;
  }
  [[nodiscard]] std::string read(off_t offset, std::size_t size) const {
    std::string bytes(size, '\0');
    const auto done = ::pread(fd_, bytes.data(), size, offset);
    if (done < 0) fail("pread");
    bytes.resize(static_cast<std::size_t>(done));
    return bytes;
  }
  void put_back(off_t offset, const std::string& bytes, off_t size) const {
    if (::ftruncate(fd_, size) != 0) fail("ftruncate");
    const auto done = ::pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (done != static_cast<ssize_t>(bytes.size())) fail("pwrite");
  }
  /// Gives a name to a file that has none any more. There is no other way than a copy, so earlier
  /// changes are then undone in the copy.
  void restore_name(const std::string& path) {
    const auto old = info();
    const auto bytes = read(0, static_cast<std::size_t>(old.st_size));
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, old.st_mode & 0777U);
    if (fd_ < 0) fail("open " + path);
    put_back(0, bytes, old.st_size);
  }

 private:
  int fd_;
};

UndoLog::Held UndoLog::hold(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return nullptr;
  auto& held = files_[{info.st_dev, info.st_ino}];
  if (!held) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) fail("open " + path);
    held = std::make_shared<File>(fd);
  }
  return held;
}

void UndoLog::keep(const std::string& path, off_t offset, std::size_t size) {
  auto file = hold(path);
  if (!file) throw std::logic_error("undo log: not a file: " + path);
  const auto old_size = file->info().st_size;
  auto bytes = file->read(offset, size);
  changes_.push_back({.kind = Kind::write,
                      .file = std::move(file),
                      .path = {},
                      .from = {},
                      .offset = offset,
                      .size = old_size,
                      .bytes = std::move(bytes)});
}

void UndoLog::on_write(const std::string& path, off_t offset, std::size_t size) {
  keep(path, offset, size);
}

void UndoLog::on_truncate(const std::string& path, off_t size) {
  const auto file = hold(path);
  const off_t old_size = file ? file->info().st_size : 0;
  keep(path, size, static_cast<std::size_t>(std::max<off_t>(old_size - size, 0)));
}

void UndoLog::on_created(const std::string& path) {
  auto file = hold(path);
  const auto kind = file ? Kind::create : Kind::make_directory;
  changes_.push_back(
      {.kind = kind, .file = std::move(file), .path = path, .from = {}, .bytes = {}});
}

void UndoLog::on_unlinked(const std::string& path, Held gone) {
  changes_.push_back(
      {.kind = Kind::unlink, .file = std::move(gone), .path = path, .from = {}, .bytes = {}});
}

void UndoLog::on_renamed(const std::string& from, const std::string& to, Held replaced) {
  changes_.push_back(
      {.kind = Kind::rename, .file = std::move(replaced), .path = to, .from = from, .bytes = {}});
}

void UndoLog::on_synced(const std::string& path) {
  const auto file = hold(path);
  std::error_code unnamed;
  const auto name = fs::canonical(path, unnamed).string();
  std::erase_if(changes_, [&](const Change& change) {
    switch (change.kind) {
      case Kind::write:
        return file && change.file == file;
      case Kind::make_directory:
        return is_within(name, change.path) || (!file && change.path == name);
      case Kind::create:
        if (file) return change.file == file;
        [[fallthrough]];
      case Kind::rename:
      case Kind::unlink:
        return !file && fs::path(change.path).parent_path() == name;
    }
    return false;
  });
}

void UndoLog::add_memory(const std::string& path) { memory_.insert(path); }

void UndoLog::lose_power() {
  for (const auto& path : memory_) ::unlink(path.c_str());
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) undo(*change);
  changes_.clear();
}

void UndoLog::undo(const Change& change) {
  switch (change.kind) {
    case Kind::write:
      return change.file->put_back(change.offset, change.bytes, change.size);
    case Kind::create:
      if (::unlink(change.path.c_str()) != 0) fail("unlink " + change.path);
      return;
    case Kind::make_directory:
      if (::rmdir(change.path.c_str()) != 0) fail("rmdir " + change.path);
      return;
    case Kind::rename:
      if (std::rename(change.path.c_str(), change.from.c_str()) != 0) fail("rename " + change.path);
      if (change.file) change.file->restore_name(change.path);
      return;
    case Kind::unlink:
      return change.file->restore_name(change.path);
  }
}

}  // namespace veo::test
