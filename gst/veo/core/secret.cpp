// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/secret.h"

#include <glib.h>

#include <memory>

namespace veo {

std::string Secret::make_mark(std::string_view salt) const {
  const std::unique_ptr<char, decltype(&g_free)> hex(
      g_compute_hmac_for_data(G_CHECKSUM_SHA256, reinterpret_cast<const guchar*>(salt.data()),
                              salt.size(), reinterpret_cast<const guchar*>(text_.data()),
                              text_.size()),
      g_free);
  return hex.get();
}

}  // namespace veo
