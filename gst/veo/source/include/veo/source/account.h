// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Questions that need no Job. The service answers questions about a task or an account, and the
// ledger answers questions about recorded work. No question spends credits. Each function blocks
// its caller; `wakeup` interrupts the wait.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "veo/core/history_query.h"
#include "veo/core/ledger_copy.h"
#include "veo/core/ledger_gap.h"
#include "veo/core/record.h"
#include "veo/core/result.h"
#include "veo/core/task.h"
#include "veo/source/access.h"
#include "veo/system/network_settings.h"
#include "veo/system/wakeup.h"

namespace veo {

/// Asks the service for one task. Does not change the task's row in the ledger. Fails with
/// invalid_request before anything is sent if the id or the settings are wrong, and with the errors
/// of a Job's query.
Waited<TaskReport> query_task(const AccessOptions& access, const NetworkSettings& network,
                              const std::string& task_id, const std::shared_ptr<Wakeup>& wakeup);

/// Asks for the account's credits. The inner nullopt: this version does not know the form of the
/// service's answer.
Waited<std::optional<double>> query_credits(const AccessOptions& access,
                                            const NetworkSettings& network,
                                            const std::shared_ptr<Wakeup>& wakeup);

// The ledger's thread reads the rows. `ledger` is the ledger's location, or empty, as in Options.
// If other processes lock the ledger, these functions try again for 5 s, and then fail with ledger.

/// Returns no records if there is no ledger.
Waited<std::vector<Record>> read_history(const std::string& ledger, const HistoryQuery& query,
                                         const std::shared_ptr<Wakeup>& wakeup);
/// Finds the record with which a run of the intent goes on, without a payment; nullopt: a run
/// submits. `intent` is Intent::id.
Waited<std::optional<Record>> find_record(const std::string& ledger, const std::string& intent,
                                          const std::shared_ptr<Wakeup>& wakeup);
/// Returns the tasks that a task continues, as far as the ledger knows them: the film's first task
/// comes first, and the task itself comes last.
Waited<std::vector<std::string>> read_chain(const std::string& ledger, std::string task_id,
                                            const std::shared_ptr<Wakeup>& wakeup);

/// Copies the ledger to the new file `file`. Also fails with invalid_request if there is such a
/// file, and with ledger if there is no ledger.
Waited<LedgerCopy> back_up_ledger(const std::string& ledger, const std::string& file,
                                  const std::shared_ptr<Wakeup>& wakeup);

/// Corrects the dates that a wrong clock has written into the ledger. See Ledger::redate(). Also
/// fails with ledger if there is no ledger.
Waited<std::vector<Redating>> redate_ledger(const std::string& ledger,
                                            const std::shared_ptr<Wakeup>& wakeup);
/// Records that the user goes on with the ledger as it is. Makes the ledger if there is none.
Waited<LedgerAcceptance> accept_ledger(const std::string& ledger,
                                       const std::shared_ptr<Wakeup>& wakeup);
/// Returns a sentence that says what the ledger lacks; empty: nothing is known to be missing, or
/// there is no ledger.
Waited<std::string> describe_ledger_gap(const std::string& ledger,
                                        const std::shared_ptr<Wakeup>& wakeup);

/// Returns the ledger's path: `ledger`, or the path that stands for an empty `ledger`.
std::string locate_ledger(const std::string& ledger);

}  // namespace veo
