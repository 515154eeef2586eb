// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The ledger as a SQLite file on a disk of this machine. The owner of a row holds the row's
// RowLock.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connection.h"
#include "rows.h"
#include "veo/ledger/ledger.h"
#include "veo/system/guarded.h"

namespace veo {

class SqliteLedger final : public Ledger {
 public:
  /// See Ledger::open(), with a path.
  static Result<std::shared_ptr<Ledger>> open(const std::string& path,
                                              const std::string& cache_directory);
  static bool exists(const std::string& path);

  Result<Finding> claim(const Claim& claim, UnixTime now) override;
  Result<std::optional<Record>> find(const std::string& intent,
                                     const std::string& instance) override;
  Result<bool> has_intent(const std::string& intent) override;
  Result<std::optional<Record>> adopt(Record record, UnixTime now) override;
  Result<std::optional<Record>> answer(const std::string& intent, const Record& task,
                                       UnixTime now) override;
  Result<std::optional<Record>> take(const AnswerRecord& answer) override;
  Status restore(const Reservation& reservation, const CachedClip& clip, UnixTime now) override;
  Status move(std::int64_t row, RecordState to, const Change& change) override;
  Status keep(std::int64_t row, const CachedClip& clip) override;
  Result<Record> get(std::int64_t row) override;
  Result<std::optional<std::vector<Record>>> history(const HistoryQuery& query) override;
  Result<std::vector<std::chrono::milliseconds>> generation_times(const Record& like) override;
  [[nodiscard]] const std::string& salt() const override { return salt_; }

 private:
  SqliteLedger(std::unique_ptr<Connection> connection, std::string salt);
  [[nodiscard]] Error explain(int code) const { return connection_->explain(code); }
  static Result<std::shared_ptr<SqliteLedger>> connect(const std::string& path);
  /// Takes the answers from the journals. False: another process locks the file.
  Result<bool> take_journals();
  [[nodiscard]] Status explain_change(int code, std::int64_t row, RecordState to) const;

  const std::unique_ptr<Connection> connection_;
  const std::string salt_;
  Guarded<Rows> rows_;  // one user of the connection at a time
  Guarded<std::vector<AnswerJournal>> journals_;
};

}  // namespace veo
