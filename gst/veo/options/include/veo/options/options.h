// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a user can set for one generation, as values: the properties of the elements, the flags of
// the command, the parameters of a URI. option_table.h knows them by name.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "veo/core/request.h"
#include "veo/core/secret.h"
#include "veo/system/network_settings.h"

namespace veo {

/// In which order a file's bytes go out: `moov` first, or bit for bit as delivered.
enum class LayoutMode { streamable, original };

/// Where the service is, and with which key.
struct AccessOptions {
  std::string api_url;       ///< empty: VEO_API_URL, else the service
  Secret api_key;            ///< empty: the key file, else …
  std::string api_key_file;  ///< empty: VEO_API_KEY_FILE, else $CREDENTIALS_DIRECTORY/veo-api-key,
                             ///< else VEO_API_KEY
};

struct Options {
  Request request;
  std::string parent_upstream_id;  ///< of an extension: what the service calls its parent, if
                                   ///< that is another id; the intent goes by the task's own
  std::string task_id;             ///< set: play that task; the request is not even looked at
  std::uint32_t take = 1;          ///< another take of the same request is another task
  std::string request_id;          ///< the caller's own name for the intent; empty: none
  std::string instance;            ///< empty: an equal intent is joined, else it is this one's own
  std::string callback_listen;     ///< ADDRESS:PORT for callbacks to come in; empty: none
  bool by_uri = false;             ///< counts against VEO_URI_BUDGET, and needs it
  bool resubmit = false;           ///< an unknown submission of it is submitted anew
  std::string ledger;              ///< empty: VEO_LEDGER, else $XDG_STATE_HOME/veo/ledger.db
  std::string cache_directory;     ///< empty: VEO_CACHE_DIR, else $XDG_CACHE_HOME/veo
  AccessOptions access;
  NetworkSettings network;
  std::chrono::milliseconds poll_interval{0};  ///< 0: VEO_POLL_INTERVAL, else adaptive
  std::chrono::seconds generation_timeout{1800};
  std::uint32_t max_credits = 0;  ///< 0: no limit
  bool dry_run = false;           ///< checks and prices; reads as an empty stream
  LayoutMode layout = LayoutMode::streamable;
  /// What is to be done about an unknown submission may be offered as a gst-launch-1.0 line.
  bool offers_launch_line = true;
};

}  // namespace veo
