// SPDX-License-Identifier: LGPL-2.1-or-later
#include "deliver.h"

namespace veo::cli {

void add_generate(Command& app, Action& chosen) {
  auto command = app.add_command("generate", "make a video from a prompt; costs credits");
  const auto arguments = std::make_shared<Deliver>();
  add_prompt(command, *arguments, "prompt,--prompt", false);
  using Group = Option::Group;
  add_arguments(
      command, *arguments,
      {Group::request, Group::money, Group::files, Group::service, Group::waiting, Group::stream},
      {"prompt"});
  add_output(command, *arguments);
  command.set_footer(
      R"(The same line again goes on with its task, or takes the video that is here: it is
paid once. --take=2 asks for another one.

Examples:
  veo generate "a dog in a park" -o dog.mp4
  veo generate "a dog in a park" --mode=quality --resolution=4k --dry-run
  veo generate "a dog in a park" -o - | ffmpeg -i - dog.webm
  veo generate "from dawn to dusk" --image-urls=https://example.com/1.jpg \
      --image-urls=https://example.com/2.jpg -o dusk.mp4)");
  command.on_chosen([arguments, &chosen] {
    chosen = [arguments](Session& session) { return deliver(session, *arguments); };
  });
}

}  // namespace veo::cli
