// SPDX-License-Identifier: LGPL-2.1-or-later
#include "parser.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <utility>

namespace veo::cli {

Flag& Flag::set_form(const std::string& form) {
  option_->type_name(form);
  return *this;
}

Flag& Flag::set_heading(const std::string& heading) {
  option_->group(heading);
  return *this;
}

Flag& Flag::set_required(bool required) {
  option_->required(required);
  return *this;
}

Flag& Flag::set_check(std::function<std::string(const std::string&)> find_mistake) {
  option_->check(std::move(find_mistake));
  return *this;
}

Flag& Flag::set_range(int smallest, int largest) {
  option_->check(CLI::Range(smallest, largest));
  return *this;
}

Flag& Flag::make_repeatable() {
  option_->expected(1)->take_all();
  return *this;
}

Flag& Flag::take_all_words() {
  option_->expected(1, -1);
  return *this;
}

Flag& Flag::show_default() {
  option_->capture_default_str();
  return *this;
}

Flag& Flag::exclude(const std::string& other) {
  option_->excludes(other);
  return *this;
}

Flag& Flag::require(const Flag& other) {
  option_->needs(other.option_);
  return *this;
}

Flag Command::add_option(const std::string& name, std::string& value, const std::string& help) {
  return Flag(*app_->add_option(name, value, help));
}

Flag Command::add_option(const std::string& name, unsigned& value, const std::string& help) {
  return Flag(*app_->add_option(name, value, help));
}

Flag Command::add_option(const std::string& name, std::uint16_t& value, const std::string& help) {
  return Flag(*app_->add_option(name, value, help));
}

Flag Command::add_option(const std::string& name, std::size_t& value, const std::string& help) {
  return Flag(*app_->add_option(name, value, help));
}

Flag Command::add_option(const std::string& name, std::vector<std::string>& values,
                         const std::string& help) {
  return Flag(*app_->add_option(name, values, help));
}

Flag Command::add_option(const std::string& name, std::function<void(const std::string&)> take,
                         const std::string& help) {
  return Flag(*app_->add_option_function<std::string>(name, std::move(take), help));
}

Flag Command::add_list(const std::string& name,
                       std::function<void(const std::vector<std::string>&)> take,
                       const std::string& help) {
  return Flag(*app_->add_option_function<std::vector<std::string>>(name, std::move(take), help))
      .make_repeatable();
}

Flag Command::add_flag(const std::string& name, bool& value, const std::string& help) {
  return Flag(*app_->add_flag(name, value, help));
}

Flag Command::add_flag(const std::string& name, std::string& value, const std::string& help) {
  return Flag(*app_->add_flag(name, value, help));
}

Command Command::add_command(const std::string& name, const std::string& help) {
  return Command(*app_->add_subcommand(name, help));
}

void Command::hide() { app_->group(""); }

void Command::set_footer(const std::string& text) { app_->footer(text); }

void Command::on_chosen(std::function<void()> choose) { app_->callback(std::move(choose)); }

Parser::Parser(const std::string& description, const std::string& name, const std::string& version)
    : app_(std::make_unique<CLI::App>(description, name)) {
  app_->set_version_flag("--version", version);
  app_->require_subcommand(1);
}

Parser::~Parser() = default;

std::variant<Parsed, ParseAnswer, ParseMistake> Parser::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::Success& help) {
    return ParseAnswer{app_->exit(help)};
  } catch (const CLI::ParseError& error) {
    const auto chosen = app_->get_subcommands();
    return ParseMistake{
        .command = chosen.empty() ? "" : chosen.front()->get_name(),
        .text = error.what(),
        .has_extra_words = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr,
    };
  }
  return Parsed{};
}

}  // namespace veo::cli
