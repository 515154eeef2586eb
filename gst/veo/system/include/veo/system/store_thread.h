// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The threads that wait for disks and databases, so that nobody else does: neither the I/O thread
// nor a caller's. A disk or a database may not answer for minutes (a frozen or full file system,
// another program's lock), so each store has a thread of its own, and what holds one up does not
// hold up the others.
//
//   I/O thread ── post(work) ──► [ledger]   claims and records
//              ── post(work) ──► [clips]    the cache: writes, hashes, syncs, renames
//   a caller   ── post(work) ──► [settings] reads the key and the catalog
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace veo {

class StoreThread {
 public:
  enum class Store { settings, ledger, clips };

  /// The process's thread for `store`, started if there is none. There is never a second one, also
  /// while the first still does what was posted by others who have left. Any thread.
  static std::shared_ptr<StoreThread> acquire(Store store);
  /// Does not wait: what was posted is still done.
  ~StoreThread();
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  /// Does `work`, one piece after the other in the order of their posting. Any thread; at once.
  void post(std::function<void()> work);
  /// The same, ahead of all that waits: an answer that has arrived is on the disk before anything
  /// new is begun.
  void post_ahead(std::function<void()> work);
  /// For how long the work that is being done has been under way; 0: none is. Tells a store that
  /// does not answer from a long queue. Any thread; at once.
  [[nodiscard]] std::chrono::steady_clock::duration busy_for() const;

 private:
  struct Queue;
  explicit StoreThread(std::shared_ptr<Queue> queue);
  std::shared_ptr<Queue> queue_;
};

}  // namespace veo
