// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Options as text: parses values, and describes options to people.
#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "veo/core/escape.h"
#include "veo/core/task_id.h"
#include "veo/options/option_table.h"

namespace veo {

namespace {

using Kind = OptionType::Kind;

/// The most bytes of a value that a message shows.
constexpr std::size_t longest_shown = 200;

std::optional<std::int64_t> parse_number(const std::string& text) {
  std::int64_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

std::optional<bool> parse_flag(const std::string& text) {
  if (text == "true" || text == "yes" || text == "1") return true;
  if (text == "false" || text == "no" || text == "0") return false;
  return std::nullopt;
}

/// Parses a value. nullopt: `text` is no value of that type. For a list, `text` is one item.
std::optional<OptionValue> parse_value(const OptionType& type, const std::string& text) {
  switch (type.kind) {
    case Kind::flag:
      if (const auto flag = parse_flag(text)) return OptionValue(*flag);
      return std::nullopt;
    case Kind::number:
      if (const auto number = parse_number(text)) return OptionValue(*number);
      return std::nullopt;
    case Kind::choice: {
      const auto found = std::ranges::find(type.choices, text, &OptionChoice::nick);
      if (found == type.choices.end()) return std::nullopt;
      return OptionValue(std::int64_t{found->number});
    }
    case Kind::text:
      return OptionValue(text);
    case Kind::list:
      return OptionValue(std::vector<std::string>{text});
    case Kind::object:
      return std::nullopt;
  }
  return std::nullopt;
}

bool is_in_range(const OptionType& type, const OptionValue& value) {
  const auto* const number = std::get_if<std::int64_t>(&value);
  if (number == nullptr) return true;
  if (type.kind == Kind::number) return *number >= type.least && *number <= type.most;
  return std::ranges::any_of(type.choices,
                             [&](const auto& choice) { return choice.number == *number; });
}

}  // namespace

Error refuse_value(const Option& option, const std::string& shown) {
  const auto range = range_of(option);
  return {.code = ErrorCode::invalid_request,
          .message = std::string(option.name.value) + ": " + shown + " is not of the form " +
                     form_of(option) + (range.empty() ? "" : " (" + range + ")") +
                     ". Nothing was sent."};
}

Status set_option(Options& options, const Option& option, OptionValue value) {
  if (!is_in_range(option.type, value)) {
    const auto* const number = std::get_if<std::int64_t>(&value);
    return fail(refuse_value(option, std::to_string(number != nullptr ? *number : 0)));
  }
  const auto* const text = std::get_if<std::string>(&value);
  if (option.is_task_id && text != nullptr && !text->empty()) {
    if (auto named = check_task_id(option.name, *text); !named) return named;
  }
  option.member.value.set(options, std::move(value));
  return {};
}

Status set_option(Options& options, const Option& option, const std::string& text) {
  const OptionType& type = option.type;
  auto value = parse_value(type, text);
  if (!value || !is_in_range(type, *value)) {
    return fail(refuse_value(option, "\"" + escape_text(text, longest_shown) + "\""));
  }
  if (type.kind == Kind::list) {
    if (text.empty()) return {};
    auto items = std::get<std::vector<std::string>>(get_option(options, option));
    items.push_back(text);
    value = std::move(items);
  }
  return set_option(options, option, std::move(*value));
}

Status set_option(Options& options, OptionSetter by, std::string_view name,
                  const std::string& text) {
  const auto* const option = find_option(name, by);
  if (option == nullptr) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = "There is no option \"" +
                            escape_text(std::string(name), longest_shown) +
                            "\". Nothing was sent."});
  }
  return set_option(options, *option, text);
}

Status check_ranges(const Options& options) {
  for (const auto& option : option_table()) {
    const bool is_of_request =
        option.group == Option::Group::request || option.group == Option::Group::money;
    if (is_of_request && !options.task_id.empty()) continue;
    const auto value = get_option(options, option);
    if (is_in_range(option.type, value)) continue;
    const auto number = std::get<std::int64_t>(value);
    auto shown = std::to_string(number);
    if (number > std::numeric_limits<std::int32_t>::max()) {
      const auto negative = number - (std::int64_t{1} << 32U);
      shown += " (gst-launch-1.0 makes that of " + std::to_string(negative) + ")";
    }
    return fail(refuse_value(option, shown));
  }
  return {};
}

std::string form_of(const Option& option) {
  const OptionType& type = option.type;
  if (type.kind == Kind::flag) return "true|false";
  std::string form(type.form);
  for (const auto& choice : type.choices) {
    form.append(form.empty() ? "" : "|").append(choice.nick);
  }
  return form;
}

std::string range_of(const Option& option) {
  const OptionType& type = option.type;
  if (type.kind != Kind::number) return "";
  const bool is_open = type.most == std::numeric_limits<std::int32_t>::max();
  return std::to_string(type.least) + (is_open ? " or more" : " to " + std::to_string(type.most));
}

std::string help_of(const Option& option) {
  std::string help(option.help.value);
  if (!option.unset.empty()) help.append(" (unset: ").append(option.unset).append(")");
  return help;
}

std::string default_of(const Option& option) {
  const OptionType& type = option.type;
  switch (type.kind) {
    case Kind::flag:
      return type.standard != 0 ? "true" : "false";
    case Kind::number:
      return std::to_string(type.standard);
    case Kind::choice:
      return std::string(type.choices.front().nick);
    case Kind::text:
    case Kind::list:
    case Kind::object:
      break;
  }
  return "";
}

}  // namespace veo
