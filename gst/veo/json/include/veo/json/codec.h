// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The codec for the service's JSON: it encodes requests and decodes answers. This room is the only
// user of json-glib.
//
// prescan() checks every body before json-glib parses it. The codec checks types and converts none.
// It ignores unknown fields. All functions are thread-safe.
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

/// Encodes the body of `POST /videos/generations`, in UTF-8. The body has `model`, `input.prompt`,
/// and each other field that the user has set.
std::string encode_create(const Request& request, const Catalog& catalog);

/// Decodes the answer to a submission. A body that cannot be decoded gives an empty answer.
SubmissionAnswer decode_submission(unsigned status, std::string_view body);

/// Decodes the answer to a query of `task_id`. If the status is not 2xx, fails as decode_error()
/// says; a 404 is task_not_found. Fails with bad_response if the body breaks the API's promise: it
/// is not a JSON object, it has another id than `task_id`, an unknown status, or a field of a wrong
/// type. A report with the status `completed` and without a URL is no failure: see
/// TaskReport::urls.
Result<TaskReport> decode_task(std::string_view task_id, unsigned status, std::string_view body);

/// Decodes an error answer, by the error object in its JSON. If the body has none (it is empty, or
/// HTML, …), the status alone decides.
Error decode_error(unsigned status, std::string_view body);

/// Decodes the balance in credits. It is the first number of at least 0 among `data.credits`,
/// `data.balance`, `data`, `credits` and `balance`. Returns nullopt if there is none.
std::optional<double> decode_credits(std::string_view body);

/// Decodes a catalog in the format of data/catalog.json. Fails with invalid_request; the message
/// names the place of the mistake.
Result<Catalog> decode_catalog(std::string_view text);

/// The catalog that is compiled in. The reference is valid until the end of the process.
const Catalog& builtin_catalog();

}  // namespace veo::json
