// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The URIs of veosrc, for programs that play URIs:
//
//   veo:task/ID                plays a known task, and costs nothing; the id is percent-encoded
//   veo:clip?prompt=…&mode=…   may submit, within VEO_URI_BUDGET
//
// A URI may come from a playlist, and so from anybody. So a URI says what to generate, but not
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
  std::string task_id;  ///< empty: the URI is of a clip
  /// The options of a clip, by name and value. A URI may set them, and has each name once.
  std::vector<std::pair<std::string, std::string>> parameters;
};

/// parse_uri() refuses a longer URI before it parses the URI.
constexpr std::size_t longest_uri = 16U << 10U;  // bytes

/// Whether `text` begins with "veo:", in either case.
bool is_veo_uri(std::string_view text);
/// Parses the URI, but does not check the values of parameters: set_uri() does that. Fails with
/// invalid_request.
Result<Uri> parse_uri(std::string_view text);

/// Replaces the request in `settings` by the URI's request, and leaves the other options as they
/// are. Fails with invalid_request.
Status set_uri(Options& settings, const Uri& uri);

}  // namespace veo
