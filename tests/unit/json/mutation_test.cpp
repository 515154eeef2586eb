// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Valid bodies with small random damage, from a fixed seed, go through the entry of the fuzzer. The
// entry aborts if the code breaks a promise of codec.h. GLib's critical messages are fatal in this
// test.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "veo/json/prescan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace veo::json {
namespace {

constexpr std::string_view bodies[] = {
    R"({"id": "7d89c51e-9430-410e-909e-df347131ebaa", "status": "processing", "model": "veo-3",
        "created_at": 1774706165, "progress": null})",
    R"({"id": "7d89c51e-9430-410e-909e-df347131ebaa", "status": "completed", "model": "veo-3",
        "created_at": 1774790227, "completed_at": 1774796529, "output": {"urls":
        ["https://file.aivideoapi.ai/videos/2026/04/02/abc123.mp4"], "metadata": {"resolution":
        "720p", "upstream_task_id": "up"}}})",
    R"({"id": "7d89c51e-9430-410e-909e-df347131ebaa", "status": "failed", "created_at": 1774793758,
        "error": {"code": "upstream_error", "message": "Video generation \ud83d\ude00 failed"}})",
    R"({"code": 200, "msg": "success", "data": {"taskId": "cbf6b69d-4f03-4817-8ed7-94c0292184a8"}})",
    R"({"error": {"code": "insufficient_credits", "message": "Your balance is 1.5e2, \u00e9t 山.",
        "type": "billing_error"}})",
    R"({"data": {"credits": 1234.5}, "balance": -1})",
};

/// The tokens of JSON, and texts that parsers often misread.
constexpr std::string_view scraps[] = {
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-",
    "0",
    "1e999",
    "99999999999999999999",
    "-99999999999999999999",
    "\\u0000",
    "\\ud83d",
    "\\ude00",
    "\\",
    "\\u",
    "/*",
    "//",
    "\n",
    "\xff",
    "\xc3",
    "山",
    "\"id\"",
    "\"status\"",
    "\"urls\"",
    "\"error\"",
    "{}",
    "[]",
    "\"\"",
    "\"\\u001b[31m\"",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
};

class Mutator {
 public:
  std::string mutated(std::string body) {
    for (auto changes = 1 + below(4); changes > 0; --changes) change(body);
    return body;
  }
  std::size_t below(std::size_t end) { return engine_() % end; }

 private:
  void change(std::string& body) {
    const auto at = below(body.size() + 1);
    const auto length = below(12);
    switch (below(5)) {
      case 0:
        body.insert(at, scraps[below(std::size(scraps))]);
        break;
      case 1:
        body.replace(at, length, scraps[below(std::size(scraps))]);
        break;
      case 2:
        body.erase(at, length);
        break;
      case 3:
        body.insert(at, body.substr(below(body.size() + 1), length));
        break;
      default:
        if (at < body.size()) body[at] = static_cast<char>(below(256));
    }
  }
  std::mt19937 engine_{20260402};  // its numbers are standard; those of distributions are not
};

TEST(Mutations, BreakNoPromise) {
  constexpr int rounds = 30'000;
  Mutator mutator;
  int valid = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto body = mutator.mutated(std::string(bodies[mutator.below(std::size(bodies))]));
    if (prescan(body)) ++valid;
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
  }
  // Both outcomes occurred often enough to mean something.
  EXPECT_GT(valid, rounds / 20);
  EXPECT_LT(valid, rounds * 19 / 20);
}

}  // namespace
}  // namespace veo::json
