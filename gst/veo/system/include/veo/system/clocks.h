// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "veo/core/ledger_time.h"

namespace veo {

/// Reads the machine's clocks. Any thread.
ClockReading read_clocks();

}  // namespace veo
