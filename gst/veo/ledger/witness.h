// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The witness of a ledger: the content of its lock file. The witness says which ledger was used
// here, and how many changes the ledger had. If the ledger has fewer changes later, an older copy
// has taken its place.
//
// The witness is written after each commit and not synced, so it may be behind the ledger, but
// never ahead of it. The locks of rows are locks on bytes of the same file (row_lock.h); they do
// not depend on its content.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace veo {

/// How old a ledger is.
struct LedgerAge {
  std::string id;             ///< 32 hexadecimal digits, made with the ledger
  std::uint64_t changes = 0;  ///< the transactions that have changed something
  bool operator==(const LedgerAge&) const = default;
};

/// Returns the age that the lock file at `path` says. nullopt: the file says nothing, is damaged,
/// or cannot be read.
std::optional<LedgerAge> read_witness(const std::string& path);

/// Whether the write goes to the disk before the call returns.
enum class WitnessSync { no, yes };
/// Writes the age into the lock file. False and errno: the file cannot be written.
bool write_witness(const std::string& path, const LedgerAge& age,
                   WitnessSync sync = WitnessSync::no);

}  // namespace veo
