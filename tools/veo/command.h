// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A command of `veo`: its file adds it to the parser, and gives what is to be done when it was
// chosen.
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

/// What every command works with.
struct Session {
  std::shared_ptr<Wakeup> wakeup = std::make_shared<Wakeup>();
  Interruption interruption{wakeup};
};

/// Returns the exit code.
using Run = std::function<int(Session&)>;

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

void add_batch(CLI::App& app, Run& run);
void add_completion(CLI::App& app, Run& run);
void add_credits(CLI::App& app, Run& run);
void add_download(CLI::App& app, Run& run);
void add_extend(CLI::App& app, Run& run);
void add_generate(CLI::App& app, Run& run);
void add_history(CLI::App& app, Run& run);
void add_join(CLI::App& app, Run& run);
void add_play(CLI::App& app, Run& run);
void add_price(CLI::App& app, Run& run);
void add_reference(CLI::App& app, Run& run);
void add_serve(CLI::App& app, Run& run);
void add_status(CLI::App& app, Run& run);
void add_wait(CLI::App& app, Run& run);

}  // namespace veo::cli
