// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "veo/core/escape.h"

namespace veo::cli {

namespace {

const char* heading(Option::Group group) {
  switch (group) {
    case Option::Group::request:
      return "Request";
    case Option::Group::money:
      return "Money";
    case Option::Group::files:
      return "Record and cache";
    case Option::Group::service:
      return "Service";
    case Option::Group::waiting:
      return "Waiting";
    case Option::Group::stream:
    case Option::Group::film:
      return "Output";
  }
  return "";
}

/// Makes the first letter small, because the help of the command's own flags begins so: "Quality"
/// becomes "quality". Words with another capital, such as "PEM" or "User-Agent", do not change.
std::string with_small_initial(std::string text) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto word = std::string_view(text).substr(0, text.find(' '));
  const bool is_name = !word.empty() && std::ranges::any_of(word.substr(1), is_upper);
  if (!word.empty() && is_upper(word[0]) && !is_name) text[0] = static_cast<char>(text[0] | 32);
  return text;
}

/// Adds the default to `help`, and the range if the range has two ends. "(0: no limit)" becomes
/// "(default 0: no limit)"; other texts get, for example, "(default 15; 1 to 3600)".
std::string with_default(std::string help, const std::string& standard, const std::string& range) {
  if (standard.empty() || standard == "false") return help;
  const auto explained = help.find("(" + standard + ": ");
  if (explained != std::string::npos) return help.insert(explained + 1, "default ");
  const bool has_two_ends = range.find(" to ") != std::string::npos;
  return help + " (default " + standard + (has_two_ends ? "; " + range : "") + ")";
}

void add_output_flags(Command& command, Arguments& arguments) {
  command.add_flag("--json", arguments.json, "for machines: one JSON object a line");
  command.add_flag("-q,--quiet", arguments.quiet, "only errors");
}

}  // namespace

std::string flag_help_of(const Option& option) {
  const auto standard =
      option.command_default.empty() ? default_of(option) : std::string(option.command_default);
  return with_default(with_small_initial(help_of(option)), standard, range_of(option));
}

namespace {

void add_option(Command& command, Arguments& arguments, const Option& option) {
  const auto name = std::string(option.name.value);
  const auto flag = "--" + name;
  const auto help = flag_help_of(option);
  const auto form = form_of(option);
  const auto add = [&] {
    switch (option.type.value.kind) {
      case OptionType::Kind::flag:
        // A flag never takes the next word as its value: --dry-run, --reuse=false.
        return command.add_flag(flag, arguments.flags[name], help);
      case OptionType::Kind::list:
        return command.add_list(
            flag,
            [&arguments, name](const std::vector<std::string>& texts) {
              for (const auto& text : texts) arguments.options.emplace_back(name, text);
            },
            help);
      default:
        return command.add_option(
            flag,
            [&arguments, name](const std::string& text) {
              arguments.options.emplace_back(name, text);
            },
            help);
    }
  };
  add().set_form(form).set_heading(heading(option.group));
}

}  // namespace

namespace {

/// Refuses `@FILE` as a prompt if the file is there: curl reads such a file, and veo would pay for
/// a video of the file's name.
Status check_is_no_file(const Options& settings) {
  const auto& prompt = settings.request.prompt;
  if (!settings.task_id.empty() || !prompt.starts_with('@')) return {};
  const auto path = prompt.substr(1);
  std::error_code error;
  if (path.empty() || !std::filesystem::is_regular_file(path, error)) return {};
  return fail({.code = ErrorCode::invalid_request,
               .message = "The prompt \"" + prompt +
                          "\" names a file, and veo does not read a prompt from a file. To take "
                          "the file's text, write \"$(cat " +
                          quote_for_shell(path) + ")\". Nothing was sent, and nothing is paid."});
}

}  // namespace

Display::Kind Arguments::kind() const {
  if (json) return Display::Kind::json;
  return quiet ? Display::Kind::quiet : Display::Kind::automatic;
}

bool Arguments::has(const std::string& option) const {
  return std::ranges::any_of(options, [&](const auto& set) { return set.first == option; });
}

Result<Options> Arguments::settings() const {
  Options settings;
  settings.offers_launch_line = false;
  // With --reuse=false, this name lets one run of the command pay only once, even if the run opens
  // several Sources.
  settings.instance = make_instance();
  const auto set = [&settings](const std::string& name, const std::string& text) {
    return set_option(settings, OptionSetter::command, name, text);
  };
  for (const auto& [name, text] : options) {
    if (auto done = set(name, text); !done) return fail(std::move(done.error()));
  }
  for (const auto& [name, text] : flags) {
    if (text.empty()) continue;
    if (auto done = set(name, text); !done) return fail(std::move(done.error()));
  }
  if (auto checked = check_is_no_file(settings); !checked) return fail(std::move(checked.error()));
  return settings;
}

void add_arguments(Command& command, Arguments& arguments,
                   std::initializer_list<Option::Group> groups,
                   std::initializer_list<std::string_view> without) {
  add_output_flags(command, arguments);
  for (const auto& option : option_table()) {
    if (!includes(option.setters, OptionSetter::command)) continue;
    if (std::ranges::find(groups, option.group.value) == groups.end()) continue;
    if (std::ranges::find(without, option.name.value) != without.end()) continue;
    add_option(command, arguments, option);
  }
}

void add_extension_arguments(Command& command, Arguments& arguments) {
  add_output_flags(command, arguments);
  for (const auto& option : option_table()) {
    const bool is_argument = option.name.value == "prompt" || option.name.value == "extend-task-id";
    if (!includes(option.setters, OptionSetter::command) || is_argument) continue;
    if (option.fits_extension) add_option(command, arguments, option);
  }
}

void add_named_arguments(Command& command, Arguments& arguments,
                         std::initializer_list<std::string_view> names) {
  add_output_flags(command, arguments);
  for (const auto& option : option_table()) {
    if (std::ranges::find(names, option.name.value) == names.end()) continue;
    add_option(command, arguments, option);
  }
}

}  // namespace veo::cli
