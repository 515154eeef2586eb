// SPDX-License-Identifier: LGPL-2.1-or-later
#include "deliver.h"
#include "exit_code.h"

namespace veo::cli {

void add_extend(CLI::App& app, Run& run) {
  auto* command =
      app.add_subcommand("extend", "continue the video of a completed task; costs credits");
  const auto arguments = std::make_shared<Deliver>();
  const auto clip_only = std::make_shared<bool>(false);
  add_task(*command, *arguments, "extend-task-id");
  add_prompt(*command, *arguments, "prompt", true);
  using Group = Option::Group;
  add_arguments(
      *command, *arguments,
      {Group::request, Group::money, Group::files, Group::service, Group::waiting, Group::stream},
      {"prompt", "extend-task-id"});
  command->add_flag("--clip-only", *clip_only, "the continuation as delivered, not the film");
  add_output(*command, *arguments);
  command->footer(
      R"(The page of the service gives extensions no price: with a budget, set extend_credits in
the catalog (VEO_CATALOG).

Example:
  veo extend cbf6b69d-4f03-4817-8ed7-94c0292184a8 "the camera pulls back" --clip-only -o next.mp4)");
  command->callback([arguments, clip_only, &run] {
    run = [arguments, clip_only](Session& session) {
      if (*clip_only) return deliver(session, *arguments);
      Display(arguments->kind(), arguments->output == "-")
          .failed({.code = ErrorCode::invalid_request,
                   .message = "This version does not join the continuation to its parent: ask for "
                              "the continuation alone, with --clip-only. Nothing was sent."});
      return exit_usage;
    };
  });
}

}  // namespace veo::cli
