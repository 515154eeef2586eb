// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Finds out, before a submission costs anything, whether gst-veo may connect to the hosts from
// which the finished video will come.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "veo/core/result.h"
#include "veo/core/url_policy.h"
#include "veo/http/address_lookup.h"
#include "veo/http/io_thread.h"
#include "veo/http/transport.h"

namespace veo {

/// One check. Its destruction cancels the check. I/O thread only.
class FileHostCheck {
 public:
  FileHostCheck(std::shared_ptr<http::IoThread> thread, FilePolicy policy, http::Network network);

  /// Resolves the hosts within seconds, and then calls `then` once, now or later. `then` may
  /// destroy the check. Fails with network if the policy refuses every address of a host. A name
  /// that cannot be resolved refuses nothing, and neither does a host behind a proxy, which
  /// resolves the name itself.
  void start(std::vector<std::string> hosts, std::function<void(Status)> then);

 private:
  void on_found(const std::string& host, const Result<http::AddressLookup::Addresses>& found);
  void finish(Status status);

  const std::shared_ptr<http::IoThread> thread_;
  const FilePolicy policy_;
  const http::Network network_;
  std::vector<http::AddressLookup> lookups_;
  std::size_t open_ = 0;
  std::function<void(Status)> then_;
};

}  // namespace veo
