// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The boxes of an MP4 file as bytes (ISO/IEC 14496-12, section 4.2): reading of headers and
// numbers, for the code of core alone.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "veo/core/mp4_layout.h"

namespace veo::mp4 {

using View = std::span<const std::uint8_t>;

constexpr std::uint64_t largest_header = 16;
/// The size of the type that follows the header of a `uuid` box.
constexpr std::uint64_t usertype_size = 16;

inline auto bad_media(std::string message) {
  Error error;
  error.code = ErrorCode::bad_media;
  error.message = std::move(message);
  return fail(std::move(error));
}

// The numbers in an MP4 file are big-endian.
template <std::unsigned_integral T>
T load(View bytes, std::size_t at) {
  T value = 0;
  for (const auto byte : bytes.subspan(at, sizeof(T))) value = static_cast<T>(value << 8U | byte);
  return value;
}

template <std::unsigned_integral T>
void store(std::span<std::uint8_t> bytes, std::size_t at, T value) {
  for (auto i = sizeof(T); i-- > 0; value = static_cast<T>(value >> 8U)) {
    bytes[at + i] = static_cast<std::uint8_t>(value);
  }
}

/// Writes the type as `'moov'`. A byte that is not printable ASCII becomes `.`.
inline std::string quote(std::uint32_t type) {
  std::string text = "'....'";
  for (std::size_t i = 0; i < 4; ++i) {
    const auto c = static_cast<unsigned char>(type >> (24 - 8 * i));
    if (c >= 0x20 && c < 0x7f) text[1 + i] = static_cast<char>(c);
  }
  return text;
}

inline std::string write_size(std::uint64_t count) { return std::to_string(count) + " bytes"; }

/// Reads the header at the start of `bytes`. The size is as in the file, so it may be 0. Returns
/// nullopt if `bytes` is too short for a header.
inline std::optional<Box> read_header(View bytes, std::uint64_t offset) {
  if (bytes.size() < 8) return std::nullopt;
  Box box{.type = load<std::uint32_t>(bytes, 4),
          .offset = offset,
          .size = load<std::uint32_t>(bytes, 0),
          .header_size = 8};
  if (box.size == 1) {
    if (bytes.size() < largest_header) return std::nullopt;
    box.size = load<std::uint64_t>(bytes, 8);
    box.header_size = 16;
  }
  return box;
}

/// Whether the box is large enough for its own header and ends at or before `end`.
inline bool is_within(const Box& box, std::uint64_t end) {
  return box.size >= box.header_size && box.size <= end - box.offset;
}

}  // namespace veo::mp4
