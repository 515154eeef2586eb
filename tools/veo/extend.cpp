// SPDX-License-Identifier: LGPL-2.1-or-later
#include "deliver.h"

namespace veo::cli {

void add_extend(Command& app, Action& chosen) {
  auto command = app.add_command("extend", "continue the video of a completed task; costs credits");
  const auto arguments = std::make_shared<Deliver>();
  const auto clip_only = std::make_shared<bool>(false);
  add_task(command, *arguments, "extend-task-id");
  add_prompt(command, *arguments, "prompt", true);
  add_extension_arguments(command, *arguments);
  command.add_flag("--clip-only", *clip_only, "the continuation as delivered, not the film")
      .set_heading("Output");
  add_output(command, *arguments);
  add_fragmented(command, *arguments);
  command.set_footer(
      R"(The film is that of the whole chain, as far as the record knows it, joined without re-encoding.
A file gets a plain MP4 with its index first; a pipe gets a fragmented one, which plays while it comes.
The page of the service gives extensions no price: with a budget, set extend_credits in the
catalog (VEO_CATALOG).

Examples:
  veo extend cbf6b69d-4f03-4817-8ed7-94c0292184a8 "the camera pulls back" -o film.mp4
  veo extend cbf6b69d-4f03-4817-8ed7-94c0292184a8 "the camera pulls back" --clip-only -o next.mp4)");
  command.on_chosen([arguments, clip_only, &chosen] {
    chosen = [arguments, clip_only](Session& session) {
      return deliver(session, *arguments, *clip_only ? Delivered::clip : Delivered::film);
    };
  });
}

}  // namespace veo::cli
