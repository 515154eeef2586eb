// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes the table with libsmartcols, which lsblk(8) and findmnt(8) use too.
#include <libsmartcols/libsmartcols.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "display_text.h"
#include "history.h"

namespace veo::cli {

namespace {

constexpr std::string_view separator = "  ";
// A line with fewer columns for the prompt is folded into two lines.
constexpr std::size_t least_prompt = 24;

enum Column {
  column_date,
  column_status,
  column_mode,
  column_credits,
  column_task,
  column_prompt,
  column_count
};
using Row = std::array<std::string, column_count>;

struct TableFree {
  void operator()(libscols_table* table) const { scols_unref_table(table); }
};
using Table = std::unique_ptr<libscols_table, TableFree>;

Row row_of(const Record& record) {
  return {time_text(record.reserved_at),
          std::string(nick(record.state)),
          printable(mode_text(record)),
          cost_text(record),
          record.task_id.empty() ? "-" : printable(record.task_id),
          printable(record.prompt)};
}

/// Returns the width of the widest line in the column.
std::size_t width_of_column(const std::vector<Row>& rows, Column column) {
  std::size_t width = 0;
  for (const auto& row : rows) {
    std::istringstream lines(row[column]);
    for (std::string line; std::getline(lines, line);) width = std::max(width, width_of(line));
  }
  return width;
}

std::size_t width_up_to(const std::vector<Row>& rows, Column last) {
  std::size_t width = 0;
  for (int column = 0; column < last; ++column) {
    width += width_of_column(rows, static_cast<Column>(column)) + separator.size();
  }
  return width;
}

std::string format_table(const std::vector<Row>& rows, bool is_folded) {
  const Table table(scols_new_table());
  // libsmartcols must not cut anything: our code has cut the prompts, and the terminal may wrap the
  // other texts.
  scols_table_set_termforce(table.get(), SCOLS_TERMFORCE_NEVER);
  scols_table_set_column_separator(table.get(), separator.data());
  const auto last = is_folded ? column_task : column_prompt;
  for (int column = 0; column <= last; ++column) {
    const bool has_lines =
        is_folded && (column == column_date || column == column_mode || column == column_task);
    auto* const made = scols_table_new_column(
        table.get(), rows.front()[static_cast<std::size_t>(column)].c_str(), 0,
        (column == column_credits ? SCOLS_FL_RIGHT : 0) | (has_lines ? SCOLS_FL_WRAP : 0));
    if (!has_lines) continue;
    scols_column_set_wrapfunc(made, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, nullptr);
    scols_column_set_safechars(made, "\n");
  }
  for (auto row = rows.begin() + 1; row != rows.end(); ++row) {
    auto* const line = scols_table_new_line(table.get(), nullptr);
    for (std::size_t column = 0; column <= last; ++column) {
      scols_line_set_data(line, column, (*row)[column].c_str());
    }
  }
  char* text = nullptr;
  scols_print_table_to_string(table.get(), &text);
  const std::unique_ptr<char, decltype(&std::free)> owned(text, std::free);
  return text == nullptr ? "" : std::string(text) + "\n";
}

}  // namespace

std::string history_table_of_files(const Records& records) {
  if (records.empty()) return "";
  std::vector<Row> rows{{"DATE", "STATUS", "MODE", "CREDITS", "TASK", "FILE"}};
  for (const auto& record : records) {
    rows.push_back(row_of(record));
    rows.back()[column_prompt] = is_cached(record) ? printable(record.clip_path) : "-";
  }
  return format_table(rows, false);
}

std::string history_table(const Records& records, std::optional<std::size_t> columns) {
  if (records.empty()) return "";
  std::vector<Row> rows{{"DATE", "STATUS", "MODE", "CREDITS", "TASK", "PROMPT"}};
  for (const auto& record : records) rows.push_back(row_of(record));
  if (!columns) return format_table(rows, false);

  const auto before_prompt = width_up_to(rows, column_prompt);
  if (before_prompt + least_prompt <= *columns) {
    for (auto& row : rows) row[column_prompt] = cut(row[column_prompt], *columns - before_prompt);
    return format_table(rows, false);
  }
  // Each row gets two lines. A date or a mode breaks at its space, and the prompt goes below its
  // task.
  for (auto& row : rows) {
    for (const auto column : {column_date, column_mode})
      std::ranges::replace(row[column], ' ', '\n');
  }
  const auto before_task = width_up_to(rows, column_task);
  const auto room = *columns > before_task ? *columns - before_task : 0;
  const auto width = std::max(width_of_column(rows, column_task), room);
  for (auto& row : rows) row[column_task] += "\n" + cut(row[column_prompt], width);
  rows.front()[column_task] = "TASK, PROMPT";
  return format_table(rows, true);
}

}  // namespace veo::cli
