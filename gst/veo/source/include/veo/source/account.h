// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What can be asked without a Job: the service's word on a task or on the account, and what is
// recorded here. Nothing of it spends.
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

/// One query, which blocks; nullopt: `wakeup` was interrupted. The task of the record, where there
/// is one, is left as it is. Fails with invalid_request (the id, the settings) before anything is
/// sent, and as a Job's query does.
std::optional<Result<TaskReport>> query_task(const AccessOptions& access,
                                             const NetworkSettings& network,
                                             const std::string& task_id,
                                             const std::shared_ptr<Wakeup>& wakeup);

/// The account's credits; the inner nullopt: the service tells them in a way that we do not know.
std::optional<Result<std::optional<double>>> query_credits(const AccessOptions& access,
                                                           const NetworkSettings& network,
                                                           const std::shared_ptr<Wakeup>& wakeup);

// What is recorded. `ledger`: its location, or empty, as in Options. Blocks, while the
// ledger's store thread looks; nullopt: `wakeup` was interrupted. Where other processes are at the
// ledger, it is tried again for 5 s. Fails with ledger.

/// Nothing where there is no ledger.
std::optional<Result<std::vector<Record>>> read_history(const std::string& ledger,
                                                        const HistoryQuery& query,
                                                        const std::shared_ptr<Wakeup>& wakeup);
/// The tasks that a task continues, as far as the ledger knows them: first the first, last the task
/// itself.
std::optional<Result<std::vector<std::string>>> read_chain(const std::string& ledger,
                                                           std::string task_id,
                                                           const std::shared_ptr<Wakeup>& wakeup);

}  // namespace veo
