// SPDX-License-Identifier: LGPL-2.1-or-later
#include "deliver.h"

#include <utility>

#include "exit_code.h"
#include "run.h"
#include "veo/core/error_table.h"

namespace veo::cli {

namespace {

Flag add_argument(Command& command, Arguments& arguments, const std::string& names,
                  const std::string& option, const std::string& help) {
  return command.add_option(
      names,
      [&arguments, option](const std::string& text) {
        arguments.options.emplace_back(option, text);
      },
      help);
}

}  // namespace

void add_prompt(Command& command, Arguments& arguments, const std::string& names, bool required) {
  add_argument(command, arguments, names, "prompt", "what the video shows and sounds like")
      .set_form("TEXT")
      .set_required(required);
}

void add_task(Command& command, Arguments& arguments, const std::string& option) {
  add_argument(command, arguments, "task", option, "a task's id").set_form("ID").set_required();
}

void add_output(Command& command, Deliver& arguments) {
  command
      .add_option("-o,--output", arguments.output,
                  "where to: a file, or - for standard output (default TASK.mp4)")
      .set_form("FILE|-");
}

void add_fragmented(Command& command, Deliver& arguments) {
  command
      .add_flag("--fragmented", arguments.asks_for_fragments,
                "a fragmented MP4 in a file, too, as a pipe gets it")
      .set_heading("Output");
}

int deliver(Session& session, const Deliver& arguments, Delivered what) {
  const bool is_piped = arguments.output == "-";
  Display display(arguments.kind(), is_piped);
  const auto refuse = [&](const Error& error) {
    display.failed(error);
    return exit_code(error.code);
  };
  auto settings = arguments.settings();
  if (!settings) return refuse(settings.error());
  if (!is_piped && !arguments.has("layout")) settings->layout = LayoutMode::original;
  std::optional<Output> output;
  // Open the output first, so that a file that cannot be written costs nothing.
  if (!settings->dry_run) {
    auto opened = Output::open(arguments.output, session.interruption);
    if (!opened) {
      const bool is_new = settings->task_id.empty();
      return refuse(is_new ? with_cost(opened.error()) : opened.error());
    }
    output = std::move(*opened);
  }
  std::optional<FilmRequest> film;
  if (what == Delivered::film) {
    film = {.join = settings->join, .asks_for_fragments = arguments.asks_for_fragments};
  }
  return run(session, std::move(*settings), std::move(output), display, film).exit_code;
}

}  // namespace veo::cli
