// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/options/uri.h"

#include <glib.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "veo/core/escape.h"
#include "veo/core/task_id.h"
#include "veo/options/option_table.h"

namespace veo {

namespace {

constexpr std::string_view scheme = "veo:";

/// The most bytes of a text that a message shows, because the text may be long.
constexpr std::size_t longest_shown = 200;

Error make_refusal(const std::string& why) {
  return {.code = ErrorCode::invalid_request,
          .message = "The URI cannot be played: " + why + " Nothing was sent."};
}

// Not named `quoted`: for a std::string, a call would find std::quoted(), too.
std::string quote_text(std::string_view text) {
  return "\"" + escape_text(text, longest_shown) + "\"";
}

bool is_utf8(const std::string& text) {
  return g_utf8_validate_len(text.data(), text.size(), nullptr) != FALSE;
}

/// Decodes a part of a URI; nullopt: the part is not percent-encoded UTF-8.
std::optional<std::string> decode(std::string_view part) {
  auto text = percent_decode(part);
  return text && is_utf8(*text) ? std::move(text) : std::nullopt;
}

Result<Uri> parse_task(std::string_view part, bool has_query) {
  if (has_query) {
    return fail(make_refusal("veo:task/ID takes no parameters. A ? in a task id is written %3F."));
  }
  // Programs that normalise URIs take `.` and `..` out of a path, which would change the id.
  if (part.find('/') != std::string_view::npos) {
    return fail(make_refusal("a / in a task id is written %2F."));
  }
  auto id = decode(part);
  if (!id)
    return fail(make_refusal("its task id is not percent-encoded UTF-8. A % is written %25."));
  if (const auto flaw = find_task_id_flaw(*id)) {
    return fail(make_refusal("its task id is none: " + *flaw + "."));
  }
  return Uri{.task_id = std::move(*id), .parameters = {}};
}

Result<Uri> parse_clip(std::string_view query) {
  Uri uri;
  std::set<std::string> seen;
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    auto name = decode(pair.substr(0, equals));
    auto value = decode(equals == std::string_view::npos ? pair : pair.substr(equals + 1));
    if (equals == std::string_view::npos || !name || !value) {
      return fail(make_refusal("the parameter " + quote_text(pair) +
                               " is not of the form NAME=VALUE, percent-encoded UTF-8."));
    }
    if (find_option(*name, OptionSetter::uri) == nullptr) {
      return fail(make_refusal("veo:clip does not take the parameter " + quote_text(*name) + "."));
    }
    if (!seen.insert(*name).second) {
      return fail(make_refusal("the parameter " + *name + " is there twice."));
    }
    uri.parameters.emplace_back(std::move(*name), std::move(*value));
  }
  return uri;
}

/// Reads a GstValueArray of strings as GStreamer writes and reads it:
///
///   array   = "<" *space [ string *( *space "," *space string ) [ *space "," ] ] *space ">"
///   string  = [ "(" ( "string" / "gchararray" / "str" / "s" ) ")" ] ( quoted / plain )
///   quoted  = DQUOTE *( character / "\" octal / "\" character ) DQUOTE
///   octal   = three digits, the first of them 0 to 3: a byte
///   plain   = 1*( ALPHA / DIGIT / one of "_-+/:." ), but not NULL
///
/// GStreamer accepts other types and nested arrays too; this parser refuses them.
class ArrayParser {
 public:
  explicit ArrayParser(std::string_view text) : rest_(text) {}

  /// nullopt: the text is no such array.
  std::optional<std::vector<std::string>> parse() {
    std::vector<std::string> texts;
    if (!take('<')) return std::nullopt;
    for (skip_spaces(); !take('>'); skip_spaces()) {
      skip_type();
      auto text = take('"') ? read_quoted() : read_plain();
      if (!text || !is_utf8(*text)) return std::nullopt;
      texts.push_back(std::move(*text));
      skip_spaces();
      if (!take(',') && !rest_.starts_with('>')) return std::nullopt;
    }
    skip_spaces();
    return rest_.empty() ? std::optional(std::move(texts)) : std::nullopt;
  }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  char take_any() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void skip_spaces() {
    while (!rest_.empty() && g_ascii_isspace(rest_.front())) rest_.remove_prefix(1);
  }

  void skip_type() {
    for (const std::string_view type : {"(string)", "(gchararray)", "(str)", "(s)"}) {
      if (rest_.starts_with(type)) return rest_.remove_prefix(type.size());
    }
  }

  std::optional<std::string> read_quoted() {
    std::string text;
    while (!rest_.empty()) {
      const char c = take_any();
      if (c == '"') return text;
      if (c != '\\') {
        text += c;
      } else if (const auto byte = read_octal()) {
        if (*byte == '\0') return std::nullopt;
        text += *byte;
      } else if (!rest_.empty()) {
        text += take_any();
      }
    }
    return std::nullopt;
  }

  std::optional<char> read_octal() {
    const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
    const auto digits = rest_.substr(0, 3);
    if (digits.size() < 3 || digits.front() > '3' || !std::ranges::all_of(digits, is_octal)) {
      return std::nullopt;
    }
    int byte = 0;
    for (const char digit : digits) byte = byte * 8 + (digit - '0');
    rest_.remove_prefix(digits.size());
    return static_cast<char>(byte);
  }

  std::optional<std::string> read_plain() {
    std::string text;
    while (!rest_.empty() &&
           (g_ascii_isalnum(rest_.front()) ||
            std::string_view("_-+/:.").find(rest_.front()) != std::string_view::npos)) {
      text += take_any();
    }
    return text.empty() || text == "NULL" ? std::nullopt : std::optional(std::move(text));
  }

  std::string_view rest_;
};

/// Returns the texts of a parameter's value: the strings of an array, if the option is a list, else
/// the value itself. nullopt: the value begins like an array, but is none.
std::optional<std::vector<std::string>> split_texts(const Option& option,
                                                    const std::string& value) {
  const bool is_array = option.type.value.kind == OptionType::Kind::list && value.starts_with('<');
  return is_array ? ArrayParser(value).parse() : std::vector{value};
}

}  // namespace

bool is_veo_uri(std::string_view text) {
  return text.size() >= scheme.size() &&
         g_ascii_strncasecmp(text.data(), scheme.data(), scheme.size()) == 0;
}

Result<Uri> parse_uri(std::string_view text) {
  if (text.size() > longest_uri) {
    return fail(make_refusal("it has " + std::to_string(text.size()) + " bytes, and " +
                             std::to_string(longest_uri) + " are the limit."));
  }
  if (!is_veo_uri(text)) return fail(make_refusal("it is no URI of ours."));
  text.remove_prefix(scheme.size());
  if (text.find('#') != std::string_view::npos) {
    return fail(make_refusal("it has a fragment. A # is written %23."));
  }
  const auto path = text.substr(0, text.find('?'));
  const bool has_query = path.size() < text.size();
  constexpr std::string_view task = "task/";
  if (path.starts_with(task)) return parse_task(path.substr(task.size()), has_query);
  if (path == "clip") return parse_clip(has_query ? text.substr(path.size() + 1) : "");
  return fail(make_refusal("it is neither veo:task/ID nor veo:clip?prompt=…."));
}

Status set_uri(Options& settings, const Uri& uri) {
  settings.request = {};
  settings.take = 1;
  settings.task_id = uri.task_id;
  settings.by_uri = uri.task_id.empty();
  for (const auto& [name, value] : uri.parameters) {
    const auto refuse = [&name = name, &value = value] {
      return fail(make_refusal(name + "=" + quote_text(value) +
                               " is not a value that the property " + name + " takes."));
    };
    const auto* const option = find_option(name, OptionSetter::uri);
    if (option == nullptr) return refuse();
    const auto texts = split_texts(*option, value);
    if (!texts) return refuse();
    for (const auto& text : *texts) {
      if (!set_option(settings, *option, text)) return refuse();
    }
  }
  return {};
}

}  // namespace veo
