// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace veo {
namespace {

/// The addresses that have the same first `bits` bits as `prefix`.
template <std::size_t Size>
struct Block {
  std::array<std::uint8_t, Size> prefix;
  unsigned bits;

  [[nodiscard]] bool contains(std::span<const std::uint8_t> address) const {
    const auto bytes = bits / 8;
    if (!std::equal(prefix.begin(), prefix.begin() + bytes, address.begin())) return false;
    const auto mask = static_cast<std::uint8_t>(0xff00U >> bits % 8);
    return bytes == Size || ((prefix[bytes] ^ address[bytes]) & mask) == 0;
  }
};

template <std::size_t Size, std::size_t Count>
bool is_in(const Block<Size> (&blocks)[Count], std::span<const std::uint8_t> address) {
  return std::ranges::any_of(blocks, [&](const auto& block) { return block.contains(address); });
}

// The blocks of the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890) that are not
// globally reachable, and multicast. Some addresses within a block are reachable (anycast services
// of the IETF in 192.0.0.0/24 and 2001::/23). They host no videos, so the complete block is
// refused.
constexpr Block<4> not_public_v4[] = {
    {{0, 0, 0, 0}, 8},        // this network, RFC 791
    {{10, 0, 0, 0}, 8},       // private use, RFC 1918
    {{100, 64, 0, 0}, 10},    // shared, CGNAT, RFC 6598
    {{127, 0, 0, 0}, 8},      // loopback, RFC 1122
    {{169, 254, 0, 0}, 16},   // link-local, RFC 3927; clouds keep their metadata there
    {{172, 16, 0, 0}, 12},    // private use, RFC 1918
    {{192, 0, 0, 0}, 24},     // IETF protocol assignments, RFC 6890
    {{192, 0, 2, 0}, 24},     // documentation, RFC 5737
    {{192, 88, 99, 0}, 24},   // 6to4 relays, deprecated by RFC 7526
    {{192, 168, 0, 0}, 16},   // private use, RFC 1918
    {{198, 18, 0, 0}, 15},    // benchmarking, RFC 2544
    {{198, 51, 100, 0}, 24},  // documentation, RFC 5737
    {{203, 0, 113, 0}, 24},   // documentation, RFC 5737
    {{224, 0, 0, 0}, 4},      // multicast, RFC 5771
    {{240, 0, 0, 0}, 4},      // reserved and limited broadcast, RFC 1112 and 919
};
// IANA allocates global unicast addresses only from this block. Outside it are: unspecified,
// loopback, IPv4-compatible, discard-only (100::/64), local NAT64 (64:ff9b:1::/48), SRv6
// (5f00::/16), unique local (fc00::/7), link-local (fe80::/10), site-local (fec0::/10), multicast
// (ff00::/8).
constexpr Block<16> global_unicast_v6{{0x20}, 3};
constexpr Block<16> not_public_v6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23},  // IETF protocol assignments with Teredo, RFC 2928
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation, RFC 3849
    {{0x20, 0x02}, 16},              // 6to4, RFC 3056: contains any IPv4 address
    {{0x3f, 0xff}, 20},              // documentation, RFC 9637
};
constexpr Block<16> mapped_v4{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};  // RFC 4291
constexpr Block<16> nat64{{0x00, 0x64, 0xff, 0x9b}, 96};                        // RFC 6052
constexpr Block<4> loopback_v4{{127}, 8};
constexpr Block<16> loopback_v6{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128};

// The ranges from which DNS servers with fake IPs take their addresses, by default: Clash, Surge
// and sing-box.
constexpr Block<4> fake_v4{{198, 18, 0, 0}, 15};
constexpr Block<16> fake_v6{{0xfc}, 18};

bool is_fake(const Address& address) {
  return address.size == 4 ? fake_v4.contains(address.view()) : fake_v6.contains(address.view());
}

/// Returns the IPv4 address within an IPv4-mapped or NAT64 address.
std::optional<Address> find_inner_address(const Address& address) {
  const auto bytes = address.view();
  if (bytes.size() != 16 || !(mapped_v4.contains(bytes) || nat64.contains(bytes))) {
    return std::nullopt;
  }
  return make_address(bytes.last(4));
}

bool have_same_prefix(const Address& a, const Address& b, unsigned bits) {
  if (a.size != b.size) return false;
  for (unsigned bit = 0; bit < bits; ++bit) {
    const auto mask = 0x80U >> bit % 8;
    if (((a.bytes[bit / 8] ^ b.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Returns a text of the user for a message, on one line and without control characters.
std::string show(std::string_view text) {
  std::string shown(text.substr(0, 60));
  std::ranges::replace_if(
      shown, [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return shown;
}

std::string join(const std::vector<std::string>& items, std::string_view separator) {
  std::string text;
  for (const auto& item : items) text.append(text.empty() ? "" : separator).append(item);
  return text;
}

/// Whether the address is 0.0.0.0 or ::, where no host can be.
bool is_unspecified(const Address& address) {
  return std::ranges::all_of(address.view(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
  const std::string host(text);
  if (host.find('\0') != std::string::npos) return std::nullopt;
  Address address;
  if (inet_pton(AF_INET, host.c_str(), address.bytes.data()) == 1) {
    address.size = 4;
  } else if (inet_pton(AF_INET6, host.c_str(), address.bytes.data()) == 1) {
    address.size = 16;
  } else {
    return std::nullopt;
  }
  return address;
}

std::optional<Address> make_address(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  Address address;
  std::ranges::copy(bytes, address.bytes.begin());
  address.size = bytes.size();
  return address;
}

std::string to_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* made = inet_ntop(address.size == 4 ? AF_INET : AF_INET6, address.bytes.data(),
                               text.data(), static_cast<socklen_t>(text.size()));
  return made != nullptr ? made : "";
}

bool is_public_address(std::span<const std::uint8_t> address) {
  if (address.size() == 4) return !is_in(not_public_v4, address);
  if (address.size() != 16) return false;
  if (mapped_v4.contains(address) || nat64.contains(address)) {
    return is_public_address(address.last(4));
  }
  return global_unicast_v6.contains(address) && !is_in(not_public_v6, address);
}

bool is_loopback_address(std::span<const std::uint8_t> address) {
  if (address.size() == 4) return loopback_v4.contains(address);
  if (address.size() != 16) return false;
  if (mapped_v4.contains(address)) return is_loopback_address(address.last(4));
  return loopback_v6.contains(address);
}

Result<AddressRanges> AddressRanges::parse(std::string_view name, std::string_view text) {
  const auto refuse = [&](std::string_view item, const std::string& why) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = std::string(name) + " has the item \"" + show(item) + "\", which " +
                            why +
                            ". Write ranges of addresses, separated by commas, as in "
                            "198.18.0.0/15,10.1.2.3,fd00::/8. Nothing was sent."});
  };
  AddressRanges made;
  if (trim(text).empty()) return made;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    const auto item = trim(text.substr(at, comma - at));
    at = comma + 1;
    const auto slash = item.find('/');
    const auto first = parse_address(item.substr(0, slash));
    if (!first) return refuse(item, "is not a range of addresses");
    Range range{.first = *first, .bits = static_cast<unsigned>(8 * first->size)};
    if (slash != std::string_view::npos) {
      const auto bits = item.substr(slash + 1);
      unsigned value = 0;
      const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), value);
      if (error != std::errc{} || end != bits.data() + bits.size() || value > range.bits) {
        return refuse(
            item, "has no number from 0 to " + std::to_string(range.bits) + " behind its slash");
      }
      range.bits = value;
    }
    Address lowest = range.first;
    for (unsigned bit = range.bits; bit < 8 * lowest.size; ++bit) {
      lowest.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));
    }
    // Such a range may be a slip of the pen for another one, so do not guess.
    if (lowest != range.first) {
      return refuse(item, "names an address within the range " + to_text(lowest) + "/" +
                              std::to_string(range.bits) + " and not the range");
    }
    made.ranges_.push_back(range);
  }
  return made;
}

bool AddressRanges::contains(const Address& address) const {
  const auto inner = find_inner_address(address);
  return std::ranges::any_of(ranges_, [&](const Range& range) {
    return have_same_prefix(range.first, address, range.bits) ||
           (inner && have_same_prefix(range.first, *inner, range.bits));
  });
}

bool AddressRanges::contains_loopback() const {
  return contains(*parse_address("127.0.0.1")) || contains(*parse_address("::1"));
}

std::string suggest_ranges(std::span<const Address> addresses) {
  std::vector<std::string> ranges;
  for (const auto& address : addresses) {
    auto range = !is_fake(address)   ? to_text(address) + (address.size == 4 ? "/32" : "/128")
                 : address.size == 4 ? "198.18.0.0/15"
                                     : "fc00::/18";
    if (std::ranges::find(ranges, range) == ranges.end()) ranges.push_back(std::move(range));
  }
  return join(ranges, ",");
}

std::string explain_refused_addresses(std::string_view host, std::span<const Address> addresses) {
  std::vector<std::string> texts;
  for (const auto& address : addresses) texts.push_back(to_text(address));
  const bool is_literal = texts.size() == 1 && parse_address(host) == addresses.front();
  std::string text = is_literal
                         ? "The file host " + texts.front() + " is not public"
                         : "The name of the file host " + show(host) + " leads to the address " +
                               join(texts, " and ") + ", which is not public";
  text += ", and gst-veo does not connect to such an address by itself.";
  if (std::ranges::all_of(addresses, is_unspecified)) {
    return text +
           " A DNS filter that blocks the name (an ad blocker, Pi-hole) gives this address. Allow "
           "the name in the filter.";
  }
  text += std::ranges::any_of(addresses, is_fake)
              ? " A proxy program with fake-IP DNS (Clash, sing-box, Surge) gives every name such "
                "an address, and passes the connection on to the true host."
              : " A file host in a private network has such an address; so has a name that "
                "somebody misuses to reach into your network.";
  return text + " If you trust the address, set allow-addresses=" + suggest_ranges(addresses) +
         " (or the variable VEO_ALLOW_ADDRESSES).";
}

}  // namespace veo
