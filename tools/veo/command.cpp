// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

#include <algorithm>

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
      return "Output";
  }
  return "";
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
  for (const auto& [name, text] : options) {
    if (auto set = set_option(settings, name, text); !set) return fail(std::move(set.error()));
  }
  for (const auto& [name, text] : flags) {
    if (text.empty()) continue;
    if (auto set = set_option(settings, name, text); !set) return fail(std::move(set.error()));
  }
  return settings;
}

void add_arguments(CLI::App& command, Arguments& arguments,
                   std::initializer_list<Option::Group> groups,
                   std::initializer_list<std::string_view> without) {
  command.add_flag("--json", arguments.json, "for machines: one JSON object a line");
  command.add_flag("-q,--quiet", arguments.quiet, "only errors");
  for (const auto& option : option_table()) {
    if (std::ranges::find(groups, option.group) == groups.end()) continue;
    if (std::ranges::find(without, option.name) != without.end()) continue;
    const auto name = std::string(option.name);
    const auto flag = "--" + name;
    const auto help = std::string(option.help);
    CLI::Option* added = nullptr;
    if (option.form == "true|false") {
      // As a flag it takes no word that is another's: --dry-run, --reuse=false.
      added = command.add_flag(flag, arguments.flags[name], help);
    } else if (option.is_list) {
      added = command.add_option_function<std::vector<std::string>>(
          flag,
          [&arguments, name](const std::vector<std::string>& texts) {
            for (const auto& text : texts) arguments.options.emplace_back(name, text);
          },
          help);
      added->expected(1)->take_all();
    } else {
      added = command.add_option_function<std::string>(
          flag,
          [&arguments, name](const std::string& text) {
            arguments.options.emplace_back(name, text);
          },
          help);
    }
    added->type_name(std::string(option.form))->group(heading(option.group));
  }
}

}  // namespace veo::cli
