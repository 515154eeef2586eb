// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Each command of `veo` has a file of its own, with an add_…() that adds the command to the parser.
// When the parser meets the command, it leaves the command's action in `chosen`.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "display.h"
#include "interruption.h"
#include "veo/options/option_table.h"
#include "veo/source/source.h"

namespace veo::cli {

/// What every action works with.
struct Session {
  std::shared_ptr<Wakeup> wakeup = std::make_shared<Wakeup>();
  Interruption interruption{wakeup};
};

/// What a command does. Returns the exit code.
using Action = std::function<int(Session&)>;

/// The flags that several commands share.
struct Arguments {
  /// Names and values of the options that were given, in their order; flags apart.
  std::vector<std::pair<std::string, std::string>> options;
  /// Values of flags by the options' names; empty: not given.
  std::map<std::string, std::string> flags;
  bool json = false;
  bool quiet = false;

  [[nodiscard]] Display::Kind kind() const;
  [[nodiscard]] bool has(const std::string& option) const;
  /// Of `options`. Fails with invalid_request.
  [[nodiscard]] Result<Options> settings() const;
};

/// Each of these adds --json, --quiet, and flags of the options that the command may set.
///
/// The options of `groups`, but for `without`.
void add_arguments(CLI::App& command, Arguments& arguments,
                   std::initializer_list<Option::Group> groups,
                   std::initializer_list<std::string_view> without = {});
/// What fits an extension, but for its prompt and its parent, which are arguments of the command.
void add_extension_arguments(CLI::App& command, Arguments& arguments);
/// The options of these names.
void add_named_arguments(CLI::App& command, Arguments& arguments,
                         std::initializer_list<std::string_view> names);

/// The option's help as a flag has it, with the default.
std::string flag_help_of(const Option& option);

void add_batch(CLI::App& app, Action& chosen);
void add_completion(CLI::App& app, Action& chosen);
void add_credits(CLI::App& app, Action& chosen);
void add_download(CLI::App& app, Action& chosen);
void add_extend(CLI::App& app, Action& chosen);
void add_generate(CLI::App& app, Action& chosen);
void add_history(CLI::App& app, Action& chosen);
void add_join(CLI::App& app, Action& chosen);
void add_play(CLI::App& app, Action& chosen);
void add_price(CLI::App& app, Action& chosen);
void add_reference(CLI::App& app, Action& chosen);
void add_serve(CLI::App& app, Action& chosen);
void add_status(CLI::App& app, Action& chosen);
void add_wait(CLI::App& app, Action& chosen);

}  // namespace veo::cli
