// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The parser of the command line. Only parser.cpp and reference.cpp include CLI11, because its
// headers and templates take several seconds to compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace veo::cli {

/// A flag or an argument of a command. The parser owns what a Flag refers to.
class Flag {
 public:
  explicit Flag(CLI::Option& option) : option_(&option) {}

  // Each of these functions returns the flag itself.

  /// Sets the form of the value, as --help shows it: `FILE`.
  Flag& set_form(const std::string& form);
  /// Puts the flag under a heading of --help.
  Flag& set_heading(const std::string& heading);
  Flag& set_required(bool required = true);
  /// Sets the check of the value. `find_mistake` returns a text, or "" if the value is good.
  Flag& set_check(std::function<std::string(const std::string&)> find_mistake);
  Flag& set_range(int smallest, int largest);
  /// The flag takes one value, and may be repeated.
  Flag& make_repeatable();
  /// The argument takes all words that follow.
  Flag& take_all_words();
  /// Shows the present value of the variable as the default.
  Flag& show_default();
  Flag& exclude(const std::string& other);
  Flag& require(const Flag& other);

 private:
  CLI::Option* option_;
};

/// A command of `veo`, or `veo` itself. The parser owns what a Command refers to.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  // A name with dashes, such as "-o,--output", is a flag; a name without them is an argument. The
  // variables must live until the end of parse().

  Flag add_option(const std::string& name, std::string& value, const std::string& help = "");
  Flag add_option(const std::string& name, unsigned& value, const std::string& help);
  Flag add_option(const std::string& name, std::uint16_t& value, const std::string& help);
  Flag add_option(const std::string& name, std::size_t& value, const std::string& help);
  Flag add_option(const std::string& name, std::vector<std::string>& values,
                  const std::string& help);
  /// Adds an option whose value `take` gets.
  Flag add_option(const std::string& name, std::function<void(const std::string&)> take,
                  const std::string& help);
  /// Adds a repeatable option. `take` gets all its values at once.
  Flag add_list(const std::string& name, std::function<void(const std::vector<std::string>&)> take,
                const std::string& help);
  /// Adds a flag that takes no value.
  Flag add_flag(const std::string& name, bool& value, const std::string& help);
  /// Adds a flag that takes a value only as `--flag=value`. Without one, the value is `true`.
  Flag add_flag(const std::string& name, std::string& value, const std::string& help);

  Command add_command(const std::string& name, const std::string& help);
  /// --help, the completions and the man page do not list the command.
  void hide();
  /// Sets the text below the flags in --help.
  void set_footer(const std::string& text);
  /// Sets what parse() calls when the command is on the command line, after all its values are set.
  void on_chosen(std::function<void()> choose);

  /// For reference.cpp, which lists commands and flags.
  [[nodiscard]] const CLI::App& app() const { return *app_; }

 private:
  CLI::App* app_;
};

/// The command line does not fit the commands and flags.
struct ParseMistake {
  std::string command;  ///< the command that was chosen; empty: none
  std::string text;
  bool has_extra_words = false;
};
/// parse() has printed a help text or the version.
struct ParseAnswer {
  int exit_code = 0;
};
struct Parsed {};

class Parser {
 public:
  Parser(const std::string& description, const std::string& name, const std::string& version);
  ~Parser();
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  [[nodiscard]] Command root() const { return Command(*app_); }
  std::variant<Parsed, ParseAnswer, ParseMistake> parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace veo::cli
