// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

namespace veo::test {

/// Waits until `is_so()` is true. Throws std::runtime_error after `limit`; its text names `what`
/// the caller waited for. Polls, because nothing signals these events.
template <class Condition>
void await(const std::string& what, Condition is_so,
           std::chrono::seconds limit = std::chrono::seconds(30)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("waited " + std::to_string(limit.count()) + " s in vain: " + what);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace veo::test
