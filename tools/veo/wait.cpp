// SPDX-License-Identifier: LGPL-2.1-or-later
#include "deliver.h"
#include "exit_code.h"
#include "run.h"

namespace veo::cli {

namespace {

int wait(Session& session, const Arguments& arguments) {
  Display display(arguments.kind());
  auto settings = arguments.settings();
  if (!settings) {
    display.failed(settings.error());
    return exit_code(settings.error().code);
  }
  return cli::run(session, std::move(*settings), std::nullopt, display).exit_code;
}

}  // namespace

void add_wait(Command& app, Action& chosen) {
  auto command = app.add_command("wait", "wait until a task has ended");
  const auto arguments = std::make_shared<Arguments>();
  add_task(command, *arguments, "task-id");
  using Group = Option::Group;
  add_arguments(command, *arguments, {Group::files, Group::service, Group::waiting},
                {"callback-listen"});
  command.set_footer(R"(Ends with 0 when it is completed, and with 7 when it has failed.

Example:
  veo wait cbf6b69d-4f03-4817-8ed7-94c0292184a8 && notify-send "the dog is ready")");
  command.on_chosen([arguments, &chosen] {
    chosen = [arguments](Session& session) { return wait(session, *arguments); };
  });
}

}  // namespace veo::cli
