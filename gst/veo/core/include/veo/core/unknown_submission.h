// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

#include "veo/core/record.h"

namespace veo {

/// The error `submit_unknown`, for people: when, which request, the last known balance, and the two
/// ways on. `seen`: what became of the POST, as a sentence; empty where that is not known any more.
Error unknown_submission(const Record& record, const std::string& seen = "");

/// A sentence, with a space before it: what the balance was after an unknown submission.
std::string balance_hint(double balance);

}  // namespace veo
