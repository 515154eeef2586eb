// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes the tables of docs/ in Markdown. scripts/docs writes the tables into the pages, and checks
// that the pages contain them.
#include <functional>
#include <map>
#include <sstream>

#include "command.h"
#include "event_table.h"
#include "exit_code.h"
#include "reference.h"
#include "veo/system/environment_table.h"

namespace veo::cli {

namespace {

std::string code_span(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string table_row(std::initializer_list<std::string> cells) {
  std::string row = "|";
  for (const auto& cell : cells) row += " " + cell + " |";
  return row + "\n";
}

using MakeTable = std::function<std::string(const Command&)>;

template <std::string (*make)()>
std::string make_alone(const Command& /*app*/) {
  return make();
}

const std::map<std::string, MakeTable>& tables() {
  // Never destroy the map, as nothing global is destroyed at exit.
  static const auto& all = *new std::map<std::string, MakeTable>{
      {"advice", make_alone<advice_in_markdown>},
      {"commands", [](const Command& app) { return commands_in_markdown(reference_of(app)); }},
      {"environment", make_alone<environment_in_markdown>},
      {"errors", make_alone<error_table_in_markdown>},
      {"events", make_alone<events_in_markdown>},
      {"exit-codes", make_alone<exit_codes_in_markdown>},
      {"options", make_alone<option_table_in_markdown>},
  };
  return all;
}

}  // namespace

std::string error_table_in_markdown() {
  std::string text = table_row({"code", "what happened", "GStreamer", "exit", "HTTP", "FFmpeg"});
  text += "|---|---|---|---|---|---|\n";
  for (const auto& row : error_table()) {
    text += table_row({code_span(row.nick), std::string(row.meaning.value),
                       std::string(row.gst.value.name), std::to_string(row.exit_code),
                       std::to_string(row.http_status), code_span(row.libav.value.name)});
  }
  return text;
}

std::string advice_in_markdown() {
  std::string text = table_row({"code", "what to do"}) + "|---|---|\n";
  for (const auto& row : error_table()) {
    const std::string_view given = row.advice.value;
    const std::string advice(given.empty() ? "Do what the message says." : given);
    text += table_row({code_span(row.nick), advice});
  }
  return text;
}

std::string exit_codes_in_markdown() {
  std::string text = table_row({"exit code", "", "error codes"}) + "|---|---|---|\n";
  for (const auto& status : exit_statuses()) {
    std::string codes;
    for (const auto& row : error_table()) {
      if (row.exit_code != status.code) continue;
      codes += (codes.empty() ? "" : ", ") + code_span(row.nick);
    }
    text += table_row({std::to_string(status.code), std::string(status.meaning), codes});
  }
  return text;
}

namespace {

/// Escapes each `|` of the text, because a `|` ends a cell.
std::string cell(std::string text) {
  for (auto at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) {
    text.insert(at, 1, '\\');
  }
  return text;
}

/// Escapes what Markdown or HTML would take for a mark of its own.
std::string html_escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '<') {
      escaped += "&lt;";
    } else if (c == '*' || c == '_') {
      (escaped += '\\') += c;
    } else {
      escaped += c;
    }
  }
  return escaped;
}

/// Makes a list of the form `FILE|-`, because no `|` is the same in each kind of Markdown.
std::string form_in_markdown(const std::string& form) {
  std::istringstream parts(form);
  std::string text;
  for (std::string part; std::getline(parts, part, '|');) {
    text += (text.empty() ? "" : ", ") + code_span(part);
  }
  return text;
}

std::string values_in_markdown(const Option& option) {
  const auto range = range_of(option);
  const auto& choices = option.type.value.choices;
  if (choices.empty())
    return form_in_markdown(form_of(option)) + (range.empty() ? "" : ", " + range);
  std::string text;
  for (const auto& choice : choices) text += (text.empty() ? "" : ", ") + code_span(choice.nick);
  return text;
}

std::string meaning_in_markdown(const Option& option) {
  std::string text = cell(help_of(option)) + ".";
  for (const auto& choice : option.type.value.choices) {
    text += "<br>" + code_span(choice.nick) + ": " + cell(std::string(choice.description));
  }
  return text;
}

std::string setters_in_markdown(const Option& option) {
  constexpr std::pair<OptionSetter, std::string_view> setters[] = {
      {OptionSetter::source_element, "`veosrc`"},
      {OptionSetter::extension_element, "`veoextend`"},
      {OptionSetter::command, "`veo`"},
      {OptionSetter::c_api, "C"},
      {OptionSetter::batch, "batch"},
      {OptionSetter::uri, "URI"},
  };
  std::string text;
  for (const auto& [setter, name] : setters) {
    if (!includes(option.setters, setter)) continue;
    text.append(text.empty() ? "" : ", ").append(name);
  }
  return text;
}

}  // namespace

std::string option_table_in_markdown() {
  std::string text = table_row({"option", "value", "default", "meaning", "set by", "since"});
  text += "|---|---|---|---|---|---|\n";
  for (const auto& option : option_table()) {
    const auto standard = default_of(option);
    text += table_row({code_span(option.name), values_in_markdown(option),
                       standard.empty() ? "" : code_span(standard), meaning_in_markdown(option),
                       setters_in_markdown(option), std::string(option.since.value)});
  }
  return text;
}

namespace {

/// Makes paragraphs of the footer, and blocks of its examples.
std::string footer_in_markdown(const std::string& footer) {
  std::istringstream lines(footer);
  std::string text;
  bool is_in_block = false;
  for (std::string line; std::getline(lines, line);) {
    const bool is_example = line.starts_with("  ");
    if (is_example != is_in_block) text += is_example ? "\n```sh\n" : "```\n\n";
    is_in_block = is_example;
    text += (is_example ? line.substr(2) : html_escaped(line)) + "\n";
  }
  return text + (is_in_block ? "```\n" : "");
}

std::string flags_in_markdown(const std::vector<FlagReference>& flags) {
  std::string text = table_row({"flag", "value", "meaning"}) + "|---|---|---|\n";
  for (const auto& flag : flags) {
    std::string names;
    for (const auto& name : flag.names) names += (names.empty() ? "" : ", ") + code_span(name);
    text += table_row({names, form_in_markdown(flag.form), cell(html_escaped(flag.help))});
  }
  return text;
}

}  // namespace

std::string commands_in_markdown(const std::vector<CommandReference>& commands) {
  std::string text;
  for (const auto& command : commands) {
    const auto arguments = command.arguments.empty() ? "" : " " + command.arguments;
    text += "## " + command.name + "\n\n```text\nveo " + command.name + arguments +
            " [flags]\n```\n\nWhat it does: " + html_escaped(command.help) + ".\n\n";
    if (!command.footer.empty()) text += footer_in_markdown(command.footer) + "\n";
    text += flags_in_markdown(command.flags) + "\n";
  }
  return text;
}

std::string environment_in_markdown() {
  std::string text = table_row({"variable", "value", "meaning", "example", "since"});
  text += "|---|---|---|---|---|\n";
  for (const auto& row : environment::variables) {
    const auto example = row.example.empty() ? "" : code_span(row.example);
    text += table_row({code_span(row.name), form_in_markdown(std::string(row.form)),
                       std::string(row.meaning), example, std::string(row.since)});
  }
  return text;
}

std::string events_in_markdown() {
  std::string text;
  for (const auto& row : event_table()) {
    if (row.member.empty()) {
      text += std::string(text.empty() ? "" : "\n") + "### " + std::string(row.event) + "\n\n" +
              std::string(row.meaning) + "\n\n";
      text += table_row({"member", "type", "meaning"}) + "|---|---|---|\n";
    } else {
      text +=
          table_row({code_span(row.member), std::string(row.type), cell(std::string(row.meaning))});
    }
  }
  return text;
}

void add_reference(Command& app, Action& chosen) {
  // --help does not list this command, because it is for authors of docs/, not for users.
  auto command = app.add_command("reference", "print a table of docs/, in Markdown");
  command.hide();
  const auto table = std::make_shared<std::string>();
  std::string form;
  for (const auto& [name, make] : tables()) form += (form.empty() ? "" : "|") + name;
  command.add_option("table", *table)
      .set_form(form)
      .set_required()
      .set_check([form](const std::string& text) {
        return tables().contains(text) ? "" : "\"" + text + "\" is none of " + form;
      });
  command.on_chosen([table, app, &chosen] {
    chosen = [table, app](Session&) {
      print(tables().at(*table)(app));
      return exit_success;
    };
  });
}

}  // namespace veo::cli
