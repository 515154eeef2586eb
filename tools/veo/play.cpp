// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "deliver.h"
#include "exit_code.h"
#include "run.h"

namespace veo::cli {

namespace {

/// Runs a shell line as a player. The player reads the video from its standard input, to which this
/// process writes.
class Player {
 public:
  explicit Player(Interruption& interruption) : interruption_(interruption) {}

  /// False: the player could not be started.
  bool start(const std::string& line) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return false;
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pipe[0], STDIN_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t defaults;
    ::sigemptyset(&defaults);
    for (const int signal : {SIGPIPE, SIGXFSZ}) ::sigaddset(&defaults, signal);
    ::posix_spawnattr_setsigdefault(&attributes, &defaults);
    ::posix_spawnattr_setsigmask(&attributes, &interruption_.mask_before());
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    std::string shell = "/bin/sh";
    std::string option = "-c";
    std::string copy = line;
    std::array<char*, 4> argv{shell.data(), option.data(), copy.data(), nullptr};
    const int error =
        ::posix_spawn(&pid_, shell.c_str(), &actions, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    ::close(pipe[0]);
    input_ = pipe[1];
    if (error == 0) interruption_.set_child(pid_);
    return error == 0;
  }

  [[nodiscard]] std::string input() const { return "/dev/fd/" + std::to_string(input_); }

  /// Closes the player's input, waits until the player has ended, and returns its exit code.
  int wait() {
    ::close(input_);
    siginfo_t ended{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
    // After waitpid() another process may get the player's number, so a signal must not go there.
    interruption_.set_child(0);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  Interruption& interruption_;
  pid_t pid_ = -1;
  int input_ = -1;
};

int play(Session& session, const Arguments& arguments, const std::string& line) {
  Display display(arguments.kind());
  const auto refuse = [&](const Error& error) {
    display.failed(error);
    return exit_code(error.code);
  };
  auto settings = arguments.settings();
  if (!settings) return refuse(settings.error());
  Player player(session.interruption);
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
  if (code == exit_success && played != 0) {
    return refuse({.code = ErrorCode::bad_media,
                   .message = "The player (" + line + ") ended with status " +
                              std::to_string(played) +
                              ". Name another one with --player=COMMAND: it gets the video on its "
                              "standard input."});
  }
  return code;
}

}  // namespace

void add_play(CLI::App& app, Action& chosen) {
  auto* command = app.add_subcommand("play", "play the video of a task; never costs anything");
  const auto arguments = std::make_shared<Arguments>();
  const auto player = std::make_shared<std::string>("ffplay -loglevel error -autoexit -i -");
  add_task(*command, *arguments, "task-id");
  command->add_option("--player", *player, "a shell line that reads the video from standard input")
      ->type_name("COMMAND")
      ->capture_default_str();
  using Group = Option::Group;
  add_arguments(*command, *arguments, {Group::files, Group::service, Group::waiting},
                {"callback-listen"});
  command->footer(R"(It begins before the download ends. With GStreamer: gst-play-1.0 veo:task/ID

Examples:
  veo play cbf6b69d-4f03-4817-8ed7-94c0292184a8
  veo play cbf6b69d-4f03-4817-8ed7-94c0292184a8 --player="mpv -")");
  command->callback([arguments, player, &chosen] {
    chosen = [arguments, player](Session& session) { return play(session, *arguments, *player); };
  });
}

}  // namespace veo::cli
