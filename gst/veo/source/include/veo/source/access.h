// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Where the service is, and the key for the service. The user's setting comes before the
// environment.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "veo/core/catalog.h"
#include "veo/core/result.h"
#include "veo/core/secret.h"
#include "veo/options/options.h"
#include "veo/system/patience.h"
#include "veo/system/wakeup.h"

namespace veo {

inline constexpr const char* default_api_url = "https://api.aivideoapi.ai/v1";

struct Access {
  std::string api_url;  ///< checked by check_api_url()
  Secret key;           ///< never empty
};

/// Returns the service's URL. It may be plain http for the hosts of `allow-http`. Fails with
/// invalid_request.
Result<std::string> resolve_api_url(const AccessOptions& options);
/// Returns what each run must tell its user if the key goes by plain http over a network; empty if
/// the key does not.
std::string make_plain_http_notice(const AccessOptions& options);
/// Return the value of the option, else that of its variable. The second fails with invalid_request
/// if the value has not the form of an AddressRanges.
std::string resolve_allow_http(const std::string& set);
Result<std::string> resolve_allow_addresses(const std::string& set);

/// What happens while the key is read. The key may come from a disk that does not answer, from a
/// pipe, or from a command that asks the user for a password.
struct AccessProgress {
  /// For pipes and commands.
  Patience patience{};
  /// Called before each wait. `what`: for what the thread waits, such as "API key file /x"; `why`:
  /// what is wrong if the wait is long. Both are parts of a sentence.
  std::function<void(std::string what, std::string why)> on_wait;
  /// What the user should know although the key is used.
  std::vector<std::string> notices;

  void reads(const std::string& file) const;
  void waits_for(std::string what, std::string why) const;
};

/// Finds the URL and the key (source/api_key.h has the order of the places). Blocks: the thread for
/// settings calls it. Fails with invalid_request (the URL), missing_api_key, or invalid_api_key
/// (the key file cannot be used, the command failed, or the text is no key).
Result<Access> resolve_access(const AccessOptions& options, AccessProgress& progress);
/// Does the same on the thread for settings, and waits on `wakeup`. An interruption ends a command
/// that runs for the key. `notices` may be null.
Waited<Access> open_access(const AccessOptions& options, const std::shared_ptr<Wakeup>& wakeup,
                           std::vector<std::string>* notices = nullptr);

/// Reads the catalog from the file that VEO_CATALOG names (at most 1 MiB, no pipe); if VEO_CATALOG
/// is unset, returns the built-in catalog. Waits for a disk. Fails with invalid_request.
Result<std::shared_ptr<const Catalog>> load_catalog();

}  // namespace veo
