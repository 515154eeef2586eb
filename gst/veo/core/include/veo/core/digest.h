// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct sha256_ctx;

namespace veo {

/// Computes the SHA-256 (FIPS 180-4) of bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();
  void add(std::span<const std::uint8_t> bytes);
  /// Ends the computation and returns the hash as 64 lower-case hexadecimal digits. Nothing may be
  /// called after it.
  [[nodiscard]] std::string finish();

 private:
  std::unique_ptr<sha256_ctx> context_;
};

/// Returns the SHA-256 of `text` as 64 lower-case hexadecimal digits.
std::string compute_sha256(std::string_view text);

}  // namespace veo
