// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Parsers for the quantities of the command line and the faults.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace simulator {

// All functions throw std::invalid_argument with a text that names the expected form.

/// Parses decimal digits.
std::uint64_t parse_number(std::string_view text);
/// Parses a number of bytes with an optional decimal suffix: `500`, `64k`, `2M`, `1G`.
std::uint64_t parse_bytes(std::string_view text);
/// Parses `300ms`, `3s`, `2m`, `1h`. A number without a unit is in seconds.
std::chrono::milliseconds parse_duration(std::string_view text);
/// Parses a rate of bytes or requests per second: `2M`, `2M/s`, `5/s`. The result is never 0.
std::uint64_t parse_rate(std::string_view text);

}  // namespace simulator
