// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The URIs for whatever plays URIs:
//
//   veo:task/ID                plays a known task, and never spends; the id is percent-encoded
//   veo:clip?prompt=…&mode=…   may submit, as far as VEO_URI_BUDGET goes
//
// A URI may come from a playlist, that is from anybody: it says what to generate, and nothing of
// where the service is, who pays, or what is done about doubts.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "veo/core/result.h"
#include "veo/options/options.h"

namespace veo {

struct Uri {
  std::string task_id;  ///< empty: a clip
  /// Of a clip: by the names of veosrc's properties, each one that a URI may set and once.
  std::vector<std::pair<std::string, std::string>> parameters;
};

/// Of what is longer, no byte is read.
constexpr std::size_t longest_uri = 16U << 10U;  // bytes

/// "veo:", in either case.
bool is_veo_uri(std::string_view text);
/// Fails with invalid_request: what is wrong with it. The values are not looked at.
Result<Uri> parse_uri(std::string_view text);

/// Takes the URI's request in place of the one in `settings`, and leaves the rest as it is. Fails
/// with invalid_request.
Status set_uri(Options& settings, const Uri& uri);

}  // namespace veo
