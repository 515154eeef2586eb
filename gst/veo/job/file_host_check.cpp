// SPDX-License-Identifier: LGPL-2.1-or-later
#include "file_host_check.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "veo/core/log.h"

namespace veo {

namespace {

/// A slow resolver may delay a submission by this much.
constexpr auto within = std::chrono::seconds(3);

}  // namespace

FileHostCheck::FileHostCheck(std::shared_ptr<http::IoThread> thread, FilePolicy policy,
                             http::Network network)
    : thread_(std::move(thread)), policy_(std::move(policy)), network_(std::move(network)) {}

void FileHostCheck::start(std::vector<std::string> hosts, std::function<void(Status)> then) {
  then_ = std::move(then);
  std::ranges::sort(hosts);
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  std::erase_if(hosts, [this](const std::string& host) {
    return http::is_resolved_by_proxy(network_, host);
  });
  open_ = hosts.size();
  if (hosts.empty()) return finish({});
  for (const auto& host : hosts) {
    lookups_.push_back(http::AddressLookup::start(
        thread_, host, within, [this, host](const Result<http::AddressLookup::Addresses>& found) {
          on_found(host, found);
        }));
  }
}

void FileHostCheck::on_found(const std::string& host,
                             const Result<http::AddressLookup::Addresses>& found) {
  if (!then_) return;
  if (!found) {
    log::debug(log::Category::http, "the file host is not checked: ", found.error());
  } else if (std::ranges::none_of(*found, [this](const Address& address) {
               return is_allowed_address(address, policy_);
             })) {
    // The user may change the resolver, and then try again.
    http::AddressLookup::forget(host);
    return finish(fail(
        {.code = ErrorCode::network,
         .message = "Nothing was sent, and nothing is paid, because gst-veo would not be able to "
                    "download the video afterwards. " +
                    explain_refused_addresses(host, *found),
         .is_final = true,
         .remedy = "allow-addresses=" + suggest_ranges(*found)}));
  }
  if (--open_ == 0) finish({});
}

void FileHostCheck::finish(Status status) {
  const auto then = std::exchange(then_, nullptr);
  then(std::move(status));
}

}  // namespace veo
