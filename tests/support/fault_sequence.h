// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The operations on files that a program does, in their order, and what is to go wrong with which.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "undo_log.h"

namespace veo::test {

enum class FileOperation { open, read, write, sync, rename, unlink, mkdir, stat, lock, truncate };

struct FaultPlan {
  /// Half is written, and the call says so.
  static constexpr int short_write = -1;

  struct Fault {
    std::optional<FileOperation> kind;  ///< counts this kind alone
    unsigned first = 0;                 ///< from 1 on
    unsigned last = 0;                  ///< from `first` to this one, with it
    int error = 0;  ///< errno, or short_write; an operation that cannot have it does not fail
  };
  /// SIGKILL, at a durable step: a sync, rename, unlink, or the making of a file or directory.
  struct Kill {
    unsigned step = 0;  ///< from 1 on
    bool after = false;
  };

  std::vector<Fault> faults;
  std::optional<Kill> kill;
  bool drop_unsynced = false;  ///< the kill is a power loss

  /// Rules with commas between them; `count` alone, or nothing, lets all go well:
  ///
  ///   fail=12:EIO  fail=12-20:EIO  fail=12+:ENOSPC  fail=sync@2:EIO  fail=write@1:SHORT
  ///   kill-before=7  kill-after=7  drop-unsynced
  ///
  /// Throws std::invalid_argument.
  static FaultPlan parse(std::string_view text);
};

/// Thread-safe by enter(), within which all else is called.
class FaultSequence {
 public:
  explicit FaultSequence(FaultPlan plan);

  /// One operation at a time, so that a kill finds no other half done.
  [[nodiscard]] std::unique_lock<std::mutex> enter() const { return std::unique_lock(mutex_); }

  /// Counts one. 0: it is to be done; else what it fails with, as in FaultPlan::Fault.
  int next(FileOperation kind, const std::string& path);
  /// Around what changes the disk for good. The second only where that went well.
  void before_step(FileOperation kind, const std::string& path);
  void after_step();
  /// To be told of all changes; null where nobody wants to know.
  [[nodiscard]] UndoLog* undo() { return plan_.drop_unsynced ? &undo_ : nullptr; }

  /// All, in words, such as "sync ledger.db-wal".
  [[nodiscard]] const std::vector<std::string>& operations() const { return operations_; }
  /// Those that were durable steps.
  [[nodiscard]] const std::vector<std::string>& steps() const { return steps_; }
  /// What failed on purpose.
  [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }

 private:
  [[noreturn]] void die();

  const FaultPlan plan_;
  mutable std::mutex mutex_;
  UndoLog undo_;
  std::vector<std::string> operations_;
  std::map<FileOperation, unsigned> of_kind_;
  std::vector<std::string> steps_;
  std::vector<std::string> faults_;
};

}  // namespace veo::test
