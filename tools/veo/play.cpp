// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "deliver.h"
#include "exit_code.h"
#include "run.h"
#include "veo/system/child_process.h"
#include "veo/system/file_handle.h"

namespace veo::cli {

namespace {

/// Runs a shell line as a player. The player reads the video from its standard input, to which this
/// process writes.
class PlayerProcess {
 public:
  explicit PlayerProcess(Interruption& interruption) : interruption_(interruption) {}

  /// False and errno: the player could not be started.
  bool start(const std::string& line) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return false;
    const FileHandle video(pipe[0]);
    input_ = FileHandle(pipe[1]);
    const auto child = spawn_shell(
        line, {.streams = {video.get(), -1, -1}, .signal_mask = interruption_.mask_before()});
    if (!child) return false;
    pid_ = *child;
    interruption_.set_child(pid_);
    return true;
  }

  [[nodiscard]] std::string input() const { return "/dev/fd/" + std::to_string(input_.get()); }

  /// Closes the player's input, waits until the player has ended, and returns its exit code. After
  /// a signal the player is ended, because it may have minutes of video left to show.
  int wait() {
    input_ = FileHandle();
    while (!has_child_ended(pid_)) {
      pollfd signal{interruption_.fd(), POLLIN, 0};
      if (::poll(&signal, 1, poll_interval) > 0) end_child_family(pid_, SIGTERM);
    }
    // After waitpid() another process may get the player's number, so a signal must not go there.
    interruption_.set_child(0);
    int status = 0;
    retried([&] { return ::waitpid(pid_, &status, 0); });
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  static constexpr int poll_interval = 20;  // milliseconds

  Interruption& interruption_;
  pid_t pid_ = -1;
  FileHandle input_;
};

/// What a shell returns for a command that it does not find.
constexpr int not_found = 127;

/// Says why the player has failed, and what to do. The video is in the cache by then.
std::string explain_player(const std::string& line, int status) {
  if (status == not_found) {
    return "The player (" + line +
           ") is not on this machine. The task is not paid again. Install the player, or name "
           "another one: --player='mpv -' (Debian's package mpv), --player='ffplay -autoexit -i -' "
           "(ffmpeg), or play the task with gst-play-1.0 veo:task/ID "
           "(gstreamer1.0-plugins-base-apps).";
  }
  return "The player (" + line + ") ended with status " + std::to_string(status) +
         ". Name another one with --player=COMMAND: it gets the video on its standard input.";
}

int play(Session& session, const Arguments& arguments, const std::string& line) {
  Display display(arguments.kind());
  const auto refuse = [&](const Error& error) {
    display.failed(error);
    return exit_code(error.code);
  };
  auto settings = arguments.settings();
  if (!settings) return refuse(settings.error());
  PlayerProcess player(session.interruption);
  if (!player.start(line)) {
    return refuse(
        {.code = ErrorCode::invalid_request,
         .message = std::string("The player cannot be started: ") + std::strerror(errno)});
  }
  auto output = Output::open(player.input(), session.interruption);
  if (!output) {
    player.wait();
    return refuse(output.error());
  }
  int code = run(session, std::move(*settings), std::move(*output), display).exit_code;
  const int played = player.wait();
  // The video may be here while the player still shows it: a signal ends that, too.
  if (session.interruption.happened()) return exit_interrupted;
  if (code == exit_success && played != 0) {
    return refuse({.code = ErrorCode::bad_media, .message = explain_player(line, played)});
  }
  return code;
}

}  // namespace

void add_play(Command& app, Action& chosen) {
  auto command = app.add_command("play", "play the video of a task; never costs anything");
  const auto arguments = std::make_shared<Arguments>();
  const auto player = std::make_shared<std::string>("ffplay -loglevel error -autoexit -i -");
  add_task(command, *arguments, "task-id");
  command.add_option("--player", *player, "a shell line that reads the video from standard input")
      .set_form("COMMAND")
      .show_default();
  using Group = Option::Group;
  add_arguments(command, *arguments, {Group::files, Group::service, Group::waiting},
                {"callback-listen"});
  command.set_footer(R"(It begins before the download ends. With GStreamer: gst-play-1.0 veo:task/ID

Examples:
  veo play cbf6b69d-4f03-4817-8ed7-94c0292184a8
  veo play cbf6b69d-4f03-4817-8ed7-94c0292184a8 --player="mpv -")");
  command.on_chosen([arguments, player, &chosen] {
    chosen = [arguments, player](Session& session) { return play(session, *arguments, *player); };
  });
}

}  // namespace veo::cli
