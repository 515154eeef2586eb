// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A journal takes the answer to a submission when the ledger cannot take it: another program locks
// the ledger, its disk is full or broken, or its file has gone. The answer may be the only record
// of a paid task. The next user of the ledger takes the answers from its journals
// (Ledger::open()).
//
// A ledger has two journals: one beside its file, and one in the cache directory, in case the
// first cannot be written. A journal is a file of lines, one for each answer:
//
//   + CHECKSUM name=value&name=value…     an answer that the ledger does not have yet
//   - CHECKSUM name=value&name=value…     an answer that the ledger has
//
// A line is appended, and later changed only in its first byte. A line that was torn by a power
// loss does not match its checksum, and is ignored. The file becomes empty when the ledger has all
// answers.
//
// Locks (fcntl(2), F_OFD_SETLK), on bytes that the file never reaches: whoever changes the file
// holds the guard, for moments. Each Reserve holds some units of the disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "veo/core/record.h"
#include "veo/core/result.h"
#include "veo/system/file_handle.h"

namespace veo {

/// The answer to one submission, with all that makes its row.
struct AnswerRecord {
  std::string ledger;  ///< the ledger's location
  std::string salt;    ///< Ledger::salt(): a ledger keeps it when its file is moved or copied
  /// The row as the answer makes it: `accepted`, `unknown`, or `released` (refused).
  Record record;
  bool operator==(const AnswerRecord&) const = default;
};

/// Every method blocks for as long as the disk takes. Any thread.
class AnswerJournal {
 public:
  /// Disk space for one answer. While a Reserve lives, append() of that answer needs no new block,
  /// so a disk that becomes full meanwhile does no harm.
  class Reserve {
   public:
    Reserve() = default;

   private:
    friend class AnswerJournal;
    explicit Reserve(FileHandle file) : file_(std::move(file)) {}
    FileHandle file_;  // holds the lock on the units
  };

  /// An answer in the file.
  struct Entry {
    AnswerRecord answer;
    std::int64_t offset = 0;
    std::string line;
  };

  /// The journal beside the ledger's file.
  static AnswerJournal beside(const std::string& ledger);
  /// The journal in the cache directory. All ledgers share this file.
  static AnswerJournal in_cache(const std::string& directory);

  [[nodiscard]] const std::string& path() const { return path_; }

  /// Reserves the space for this answer, whatever its task id or error will be. Makes the file.
  /// Fails with ledger: the disk is full or read-only, or the process may not write so much.
  [[nodiscard]] Result<Reserve> reserve(const AnswerRecord& answer) const;
  /// Appends the answer. The answer is on the disk when the call returns without an error. Does not
  /// use anything that was opened before, since the file may have been replaced meanwhile.
  [[nodiscard]] Status append(const AnswerRecord& answer) const;
  /// Fails with ledger if there is a file that cannot be read, or that others can write: it may
  /// have the only record of a paid task. No file is no failure.
  [[nodiscard]] Status check() const;
  /// Returns the answers that no ledger has taken, the oldest first. A file that is missing, or
  /// that cannot be trusted, has none.
  [[nodiscard]] std::vector<Entry> read() const;
  /// The ledger has these answers. A failure does no harm, because an answer can be taken twice.
  void remove(const std::vector<Entry>& entries) const;
  /// Removes each entry that is equal to the answer. Also empties the file if another process has
  /// removed the last entry.
  void remove(const AnswerRecord& answer) const;

  bool operator==(const AnswerJournal&) const = default;

 private:
  AnswerJournal(std::string directory, std::string path, bool makes_directory)
      : directory_(std::move(directory)),
        path_(std::move(path)),
        makes_directory_(makes_directory) {}
  [[nodiscard]] Result<FileHandle> open_to_write() const;
  [[nodiscard]] Status check(int file) const;
  [[nodiscard]] Error explain(int error) const;

  std::string directory_;
  std::string path_;
  bool makes_directory_;
};

}  // namespace veo
