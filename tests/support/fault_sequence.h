// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The file operations of a program in their order, and the faults that some of them get.
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

/// The faults of a test.
struct FaultPlan {
  /// A write that writes half of the bytes, and returns their number.
  static constexpr int short_write = -1;

  struct Fault {
    std::optional<FileOperation> kind;  ///< only operations of this kind count; unset for all kinds
    unsigned first = 0;                 ///< the number of the first operation that fails, from 1
    unsigned last = 0;                  ///< the number of the last operation that fails
    int error = 0;  ///< errno, or short_write; an operation that cannot have this error succeeds
  };
  /// A SIGKILL before or after a durable step: a sync, rename or unlink, or the creation of a file
  /// or directory.
  struct Kill {
    unsigned step = 0;  ///< the number of the step, from 1
    bool after = false;
  };

  std::vector<Fault> faults;
  std::optional<Kill> kill;
  bool drop_unsynced = false;  ///< the kill is a power loss

  /// Parses rules with commas between them. `count`, or an empty text, means no fault:
  ///
  ///   fail=12:EIO  fail=12-20:EIO  fail=12+:ENOSPC  fail=sync@2:EIO  fail=write@1:SHORT
  ///   kill-before=7  kill-after=7  drop-unsynced
  ///
  /// Throws std::invalid_argument.
  static FaultPlan parse(std::string_view text);
};

/// Counts the operations and decides which of them fail. A thread must hold the lock of enter()
/// while it calls any other function.
class FaultSequence {
 public:
  explicit FaultSequence(FaultPlan plan);

  /// Locks the sequence for one operation, so that no other operation is half done at a kill.
  [[nodiscard]] std::unique_lock<std::mutex> enter() const { return std::unique_lock(mutex_); }

  /// Counts one operation. Returns 0 if the operation is to be done, otherwise its error as in
  /// FaultPlan::Fault.
  int next(FileOperation kind, const std::string& path);
  /// Called before a durable step, and, if the step succeeded, after it.
  void before_step(FileOperation kind, const std::string& path);
  void after_step();
  /// The log that must get all changes; null if the plan needs none.
  [[nodiscard]] UndoLog* undo() { return plan_.drop_unsynced ? &undo_ : nullptr; }

  /// All operations so far as texts, such as "sync ledger.db-wal".
  [[nodiscard]] const std::vector<std::string>& operations() const { return operations_; }
  /// The durable steps so far.
  [[nodiscard]] const std::vector<std::string>& steps() const { return steps_; }
  /// The operations that failed on purpose.
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
