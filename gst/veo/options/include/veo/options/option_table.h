// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A Source's settings by name and as text, for whoever is not GObject: the flags of the command,
// the lines of a batch, the options of the C API. Names and values are those of veosrc's
// properties.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "veo/core/result.h"
#include "veo/options/options.h"

namespace veo {

struct Option {
  enum class Group {
    request,  ///< what to generate: a part of the request
    money,    ///< which task, and what it may cost
    files,    ///< where it is written down
    service,  ///< where the service is
    waiting,  ///< how long, and how often
    stream,   ///< what comes out
  };
  std::string_view name;
  Group group;
  std::string_view form;  ///< of the value, for people: `fast|quality|lite`
  std::string_view help;
  bool is_list = false;  ///< each setting adds one

  /// False: `text` is not of that form.
  bool (*set)(Options& settings, const std::string& text);
};

/// In the order of veosrc's properties. Of those, `tls-database` (an object) and `prompt-tag` (of
/// GStreamer's tags) are missing.
std::span<const Option> option_table();

/// Fails with invalid_request: there is no such option, or the value is not of its form.
Status set_option(Options& settings, std::string_view name, const std::string& text);

}  // namespace veo
