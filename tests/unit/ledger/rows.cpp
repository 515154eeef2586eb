// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rows.h"

#include <sched.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <stdexcept>
#include <utility>
#include <vector>

#include "veo/system/store_thread.h"

namespace veo::test {

Claim a_claim(const std::string& intent, std::uint32_t credits) {
  Claim claim;
  claim.record = {.intent = intent,
                  .request = "request of " + intent,
                  .credits = credits,
                  .api_url = "https://api.example/v1",
                  .account = "work",
                  .model = "veo-3",
                  .mode = "fast",
                  .resolution = "720p",
                  .prompt = "a dog"};
  return claim;
}

std::shared_ptr<Ledger> open_ledger(const std::string& path) {
  for (;;) {
    auto opened = Ledger::open(path);
    if (!opened) throw std::runtime_error(opened.error().message);
    if (*opened) return std::move(*opened);
    ::sched_yield();
  }
}

std::string kind_of(const Result<Finding>& found) {
  if (!found) return std::string(nick(found.error().code));
  if (std::holds_alternative<Reservation>(*found)) return "reservation";
  if (std::holds_alternative<Later>(*found)) return "later";
  const auto& record = std::get<Record>(*found);
  return std::string(nick(record.state)) + " " + record.task_id;
}

Reservation reservation_of(Result<Finding> found) {
  if (!found) throw std::runtime_error(found.error().message);
  if (!std::holds_alternative<Reservation>(*found)) throw std::runtime_error(kind_of(found));
  return std::get<Reservation>(std::move(*found));
}

void lead(Ledger& ledger, std::int64_t row, RecordState state, const ClockReading& at) {
  using enum RecordState;
  const std::pair<RecordState, std::vector<RecordState>> ways[] = {
      {reserved, {}},
      {sending, {sending}},
      {accepted, {sending, accepted}},
      {completed, {sending, accepted, completed}},
      {failed, {sending, accepted, failed}},
      {released, {released}},
      {unknown, {sending, unknown}},
      {superseded, {sending, unknown, superseded}},
  };
  for (const auto step : ways[static_cast<std::size_t>(state)].second) {
    Change change{.at = at};
    if (step == accepted) change.task_id = "T" + std::to_string(row);
    if (step == failed) change.error = Error{.code = ErrorCode::task_failed, .message = "No dogs."};
    // If others use the ledger at the same time, a move may find it busy. Try again, as a Job does.
    constexpr int tries = 100;
    Status moved;
    for (int tried = 0; tried < tries; ++tried) {
      moved = ledger.move(row, step, change);
      if (moved) break;
    }
    if (!moved) throw std::runtime_error(moved.error().message);
  }
}

std::int64_t leave_row(Ledger& ledger, const Claim& claim, RecordState state,
                       const ClockReading& at) {
  const auto owned = reservation_of(ledger.claim(claim, at));
  lead(ledger, owned.row(), state, at);
  return owned.row();
}

void accept(Ledger& ledger) {
  const auto accepted = ledger.accept(noon);
  if (!accepted) throw std::runtime_error(accepted.error().message);
  if (!*accepted || !(*accepted)->was_needed) throw std::runtime_error("nothing was accepted");
}

void wait_for_checkpoints() {
  {
    const auto thread = StoreThread::acquire(StoreThread::Store::ledger);
    std::promise<void> done;
    thread->post([&] { done.set_value(); });
    done.get_future().wait();
  }
  // The thread ends now. Only then may the process fork.
  const auto is_working = [] {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string name;
      std::getline(std::ifstream(thread.path() / "comm"), name);
      if (name == "veo-ledger") return true;
    }
    return false;
  };
  while (is_working()) ::sched_yield();
}

std::string query(const std::string& path, const std::string& sql) {
  wait_for_checkpoints();
  sqlite3* database = nullptr;
  if (sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK) {
    throw std::runtime_error("cannot open " + path);
  }
  std::string text;
  const auto add = [](void* into, int count, char** values, char** /*names*/) {
    auto& all = *static_cast<std::string*>(into);
    if (!all.empty()) all += '\n';
    for (int i = 0; i < count; ++i) {
      if (i > 0) all += '|';
      all += values[i] != nullptr ? values[i] : "NULL";
    }
    return 0;
  };
  const int code = sqlite3_exec(database, sql.c_str(), add, &text, nullptr);
  const std::string error = sqlite3_errmsg(database);
  sqlite3_close(database);
  if (code != SQLITE_OK) throw std::runtime_error(error + ": " + sql);
  return text;
}

std::string states(const std::string& path) {
  return query(path,
               "SELECT coalesce(group_concat(state, ' '), '') FROM (SELECT state FROM submission "
               "ORDER BY id)");
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace veo::test
