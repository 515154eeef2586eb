// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The URIs that programs which play URIs can play:
//
//   veo:task/ID                plays a known task, and never spends; the id is percent-encoded
//   veo:clip?prompt=…&mode=…   may submit, as far as VEO_URI_BUDGET goes
//
// A URI may come from a playlist, and so from anybody. It says what to generate, and nothing about
// where the service is, who pays, or what to do about an unknown submission.
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
  /// Of a clip: names and values of options that a URI may set, each name once.
  std::vector<std::pair<std::string, std::string>> parameters;
};

/// A longer URI is refused before it is parsed.
constexpr std::size_t longest_uri = 16U << 10U;  // bytes

/// "veo:", in either case.
bool is_veo_uri(std::string_view text);
/// Fails with invalid_request. set_uri() checks the values of parameters.
Result<Uri> parse_uri(std::string_view text);

/// Puts the URI's request in place of the one in `settings`, and leaves the other options as they
/// are. Fails with invalid_request.
Status set_uri(Options& settings, const Uri& uri);

}  // namespace veo
