// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>

namespace veo::test {

/// Writes the SQL that inserts `count` completed tasks into a ledger. There is one task for each
/// second from 2023-11-14 on, `task-1` to `task-COUNT`, all of `https://api.example/v1`. Each tenth
/// task extends the task before it.
std::string insert_tasks(std::int64_t count);

}  // namespace veo::test
