// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SQLite's statements as objects that finalize themselves. Errors are SQLite's codes here, and
// Connection::explain() makes texts of the codes.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace veo {

class Statement {
 public:
  /// If the statement cannot be compiled, the first step() returns the code.
  Statement(sqlite3* database, std::string_view sql);

  // Binds the parameters in their order, from the first on.
  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t value);
  Statement& bind(double value);
  Statement& bind_null();
  template <class T>
  Statement& bind(const std::optional<T>& value) {
    return value ? bind(*value) : bind_null();
  }

  /// SQLITE_ROW, SQLITE_DONE or an error.
  int step();
  /// Runs a statement that returns no rows. Returns SQLITE_OK, or an error.
  int run();

  // Read the columns in their order, from the row that step() found.
  std::string text();
  std::int64_t integer();
  std::optional<std::int64_t> optional_integer();
  std::optional<double> optional_real();

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int code_ = SQLITE_OK;
  int parameter_ = 0;
  int column_ = 0;
};

}  // namespace veo
