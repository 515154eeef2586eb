// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A full or broken disk, and a process without free descriptors, at any operation on a file.
#include <gtest/gtest.h>

#include <algorithm>
#include <climits>
#include <iostream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "run.h"

namespace veo::test {
namespace {

struct FileFault {
  const char* name;
  const char* kind;   // the operations that are counted; empty: all
  const char* error;  // an error's name, as in FaultPlan
  unsigned more;      // the number of operations that fail after it
};
void PrintTo(const FileFault& fault, std::ostream* out) { *out << fault.name; }

constexpr unsigned all = UINT_MAX;

const FileFault file_faults[] = {
    {"FullDisk", "", "ENOSPC", 0},
    {"FullDiskFromThenOn", "", "ENOSPC", all},
    {"FullDiskForAWhile", "", "ENOSPC", 12},
    {"BrokenDisk", "", "EIO", 0},
    {"BrokenDiskFromThenOn", "", "EIO", all},
    {"Interrupted", "", "EINTR", 0},
    {"TooManyFiles", "", "EMFILE", 0},
    {"TooManyFilesFromThenOn", "", "EMFILE", all},
    {"ShortWrite", "write", "SHORT", 0},
};

using Names = std::vector<std::string>;

/// The names of the operations of a run without faults.
const Names& good_run() {
  static const Names measured = [] {
    const auto simulator = start_simulator();
    const auto run = Line(simulator).run("count");
    EXPECT_TRUE(run.played(small_clip().sha256)) << run;
    return run.report.at("operations").get<Names>();
  }();
  return measured;
}

/// Chooses which of `count` operations fail: all of them in the long version, otherwise some from
/// the first to the last.
std::set<unsigned> choose(unsigned count, unsigned offset, unsigned draw) {
  const unsigned stride = repeats() > 0 ? 1 : std::max(count / draw, 1U);
  std::set<unsigned> chosen;
  for (unsigned at = 1 + offset * 3 % stride; at <= count; at += stride) chosen.insert(at);
  return chosen;
}

/// Returns the numbers of the commits. A commit records a payment.
std::set<unsigned> commits() {
  std::set<unsigned> found;
  for (unsigned at = 1; at <= good_run().size(); ++at) {
    if (good_run()[at - 1] == "sync ledger.db-wal") found.insert(at);
  }
  return found;
}

struct FaultFigures {
  unsigned failed = 0;   // operations that failed on purpose
  unsigned played = 0;   // first runs that played
  unsigned refused = 0;  // first runs that reported an error
  unsigned unknown = 0;  // reruns that reported submit-unknown
};

/// Runs the line with this fault, and then without it.
void fail_and_run_again(const std::string& fault, FaultFigures& figures) {
  const auto simulator = start_simulator();
  const Line line(simulator);
  const auto first = line.run(fault);
  EXPECT_EQ(first.exit_code, 0) << first;
  if (!first.report.is_object()) return;
  const auto faults = first.report.at("faults").get<Names>();
  if (faults.empty()) return;  // this run had fewer operations than the good one
  ++figures.failed;
  SCOPED_TRACE(faults.front());

  if (first.played(small_clip().sha256)) {
    ++figures.played;
  } else {
    const auto code = first.error_code();
    EXPECT_TRUE(code == "ledger" || code == "cache") << first;
    // SQLite does not repeat a failed sync.
    const bool survives = !faults.front().starts_with("sync ledger.db");
    EXPECT_FALSE(survives && fault.find("EINTR") != std::string::npos) << first;
    ++figures.refused;
  }
  const auto rows = line.rows();
  const auto charged = simulator.state().at("charges").get<unsigned>();
  EXPECT_LE(charged, 1U);
  const bool may_be_paid = !rows.empty() && rows.back().state == "sending";
  const bool is_recorded = !rows.empty() && !rows.back().task_id.empty();
  EXPECT_TRUE(charged == 0 || may_be_paid || is_recorded) << "a charge without a record";
  if (!rows.empty() && !rows.back().clip_path.empty()) {
    EXPECT_EQ(rows.back().clip_sha256, small_clip().sha256) << "a clip has no checksum";
  }

  const auto again = line.run();
  const auto total = simulator.state().at("charges").get<unsigned>();
  if (again.played(small_clip().sha256)) {
    EXPECT_EQ(total, 1U) << again;
  } else {
    EXPECT_EQ(again.error_code(), "submit-unknown") << first << again;
    EXPECT_TRUE(may_be_paid) << first << again;
    EXPECT_EQ(total, charged);
    ++figures.unknown;
  }
}

class FileFaults : public testing::TestWithParam<FileFault> {};

TEST_P(FileFaults, AreToldOrSurvivedAndNeverPaidTwice) {
  const auto& fault = GetParam();
  ASSERT_GT(good_run().size(), 50U);
  ASSERT_GT(commits().size(), 3U);
  const auto is_counted = [&](const std::string& name) {
    return name.starts_with(std::string_view(fault.kind));
  };
  const auto count = static_cast<unsigned>(std::ranges::count_if(good_run(), is_counted));
  // A lasting fault takes more time, because the operation is repeated. So draw fewer of them.
  const unsigned draw = fault.more > 0 ? 3 : 6;
  auto chosen = choose(count, static_cast<unsigned>(&fault - file_faults), draw);
  const bool at_commits = fault.more == 0 || std::string_view(fault.error) == "ENOSPC";
  if (*fault.kind == '\0' && at_commits) chosen.merge(commits());
  FaultFigures figures;
  for (const auto at : chosen) {
    std::string spec = "fail=";
    if (*fault.kind != '\0') spec.append(fault.kind).append("@");
    spec.append(std::to_string(at));
    spec.append(fault.more == all ? "+" : "-" + std::to_string(at + fault.more));
    spec.append(":").append(fault.error);
    SCOPED_TRACE(spec);
    fail_and_run_again(spec, figures);
  }
  std::cout << "  " << fault.name << ": of " << count << " operations " << figures.failed
            << " failed in turn, " << figures.played << " runs played, " << figures.refused
            << " said why not, " << figures.unknown << " submit-unknown by the rerun\n";
  EXPECT_GT(figures.failed, 0U);
}

INSTANTIATE_TEST_SUITE_P(Errors, FileFaults, testing::ValuesIn(file_faults),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(FileFault, AClipIsKeptWithItsChecksumOrNotAtAll) {
  // Begin at the sync of the clip's file. After the sync the file is read again for the checksum.
  const auto is_sync = [](const std::string& name) {
    return name.starts_with("sync ") && name.ends_with(".part");
  };
  const auto sync = std::ranges::find_if(good_run(), is_sync) - good_run().begin();
  ASSERT_LT(sync, std::ssize(good_run()));
  constexpr int differs_by = 3;  // the number of operations differs so much between runs
  FaultFigures figures;
  for (auto at = sync + 1 - differs_by; at < sync + 1 + differs_by; ++at) {
    SCOPED_TRACE(at);
    fail_and_run_again("fail=" + std::to_string(at) + ":EIO", figures);
  }
  EXPECT_GT(figures.played, 0U);
}

}  // namespace
}  // namespace veo::test
