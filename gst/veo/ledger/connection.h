// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ledger's SQLite file. A Connection checks the file before it opens it, brings the file to
// this version's schema, and explains SQLite's codes to the user.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sqlite.h"
#include "veo/core/result.h"

namespace veo {

class Connection {
 public:
  /// Null: another process locks the file.
  static Result<std::unique_ptr<Connection>> open(const std::string& path);

  [[nodiscard]] sqlite3* database() const { return database_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string lock_path() const;
  /// Whether `path` is still the file that is open here.
  [[nodiscard]] bool is_current() const;

  /// Explains SQLite's code to the user.
  [[nodiscard]] Error explain(int code) const;

  /// Runs `work` within BEGIN IMMEDIATE … COMMIT. Returns the code of the first step that failed;
  /// nothing is changed then. SQLITE_OK: the changes are on the disk.
  int transact(const std::function<int()>& work);
  /// Runs statements without results.
  int run(const char* sql);

 private:
  explicit Connection(std::string path) : path_(std::move(path)) {}
  Result<bool> prepare();

  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  const std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  bool is_busy_ = false;  // the last transaction found the file locked
};

/// Whether SQLite's code says that another process locks the file. Nothing is wrong then.
bool is_busy(int code);

}  // namespace veo
