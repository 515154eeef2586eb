// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes the tables of docs/ in Markdown. scripts/docs writes the tables into the pages, and checks
// that the pages contain them.
#include <functional>
#include <map>

#include "command.h"
#include "exit_code.h"
#include "reference.h"

namespace veo::cli {

namespace {

std::string code_span(std::string_view text) { return "`" + std::string(text) + "`"; }

std::string table_row(std::initializer_list<std::string> cells) {
  std::string row = "|";
  for (const auto& cell : cells) row += " " + cell + " |";
  return row + "\n";
}

const std::map<std::string, std::function<std::string()>>& tables() {
  // Never destroy the map, as nothing global is destroyed at exit.
  static const auto& all = *new std::map<std::string, std::function<std::string()>>{
      {"errors", error_table_in_markdown},
      {"exit-codes", exit_codes_in_markdown},
      {"options", option_table_in_markdown},
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

std::string values_in_markdown(const Option& option) {
  const auto range = range_of(option);
  const auto& choices = option.type.value.choices;
  if (choices.empty())
    return code_span(cell(form_of(option))) + (range.empty() ? "" : ", " + range);
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
  command.on_chosen([table, &chosen] {
    chosen = [table](Session&) {
      print(tables().at(*table)());
      return exit_success;
    };
  });
}

}  // namespace veo::cli
