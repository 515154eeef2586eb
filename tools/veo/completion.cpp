// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes the completions for bash, zsh and fish. The scripts need no library of completions.
#include <algorithm>

#include "command.h"
#include "exit_code.h"
#include "reference.h"

namespace veo::cli {

namespace {

using Commands = std::vector<CommandReference>;

template <class List, class Text>
std::string join_texts(const List& list, const std::string& between, Text text) {
  std::string all;
  for (const auto& part : list) all += (all.empty() ? "" : between) + text(part);
  return all;
}

std::string join_words(const std::vector<std::string>& list) {
  return join_texts(list, " ", [](const auto& word) { return word; });
}

std::string replace_all(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

/// Quotes `text` for a POSIX shell.
std::string quote_for_posix_shell(const std::string& text) {
  return "'" + replace_all(text, "'", "'\\''") + "'";
}

/// Quotes `text` for fish, where a backslash is special within single quotes.
std::string quote_for_fish(const std::string& text) {
  return "'" + replace_all(replace_all(text, "\\", "\\\\"), "'", "\\'") + "'";
}

/// Escapes `text` for a spec of zsh's _arguments.
std::string escape_for_zsh(std::string text) {
  for (const auto* const special : {"\\", "[", "]", ":"}) {
    text = replace_all(std::move(text), special, std::string("\\") + special);
  }
  return text;
}

std::string bash_flag(const CommandReference& command, const FlagReference& flag) {
  if (flag.form.empty()) return "";
  const auto patterns = join_texts(flag.names, "|", [&](const std::string& name) {
    const auto pattern = command.name + ":" + name;
    return flag.needs_value ? pattern + "|" + pattern + "=" : pattern + "=";
  });
  const std::string what = !flag.values.empty() ? "-W '" + join_words(flag.values) + "'"
                           : flag.is_file       ? "-f"
                                                : "";
  // Values of other forms cannot be listed. Then the script offers nothing, because names of files
  // would be wrong.
  const auto reply = what.empty() ? "" : " COMPREPLY=($(compgen " + what + " -- \"$cur\"));";
  return "    " + patterns + ")" + reply + " return ;;\n";
}

int print_script(const Commands& commands, const std::string& shell) {
  print(shell == "bash"   ? bash_completion(commands)
        : shell == "zsh"  ? zsh_completion(commands)
        : shell == "fish" ? fish_completion(commands)
                          : man_page(commands));
  return exit_success;
}

}  // namespace

std::string bash_completion(const Commands& commands) {
  std::string text = R"(# bash completion for veo(1), made by `veo completion bash`.
_veo() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= flag= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i]} != -* ]]; then
      command=${COMP_WORDS[i]}
      break
    fi
  done
  # Words are broken at `=`.
  if [[ $cur == = ]]; then
    flag=$prev= cur=
  elif [[ $prev == = ]]; then
    flag=${COMP_WORDS[COMP_CWORD - 2]}=
  elif [[ $prev == -* ]]; then
    flag=$prev
  fi
  COMPREPLY=()
  case $command:$flag in
)";
  for (const auto& command : commands) {
    for (const auto& flag : command.flags) text += bash_flag(command, flag);
  }
  text += "  esac\n  case $command in\n    '') COMPREPLY=($(compgen -W '" +
          join_texts(commands, " ", [](const auto& command) { return command.name; }) +
          " --help --version' -- \"$cur\")) ;;\n";
  for (const auto& command : commands) {
    const auto flags =
        join_texts(command.flags, " ", [](const auto& flag) { return join_words(flag.names); });
    text += "    " + command.name + ") COMPREPLY=($(compgen " +
            std::string(command.takes_files ? "-f " : "") + "-W '" + flags + "' -- \"$cur\")) ;;\n";
  }
  return text + "  esac\n}\ncomplete -o bashdefault -F _veo veo\n";
}

std::string zsh_completion(const Commands& commands) {
  std::string text = R"(#compdef veo
# zsh completion for veo(1), made by `veo completion zsh`.
_veo() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C '(- *)'{-h,--help}'[help]' '(- *)--version[version]' '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      local -a commands=(
)";
  for (const auto& command : commands) {
    text += "        " + quote_for_posix_shell(command.name + ":" + command.help) + "\n";
  }
  text += R"(      )
      _describe -t commands command commands
      ;;
    argument)
      case $words[1] in
)";
  for (const auto& command : commands) {
    text += "        " + command.name + ")\n          _arguments";
    for (const auto& flag : command.flags) {
      for (const auto& name : flag.names) {
        const bool is_long = name.starts_with("--");
        auto spec = "*" + name;
        if (!flag.form.empty()) spec += is_long ? (flag.needs_value ? "=" : "=-") : "+";
        spec += "[" + escape_for_zsh(flag.help) + "]";
        if (!flag.form.empty()) {
          const auto action = !flag.values.empty()
                                  ? "(" + escape_for_zsh(join_words(flag.values)) + ")"
                              : flag.is_file ? std::string("_files")
                                             : std::string(" ");
          spec +=
              std::string(flag.needs_value ? ":" : "::") + escape_for_zsh(flag.form) + ":" + action;
        }
        text += " \\\n            " + quote_for_posix_shell(spec);
      }
    }
    text += std::string(" \\\n            '*:argument:") + (command.takes_files ? "_files" : " ") +
            "'\n          ;;\n";
  }
  return text + "      esac\n      ;;\n  esac\n}\n_veo \"$@\"\n";
}

std::string fish_completion(const Commands& commands) {
  std::string text = "# fish completion for veo(1), made by `veo completion fish`.\n";
  text += "complete -c veo -f\n";
  text += "complete -c veo -n __fish_use_subcommand -s h -l help -d help\n";
  text += "complete -c veo -n __fish_use_subcommand -l version -d version\n";
  for (const auto& command : commands) {
    text += "complete -c veo -n __fish_use_subcommand -a " + command.name + " -d " +
            quote_for_fish(command.help) + "\n";
    const auto here = "complete -c veo -n '__fish_seen_subcommand_from " + command.name + "'";
    if (command.takes_files) text += here + " -F\n";
    for (const auto& flag : command.flags) {
      text += here;
      for (const auto& name : flag.names) {
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (flag.needs_value) text += flag.is_file ? " -r -F" : " -x";
      if (!flag.values.empty()) text += " -a " + quote_for_fish(join_words(flag.values));
      text += " -d " + quote_for_fish(flag.help) + "\n";
    }
  }
  return text;
}

void add_completion(Command& app, Action& chosen) {
  auto command = app.add_command("completion", "print a shell's completion of this command");
  const auto shell = std::make_shared<std::string>();
  command.add_option("shell", *shell, "whose; or the man page")
      .set_form("bash|zsh|fish|man")
      .set_required()
      .set_check([](const std::string& text) {
        return text == "bash" || text == "zsh" || text == "fish" || text == "man"
                   ? ""
                   : "\"" + text + "\" is none of bash, zsh, fish and man";
      });
  command.set_footer(
      R"(Packages install them. By hand:

Examples:
  veo completion bash >~/.local/share/bash-completion/completions/veo
  veo completion fish >~/.config/fish/completions/veo.fish
  veo completion man | man -l -)");
  command.on_chosen([shell, app, &chosen] {
    chosen = [shell, app](Session&) { return print_script(reference_of(app), *shell); };
  });
}

}  // namespace veo::cli
