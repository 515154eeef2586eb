// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fault_sequence.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace veo::test {

namespace {

constexpr std::array<std::pair<std::string_view, FileOperation>, 10> kinds{{
    {"open", FileOperation::open},
    {"read", FileOperation::read},
    {"write", FileOperation::write},
    {"sync", FileOperation::sync},
    {"rename", FileOperation::rename},
    {"unlink", FileOperation::unlink},
    {"mkdir", FileOperation::mkdir},
    {"stat", FileOperation::stat},
    {"lock", FileOperation::lock},
    {"truncate", FileOperation::truncate},
}};

constexpr std::array<std::pair<std::string_view, int>, 5> errors{{
    {"ENOSPC", ENOSPC},
    {"EIO", EIO},
    {"EINTR", EINTR},
    {"EMFILE", EMFILE},
    {"SHORT", FaultPlan::short_write},
}};

[[noreturn]] void refuse(std::string_view rule) {
  throw std::invalid_argument("not a rule for faults: " + std::string(rule));
}

template <class Table>
auto look_up(const Table& table, std::string_view name, std::string_view rule) {
  const auto found = std::ranges::find(table, name, [](const auto& row) { return row.first; });
  if (found == table.end()) refuse(rule);
  return found->second;
}

unsigned number(std::string_view text, std::string_view rule) {
  unsigned value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value == 0) refuse(rule);
  return value;
}

/// Cuts the text before the separator off and returns it. `text` keeps the text after the
/// separator.
std::optional<std::string_view> cut(std::string_view& text, char separator) {
  const auto at = text.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  const auto head = text.substr(0, at);
  text.remove_prefix(at + 1);
  return head;
}

FaultPlan::Fault parse_fault(std::string_view rule) {
  auto rest = rule;
  auto which = cut(rest, ':');
  if (!which) refuse(rule);
  FaultPlan::Fault fault;
  fault.error = look_up(errors, rest, rule);
  if (const auto kind = cut(*which, '@')) fault.kind = look_up(kinds, *kind, rule);
  if (which->ends_with('+')) {
    which->remove_suffix(1);
    fault.last = UINT_MAX;
  }
  const auto first = cut(*which, '-');
  fault.first = number(first.value_or(*which), rule);
  if (first) fault.last = number(*which, rule);
  fault.last = std::max(fault.first, fault.last);
  // A correct program repeats a call after EINTR, so it would never end.
  if (fault.last == UINT_MAX && fault.error == EINTR) refuse(rule);
  return fault;
}

bool can_fail_with(int error, FileOperation kind) {
  using enum FileOperation;
  if (error == FaultPlan::short_write) return kind == write;
  // These operations never wait. By their manual pages they do not fail with EINTR.
  return error != EINTR || (kind != rename && kind != unlink && kind != mkdir && kind != stat);
}

std::string describe(FileOperation kind, const std::string& path) {
  const auto row = std::ranges::find(kinds, kind, [](const auto& entry) { return entry.second; });
  return std::string(row->first) + " " + std::filesystem::path(path).filename().string();
}

}  // namespace

FaultPlan FaultPlan::parse(std::string_view text) {
  FaultPlan plan;
  while (!text.empty()) {
    const auto whole = text;
    auto value = cut(text, ',').value_or(whole);
    if (value.size() == whole.size()) text = {};
    const auto rule = value;
    const auto name = cut(value, '=');
    if (name == "fail") {
      plan.faults.push_back(parse_fault(value));
    } else if (name == "kill-before" || name == "kill-after") {
      plan.kill = Kill{.step = number(value, rule), .after = name == "kill-after"};
    } else if (rule == "drop-unsynced") {
      plan.drop_unsynced = true;
    } else if (rule != "count") {
      refuse(rule);
    }
  }
  return plan;
}

FaultSequence::FaultSequence(FaultPlan plan) : plan_(std::move(plan)) {}

int FaultSequence::next(FileOperation kind, const std::string& path) {
  operations_.push_back(describe(kind, path));
  const auto same = ++of_kind_[kind];
  for (const auto& fault : plan_.faults) {
    if (fault.kind && *fault.kind != kind) continue;
    const auto at = fault.kind ? same : static_cast<unsigned>(operations_.size());
    if (at < fault.first || at > fault.last) continue;
    if (!can_fail_with(fault.error, kind)) continue;
    faults_.push_back(operations_.back());
    return fault.error;
  }
  return 0;
}

void FaultSequence::before_step(FileOperation kind, const std::string& path) {
  steps_.push_back(describe(kind, path));
  if (plan_.kill && !plan_.kill->after && plan_.kill->step == steps_.size()) die();
}

void FaultSequence::after_step() {
  if (plan_.kill && plan_.kill->after && plan_.kill->step == steps_.size()) die();
}

void FaultSequence::die() {
  try {
    if (plan_.drop_unsynced) undo_.lose_power();
  } catch (const std::exception& error) {
    // abort() and not SIGKILL, so that a test that expects a kill notices the mistake.
    std::fprintf(stderr, "%s\n", error.what());
    std::abort();
  }
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

}  // namespace veo::test
