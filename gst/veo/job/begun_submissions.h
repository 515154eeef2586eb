// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The submissions of this process that are recorded as perhaps sent, and whose answer is not here
// yet. A normal exit of the process waits for them, for a bounded time: an answer is the only
// record of a task that may be paid, and a submission that is given up before its request left must
// say so in the ledger.
#pragma once

#include "veo/system/exit_hold.h"

namespace veo {

/// The count of begun submissions: each holds an ExitCount::Hold on it. has_exit_begun() is true
/// once the process ends normally: nothing new may be sent then. Any thread.
ExitCount& begun_submissions();

/// From now on an exit waits for begun_submissions(). Any thread, any number of times.
void watch_exit_for_submissions();

}  // namespace veo
