// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Measures the cost of a start with few and with many records. It compares a ledger of 10 rows with
// one of very many rows. The runs alternate, and each is a process:
//
//   open, claim, find, history    the operations of a start, and a query for the newest ten records
//   veo history --limit=10        the program from its start to its end, and its peak memory
//
// Usage: record [--rows N] [--runs N]   (VEO_COMMAND: the program)
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "command.h"
#include "ledger_rows.h"
#include "process.h"
#include "veo/ledger/ledger.h"

namespace {

using Clock = std::chrono::steady_clock;
using veo::Ledger;
using veo::test::Process;

constexpr std::array<const char*, 7> names = {
    "open", "claim", "find", "history", "open and claim", "veo history", "its memory"};
constexpr std::array<const char*, 7> units = {"ms", "ms", "ms", "ms", "ms", "ms", "MiB"};
using Measured = std::array<double, names.size()>;

double since(Clock::time_point began) {
  return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
}

veo::Claim claim_of(const std::string& intent) {
  veo::Claim claim;
  claim.record.intent = intent;
  claim.record.request = "request";
  claim.record.credits = 40;
  claim.record.api_url = "https://api.example/v1";
  claim.record.model = "veo-3";
  claim.record.mode = "fast";
  claim.record.resolution = "720p";
  claim.record.prompt = "a dog";
  claim.daily_budget = 1'000'000'000;
  return claim;
}

std::shared_ptr<Ledger> open_ledger(const std::string& path) {
  auto opened = Ledger::open(path);
  if (!opened || !*opened) throw std::runtime_error(path);
  return std::move(*opened);
}

void make(const std::string& path, int rows) {
  Process process([&](const Process::Say& say) {
    open_ledger(path);
    sqlite3* database = nullptr;
    sqlite3_open(path.c_str(), &database);
    const int code = sqlite3_exec(
        database, (veo::test::insert_tasks(rows) + "; PRAGMA wal_checkpoint(TRUNCATE)").c_str(),
        nullptr, nullptr, nullptr);
    say(code == SQLITE_OK ? "made" : sqlite3_errmsg(database));
  });
  if (const auto said = process.line(); said != "made") throw std::runtime_error(said);
}

/// Measures the four operations of the ledger, in a process that has not opened the ledger yet.
void measure_ledger(const std::string& path, int run, Measured& measured) {
  Process process([&](const Process::Say& say) {
    const veo::UnixTime now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    std::ostringstream line;
    auto began = Clock::now();
    const auto ledger = open_ledger(path);
    line << since(began);
    began = Clock::now();
    const auto claimed = ledger->claim(claim_of("run " + std::to_string(run)), now);
    line << ' ' << since(began);
    began = Clock::now();
    const auto found = ledger->find("intent 7", "");
    line << ' ' << since(began);
    began = Clock::now();
    const auto rows = ledger->history({.limit = 10});
    line << ' ' << since(began);
    const bool is_right = claimed && std::holds_alternative<veo::Reservation>(*claimed) && found &&
                          *found && rows && *rows && (*rows)->size() == 10;
    say(is_right ? line.str() : "wrong");
  });
  std::istringstream line(process.line());
  for (std::size_t i = 0; i < 4; ++i) {
    if (!(line >> measured[i])) throw std::runtime_error("an operation of the ledger failed");
  }
  measured[4] = measured[0] + measured[1];
}

void measure_command(const std::string& veo, const std::string& path, Measured& measured) {
  const auto began = Clock::now();
  const auto pid = ::fork();
  if (pid == 0) {
    ::setenv("VEO_LEDGER", path.c_str(), 1);
    ::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
    ::execl(veo.c_str(), veo.c_str(), "history", "--limit=10", nullptr);
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  ::wait4(pid, &status, 0, &usage);
  if (status != 0) throw std::runtime_error(veo);
  measured[5] = since(began);
  measured[6] = static_cast<double>(usage.ru_maxrss) / 1024;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, int> options{{"--rows", 1'000'000}, {"--runs", 11}};
  for (int i = 1; i + 1 < argc; i += 2) options.at(argv[i]) = std::stoi(argv[i + 1]);
  const char* const veo = std::getenv("VEO_COMMAND");
  if (veo == nullptr) throw std::runtime_error("VEO_COMMAND is not set");

  const veo::test::TemporaryDirectory directory;
  const std::array<int, 2> rows{10, options.at("--rows")};
  const std::array<std::string, 2> paths{directory.file("few.db"), directory.file("many.db")};
  for (std::size_t i = 0; i < 2; ++i) make(paths[i], rows[i]);
  std::array<std::array<std::vector<double>, names.size()>, 2> all;
  for (int run = 0; run < options.at("--runs"); ++run) {
    for (std::size_t i = 0; i < 2; ++i) {
      Measured measured{};
      measure_ledger(paths[i], run, measured);
      measure_command(veo, paths[i], measured);
      for (std::size_t what = 0; what < names.size(); ++what)
        all[i][what].push_back(measured[what]);
    }
  }
  std::printf("%-16s %10d rows %10d rows    ratio   (median of %d)\n", "the record", rows[0],
              rows[1], options.at("--runs"));
  for (std::size_t what = 0; what < names.size(); ++what) {
    const auto few = median(all[0][what]);
    const auto many = median(all[1][what]);
    std::printf("%-16s %11.3f %-3s %11.3f %-3s %8.2f\n", names[what], few, units[what], many,
                units[what], many / few);
  }
}
