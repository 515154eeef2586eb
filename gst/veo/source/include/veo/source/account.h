// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What can be asked without a Job: the service's word on a task or on the account, and what is
// recorded here. Nothing of it spends.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

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

/// What the ledger holds, newest first; nothing where there is no ledger. `ledger`: its path, or
/// empty, as in Source::Settings. Blocks for as long as the disk takes. Fails with ledger.
Result<std::vector<Record>> read_history(const std::string& ledger);

}  // namespace veo
