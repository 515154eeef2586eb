// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Each command of `veo` has a file of its own. The file's add_…() adds the command to the parser.
// When the parser finds the command on the command line, it stores the command's action in
// `chosen`.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "display.h"
#include "interruption.h"
#include "parser.h"
#include "veo/options/option_table.h"
#include "veo/source/source.h"

namespace veo::cli {

/// The objects that every action needs.
struct Session {
  std::shared_ptr<Wakeup> wakeup = std::make_shared<Wakeup>();
  Interruption interruption{wakeup};
};

/// The work of a command. Returns the exit code.
using Action = std::function<int(Session&)>;

/// The flags that several commands share.
struct Arguments {
  /// Names and values of the options that were given, in their order. `flags` has the options that
  /// are true or false.
  std::vector<std::pair<std::string, std::string>> options;
  /// Values of the options that are true or false, by the options' names. Empty: not given.
  std::map<std::string, std::string> flags;
  bool json = false;
  bool quiet = false;

  [[nodiscard]] Display::Kind kind() const;
  [[nodiscard]] bool has(const std::string& option) const;
  /// Makes settings from `options` and `flags`. Fails with invalid_request.
  [[nodiscard]] Result<Options> settings() const;
};

/// Each of these functions adds --json, --quiet, and flags for options that the command may set.
///
/// Adds the options of `groups`, except the options that `without` names.
void add_arguments(Command& command, Arguments& arguments,
                   std::initializer_list<Option::Group> groups,
                   std::initializer_list<std::string_view> without = {});
/// Adds the options that fit an extension, except its prompt and its parent. Both are arguments of
/// the command.
void add_extension_arguments(Command& command, Arguments& arguments);
/// Adds the options that `names` lists.
void add_named_arguments(Command& command, Arguments& arguments,
                         std::initializer_list<std::string_view> names);

/// Returns the help text of the option's flag, with the default.
std::string flag_help_of(const Option& option);

void add_batch(Command& app, Action& chosen);
void add_completion(Command& app, Action& chosen);
void add_credits(Command& app, Action& chosen);
void add_download(Command& app, Action& chosen);
void add_extend(Command& app, Action& chosen);
void add_film(Command& app, Action& chosen);
void add_generate(Command& app, Action& chosen);
void add_history(Command& app, Action& chosen);
void add_join(Command& app, Action& chosen);
void add_ledger(Command& app, Action& chosen);
void add_play(Command& app, Action& chosen);
void add_price(Command& app, Action& chosen);
void add_reference(Command& app, Action& chosen);
void add_serve(Command& app, Action& chosen);
void add_status(Command& app, Action& chosen);
void add_wait(Command& app, Action& chosen);

}  // namespace veo::cli
