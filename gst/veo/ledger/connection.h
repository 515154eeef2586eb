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
#include "veo/core/ledger_gap.h"
#include "veo/core/result.h"
#include "witness.h"

namespace veo {

class Connection {
 public:
  /// Null: another process locks the file.
  static Result<std::unique_ptr<Connection>> open(const std::string& path);

  [[nodiscard]] sqlite3* database() const { return database_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The absolute path, with the links of its directory resolved.
  [[nodiscard]] const std::string& absolute_path() const { return absolute_path_; }
  [[nodiscard]] std::string lock_path() const;
  /// Whether `path` is still the file that is open here.
  [[nodiscard]] bool is_current() const;

  /// Explains SQLite's code to the user.
  [[nodiscard]] Error explain(int code) const;

  /// Runs `work` within BEGIN IMMEDIATE … COMMIT. Returns the code of the first step that failed;
  /// nothing is changed then. SQLITE_OK: the changes are on the disk, and the witness knows.
  int transact(const std::function<int()>& work);
  /// What the ledger lacked when the last transaction began. A ledger with a gap does not count its
  /// changes, because the gap would close with the count alone.
  [[nodiscard]] const std::optional<LedgerGap>& gap() const { return gap_; }
  /// Finds the gap now. Changes nothing.
  int find_gap(std::optional<LedgerGap>& gap);
  [[nodiscard]] const std::string& id() const { return age_.id; }

  int read_established(bool& is_established);
  /// Within a transaction: from now on the cache need not be asked.
  int establish();
  /// Makes the ledger a new one that lacks nothing.
  int accept(std::int64_t now, LedgerAcceptance& acceptance);

  /// Whether the main file may lack changes that are in the file -wal.
  [[nodiscard]] bool needs_checkpoint() const { return needs_checkpoint_; }
  /// Brings all changes into the main file, so that the main file is complete without its
  /// companions. Never waits for other users: while one reads, a later checkpoint does the rest.
  void checkpoint();
  /// Runs statements without results.
  int run(const char* sql);

 private:
  explicit Connection(std::string path) : path_(std::move(path)) {}
  Result<bool> prepare();
  int read_number(const char* sql, std::int64_t& value);
  int migrate();
  int read_age(LedgerAge& age);
  int learn_gap(const std::optional<LedgerAge>& witness);
  int count_change();
  void update_witness();
  int begin();

  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  };
  const std::string path_;
  std::string absolute_path_;
  std::unique_ptr<sqlite3, Close> database_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  bool is_busy_ = false;   // the last transaction found the file locked
  bool is_ready_ = false;  // the schema is there
  bool needs_checkpoint_ = true;
  LedgerAge age_;  // as the last transaction left it
  std::optional<LedgerGap> gap_;
};

/// Returns the path of the lock file of the ledger at `path`.
std::string make_lock_path(const std::string& path);

/// Whether SQLite's code says that another process locks the file. Nothing is wrong then.
bool is_busy(int code);

}  // namespace veo
