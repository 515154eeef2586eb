// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a user can set for one generation, as values. The elements set them by properties, the
// command by flags, a URI by parameters. option_table.h knows the options by name.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "veo/core/request.h"
#include "veo/core/secret.h"
#include "veo/system/network_settings.h"

namespace veo {

/// The order in which a file's bytes go out: `moov` first, or bit for bit as delivered.
enum class LayoutMode { streamable, original };

/// What to do about an earlier submission that the service may or may not have accepted.
enum class OnUnknown { fail, resubmit };

/// How to join the file of a continuation: decide by the file's contents (find_beginning()), put
/// the file behind the film so far, or take the file for the film.
enum class Join { automatic, append, replace };
std::string_view nick(Join join);  ///< `auto`, `append`, `replace`

/// Where the service is, and the key for it.
struct AccessOptions {
  std::string api_url;       ///< empty: VEO_API_URL, else the service
  Secret api_key;            ///< empty: the next member says where the key is
  std::string api_key_file;  ///< empty: the environment says where the key is
                             ///< (source/api_key.h has the order of the places)
  /// Hosts for which an http API is accepted, separated by commas, each with or without a port.
  /// Empty: VEO_ALLOW_HTTP, else none but loopback hosts.
  std::string allow_http = {};
};

/// A member that users set has a row in option_table.cpp. name_every_member() there names each
/// member, so a new member does not compile until its author has decided, in that file, what the
/// member means for two jobs.
struct Options {
  Request request;
  std::string task_id;     ///< set: play that task, and ignore the request
  std::uint32_t take = 1;  ///< another take of an equal request is another task
  std::string request_id;  ///< the caller's own name for the intent; empty: none
  bool reuse = true;       ///< false: `instance` keeps the task apart from equal requests
  OnUnknown on_unknown = OnUnknown::fail;
  std::uint32_t max_credits = 0;  ///< 0: no limit
  bool dry_run = false;           ///< checks and prices the request; the stream is empty
  std::string ledger;             ///< empty: VEO_LEDGER, else $XDG_STATE_HOME/veo/ledger.db
  std::string cache_directory;    ///< empty: VEO_CACHE_DIR, else $XDG_CACHE_HOME/veo
  AccessOptions access;
  NetworkSettings network;
  std::string callback_listen;  ///< ADDRESS:PORT on which to listen for callbacks; empty: none
  std::chrono::seconds generation_timeout{1800};
  std::chrono::milliseconds poll_interval{0};  ///< 0: VEO_POLL_INTERVAL, else adaptive
  LayoutMode layout = LayoutMode::streamable;
  bool prompt_tag = false;  ///< puts the prompt into the stream's tags
  Join join = Join::automatic;

  // The next members are no options: the program that opens a Source sets them.

  /// The service's own id of an extension's parent, if it differs from the task's id. The intent
  /// has the task's id.
  std::string parent_upstream_id;
  /// With reuse=false, the name of this one generation. A name is paid once, however often a Source
  /// is opened with it; empty: each Source makes a name of its own.
  std::string instance;
  bool by_uri = false;  ///< counts against VEO_URI_BUDGET, and requires that budget
  /// Whether the advice about an unknown submission may be a gst-launch-1.0 line.
  bool offers_launch_line = true;
};

/// Makes a new name for `Options::instance`.
std::string make_instance();

}  // namespace veo
