// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The threads that wait for disks and databases, so that no other thread does: neither the I/O
// thread nor a caller's. A disk or a database may not answer for minutes (a frozen or full file
// system, another program's lock). Each store has a thread of its own, so that one slow store does
// not hold up the others.
//
//   I/O thread ── post(work) ──► [ledger]   claims and records
//              ── post(work) ──► [clips]    the cache: writes, hashes, syncs, renames
//              ── post(work) ──► [journal]  an answer that the ledger does not take in time
//   a caller   ── post(work) ──► [settings] reads the key and the catalog
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "veo/core/result.h"

namespace veo {

class StoreThread {
 public:
  enum class Store { settings, ledger, clips, journal };

  /// Returns the process's thread for `store`, and starts the thread if there is none. There is
  /// never a second thread for one store: the first serves new callers even while it still does the
  /// work of callers that have left. Any thread. Fails as start_thread() does.
  static Result<std::shared_ptr<StoreThread>> try_acquire(Store store);
  /// Does the same for a caller that knows that the thread runs, because another object holds the
  /// thread.
  static std::shared_ptr<StoreThread> acquire(Store store);
  /// Does not wait. The thread still does all posted work.
  ~StoreThread();
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  /// Queues `work` for the thread, which does all work in the order of posting. Any thread; returns
  /// at once.
  void post(std::function<void()> work);
  /// Queues `work` in front of all waiting work, so that an answer that has arrived is on the disk
  /// before anything new begins.
  void post_ahead(std::function<void()> work);
  /// Returns for how long the current piece of work has been running; 0 if none is. So a caller can
  /// tell a store that does not answer from a long queue. Any thread; returns at once.
  [[nodiscard]] std::chrono::steady_clock::duration busy_for() const;

 private:
  struct Queue;
  static void park_all();
  explicit StoreThread(std::shared_ptr<Queue> queue);
  std::shared_ptr<Queue> queue_;
};

}  // namespace veo
