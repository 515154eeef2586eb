// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the effects of a fault do to an answer. Those on byte ranges are the file host's own.
#pragma once

#include "faults.h"
#include "http.h"

namespace simulator {

/// The answer in place of the work, when effects.refuse().
Answer refusal(const Request& request, const Effects& effects);

/// What the API's documents say wrongly.
void spoil(Json& document, const Effects& effects);

/// What is wrong around the document: its form, its framing, its delivery.
void spoil(Answer& answer, const Effects& effects);

}  // namespace simulator
