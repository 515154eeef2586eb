// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The reference lists the commands and their flags, as the parser knows them. The completions and
// the man page are made from the reference.
#pragma once

#include <string>
#include <vector>

#include "parser.h"

namespace veo::cli {

struct FlagReference {
  std::vector<std::string> names;  ///< with their dashes, the short ones first
  std::string form;  ///< the value's form: `FILE`, `fast|quality`; empty: the flag takes no value
  bool needs_value = false;         ///< false, with a form: only `--flag=value` can give a value
  std::vector<std::string> values;  ///< all values of the form; empty: they cannot be listed
  bool is_file = false;
  std::string help;
};

struct CommandReference {
  std::string name;
  std::string arguments;  ///< `TASK PROMPT`
  bool takes_files = false;
  std::string help;    ///< one line
  std::string footer;  ///< more text, and examples
  std::vector<FlagReference> flags;
};

std::vector<CommandReference> reference_of(const Command& root);

std::string bash_completion(const std::vector<CommandReference>& commands);
std::string zsh_completion(const std::vector<CommandReference>& commands);
std::string fish_completion(const std::vector<CommandReference>& commands);
/// Returns the page in the macros of man(7).
std::string man_page(const std::vector<CommandReference>& commands);

/// Each of these functions returns a table of docs/ in Markdown.
std::string advice_in_markdown();
std::string commands_in_markdown(const std::vector<CommandReference>& commands);
std::string environment_in_markdown();
std::string error_table_in_markdown();
std::string events_in_markdown();
std::string exit_codes_in_markdown();
std::string option_table_in_markdown();

}  // namespace veo::cli
