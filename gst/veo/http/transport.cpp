// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/http/transport.h"

#include <algorithm>
#include <utility>

#include "context.h"
#include "exchange.h"
#include "session.h"

namespace veo::http {

namespace {

// Queries are short and take turns, so many waiting tasks need few connections.
constexpr int api_connections = 6;
// A download holds its connection to its end, and no download may wait for another.
constexpr int file_connections = 256;

}  // namespace

struct Transport::Private {
  std::shared_ptr<IoThread> thread;
  GObjectPtr<SoupSession> api;
  GObjectPtr<SoupSession> files;
};

Transport::Transport() : p_(std::make_unique<Private>()) {}
Transport::~Transport() = default;

Result<std::shared_ptr<Transport>> Transport::open(const std::shared_ptr<IoThread>& thread,
                                                   const Network& network) {
  auto& known = thread->p_->shared->transports;
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  const auto same =
      std::ranges::find(known, network, &std::pair<Network, std::weak_ptr<Transport>>::first);
  if (same != known.end()) return same->second.lock();

  auto api = make_session(network, api_connections);
  if (!api) return fail(std::move(api.error()));
  auto files = make_session(network, file_connections);
  if (!files) return fail(std::move(files.error()));
  std::shared_ptr<Transport> made(new Transport);
  made->p_->thread = thread;
  made->p_->api = std::move(*api);
  made->p_->files = std::move(*files);
  known.emplace_back(network, made);
  return made;
}

Transport::Exchange Transport::call(ApiCall call, std::function<void(ApiAnswer)> answered) {
  Exchange exchange;
  exchange.state_ = start_call(p_->thread, p_->api.get(), call, std::move(answered));
  return exchange;
}

Transport::Exchange Transport::fetch(FileFetch fetch, FileHandler handler) {
  Exchange exchange;
  exchange.state_ = start_fetch(p_->thread, p_->files.get(), std::move(fetch), std::move(handler));
  return exchange;
}

Transport::Exchange::Exchange() = default;
Transport::Exchange::Exchange(Exchange&&) noexcept = default;

Transport::Exchange& Transport::Exchange::operator=(Exchange&& other) noexcept {
  // Store the new exchange before the old one's handler, and all that it holds, is destroyed.
  Exchange old;
  old.state_ = std::exchange(state_, std::move(other.state_));
  return *this;
}

Transport::Exchange::~Exchange() {
  if (state_) state_->cancel();
}

bool Transport::Exchange::has_begun() const { return state_ && state_->has_begun(); }

void Transport::Exchange::resume() {
  const auto state = state_;
  if (state) state->resume();
}

}  // namespace veo::http
