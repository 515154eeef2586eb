// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Requests to bodies, and (status, body) to what it means. The only user of json-glib, and the only
// place that knows the wire's field names besides the catalog.
//
// Every body passes prescan() before json-glib sees it. Types are checked, never coerced. Unknown
// fields are ignored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "veo/core/catalog.h"
#include "veo/core/request.h"
#include "veo/core/result.h"
#include "veo/core/submission.h"
#include "veo/core/task.h"

namespace veo::json {

/// The body of `POST /videos/generations`: UTF-8, and nothing in it that the user did not set, but
/// for what the API needs (`model`, `input.prompt`).
std::string encode_create(const Request& request, const Catalog& catalog);

/// What the answer to a submission says. Never fails: what cannot be decoded is an empty answer.
SubmissionAnswer decode_submission(unsigned status, std::string_view body);

/// The answer to a query. Any status but 2xx is an error, classified as decode_error() does.
/// bad_response where the body is not what API.md promises: no JSON object, an unknown status,
/// `completed` without a URL, fields of wrong types. An `id` other than `task_id` is bad_response.
Result<TaskReport> decode_task(std::string_view task_id, unsigned status, std::string_view body);

/// An error answer: by its JSON where it has any, else (HTML, empty, …) by the status alone.
Error decode_error(unsigned status, std::string_view body);

/// The balance, wherever API.md allows it to be: a number (never negative) under `data.credits`,
/// `data.balance`, `data`, `credits`, `balance`. nullopt: unknown.
std::optional<double> decode_credits(std::string_view body);

/// Reads data/catalog.json's format. Fails with invalid_request, naming the place.
Result<Catalog> decode_catalog(std::string_view text);

/// The catalog that was compiled in.
const Catalog& builtin_catalog();

}  // namespace veo::json
