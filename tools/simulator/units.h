// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Quantities as the command line and the faults write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace simulator {

/// All throw std::invalid_argument with a text that names the expected form.

/// Decimal digits alone.
std::uint64_t parse_number(std::string_view text);
/// A number with an optional decimal suffix: `500`, `64k`, `2M`, `1G`.
std::uint64_t parse_bytes(std::string_view text);
/// `300ms`, `3s`, `2m`, `1h`; a bare number is seconds.
std::chrono::milliseconds parse_duration(std::string_view text);
/// Of bytes or of requests, a second: `2M`, `2M/s`, `5/s`. Never 0.
std::uint64_t parse_rate(std::string_view text);

}  // namespace simulator
