// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Writes encoded tracks into an MP4 file with one of these layouts:
//
//   moov_last    ftyp uuid mdat moov        the layout of Veo's files
//   moov_first   ftyp uuid moov mdat
//   fragmented   ftyp uuid moov (moof mdat)…
#pragma once

#include <string>

#include "encoder.h"

namespace simulator {

/// Makes the bytes of the file. Throws std::runtime_error.
std::string mux(const Encoded& encoded, const ClipPlan& plan);

}  // namespace simulator
