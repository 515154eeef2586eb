// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Brings the answer to a submission to a disk. The answer may be the only record of a paid task.
//
//   ledger ──── takes it within a second ──────────────────────────────► in the ledger
//     │ fails, or says nothing for a second                                   ▲
//     ▼                                                                       │
//   journal beside the ledger ──► on a disk ──── the ledger is tried ─────────┤
//     │ fails, or says nothing for 500 ms        for as long as the           │
//     ▼                                          process lives                │
//   journal in the cache ───────► on a disk ──────────────────────────────────┤
//     │ the same                                                              │
//     ▼                                                                       │
//   nowhere: the user is told, and all three are tried again ─────────────────┘
//
// Each place has a thread of its own, because a disk that is frozen holds its thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "task_record.h"
#include "veo/http/io_thread.h"
#include "veo/ledger/answer_journal.h"
#include "veo/system/store_thread.h"

namespace veo {

/// I/O thread. An AnswerWriter lives until the ledger has the answer, or the process ends.
class AnswerWriter : public std::enable_shared_from_this<AnswerWriter> {
 public:
  enum class Place { ledger, journal, nowhere };

  /// Where the answer is.
  struct Written {
    Place place = Place::nowhere;
    std::string path;  ///< of the journal
    Error why;         ///< why the ledger did not take it; unset if `place` is the ledger
    /// Counts the ledger's failures while the answer is nowhere.
    unsigned failures = 0;
    std::optional<TaskRecord::View> view;  ///< set if `place` is the ledger
  };

  struct Settings {
    std::shared_ptr<http::IoThread> thread;
    std::shared_ptr<StoreThread> ledger_thread;
    std::shared_ptr<StoreThread> clips_thread;
    std::shared_ptr<TaskRecord> record;
    AnswerRecord answer;
    std::string cache_directory;
    std::string label;  ///< for the log
    /// Called with `nowhere` each time that no place has taken the answer, and then once with
    /// another place.
    std::function<void(const Written&)> on_written;
    /// Called when the ledger has the answer, if a journal had it first. May be empty.
    std::function<void(const TaskRecord::View&)> on_recorded;
  };

  static std::shared_ptr<AnswerWriter> write(Settings settings);
  explicit AnswerWriter(Settings settings);

  [[nodiscard]] bool is_recorded() const { return is_recorded_; }
  /// Calls `work` on the ledger's thread when the ledger has the answer.
  void when_recorded(std::function<void(TaskRecord&)> work);

 private:
  void try_ledger();
  void on_ledger(const Status& written, const TaskRecord::View& view);
  void begin_journals();
  void try_journal(std::size_t at);
  void on_journal(std::size_t at, const Status& written);
  void try_next_journal(std::size_t at);
  void tell_nowhere();
  void remove_from(std::size_t journal);

  const Settings settings_;
  const std::shared_ptr<StoreThread> journal_thread_;
  const std::vector<AnswerJournal> journals_;
  http::IoThread::Timer ledger_timer_;   // the next try
  http::IoThread::Timer journal_timer_;  // the patience with the ledger, or with a journal
  std::vector<std::function<void(TaskRecord&)>> waiting_;
  std::vector<bool> has_it_;           // by journal
  std::vector<bool> is_asked_;         // by journal: its thread has not answered yet
  std::optional<std::size_t> asking_;  // the journal that is waited for
  std::optional<Error> why_;           // the ledger's last failure
  unsigned tried_ = 0;
  bool is_on_disk_ = false;
  bool is_recorded_ = false;
};

}  // namespace veo
