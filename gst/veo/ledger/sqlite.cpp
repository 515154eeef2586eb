// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sqlite.h"

namespace veo {

Statement::Statement(sqlite3* database, std::string_view sql) {
  sqlite3_stmt* made = nullptr;
  code_ = sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &made, nullptr);
  statement_.reset(made);
}

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text64(statement_.get(), ++parameter_, text.data(), text.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), ++parameter_, value);
  return *this;
}

Statement& Statement::bind(double value) {
  sqlite3_bind_double(statement_.get(), ++parameter_, value);
  return *this;
}

Statement& Statement::bind_null() {
  sqlite3_bind_null(statement_.get(), ++parameter_);
  return *this;
}

int Statement::step() {
  column_ = 0;
  return code_ == SQLITE_OK ? sqlite3_step(statement_.get()) : code_;
}

int Statement::run() {
  const int code = step();
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

std::string Statement::text() {
  const int at = column_++;
  const auto* const bytes = sqlite3_column_text(statement_.get(), at);
  if (bytes == nullptr) return "";
  return {reinterpret_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), at))};
}

std::int64_t Statement::integer() { return sqlite3_column_int64(statement_.get(), column_++); }

std::optional<std::int64_t> Statement::optional_integer() {
  if (sqlite3_column_type(statement_.get(), column_) == SQLITE_NULL) {
    ++column_;
    return std::nullopt;
  }
  return integer();
}

std::optional<double> Statement::optional_real() {
  const int at = column_++;
  if (sqlite3_column_type(statement_.get(), at) == SQLITE_NULL) return std::nullopt;
  return sqlite3_column_double(statement_.get(), at);
}

}  // namespace veo
