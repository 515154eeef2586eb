// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/digest.h"

// nettle uses the processor's instructions for SHA-256. GLib's GChecksum takes five times as long.
#include <nettle/sha2.h>

#include <array>

namespace veo {

Sha256::Sha256() : context_(std::make_unique<sha256_ctx>()) { sha256_init(context_.get()); }
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::uint8_t> bytes) {
  sha256_update(context_.get(), bytes.size(), bytes.data());
}

std::string Sha256::finish() {
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest{};
  sha256_digest(context_.get(), digest.size(), digest.data());
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const auto byte : digest) text.append({digits[byte >> 4U], digits[byte & 15U]});
  return text;
}

std::string compute_sha256(std::string_view text) {
  Sha256 sum;
  sum.add(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  return sum.finish();
}

}  // namespace veo
