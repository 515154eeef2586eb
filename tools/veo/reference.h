// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The commands and their flags, as the parser has them. The completions and the man page are made
// from this reference.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <string>
#include <vector>

namespace veo::cli {

struct FlagReference {
  std::vector<std::string> names;  ///< with their dashes, the short ones first
  std::string form;  ///< of the value: `FILE`, `fast|quality`; empty: the flag takes no value
  bool needs_value = false;  ///< false, with a form: the value can only follow as `--flag=value`
  std::vector<std::string> values;  ///< all values of the form; empty: they cannot be listed
  bool is_file = false;
  std::string help;
};

struct CommandReference {
  std::string name;
  std::string arguments;  ///< `TASK PROMPT`
  bool takes_files = false;
  std::string help;    ///< a line
  std::string footer;  ///< more, and examples
  std::vector<FlagReference> flags;
};

std::vector<CommandReference> reference_of(const CLI::App& app);

std::string bash_completion(const std::vector<CommandReference>& commands);
std::string zsh_completion(const std::vector<CommandReference>& commands);
std::string fish_completion(const std::vector<CommandReference>& commands);
/// In man(7).
std::string man_page(const std::vector<CommandReference>& commands);

/// The tables of docs/, in Markdown.
std::string error_table_in_markdown();
std::string exit_codes_in_markdown();
std::string option_table_in_markdown();

}  // namespace veo::cli
