// SPDX-License-Identifier: LGPL-2.1-or-later
#include "avc.h"

#include <algorithm>

#include "libav_ptr.h"

namespace veo::media::avc {

namespace {

constexpr unsigned access_unit_delimiter = 9;

/// Takes big-endian numbers and sequences of bytes from the front. If the bytes do not suffice,
/// sets `failed`.
struct BitReader {
  std::span<const std::uint8_t> rest;
  bool failed = false;

  std::span<const std::uint8_t> take(std::size_t size) {
    if (size > rest.size()) {
      failed = true;
      return {};
    }
    const auto taken = rest.first(size);
    rest = rest.subspan(size);
    return taken;
  }
  std::size_t number(std::size_t size) {
    std::size_t value = 0;
    for (const auto byte : take(size)) value = value << 8U | byte;
    return value;
  }
};

void add(Bytes& to, std::span<const std::uint8_t> nal) {
  // Grow once: g++ 14 sees an overflow in an insert() after push_back(), where there is none.
  auto at = to.size();
  to.resize(at + 4 + nal.size());
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    to[at++] = static_cast<std::uint8_t>(nal.size() >> shift);
  }
  std::ranges::copy(nal, to.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

Result<Configuration> parse_configuration(std::span<const std::uint8_t> avcc) {
  BitReader reader{avcc};
  Configuration configuration;
  const auto version = reader.number(1);
  reader.take(3);  // profile and level, which the SPS has too
  configuration.length_size = static_cast<unsigned>(reader.number(1) & 3U) + 1;
  for (const std::size_t mask : {0x1FU, 0xFFU}) {
    for (auto count = reader.number(1) & mask; count > 0 && !reader.failed; --count) {
      const auto set = reader.take(reader.number(2));
      configuration.parameter_sets.emplace_back(set.begin(), set.end());
    }
  }
  if (reader.failed || version != 1) return fail(bad_media("Its H.264 configuration is damaged."));
  return configuration;
}

Result<Bytes> rewrite(std::span<const std::uint8_t> access_unit, unsigned length_size,
                      std::span<const Bytes> ahead) {
  Bytes out;
  out.reserve(access_unit.size() + 256);
  BitReader reader{access_unit};
  bool is_put = false;
  while (!reader.rest.empty()) {
    const auto nal = reader.take(reader.number(length_size));
    if (reader.failed) return fail(bad_media("An access unit of its H.264 is damaged."));
    const bool is_delimiter = !nal.empty() && (nal[0] & 0x1FU) == access_unit_delimiter;
    if (!is_put && !is_delimiter) {
      for (const auto& one : ahead) add(out, one);
      is_put = true;
    }
    add(out, nal);
  }
  return out;
}

}  // namespace veo::media::avc
