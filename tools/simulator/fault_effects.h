// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The effects of faults on an answer. The effects on byte ranges are in file_handler.cpp.
#pragma once

#include "faults.h"
#include "http.h"

namespace simulator {

/// Makes the answer that replaces the work, if effects.is_refusal().
Answer make_refusal(const Request& request, const Effects& effects);

/// Applies the effects on the content of a document of the API.
void spoil(Json& document, const Effects& effects);

/// Applies the effects on an answer: its form, its framing and its delivery.
void spoil(Answer& answer, const Effects& effects);

}  // namespace simulator
