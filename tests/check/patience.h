// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How long a test waits. The setup for valgrind sets libcheck's CK_TIMEOUT_MULTIPLIER, which
// stretches these bounds too.
#pragma once

#include <chrono>
#include <cstdlib>

namespace veo::test {

inline int time_factor() {
  const char* const text = std::getenv("CK_TIMEOUT_MULTIPLIER");
  const int factor = text != nullptr ? std::atoi(text) : 1;
  return factor > 0 ? factor : 1;
}

/// Longer than anything takes here: a wait that lasts so long has failed.
inline std::chrono::seconds patience() { return std::chrono::seconds(10) * time_factor(); }

/// The contract's bound for a state change and a flush, which a user sees as "at once".
inline std::chrono::milliseconds at_once() {
  return std::chrono::milliseconds(250) * time_factor();
}

}  // namespace veo::test
