// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ledger as a SQLite file on a disk of this machine. The owner of a row holds the row's
// RowLock.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connection.h"
#include "rows.h"
#include "veo/ledger/ledger.h"
#include "veo/system/guarded.h"

namespace veo {

class SqliteLedger final : public Ledger, public std::enable_shared_from_this<SqliteLedger> {
 public:
  /// See Ledger::open(), with a path.
  static Result<std::shared_ptr<Ledger>> open(const std::string& path,
                                              const std::string& cache_directory);
  static bool exists(const std::string& path);
  static std::optional<LedgerGap> find_lost(const std::string& path);

  Result<Finding> claim(const Claim& claim, const ClockReading& now) override;
  Result<std::optional<Record>> find(const std::string& intent,
                                     const std::string& instance) override;
  Result<bool> has_intent(const std::string& intent) override;
  Result<std::optional<Record>> find_similar(const Record& like) override;
  Result<std::optional<Record>> find_task(const Record& task) override;
  Result<Record> confirm(const std::string& intent, const Record& task,
                         const ClockReading& now) override;
  Result<std::optional<Record>> take(const AnswerRecord& answer, const ClockReading& now) override;
  Status restore(const Reservation& reservation, const CachedClip& clip,
                 const ClockReading& now) override;
  Status move(std::int64_t row, RecordState to, const Change& change) override;
  Status keep(std::int64_t row, const CachedClip& clip) override;
  Result<Record> get(std::int64_t row) override;
  Result<std::chrono::milliseconds> find_age(const Record& record,
                                             const ClockReading& now) override;
  Result<std::optional<std::vector<Record>>> history(const HistoryQuery& query) override;
  Result<std::optional<std::vector<Redating>>> redate(const ClockReading& now) override;
  Result<std::vector<std::chrono::milliseconds>> generation_times(const Record& like) override;
  Result<std::optional<LedgerGap>> find_gap() override;
  Result<bool> is_established() override;
  Result<std::optional<LedgerAcceptance>> accept(UnixTime now) override;
  [[nodiscard]] LedgerIdentity identity() const override;
  Result<std::optional<LedgerCopy>> back_up(const std::string& file) override;
  [[nodiscard]] const std::string& salt() const override { return salt_; }

 private:
  SqliteLedger(std::unique_ptr<Connection> connection, std::string salt);
  [[nodiscard]] Error explain(int code) const { return connection_->explain(code); }
  static Result<std::shared_ptr<SqliteLedger>> connect(const std::string& path);
  /// Takes the answers from the journals. False: another process locks the file.
  Result<bool> take_journals();
  [[nodiscard]] Status explain_change(int code, std::int64_t row, RecordState to) const;

  int transact(const std::function<int()>& work);
  void checkpoint_later();

  const std::unique_ptr<Connection> connection_;
  const std::string salt_;
  Guarded<Rows> rows_;  // one user of the connection at a time
  std::atomic_bool checkpoint_is_queued_ = false;
  Guarded<std::vector<AnswerJournal>> journals_;
};

}  // namespace veo
