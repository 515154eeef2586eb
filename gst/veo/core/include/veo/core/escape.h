// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Text that is the service's or a stranger's word, made fit for the place where it is put.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace veo {

/// Percent-encoded, but for RFC 3986's unreserved characters: a part of a URI's path, or of a text
/// whose separators are reserved characters.
std::string percent_encode(std::string_view text);
/// The text of it; nullopt: a % without two hexadecimal digits behind it, or a NUL.
std::optional<std::string> percent_decode(std::string_view text);

/// One word for a POSIX shell: itself where no shell would change it, else within single quotes.
std::string quote_for_shell(std::string_view text);

/// For people: control characters, backslashes and what is no UTF-8 as \xNN. At most `longest`
/// bytes of `text` are shown, and then how many there are.
std::string escape_text(std::string_view text, std::size_t longest);

}  // namespace veo
