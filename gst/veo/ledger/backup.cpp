// SPDX-License-Identifier: LGPL-2.1-or-later
#include "backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "veo/system/file_handle.h"

namespace veo {

namespace {

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, Close>;

std::string find_directory(const std::string& file) {
  const auto slash = file.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : file.substr(0, slash);
}

/// A file that is removed unless it gets its name. It has another name until its content is
/// complete, so that nobody takes a half copy for a copy.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(const std::string& file)
      : file_(file), path_(file + "." + std::to_string(::getpid()) + ".part") {}
  ~UnfinishedFile() {
    if (!is_made_) return;
    for (const char* companion : {"", "-journal", "-wal", "-shm"}) {
      FileSystem::get().unlinkat(AT_FDCWD, (path_ + companion).c_str(), 0);
    }
  }
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

  /// Makes the empty file. SQLite would make a file that all can read.
  [[nodiscard]] bool make() {
    is_made_ = bool(open(path_, O_RDWR | O_CREAT | O_EXCL));
    return is_made_;
  }

  /// Syncs the content, gives the file its name, and syncs the name. Never replaces a file.
  [[nodiscard]] bool finish() const {
    const auto content = open(path_, O_RDWR);
    const auto directory = open(find_directory(file_), O_RDONLY | O_DIRECTORY);
    return content && directory && sync(content) && rename() && sync(directory);
  }

 private:
  static FileHandle open(const std::string& path, int flags) {
    return FileHandle(retried([&] {
      return FileSystem::get().openat(AT_FDCWD, path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    }));
  }
  static bool sync(const FileHandle& file) {
    return retried([&] { return FileSystem::get().fsync(file.get()); }) == 0;
  }
  [[nodiscard]] bool rename() const {
    const auto* const from = path_.c_str();
    const auto* const to = file_.c_str();
    if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return true;
    // NFS knows no RENAME_NOREPLACE. link(2) replaces no file either.
    return (errno == EINVAL || errno == ENOSYS) && ::link(from, to) == 0;
  }

  const std::string file_;
  const std::string path_;
  bool is_made_ = false;
};

/// Copies all pages, and makes the copy a file that needs no companions.
int copy_pages(sqlite3* from, sqlite3* to) {
  auto* const backup = sqlite3_backup_init(to, "main", from, "main");
  if (backup == nullptr) return sqlite3_extended_errcode(to);
  sqlite3_backup_step(backup, -1);
  const int code = sqlite3_backup_finish(backup);
  if (code != SQLITE_OK) return code;
  return sqlite3_exec(to, "PRAGMA journal_mode = DELETE", nullptr, nullptr, nullptr);
}

int count(sqlite3* database, LedgerCopy& copy) {
  Statement statement(database, "SELECT count(*), count(nullif(task_id, '')) FROM submission");
  const int code = statement.step();
  if (code != SQLITE_ROW) return code;
  copy.rows = static_cast<std::uint64_t>(statement.integer());
  copy.tasks = static_cast<std::uint64_t>(statement.integer());
  return SQLITE_OK;
}

}  // namespace

Result<LedgerCopy> back_up_database(sqlite3* database, const std::string& file) {
  const auto refuse = [&](const std::string& why) {
    return fail({.code = ErrorCode::ledger,
                 .message = "The ledger could not be copied to " + file + ": " + why +
                            ". The ledger is unchanged, and there is no copy."});
  };
  const auto refuse_existing = [&] {
    return fail({.code = ErrorCode::invalid_request,
                 .message = "The ledger was not copied: " + file +
                            " exists, and a copy never replaces a file. Name another file."});
  };
  if (::access(file.c_str(), F_OK) == 0) return refuse_existing();
  UnfinishedFile unfinished(file);
  if (!unfinished.make()) return refuse(std::strerror(errno));

  LedgerCopy copy;
  {
    sqlite3* made = nullptr;
    int code = sqlite3_open_v2(unfinished.path().c_str(), &made,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE,
                               FileSystem::get().sqlite_vfs());
    const Database target(made);
    if (code == SQLITE_OK) code = copy_pages(database, target.get());
    if (code == SQLITE_OK) code = count(target.get(), copy);
    if (code != SQLITE_OK) return refuse(sqlite3_errstr(code));
  }
  if (unfinished.finish()) return copy;
  if (errno == EEXIST) return refuse_existing();
  return refuse(std::strerror(errno));
}

}  // namespace veo
