// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The threads of gst-veo: how they start, and what a fork() and an exit mean for them.
//
// A child of fork() has no copy of these threads, and locks that they held stay locked. Whatever
// waits for a thread would wait for ever there. So gst-veo refuses to work in such a child.
//
// A normal exit destroys objects of other libraries while threads still run. So the exit parks the
// threads first: a parked thread touches nothing any more.
#pragma once

#include <functional>
#include <thread>

#include "veo/core/result.h"

namespace veo {

/// Starts a thread. `name` has at most 15 characters. Any thread. Fails with internal_error if the
/// machine makes no more threads, and where check_not_forked() fails.
Result<std::thread> start_thread(const char* name, std::function<void()> run);

/// Whether this process is a child of fork(), and threads of gst-veo ran in the parent then. Any
/// thread; takes no lock.
[[nodiscard]] bool is_forked_copy();
/// Fails with internal_error if is_forked_copy().
Status check_not_forked();

/// Keeps `work`, and all that it holds, until the process ends, and never calls it. A forked copy
/// does this with work for a thread that it does not have: the destruction of a row's lock would
/// release the lock of the parent. Any thread; takes no lock.
void keep_for_ever(std::function<void()> work);

/// From now on a normal exit calls `ask`, which must make a thread of start_thread() call
/// park_thread() soon. Calls with a known function have no effect. Any thread.
void park_at_exit(void (*ask)());
/// Stops the calling thread for ever.
[[noreturn]] void park_thread();

}  // namespace veo
