// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/access.h"

#include <atomic>
#include <utility>

#include "api_key.h"
#include "veo/core/url_policy.h"
#include "veo/json/codec.h"
#include "veo/system/environment.h"
#include "veo/system/guarded.h"
#include "veo/system/small_file.h"
#include "veo/system/store_thread.h"

namespace veo {

namespace {

constexpr std::size_t max_catalog_size = std::size_t{1} << 20U;

}  // namespace

void AccessProgress::reads(const std::string& file) const {
  waits_for(file, "its disk does not answer");
}

void AccessProgress::waits_for(std::string what, std::string why) const {
  if (on_wait) on_wait(std::move(what), std::move(why));
}

std::string resolve_allow_http(const std::string& set) {
  return !set.empty() ? set : environment::get("VEO_ALLOW_HTTP").value_or("");
}

Result<std::string> resolve_allow_addresses(const std::string& set) {
  auto text = !set.empty() ? set : environment::get("VEO_ALLOW_ADDRESSES").value_or("");
  auto ranges =
      AddressRanges::parse(!set.empty() ? "allow-addresses" : "VEO_ALLOW_ADDRESSES", text);
  if (!ranges) return fail(std::move(ranges.error()));
  return text;
}

Result<std::string> resolve_api_url(const AccessOptions& options) {
  const auto& set = options.api_url;
  auto hosts = HostList::parse(!options.allow_http.empty() ? "allow-http" : "VEO_ALLOW_HTTP",
                               resolve_allow_http(options.allow_http));
  if (!hosts) return fail(std::move(hosts.error()));
  return check_api_url(
      !set.empty() ? set : environment::get("VEO_API_URL").value_or(default_api_url), *hosts);
}

std::string make_plain_http_notice(const AccessOptions& options) {
  const auto url = resolve_api_url(options);
  if (!url || !is_plain_http(*url)) return "";
  return "The service is reached by plain http at " + redact_url(*url) +
         ", because allow-http (VEO_ALLOW_HTTP) names its host. Everybody on the way can read the "
         "API key and the prompts.";
}

Result<Access> resolve_access(const AccessOptions& options, AccessProgress& progress) {
  auto url = resolve_api_url(options);
  if (!url) return fail(std::move(url.error()));
  auto key = find_api_key(options, *url, progress);
  if (!key) return fail(std::move(key.error()));
  return Access{.api_url = std::move(*url), .key = std::move(*key)};
}

Waited<Access> open_access(const AccessOptions& options, const std::shared_ptr<Wakeup>& wakeup,
                           std::vector<std::string>* notices) {
  struct State {
    Guarded<std::optional<Result<Access>>> access;
    AccessProgress progress;
    std::atomic<bool> is_cancelled = false;
  };
  const auto state = std::make_shared<State>();
  // The state outlives the progress, which is a part of it.
  state->progress.patience.is_cancelled = [raw = state.get()] { return raw->is_cancelled.load(); };
  StoreThread::acquire(StoreThread::Store::settings)->post([state, options, wakeup] {
    auto access = resolve_access(options, state->progress);
    *state->access.lock() = std::move(access);
    wakeup->notify();
  });
  auto access =
      wakeup->wait_for([&] { return std::exchange(*state->access.lock(), std::nullopt); });
  state->is_cancelled = true;
  // Without an answer the thread for settings still writes to the progress.
  if (access && notices != nullptr) *notices = std::move(state->progress.notices);
  return access;
}

Result<std::shared_ptr<const Catalog>> load_catalog() {
  const auto path = environment::get("VEO_CATALOG");
  // The built-in catalog outlives everything, so the pointer owns nothing.
  if (!path)
    return std::shared_ptr<const Catalog>(std::shared_ptr<void>(), &json::builtin_catalog());
  const auto text = read_small_file(*path, {.what = "The catalog " + *path + " (VEO_CATALOG)",
                                            .code = ErrorCode::invalid_request,
                                            .most = max_catalog_size});
  if (!text) {
    auto error = text.error();
    error.message += " Nothing was sent. Set VEO_CATALOG to a catalog file, or unset it.";
    return fail(std::move(error));
  }
  auto catalog = json::decode_catalog(*text);
  if (!catalog) {
    catalog.error().message = "VEO_CATALOG=" + *path + ": " + catalog.error().message;
    return fail(std::move(catalog.error()));
  }
  return std::make_shared<const Catalog>(std::move(*catalog));
}

}  // namespace veo
