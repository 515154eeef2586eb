// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ledger_rows.h"

namespace veo::test {

std::string insert_tasks(std::int64_t count) {
  return "INSERT INTO submission (intent, instance, request, state, credits, api_url, account, "
         "model, mode, resolution, prompt, parent_task_id, details, key_mark, by_uri, task_id, "
         "url, clip_sha256, clip_size, clip_path, reserved_at, sending_at, accepted_at, "
         "finished_at, generation_time, reserved_ledger_time, changed_ledger_time) "
         "WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number LIMIT " +
         std::to_string(count) +
         ") SELECT printf('intent %d', i), '', printf('%064d', i), 'completed', 40, "
         "'https://api.example/v1', '', 'veo-3', 'fast', '720p', "
         "printf('a dog in a park, for the %dth time, seen from far away', i), "
         "iif(i % 10 = 0, printf('task-%d', i - 1), ''), 'watermark=mine', 'mark', 0, "
         "printf('task-%d', i), printf('https://files.example/%d.mp4', i), printf('%064d', i), "
         "3000000, printf('/nowhere/task-%d.mp4', i), 1700000000000 + 1000 * i, "
         "1700000000010 + 1000 * i, 1700000000500 + 1000 * i, 1700000060000 + 1000 * i, "
         "60000 + i % 1000, 1700000000000 + 1000 * i, 1700000060000 + 1000 * i FROM number";
}

}  // namespace veo::test
