// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame_number.h"

#include <cstring>

#include "command.h"

namespace veo::test {
namespace {

constexpr int bits = 16;

/// Reads one block. Returns nullopt if it is neither black nor white.
std::optional<bool> read_block(const std::uint8_t* luma, int stride, int block) {
  const int margin = block / 4;  // pixels at the edge, which the encoder may have blurred
  int sum = 0;
  for (int y = margin; y < block - margin; ++y) {
    for (int x = margin; x < block - margin; ++x) sum += luma[y * stride + x];
  }
  const int mean = sum / ((block - 2 * margin) * (block - 2 * margin));
  if (mean < 64) return false;
  if (mean > 192) return true;
  return std::nullopt;
}

}  // namespace

std::optional<unsigned> read_frame_number(const std::uint8_t* luma, int stride, int width,
                                          int height, int block) {
  if (width < (bits + 1) * block || height < block) return std::nullopt;
  unsigned number = 0;
  bool odd = false;
  for (int i = 0; i <= bits; ++i) {
    const auto bit = read_block(luma + i * block, stride, block);
    if (!bit) return std::nullopt;
    odd ^= *bit;
    if (i < bits) number = number << 1U | (*bit ? 1U : 0U);
  }
  if (!odd) return std::nullopt;
  return number;
}

void draw_frame_number(std::uint8_t* luma, int stride, unsigned number, int block) {
  constexpr std::uint8_t black = 16;
  constexpr std::uint8_t white = 235;
  bool odd = true;
  for (int i = 0; i <= bits; ++i) {
    const bool bit = i < bits ? (number >> (bits - 1 - i) & 1U) != 0 : odd;
    odd ^= bit;
    for (int y = 0; y < block; ++y) {
      std::memset(luma + y * stride + i * block, bit ? white : black,
                  static_cast<std::size_t>(block));
    }
  }
}

std::vector<int> frame_numbers(const std::string& path, int width, int height) {
  const auto frames =
      output_of("ffmpeg -v error -i " + path + " -map 0:v -f rawvideo -pix_fmt gray -");
  const auto size = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  std::vector<int> numbers;
  for (std::size_t at = 0; at + size <= frames.size(); at += size) {
    const auto number = read_frame_number(reinterpret_cast<const std::uint8_t*>(frames.data()) + at,
                                          width, width, height);
    numbers.push_back(number ? static_cast<int>(*number) : -1);
  }
  return numbers;
}

}  // namespace veo::test
