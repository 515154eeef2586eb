// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Addresses of hosts: which ones are public, and which other ones the user allows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/result.h"

namespace veo {

/// An IPv4 or IPv6 address.
struct Address {
  std::array<std::uint8_t, 16> bytes{};  ///< in network order; IPv4 uses the first four
  std::size_t size = 0;                  ///< 4 or 16

  [[nodiscard]] std::span<const std::uint8_t> view() const { return std::span(bytes).first(size); }
  bool operator==(const Address&) const = default;
};

/// Parses an IPv4 address of four decimal numbers, or an IPv6 address in a form of RFC 4291.
/// Refuses the octal, hexadecimal and shortened forms that inet_aton() accepts, and brackets.
std::optional<Address> parse_address(std::string_view text);
/// Makes an address of 4 or 16 bytes. nullopt: another number of bytes.
std::optional<Address> make_address(std::span<const std::uint8_t> bytes);
/// Returns the usual form: `198.18.0.7`, `fd00::1`.
std::string to_text(const Address& address);

/// Whether the address is a globally reachable unicast address. `address` is in network order and
/// has 4 bytes (IPv4) or 16 bytes (IPv6). Private (RFC 1918), loopback, link-local, CGNAT, ULA,
/// multicast, documentation, benchmarking and reserved addresses are not public. An IPv4-mapped or
/// NAT64 address is public if the IPv4 address within it is public.
bool is_public_address(std::span<const std::uint8_t> address);
/// Whether the address is in 127.0.0.0/8, ::1, or an IPv4-mapped form of 127.0.0.0/8. The format is
/// that of is_public_address().
bool is_loopback_address(std::span<const std::uint8_t> address);

/// A list of ranges of addresses, which the user writes in CIDR form: `198.18.0.0/15,fd00::/8`.
class AddressRanges {
 public:
  /// Parses the list; an empty text is an empty list. An address without `/BITS` is a range of one.
  /// `name` is the option or variable that has the text. Fails with invalid_request; the message
  /// shows the right form.
  static Result<AddressRanges> parse(std::string_view name, std::string_view text);

  /// Whether a range contains the address, or the IPv4 address within an IPv4-mapped or NAT64
  /// address.
  [[nodiscard]] bool contains(const Address& address) const;
  [[nodiscard]] bool contains_loopback() const;
  bool operator==(const AddressRanges&) const = default;

 private:
  struct Range {
    Address first;
    unsigned bits = 0;
    bool operator==(const Range&) const = default;
  };
  std::vector<Range> ranges_;
};

/// Returns the smallest useful value of `allow-addresses` that allows these addresses: the complete
/// range for fake-IP DNS, whose addresses change, and the address itself elsewhere.
std::string suggest_ranges(std::span<const Address> addresses);

/// Explains in sentences why gst-veo does not connect to `host`, which has these addresses, and
/// which value of `allow-addresses` allows them.
std::string explain_refused_addresses(std::string_view host, std::span<const Address> addresses);

}  // namespace veo
