// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Valid files with small random damage, from a fixed seed, go through the entry of the fuzzer. The
// entry aborts if the code breaks a promise of mp4_layout.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>

#include "mp4_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace veo::mp4 {
namespace {

std::vector<Bytes> valid_files() {
  return {file_of({"ftyp", "uuid", "mdat", "moov"}),
          file_of({"ftyp", "free", "mdat64", "moov64"}),
          file_of({"ftyp", "mdat", "mdat", "moov0"}),
          file_of({"ftyp", "mdat", "moov", "mdat", "free8"}),
          file_of({"ftyp", "moov", "mdat"}),
          file_of({"ftyp", "c2pa", "mdat", "c2pa64", "moov", "c2pa0"})};
}

class Mutator {
 public:
  Bytes mutated(Bytes file) {
    for (auto changes = 1 + below(3); changes > 0; --changes) change(file);
    return file;
  }
  std::size_t below(std::size_t end) { return engine_() % end; }

 private:
  void change(Bytes& file) {
    if (file.size() < 8) return;
    const auto at = below(file.size() - 7);
    const auto iterator = file.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(6)) {
      case 0:
        file[at] = static_cast<std::uint8_t>(below(256));
        break;
      case 1: {
        // An edge value, at a place that may be a size, a count or an offset.
        const std::uint64_t borders[] = {
            0, 1, 2, 7, 8, 15, 16, 0x7fff'ffff, 0xffff'ffff, file.size(), file.size() - at};
        const auto value = number(borders[below(std::size(borders))], 4);
        std::ranges::copy(value, iterator);
        break;
      }
      case 2: {
        const auto value = number(number_at(file, at, 4) + below(33) - 16, 4);
        std::ranges::copy(value, iterator);
        break;
      }
      case 3: {
        const char* const types[] = {"moov", "trak", "mdia", "minf", "stbl", "stco",
                                     "co64", "mdat", "mvex", "moof", "ftyp"};
        const auto value = text(types[below(std::size(types))]);
        std::ranges::copy(value, iterator);
        break;
      }
      case 4:
        file.erase(iterator, iterator + static_cast<std::ptrdiff_t>(below(8)));
        break;
      default: {
        const Bytes copy(iterator, iterator + static_cast<std::ptrdiff_t>(below(8)));
        file.insert(file.begin() + static_cast<std::ptrdiff_t>(below(file.size())), copy.begin(),
                    copy.end());
      }
    }
  }
  std::mt19937 engine_{20260402};  // its numbers are standard; those of distributions are not
};

TEST(Mp4Mutations, BreakNoPromise) {
  constexpr int rounds = 40'000;
  const auto files = valid_files();
  Mutator mutator;
  int valid = 0;
  int streamable = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto file = mutator.mutated(files[mutator.below(files.size())]);
    const auto [scanner, status, needs] = scan(file);
    if (status) ++valid;
    if (status && scanner.layout()->segments().size() > 1) ++streamable;
    LLVMFuzzerTestOneInput(file.data(), file.size());
  }
  // Each outcome occurred often enough to mean something.
  EXPECT_GT(streamable, rounds / 20);
  EXPECT_GT(valid, streamable);
  EXPECT_LT(valid, rounds * 9 / 10);
}

}  // namespace
}  // namespace veo::mp4
