// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstring>
#include <span>

#include "command.h"
#include "exit_code.h"
#include "veo/system/log_to_stderr.h"

namespace veo::cli {

namespace {

/// Reports a bad command line. The parser has stopped at the mistake, so this function itself looks
/// for --json in the words.
int refuse(const ParseMistake& mistake, std::span<char*> words) {
  const bool json =
      std::ranges::any_of(words, [](const char* word) { return std::strcmp(word, "--json") == 0; });
  const bool has_command = !mistake.command.empty();
  const auto name = has_command ? "veo " + mistake.command : std::string("veo");
  const bool has_word = words.size() > 1 && words[1][0] != '-';
  auto what = !has_command && has_word ? "There is no command \"" + std::string(words[1]) + "\""
                                       : mistake.text;
  if (has_command && mistake.has_extra_words) {
    what += ". A prompt of several words stands in quotes: " + name + " \"a dog in a park\"";
  }
  Display(json ? Display::Kind::json : Display::Kind::automatic)
      .failed({.code = ErrorCode::invalid_request, .message = what + ". Nothing was sent."},
              "See: " + name + " --help");
  return exit_usage;
}

/// Puts /dev/null on each standard stream that is closed. Otherwise the next file that the process
/// opens would get the stream's descriptor, and the output for the stream would go into that file.
/// /dev/null is opened for the other direction, so that a read or write fails as on a closed
/// stream.
void occupy_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

/// Turns a failed write to standard output into an exit code. EPIPE is no failure: the reader has
/// closed the pipe because it needs no more.
int check_stdout(int code) {
  const int error = stdout_error();
  if (error == 0 || error == EPIPE || code != exit_success) return code;
  const Error full{
      .code = ErrorCode::cache,
      .message = std::string("Cannot write to standard output: ") + std::strerror(error) + "."};
  Display(Display::Kind::automatic).failed(full);
  return exit_code(full.code);
}

/// Returns all exit codes in lines that fit a terminal.
std::string exit_code_lines() {
  constexpr std::size_t longest_line = 88;
  std::string text;
  std::string line = "Exit codes:";
  const auto add = [&](const std::string& words) {
    if (line.size() + words.size() + 1 > longest_line) {
      text += line + "\n";
      line = words;
    } else {
      line += " " + words;
    }
  };
  for (const auto& status : exit_statuses()) {
    const bool is_last = &status == &exit_statuses().back();
    add(std::to_string(status.code) + " " + std::string(status.summary) + (is_last ? "." : ","));
  }
  add("See veo(1).");
  return text + line;
}

int run_command_line(int argc, char** argv) {
  occupy_standard_streams();
  log_to_stderr();
  Action chosen;
  Parser parser("Generated video, for the shell. Each generation costs credits, once.", "veo",
                "veo " VEO_VERSION);
  auto app = parser.root();
  app.set_footer(
      std::string(
          R"(The key and the prompts go to api.aivideoapi.ai, unless --api-url or VEO_API_URL names
another address. The provider there offers Google's Veo 3.1 models, and is not Google: its
keys begin with sk-, and its dashboard shows the credits.

Try it without a key, money or a network: start veo-simulator, set VEO_API_URL to the
address that it prints, and VEO_API_KEY to sk-simulator.

Examples:
  veo generate "a dog in a park" -o dog.mp4
  veo generate "a dog in a park" -o - | ffmpeg -i - dog.webm
  veo history

)") + exit_code_lines());
  add_generate(app, chosen);
  add_extend(app, chosen);
  add_batch(app, chosen);
  add_film(app, chosen);
  add_join(app, chosen);
  add_play(app, chosen);
  add_status(app, chosen);
  add_wait(app, chosen);
  add_download(app, chosen);
  add_credits(app, chosen);
  add_price(app, chosen);
  add_serve(app, chosen);
  add_history(app, chosen);
  add_ledger(app, chosen);
  add_completion(app, chosen);
  add_reference(app, chosen);
  const auto parsed = parser.parse(argc, argv);
  if (const auto* answer = std::get_if<ParseAnswer>(&parsed)) {
    return check_stdout(answer->exit_code);
  }
  if (const auto* mistake = std::get_if<ParseMistake>(&parsed)) {
    return refuse(*mistake, {argv, static_cast<std::size_t>(argc)});
  }
  Session session;
  return check_stdout(chosen(session));
}

}  // namespace

}  // namespace veo::cli

int main(int argc, char** argv) {
  // Set LC_CTYPE, because the progress bar and the prompts are UTF-8. LC_NUMERIC stays "C", so that
  // numbers have a decimal point.
  std::setlocale(LC_CTYPE, "");
  return veo::cli::run_command_line(argc, argv);
}
