// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Task ids. A task id comes from the service and is opaque: gst-veo records it, sends it and
// accepts it unchanged. Before a task id becomes a part of a path, a file name or a command line,
// it must go through one of these functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "veo/core/result.h"

namespace veo {

constexpr std::size_t longest_task_id = 512;  ///< in bytes

/// Finds the reason why `text` is not a task id, as a sentence without its end ("it has 600 bytes;
/// …"). Returns nullopt if it is one. A task id has 1 to 512 bytes of valid UTF-8 without control
/// characters. `.` and `..` are not task ids, because the path of a URL cannot contain them (RFC
/// 3986, section 5.2.4).
std::optional<std::string> find_task_id_flaw(std::string_view text);
/// Whether `text` is a task id, as find_task_id_flaw() says.
bool is_task_id(std::string_view text);
/// Fails with invalid_request if `text` is not a task id. The message names the flaw and `name`,
/// the option that the user set.
Status check_task_id(std::string_view name, std::string_view text);

/// Makes the name of a task's file, without a suffix. If the id consists of 1 to 128 of the
/// characters A-Z a-z 0-9 . _ - and does not begin with a dot, the name is the id. Otherwise the
/// name is `sha256-` and the SHA-256 of the id in 64 lower-case hexadecimal digits. The name has no
/// directory separator, and its length suits every file system.
std::string make_task_file_stem(std::string_view task_id);

/// Makes the text `task-id=ID`, quoted as one word for a shell.
std::string make_task_property(std::string_view task_id);

}  // namespace veo
