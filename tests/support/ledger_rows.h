// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

namespace veo::test {

/// SQL that adds `count` completed tasks to a ledger: one a second from 2023-11-14 on, `task-1` to
/// `task-COUNT` of `https://api.example/v1`, each tenth of which continues the one before.
std::string insert_tasks(std::int64_t count);

}  // namespace veo::test
