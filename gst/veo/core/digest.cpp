// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/digest.h"

#include <glib.h>

namespace veo {

void Sha256::Free::operator()(GChecksum* checksum) const { g_checksum_free(checksum); }

Sha256::Sha256() : checksum_(g_checksum_new(G_CHECKSUM_SHA256)) {}

void Sha256::add(std::span<const std::uint8_t> bytes) {
  g_checksum_update(checksum_.get(), bytes.data(), static_cast<gssize>(bytes.size()));
}

std::string Sha256::hex() { return g_checksum_get_string(checksum_.get()); }

std::string sha256_hex(std::string_view text) {
  const std::unique_ptr<char, decltype(&g_free)> hex(
      g_compute_checksum_for_data(G_CHECKSUM_SHA256, reinterpret_cast<const guchar*>(text.data()),
                                  text.size()),
      g_free);
  return hex.get();
}

}  // namespace veo
