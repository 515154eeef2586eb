// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The addresses of a host's name, as this machine's resolver knows them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "veo/core/address.h"
#include "veo/core/result.h"
#include "veo/http/io_thread.h"
#include "veo/http/transport.h"

namespace veo::http {

/// A running look-up. Its destruction, on the I/O thread, drops the handler and cancels the
/// look-up.
class AddressLookup {
 public:
  using Addresses = std::vector<Address>;
  using Handler = std::function<void(Result<Addresses>)>;

  /// Resolves `host`, a name or an address, and calls `found` once, later, on the I/O thread. Fails
  /// with network, also if there is no answer `within` that time. Equal look-ups that run at the
  /// same time share one question to the resolver. An answer or a failure is kept for a minute, in
  /// the process, and forget() drops it. I/O thread only.
  [[nodiscard]] static AddressLookup start(const std::shared_ptr<IoThread>& thread,
                                           const std::string& host,
                                           std::chrono::milliseconds within, Handler found);
  /// Forgets what is known of the host, so that the next look-up asks the resolver. Any thread.
  static void forget(const std::string& host);

  AddressLookup();
  AddressLookup(AddressLookup&&) noexcept;
  AddressLookup& operator=(AddressLookup&&) noexcept;
  ~AddressLookup();

 private:
  struct Waiter;
  class Question;
  std::shared_ptr<Waiter> waiter_;
};

/// Whether gst-veo's connections to https://`host` go through a proxy, which resolves the name
/// itself. Any thread.
bool is_resolved_by_proxy(const Network& network, const std::string& host);

}  // namespace veo::http
