// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Encoded tracks to an MP4 file laid out as Veo's are:
//
//   moov_last    ftyp uuid mdat moov        as delivered
//   moov_first   ftyp uuid moov mdat
//   fragmented   ftyp uuid moov (moof mdat)…
#pragma once

#include <string>

#include "encoder.h"

namespace simulator {

/// Throws std::runtime_error.
std::string mux(const Encoded& encoded, const ClipPlan& plan);

}  // namespace simulator
