// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A task's id is the service's word, and opaque: it is recorded, sent and accepted back as it is.
// Where it meets a path, a file name or a line to type, it goes through a function of these.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "veo/core/result.h"

namespace veo {

constexpr std::size_t longest_task_id = 512;  // bytes

/// A task id has 1 to 512 bytes of valid UTF-8 without control characters. `.` and `..` are none:
/// no URL can carry them in its path (RFC 3986, 5.2.4). Returns how `text` breaks the rule, as a
/// sentence's subject and verb ("it has 600 bytes; …"); nullopt: it is a task id.
std::optional<std::string> find_task_id_flaw(std::string_view text);
bool is_task_id(std::string_view text);
/// Fails with invalid_request, by the flaw and the `name` of what was set.
Status check_task_id(std::string_view name, std::string_view text);

/// What stands for a task in the name of a file, without a suffix: the id itself, if it is 1 to 128
/// of A-Z a-z 0-9 . _ - and does not begin with a dot; else `sha256-` and its SHA-256 in 64
/// lower-case hexadecimal digits. It has no directory separator, and fits into a file system.
std::string make_task_file_stem(std::string_view task_id);

/// `task-id=ID`, as a word for a shell.
std::string make_task_property(std::string_view task_id);

}  // namespace veo
