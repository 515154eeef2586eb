// SPDX-License-Identifier: LGPL-2.1-or-later
#include <map>

#include "deliver.h"

namespace veo::cli {

void add_extend(CLI::App& app, Run& run) {
  auto* command =
      app.add_subcommand("extend", "continue the video of a completed task; costs credits");
  const auto arguments = std::make_shared<Deliver>();
  const auto clip_only = std::make_shared<bool>(false);
  const auto join = std::make_shared<Join>(Join::automatic);
  add_task(*command, *arguments, "extend-task-id");
  add_prompt(*command, *arguments, "prompt", true);
  using Group = Option::Group;
  add_arguments(
      *command, *arguments,
      {Group::request, Group::money, Group::files, Group::service, Group::waiting, Group::stream},
      // An extension has no other field of a request than these.
      {"prompt", "extend-task-id", "mode", "resolution", "aspect-ratio", "generation-type",
       "image-urls", "enable-translation", "seed", "watermark"});
  command
      ->add_option_function<std::string>(
          "--join",
          [join](const std::string& text) {
            static const std::map<std::string, Join> joins{
                {"auto", Join::automatic}, {"append", Join::append}, {"replace", Join::replace}};
            const auto found = joins.find(text);
            if (found == joins.end()) {
              throw CLI::ValidationError("--join",
                                         "\"" + text + "\" is none of auto, append and replace");
            }
            *join = found->second;
          },
          "what to do with the continuation: look whether it contains what it continues "
          "(default), put it behind that, or take it for the film")
      ->type_name("auto|append|replace")
      ->group("Output");
  command->add_flag("--clip-only", *clip_only, "the continuation as delivered, not the film")
      ->group("Output");
  add_output(*command, *arguments);
  command->footer(
      R"(The film is that of the whole chain, as far as the record knows it, joined without re-encoding.
The page of the service gives extensions no price: with a budget, set extend_credits in the
catalog (VEO_CATALOG).

Examples:
  veo extend cbf6b69d-4f03-4817-8ed7-94c0292184a8 "the camera pulls back" -o film.mp4
  veo extend cbf6b69d-4f03-4817-8ed7-94c0292184a8 "the camera pulls back" --clip-only -o next.mp4)");
  command->callback([arguments, clip_only, join, &run] {
    run = [arguments, clip_only, join](Session& session) {
      return deliver(session, *arguments, *clip_only ? std::nullopt : std::optional(*join));
    };
  });
}

}  // namespace veo::cli
