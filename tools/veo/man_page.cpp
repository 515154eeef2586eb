// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes the man page, in the macros of man(7), which every man(1) knows.
#include <sstream>

#include "exit_code.h"
#include "reference.h"
#include "veo/system/environment_table.h"

namespace veo::cli {

namespace {

/// Escapes the text, so that roff finds no request and no special character in it.
std::string roff(const std::string& text) {
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool at_start = i == 0 || text[i - 1] == '\n';
    if (text[i] == '\\') {
      escaped += "\\e";
    } else if (text[i] == '-') {
      escaped += "\\-";
    } else if (at_start && (text[i] == '.' || text[i] == '\'')) {
      escaped += std::string("\\&") + text[i];
    } else if (text.compare(i, 3, "…") == 0) {
      escaped += "...";
      i += 2;
    } else {
      escaped += text[i];
    }
  }
  return escaped;
}

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + roff(text) + "\\fR"; }

/// Keeps paragraphs as they are, and breaks the lines of examples.
std::string footer(const std::string& text) {
  std::string page;
  std::istringstream lines(text);
  bool in_example = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) {
      continue;
    }
    const bool is_example = line.starts_with("  ");
    if (is_example != in_example) page += is_example ? ".PP\n.RS 4\n.nf\n" : ".fi\n.RE\n.PP\n";
    in_example = is_example;
    page += roff(is_example ? line.substr(2) : line) + "\n";
  }
  return page + (in_example ? ".fi\n.RE\n" : "");
}

std::string flag_entry(const FlagReference& flag) {
  std::string names;
  for (const auto& name : flag.names) names += (names.empty() ? "" : ", ") + bold(name);
  if (flag.needs_value) {
    names += "=" + italic(flag.form);
  } else if (!flag.form.empty()) {
    names += "[=" + italic(flag.form) + "]";
  }
  return ".TP\n" + names + "\n" + roff(flag.help) + "\n";
}

constexpr const char* before = R"(.SH NAME
veo \- generated video, for the shell
.SH SYNOPSIS
.B veo
.I command
.RI [ argument ...]
.RI [ option ...]
.SH DESCRIPTION
Veo 3.1 is a cloud service that makes videos with sound from a prompt.
Each one costs credits, once:
.B veo
keeps a record of what was submitted, which
.B veosrc
of GStreamer shares, and the same line run again goes on with its task, or takes the video that is
here.
.PP
Standard output holds what was asked for, and nothing else; standard error tells what happens.
To try it without a key, money or a network, start
.BR veo\-simulator ,
set
.B VEO_API_URL
to the address that it prints, and
.B VEO_API_KEY
to sk\-simulator.
.SH COMMANDS
)";

constexpr const char* after = R"(.SH FILES
.TP
.I $XDG_STATE_HOME/veo/ledger.db
The record.
.TP
.I $XDG_CACHE_HOME/veo
The clips.
.SH SEE ALSO
.BR ffmpeg (1),
.BR gst\-launch\-1.0 (1),
.BR gst\-inspect\-1.0 (1)
)";

}  // namespace

namespace {

std::string exit_status_section() {
  std::string section = ".SH EXIT STATUS\n";
  for (const auto& status : exit_statuses()) {
    section +=
        ".TP\n.B " + std::to_string(status.code) + "\n" + roff(std::string(status.meaning)) + "\n";
  }
  return section;
}

}  // namespace

namespace {

/// Returns the variables of the environment. The marks of Markdown are left out.
std::string environment_section() {
  std::string section = ".SH ENVIRONMENT\n";
  for (const auto& row : environment::variables) {
    std::string meaning(row.meaning);
    std::erase(meaning, '`');
    section += ".TP\n" + bold(std::string(row.name)) + "=" + italic(std::string(row.form)) + "\n" +
               roff(meaning) + "\n";
  }
  return section;
}

}  // namespace

std::string man_page(const std::vector<CommandReference>& commands) {
  std::string page = ".TH VEO 1 \"2026-11-23\" \"gst\\-veo " VEO_VERSION "\" \"User Commands\"\n";
  page += before;
  for (const auto& command : commands) {
    page += ".SS " + roff(command.name) + "\n.B veo " + roff(command.name) + "\n";
    if (!command.arguments.empty()) page += ".I " + roff(command.arguments) + "\n";
    page += ".RI [ option ...]\n.PP\n" + roff(command.help) + ".\n.PP\n" + footer(command.footer);
    for (const auto& flag : command.flags) page += flag_entry(flag);
  }
  return page + exit_status_section() + environment_section() + after;
}

}  // namespace veo::cli
