// SPDX-License-Identifier: LGPL-2.1-or-later
#include "reference.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cctype>
#include <sstream>

namespace veo::cli {

namespace {

/// Returns the values of a form that lists all values, such as `fast|quality`. Returns none for
/// `FILE|-`, because FILE stands for any file.
std::vector<std::string> values_of(const std::string& form) {
  std::vector<std::string> values;
  if (form.find('|') == std::string::npos) return values;
  std::istringstream parts(form);
  for (std::string part; std::getline(parts, part, '|');) {
    if (std::ranges::any_of(part, [](unsigned char c) { return std::isupper(c) != 0; })) return {};
    values.push_back(part);
  }
  return values;
}

FlagReference flag_of(const CLI::Option& option) {
  FlagReference flag;
  for (const auto& name : option.get_snames()) flag.names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) flag.names.push_back("--" + name);
  flag.form = option.get_type_name();
  flag.needs_value = option.get_items_expected_min() > 0;
  flag.values = values_of(flag.form);
  flag.is_file = flag.form.starts_with("FILE") || flag.form.starts_with("DIR");
  flag.help = option.get_description();
  return flag;
}

void add_argument(CommandReference& command, const CLI::Option& option) {
  const bool is_many = option.get_items_expected_max() > 1;
  auto text = option.get_type_name() + (is_many ? "…" : "");
  if (!option.get_required()) text = "[" + text + "]";
  command.arguments += (command.arguments.empty() ? "" : " ") + text;
  command.takes_files = command.takes_files || option.get_type_name() == "FILE";
}

}  // namespace

std::vector<CommandReference> reference_of(const Command& root) {
  std::vector<CommandReference> commands;
  for (const auto* const parsed : root.app().get_subcommands(nullptr)) {
    const bool is_hidden = parsed->get_group().empty();
    if (is_hidden) continue;
    CommandReference command{.name = parsed->get_name(),
                             .help = parsed->get_description(),
                             .footer = parsed->get_footer()};
    for (const auto* const option : parsed->get_options()) {
      if (option->get_positional()) add_argument(command, *option);
      if (option->nonpositional()) command.flags.push_back(flag_of(*option));
    }
    commands.push_back(std::move(command));
  }
  return commands;
}

}  // namespace veo::cli
