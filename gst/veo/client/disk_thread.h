// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where clips meet the disk: writing, hashing and fsync take as long as they take, and neither the
// I/O thread nor a streaming thread waits for them. One for the process, while somebody holds it.
#pragma once

#include <functional>
#include <memory>

#include "veo/http/io_thread.h"

namespace veo {

class DiskThread {
 public:
  /// The process's thread, started if there is none. Any thread.
  static std::shared_ptr<DiskThread> acquire();
  /// Does not wait: what was asked for is still done.
  ~DiskThread();
  DiskThread(const DiskThread&) = delete;
  DiskThread& operator=(const DiskThread&) = delete;

  /// Does `work`, one after another, and then calls `then` on the I/O thread. What both hold goes
  /// there, too: `work` is to hold nothing else that belongs to the I/O thread.
  void run(std::function<void()> work, std::shared_ptr<http::IoThread> io,
           std::function<void()> then);

 private:
  struct Queue;
  DiskThread();
  std::shared_ptr<Queue> queue_;
};

}  // namespace veo
