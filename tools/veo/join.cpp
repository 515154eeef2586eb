// SPDX-License-Identifier: LGPL-2.1-or-later
#include <nlohmann/json.hpp>

#include "deliver.h"
#include "display_text.h"
#include "exit_code.h"
#include "file_stream.h"
#include "film_writer.h"

namespace veo::cli {

namespace {

struct Clips : Deliver {
  std::vector<std::string> clips;
};

int join(Session& session, const Clips& arguments) {
  Display display(arguments.kind(), arguments.output == "-");
  const auto refuse = [&display](const Error& error) {
    display.failed(error);
    return exit_code(error.code);
  };
  const auto stop = [&display] {
    display.interrupted("", "The same line again starts from the beginning.");
    return exit_interrupted;
  };
  const auto media = media::load();
  if (!media) return refuse(media.error());
  // Check all clips before the first byte is written.
  std::vector<std::unique_ptr<FileStream>> clips;
  std::vector<media::ClipFormat> formats;
  for (const auto& path : arguments.clips) {
    auto opened = FileStream::open(path);
    if (!opened) return refuse(opened.error());
    auto format = (*media)->probe(**opened);
    auto mismatch = format ? std::optional<Error>() : format.error();
    if (format && !formats.empty()) mismatch = media::find_mismatch(formats[0], *format);
    if (mismatch) {
      mismatch->message = path + ": " + mismatch->message;
      return refuse(*mismatch);
    }
    formats.push_back(std::move(*format));
    clips.push_back(std::move(*opened));
  }
  auto output = Output::open(arguments.output, session.interruption);
  if (!output) return refuse(output.error());
  FilmWriter writer(**media, *output,
                    {.asks_for_fragments = arguments.asks_for_fragments,
                     .has_one_configuration = media::have_same_parameter_sets(formats)});
  for (std::size_t i = 0; i < clips.size(); ++i) {
    const auto added = writer.add(*clips[i]);
    writer.report_notices(display);
    if (!added) {
      auto error = added.error();
      if (error.code == ErrorCode::bad_media)
        error.message = arguments.clips[i] + ": " + error.message;
      return refuse(error);
    }
    if (*added == Output::Written::closed) return 0;
    if (*added == Output::Written::interrupted || session.interruption.happened()) {
      return stop();
    }
  }
  const auto ended = writer.finish();
  if (!ended) return refuse(ended.error());
  if (*ended == Output::Written::closed) return 0;
  if (*ended == Output::Written::interrupted) return stop();
  const auto file = output->finish("");
  if (!file) return refuse(file.error());
  display.tell({{"event", "joined"},
                {"file", *file},
                {"bytes", writer.bytes()},
                {"frames", writer.frames()},
                {"clips", clips.size()}});
  if (*file != "-") {
    display.say("Saved " + *file + ": " + std::to_string(writer.frames()) + " frames of " +
                count_text(clips.size(), "clip") + ".");
  }
  return 0;
}

}  // namespace

void add_join(Command& app, Action& chosen) {
  auto command = app.add_command("join", "put clips one after the other, without re-encoding");
  const auto arguments = std::make_shared<Clips>();
  command.add_option("clips", arguments->clips, "MP4 files of one size and rate, in their order")
      .set_form("FILE")
      .set_required()
      .take_all_words();
  add_arguments(command, *arguments, {});
  command.add_option("-o,--output", arguments->output, "where to: a file, or - for standard output")
      .set_form("FILE|-")
      .set_required();
  add_fragmented(command, *arguments);
  command.set_footer(
      R"(Exact to the frame, and to the sample for Veo's clips. The sound of other clips can be up to 10.7 ms
early or late. The sound is not encoded again, except for one AAC frame (21 ms) at each join.
A file gets a plain MP4 with its index first; a pipe gets a fragmented one, which plays while it comes.

Examples:
  veo join a.mp4 b.mp4 -o film.mp4
  veo join a.mp4 b.mp4 -o - | ffmpeg -i - film.webm)");
  command.on_chosen([arguments, &chosen] {
    chosen = [arguments](Session& session) { return join(session, *arguments); };
  });
}

}  // namespace veo::cli
