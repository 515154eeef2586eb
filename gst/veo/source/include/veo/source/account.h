// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Questions that need no Job: the service answers about a task or the account, the ledger about
// what is recorded. None of them spends. Each blocks its caller; `wakeup` interrupts the wait.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "veo/core/history_query.h"
#include "veo/core/record.h"
#include "veo/core/result.h"
#include "veo/core/task.h"
#include "veo/source/access.h"
#include "veo/system/network_settings.h"
#include "veo/system/wakeup.h"

namespace veo {

/// Asks the service for one task. The task's record, if there is one, stays as it is. Fails with
/// invalid_request (the id, the settings) before anything is sent, and as a Job's query does.
Waited<TaskReport> query_task(const AccessOptions& access, const NetworkSettings& network,
                              const std::string& task_id, const std::shared_ptr<Wakeup>& wakeup);

/// Asks for the account's credits; the inner nullopt: the service's answer has a form that is not
/// known here.
Waited<std::optional<double>> query_credits(const AccessOptions& access,
                                            const NetworkSettings& network,
                                            const std::shared_ptr<Wakeup>& wakeup);

// The ledger's thread reads what is recorded. `ledger` is the ledger's location, or empty, as in
// Options. Where other processes use the ledger, these try again for 5 s, and then fail with
// ledger.

/// No records where there is no ledger.
Waited<std::vector<Record>> read_history(const std::string& ledger, const HistoryQuery& query,
                                         const std::shared_ptr<Wakeup>& wakeup);
/// The tasks that a task continues, as far as the ledger knows them: the first task of the film is
/// the first of them, and the task itself the last.
Waited<std::vector<std::string>> read_chain(const std::string& ledger, std::string task_id,
                                            const std::shared_ptr<Wakeup>& wakeup);

}  // namespace veo
