// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <memory>
#include <utility>

#include "veo/http/io_thread.h"
#include "veo/system/store_thread.h"

namespace veo::http {

/// Does `work` on the store's thread, and then calls `then` with its result on the I/O thread,
/// where all that both hold is dropped, too. Any thread; at once.
template <class Work, class Then>
void call_store(StoreThread& store, std::shared_ptr<IoThread> io, Work work, Then then) {
  using Result = decltype(work());
  struct Call {
    Work work;
    Then then;
    std::unique_ptr<Result> result;
  };
  auto call = std::make_shared<Call>(Call{std::move(work), std::move(then), nullptr});
  store.post([call = std::move(call), io = std::move(io)]() mutable {
    call->result = std::make_unique<Result>(call->work());
    // The I/O thread has the only reference then.
    io->post([call = std::move(call)]() mutable { call->then(std::move(*call->result)); });
  });
}

}  // namespace veo::http
