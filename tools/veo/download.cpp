// SPDX-License-Identifier: LGPL-2.1-or-later
#include "deliver.h"

namespace veo::cli {

void add_download(Command& app, Action& chosen) {
  auto command = app.add_command("download", "save the video of a task; never costs anything");
  const auto arguments = std::make_shared<Deliver>();
  add_task(command, *arguments, "task-id");
  using Group = Option::Group;
  add_arguments(command, *arguments, {Group::files, Group::service, Group::waiting, Group::stream},
                {"callback-listen"});
  add_output(command, *arguments);
  command.set_footer(R"(A task that is still being generated is waited for.

Example:
  veo download cbf6b69d-4f03-4817-8ed7-94c0292184a8 -o dog.mp4)");
  command.on_chosen([arguments, &chosen] {
    chosen = [arguments](Session& session) { return deliver(session, *arguments); };
  });
}

}  // namespace veo::cli
