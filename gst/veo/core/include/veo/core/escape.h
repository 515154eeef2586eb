// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Functions that make a text safe for the place where it is used. The text may come from the
// service or from a stranger, so it may contain anything.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace veo {

/// Percent-encodes each byte that is not an unreserved character of RFC 3986, section 2.3. The
/// result can be a part of a URI's path, or of any text whose separators are reserved characters.
std::string percent_encode(std::string_view text);
/// Decodes a percent-encoded text. Returns nullopt if a % is not followed by two hexadecimal
/// digits, or if the result contains a NUL.
std::optional<std::string> percent_decode(std::string_view text);

/// Makes one word for a POSIX shell. A text that no shell changes stays as it is; any other text
/// gets single quotes.
std::string quote_for_shell(std::string_view text);

/// Makes `text` readable for people: control characters, backslashes and bytes that are not valid
/// UTF-8 become \xNN. If `text` is longer than `longest` bytes, the rest is left out, and the
/// number of all bytes follows.
std::string escape_text(std::string_view text, std::size_t longest);

}  // namespace veo
