// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the service offers, as data: models, the fields each takes, prices and rules. The content
// is data/catalog.json (compiled in; VEO_CATALOG replaces it); json/ reads it into these types.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "veo/core/request.h"
#include "veo/core/result.h"

namespace veo {

/// One side of a rule: `field` (its name on the wire, such as `generation_type`) has one of
/// `values`, or, where `min`/`max` are given, a number (an integer field's value, an array's
/// length, a string's length in characters) within them. Both given: both must hold. A field that
/// the request leaves out counts with its documented default from the catalog; without one it meets
/// only what has a `max` alone, since nothing is at most anything. So `min: 0` asks "is it set?".
struct Condition {
  std::string field;
  std::vector<std::string> values;
  std::optional<std::int64_t> min;
  std::optional<std::int64_t> max;
  bool operator==(const Condition&) const = default;
};

/// Where every condition of `when` holds, every one of `require` must.
struct Rule {
  std::string name;     ///< stable; errors name it, e.g. `reference-needs-fast`
  std::string message;  ///< for people
  std::vector<Condition> when;
  std::vector<Condition> require;
  bool operator==(const Rule&) const = default;
};

struct Model {
  std::string name;                             ///< `veo-3`
  std::vector<std::string> fields;              ///< input fields it takes, by wire name
  std::map<std::string, std::string> defaults;  ///< documented defaults, by wire name
  std::vector<Rule> rules;
  /// Credits by mode, then resolution (wire names). Empty: the page gives no price.
  std::map<std::string, std::map<std::string, std::uint32_t>> credits;
  /// About how long a video takes, by mode. A guess of ours, to begin with: what a user's own tasks
  /// took counts for more, as soon as there are some.
  std::map<std::string, std::uint32_t> seconds;
  bool operator==(const Model&) const = default;
};

struct Catalog {
  Model generation;  ///< for requests that are not extensions
  Model extension;
  std::optional<std::uint32_t> extend_credits;  ///< absent as delivered; the user's to set
  std::optional<std::uint32_t> extend_seconds;  ///< as Model::seconds
  bool operator==(const Catalog&) const = default;
};

/// Checks everything that can be known before sending. The error is `invalid_request`, its message
/// starts with the rule's name; nothing has been sent. Ahead of the catalog's rules come those that
/// no catalog can lift: `valid-text` (UTF-8 without NUL), `http-url`, `task-id`, and
/// `field-not-taken` (the model's `fields` do not name it).
Status validate(const Request& request, const Catalog& catalog);

/// Credits that the service will take for the request; nullopt where the catalog does not know.
std::optional<std::uint32_t> find_price(const Request& request, const Catalog& catalog);

/// About how long the service will take; nullopt where the catalog does not know.
std::optional<std::chrono::seconds> find_expected_time(const Request& request,
                                                       const Catalog& catalog);

}  // namespace veo
