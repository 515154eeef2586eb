// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/ledger_gap.h"

#include "veo/core/escape.h"

namespace veo {

namespace {

std::string make_advice(const std::string& path) {
  return " Nothing was sent, and nothing is paid. What is missing may be paid tasks, and a "
         "submission could pay for them again. Put the newest copy of the ledger back while nobody "
         "uses it. If there is no newer copy, go on without the missing records: veo ledger accept "
         "--ledger=" +
         quote_for_shell(path);
}

}  // namespace

std::string describe_gap(const std::string& path, const LedgerGap& gap) {
  const auto count = std::to_string(gap.missing);
  const bool is_one = gap.missing == 1;
  if (gap.is_other) {
    return "The ledger " + path + " is not the ledger that was used here before: " +
           (is_one ? "1 recorded change of that one is"
                   : count + " recorded changes of that one are") +
           " missing.";
  }
  return "The ledger " + path + " is older than its last use: " +
         (is_one ? "1 recorded change is" : count + " recorded changes are") + " missing.";
}

Error make_gap_error(const std::string& path, const LedgerGap& gap) {
  return {.code = ErrorCode::ledger,
          .message = describe_gap(path, gap) +
                     " Perhaps an older copy was put in its place, its companion file -wal was "
                     "removed, or the ledger was removed and made anew." +
                     make_advice(path)};
}

Error make_lost_ledger_error(const std::string& path, const CachedClip& clip) {
  return {.code = ErrorCode::ledger,
          .message = "The ledger " + path +
                     " has no submission, but the cache has clips that were paid with a ledger of "
                     "this path, for example " +
                     clip.path + " of task " + clip.identity.task_id +
                     ". Perhaps the ledger was removed. The clips in the cache still play." +
                     make_advice(path)};
}

}  // namespace veo
