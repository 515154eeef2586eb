// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/ledger/ledger.h"

#include <algorithm>
#include <string_view>

#include "sqlite_ledger.h"

namespace veo {

namespace {

/// Returns the scheme of `scheme://…` (RFC 3986); empty: `location` is a path.
std::string_view find_scheme(std::string_view location) {
  const auto end = location.find("://");
  if (end == std::string_view::npos || end == 0) return "";
  const auto scheme = location.substr(0, end);
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const bool is_scheme =
      is_letter(scheme.front()) && std::ranges::all_of(scheme, [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
      });
  return is_scheme ? scheme : "";
}

/// Refuses a URI. The error has the scheme only, because a URI may hold a password.
Status check_kind(const std::string& location) {
  const auto scheme = find_scheme(location);
  if (scheme.empty()) return {};
  return fail({.code = ErrorCode::ledger,
               .message = "The ledger cannot be used: this version does not know " +
                          std::string(scheme) +
                          ":// ledgers. It knows the path of a file (SQLite): name one with the "
                          "property ledger or VEO_LEDGER. Nothing was sent."});
}

}  // namespace

Result<std::shared_ptr<Ledger>> Ledger::open(const std::string& location,
                                             const std::string& cache_directory) {
  if (auto known = check_kind(location); !known) return fail(std::move(known.error()));
  return SqliteLedger::open(location, cache_directory);
}

Result<bool> Ledger::exists(const std::string& location) {
  if (auto known = check_kind(location); !known) return fail(std::move(known.error()));
  return SqliteLedger::exists(location);
}

Result<std::optional<LedgerGap>> Ledger::find_lost(const std::string& location) {
  if (auto known = check_kind(location); !known) return fail(std::move(known.error()));
  return SqliteLedger::find_lost(location);
}

}  // namespace veo
