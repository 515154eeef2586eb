// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>
#include <utility>

#include "veo/http/io_thread.h"
#include "veo/system/store_thread.h"

namespace veo::http {

/// Does `work` on the store's thread, and then calls `then` with the result of `work` on the I/O
/// thread. Both functions are also destroyed on the I/O thread. `goes_ahead`: the work is done
/// before all other work that waits for the store. Any thread; returns at once.
template <class Work, class Then>
void call_store(StoreThread& store, std::shared_ptr<IoThread> io, Work work, Then then,
                bool goes_ahead = false) {
  using Result = decltype(work());
  struct Call {
    Work work;
    Then then;
    std::unique_ptr<Result> result;
  };
  auto call = std::make_shared<Call>(Call{std::move(work), std::move(then), nullptr});
  auto task = [call = std::move(call), io = std::move(io)]() mutable {
    call->result = std::make_unique<Result>(call->work());
    // Only the I/O thread has a reference then.
    io->post([call = std::move(call)]() mutable { call->then(std::move(*call->result)); });
  };
  if (goes_ahead) return store.post_ahead(std::move(task));
  store.post(std::move(task));
}

}  // namespace veo::http
