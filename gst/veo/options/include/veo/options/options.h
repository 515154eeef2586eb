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

/// What to do about an earlier submission that the service may or may not have accepted.
enum class OnUnknown { fail, resubmit };

/// What to do with a continuation's file: look what the file contains (find_beginning()), put the
/// file behind the film so far, or take the file for the film.
enum class Join { automatic, append, replace };
std::string_view nick(Join join);  ///< `auto`, `append`, `replace`

/// Where the service is, and with which key.
struct AccessOptions {
  std::string api_url;       ///< empty: VEO_API_URL, else the service
  Secret api_key;            ///< empty: the key file, else …
  std::string api_key_file;  ///< empty: VEO_API_KEY_FILE, else $CREDENTIALS_DIRECTORY/veo-api-key,
                             ///< else VEO_API_KEY
};

/// A member that users set has a row in option_table.cpp. name_every_member() there names each
/// member: a new member does not compile before somebody has looked at that file, and has decided
/// what the member means for two jobs.
struct Options {
  Request request;
  std::string task_id;     ///< set: play that task; the request does not count
  std::uint32_t take = 1;  ///< another take of the same request is another task
  std::string request_id;  ///< the caller's own name for the intent; empty: none
  bool reuse = true;       ///< false: `instance` keeps the task apart from equal requests
  OnUnknown on_unknown = OnUnknown::fail;
  std::uint32_t max_credits = 0;  ///< 0: no limit
  bool dry_run = false;           ///< checks and prices; reads as an empty stream
  std::string ledger;             ///< empty: VEO_LEDGER, else $XDG_STATE_HOME/veo/ledger.db
  std::string cache_directory;    ///< empty: VEO_CACHE_DIR, else $XDG_CACHE_HOME/veo
  AccessOptions access;
  NetworkSettings network;
  std::string callback_listen;  ///< ADDRESS:PORT for callbacks to come in; empty: none
  std::chrono::seconds generation_timeout{1800};
  std::chrono::milliseconds poll_interval{0};  ///< 0: VEO_POLL_INTERVAL, else adaptive
  LayoutMode layout = LayoutMode::streamable;
  bool prompt_tag = false;  ///< the stream's tags have the prompt
  Join join = Join::automatic;

  // No options: the program that opens a Source says these.

  /// Of an extension: what the service calls its parent, if that is another id. The intent goes by
  /// the task's own id.
  std::string parent_upstream_id;
  /// With reuse=false, the name of this one generation. One name is paid once, however often a
  /// Source is opened for it; empty: each Source makes a name of its own.
  std::string instance;
  bool by_uri = false;  ///< counts against VEO_URI_BUDGET, and needs it
  /// What can be done about an unknown submission may be offered as a gst-launch-1.0 line.
  bool offers_launch_line = true;
};

/// A new name for `Options::instance`.
std::string make_instance();

}  // namespace veo
