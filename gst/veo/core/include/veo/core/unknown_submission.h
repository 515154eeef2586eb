// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "veo/core/record.h"

namespace veo {

/// The error `submit_unknown`, for people: when, which request, what was seen of its answer
/// (`record.error_message`, as far as that was recorded), the last known balance, and the two ways
/// on, as a line to copy where `offers_line`.
Error make_unknown_submission_error(const Record& record, bool offers_line);

/// A sentence, with a space before it: what the balance was after an unknown submission.
std::string make_balance_hint(double balance);

}  // namespace veo
