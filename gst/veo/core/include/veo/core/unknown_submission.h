// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "veo/core/record.h"

namespace veo {

/// Makes the error `submit_unknown` for people. The message tells the time of the submission, the
/// request, the evidence (`record.error_message`), the last known balance, and the two ways to go
/// on. If `offers_line`, and if the record is enough to write the same request again, the message
/// contains a command line to copy.
Error make_unknown_submission_error(const Record& record, bool offers_line);

/// Makes a sentence, with a space before it, about the balance after an unknown submission.
/// `balance` is in credits.
std::string make_balance_hint(double balance);

}  // namespace veo
