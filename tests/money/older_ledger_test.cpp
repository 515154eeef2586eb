// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Random lives of a ledger: processes pay and are killed, and users copy, restore and remove the
// ledger's files. Nothing may be paid twice before the user accepts the loss.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "command.h"
#include "run.h"

namespace veo::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t prompts = 3;

/// A ledger with its files, its copies, and what the service has charged.
class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed) {}

  void live(unsigned steps) {
    for (unsigned i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      take_step();
      const auto state = simulator_.state();
      EXPECT_LE(state.at("charges"), static_cast<int>(prompts)) << story_;
      EXPECT_LE(state.at("charges"), state.at("submissions")) << story_;
      std::array<unsigned, prompts> paid{};
      for (const auto& task : state.at("tasks")) {
        ++paid.at(static_cast<std::size_t>(task.at("prompt").get<std::string>().back() - '0'));
      }
      for (const auto count : paid) EXPECT_LE(count, 1U) << story_;
    }
  }

  unsigned played = 0;
  unsigned refused = 0;  // with the code ledger
  unsigned unknown = 0;  // submit-unknown

 private:
  unsigned draw(unsigned below) {
    return std::uniform_int_distribution<unsigned>(0, below - 1)(random_);
  }

  [[nodiscard]] std::string ledger(const char* companion = "") const {
    return home_.file(std::string("state/ledger.db") + companion);
  }

  void take_step() {
    switch (draw(10)) {
      case 0:
        return run("kill-after=" + std::to_string(1 + draw(40)));
      case 1:
        return copy();
      case 2:
        return restore();
      case 3:
        story_ += " remove-wal";
        fs::remove(ledger("-wal"));
        fs::remove(ledger("-shm"));
        return remove_cache();
      case 4:
        // A copy ends the refusals that follow.
        if (copies_.empty()) return copy();
        story_ += " remove-ledger";
        for (const char* companion : {"", "-wal", "-shm"}) fs::remove(ledger(companion));
        return remove_cache();
      default:
        return run("");
    }
  }

  /// Without the cache, only the ledger knows what was paid.
  void remove_cache() {
    story_ += " remove-cache";
    fs::remove_all(home_.file("cache"));
  }

  void run(const std::string& fault) {
    const auto prompt = std::to_string(draw(prompts));
    story_ += " run-" + prompt + (fault.empty() ? "" : "(" + fault + ")");
    const auto ended =
        RunProcess({"prompt=" + std::string("dog ") + prompt, "layout=original", "poll-interval=5",
                    "api-url=" + simulator_.api_url(), "api-key=" + simulator_.key(),
                    "ledger=" + ledger(), "cache-dir=" + home_.file("cache")},
                   fault)
            .wait();
    if (ended.signal == SIGKILL && !fault.empty()) return;
    if (ended.played(small_clip().sha256)) {
      ++played;
    } else if (ended.error_code() == "ledger") {
      ++refused;
      EXPECT_EQ(ended.charged(), "no") << story_ << "\n" << ended;
    } else {
      ++unknown;
      EXPECT_EQ(ended.error_code(), "submit-unknown") << story_ << "\n" << ended;
    }
  }

  /// Copies the main file alone.
  void copy() {
    if (!fs::exists(ledger())) return;
    story_ += " copy-" + std::to_string(copies_.size());
    copies_.push_back(home_.file("copy-" + std::to_string(copies_.size())));
    fs::copy_file(ledger(), copies_.back());
  }

  void restore() {
    if (copies_.empty()) return;
    const auto newest = static_cast<unsigned>(copies_.size()) - 1;
    const auto chosen = draw(2) == 0 ? newest : draw(newest + 1);
    story_ += " restore-" + std::to_string(chosen);
    for (const char* companion : {"", "-wal", "-shm"}) fs::remove(ledger(companion));
    fs::copy_file(copies_.at(chosen), ledger());
    remove_cache();
  }

  std::mt19937_64 random_;
  const Simulator simulator_ = start_simulator();
  const TemporaryDirectory home_;
  std::vector<std::string> copies_;
  std::string story_;
};

TEST(OlderLedger, NeverPaysAgainByItself) {
  const char* const given = std::getenv("VEO_TEST_SEED");
  const auto first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1U;
  const auto lives = std::max(3U, repeats() * 10);
  unsigned played = 0;
  unsigned refused = 0;
  unsigned unknown = 0;
  for (auto seed = first; seed < first + lives && !HasFailure(); ++seed) {
    SCOPED_TRACE("VEO_TEST_SEED=" + std::to_string(seed));
    Life life(seed);
    life.live(16);
    played += life.played;
    refused += life.refused;
    unknown += life.unknown;
  }
  std::cout << "  seeds " << first << " to " << first + lives - 1 << ": " << played
            << " runs played, " << refused << " refused by the ledger, " << unknown
            << " submit-unknown\n";
  EXPECT_GT(played, 0U);
  EXPECT_GT(refused, 0U);
}

}  // namespace
}  // namespace veo::test
