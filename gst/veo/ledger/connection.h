// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ledger's SQLite file: opened with care, brought up to this version's schema, and put into
// words where it fails.
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
  /// Null: busy.
  static Result<std::unique_ptr<Connection>> open(const std::string& path);

  [[nodiscard]] sqlite3* database() const { return database_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string lock_path() const;
  /// Whether `path` is still the file that is open here.
  [[nodiscard]] bool is_current() const;

  /// What SQLite's code means for the user.
  [[nodiscard]] Error explain(int code) const;

  /// Runs `work` within BEGIN IMMEDIATE … COMMIT. The code of the first step that failed, after
  /// which nothing is changed; SQLITE_OK: it is on the disk.
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

/// Another process is at the file: nothing is wrong.
bool is_busy(int code);

}  // namespace veo
