// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service's offer as data: models, the fields that each model takes, prices and rules. The
// content comes from data/catalog.json, which is compiled in; VEO_CATALOG names a file that
// replaces it. json/ decodes the file into these types.
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

/// A condition on one field of a request. `field` is the name on the wire, such as
/// `generation_type`. The field meets `values` if its value is one of them; an empty list allows
/// all. The field meets `min` and `max` if its number is within them. The number of an integer
/// field is its value, the number of an array is its length, and the number of a string is its
/// length in characters. If a condition has several of these parts, all must be met.
///
/// A field that the request leaves unset has the documented default of the catalog. An unset field
/// without a default meets a condition that has only `max`; it never meets one with `values` or
/// `min`. So `min: 0` means "the field is set".
struct Condition {
  std::string field;
  std::vector<std::string> values;
  std::optional<std::int64_t> min;
  std::optional<std::int64_t> max;
  bool operator==(const Condition&) const = default;
};

/// If a request meets every condition of `when`, it must meet every condition of `require`.
struct Rule {
  std::string name;     ///< stable, such as `reference-needs-fast`; errors begin with it
  std::string message;  ///< for people
  std::vector<Condition> when;
  std::vector<Condition> require;
  bool operator==(const Rule&) const = default;
};

struct Model {
  std::string name;                             ///< `veo-3`
  std::vector<std::string> fields;              ///< the input fields that it takes, by wire name
  std::map<std::string, std::string> defaults;  ///< documented defaults, by wire name
  std::vector<Rule> rules;
  /// The price in credits, by mode, then by resolution (wire names). Empty if the service
  /// documents no price.
  std::map<std::string, std::map<std::string, std::uint32_t>> credits;
  /// The usual time of a generation in seconds, by mode. This is our guess. As soon as the ledger
  /// has finished tasks, their times count more (see GenerationTimes::learn()).
  std::map<std::string, std::uint32_t> seconds;
  bool operator==(const Model&) const = default;
};

struct Catalog {
  Model generation;  ///< for requests that are not extensions
  Model extension;
  /// The price of an extension in credits. The built-in catalog has none, because the service does
  /// not document one; the user can set it.
  std::optional<std::uint32_t> extend_credits;
  std::optional<std::uint32_t> extend_seconds;  ///< as Model::seconds
  /// The names of the hosts from which the service's videos come. Before a submission gst-veo
  /// checks that it may connect to their addresses.
  std::vector<std::string> file_hosts = {};
  bool operator==(const Catalog&) const = default;
};

/// Checks everything about a request that can be checked before it is sent. Fails with
/// invalid_request; the message begins with the name of the broken rule. Four rules hold whatever
/// the catalog says, and are checked first: `valid-text` (each text is UTF-8 without NUL),
/// `http-url` (each URL is http or https), `task-id` (see find_task_id_flaw()), and
/// `field-not-taken` (the request sets no field that is missing in the model's `fields`).
Status validate(const Request& request, const Catalog& catalog);

/// Finds the price of the request in credits; nullopt if the catalog has none.
std::optional<std::uint32_t> find_price(const Request& request, const Catalog& catalog);

/// Finds the usual time of a generation like this; nullopt if the catalog has none.
std::optional<std::chrono::seconds> find_expected_time(const Request& request,
                                                       const Catalog& catalog);

}  // namespace veo
