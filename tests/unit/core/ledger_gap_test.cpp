// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/ledger_gap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace veo {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(LedgerGap, SaysWhatIsMissing) {
  EXPECT_EQ(describe_gap("/l.db", {.missing = 1}),
            "The ledger /l.db is older than its last use: 1 recorded change is missing.");
  EXPECT_EQ(describe_gap("/l.db", {.missing = 23}),
            "The ledger /l.db is older than its last use: 23 recorded changes are missing.");
  EXPECT_EQ(describe_gap("/l.db", {.missing = 23, .is_other = true}),
            "The ledger /l.db is not the ledger that was used here before: 23 recorded changes of "
            "that one are missing.");
}

TEST(LedgerGap, AnErrorSaysWhatItCostAndWhatToDo) {
  const CachedClip clip{.identity = {.api_url = "", .task_id = "T", .intent = "I"},
                        .sha256 = "",
                        .path = "/cache/T.mp4"};
  for (const auto& error : {make_gap_error("/my ledger.db", {.missing = 2}),
                            make_lost_ledger_error("/my ledger.db", clip)}) {
    EXPECT_EQ(error.code, ErrorCode::ledger);
    EXPECT_EQ(error.charged, Charged::no);
    EXPECT_THAT(error.message,
                AllOf(StartsWith("The ledger /my ledger.db "),
                      HasSubstr("Nothing was sent, and nothing is paid."), HasSubstr("newest copy"),
                      HasSubstr("veo ledger accept --ledger='/my ledger.db'")));
  }
  EXPECT_THAT(make_lost_ledger_error("/l.db", clip).message, HasSubstr("/cache/T.mp4 of task T"));
}

}  // namespace
}  // namespace veo
