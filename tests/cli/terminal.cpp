// SPDX-License-Identifier: LGPL-2.1-or-later
#include "terminal.h"

#include <glib.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vterm.h>

#include <array>
#include <chrono>
#include <csignal>
#include <stdexcept>

namespace veo::test {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

struct Terminal::Screen {
  Screen(int rows, int columns) : terminal(vterm_new(rows, columns)) {
    vterm_set_utf8(terminal, 1);
    screen = vterm_obtain_screen(terminal);
    static const VTermScreenCallbacks callbacks = [] {
      VTermScreenCallbacks made{};
      made.settermprop = [](VTermProp prop, VTermValue* value, void* self) {
        if (prop == VTERM_PROP_CURSORVISIBLE) {
          static_cast<Screen*>(self)->cursor_is_visible = value->boolean != 0;
        }
        return 1;
      };
      return made;
    }();
    vterm_screen_set_callbacks(screen, &callbacks, this);
    vterm_screen_reset(screen, 1);
  }
  ~Screen() { vterm_free(terminal); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  [[nodiscard]] VTermPos cursor() const {
    VTermPos at{};
    vterm_state_get_cursorpos(vterm_obtain_state(terminal), &at);
    return at;
  }

  [[nodiscard]] std::string row(int row) const {
    int rows = 0;
    int columns = 0;
    vterm_get_size(terminal, &rows, &columns);
    std::string text;
    for (int column = 0; column < columns;) {
      VTermScreenCell cell{};
      vterm_screen_get_cell(screen, {row, column}, &cell);
      if (cell.chars[0] == 0) text += ' ';
      for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i] != 0; ++i) {
        std::array<char, 6> utf8{};
        text.append(utf8.data(),
                    static_cast<std::size_t>(g_unichar_to_utf8(cell.chars[i], utf8.data())));
      }
      column += std::max(1, static_cast<int>(cell.width));
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  }

  VTerm* terminal;
  VTermScreen* screen = nullptr;
  bool cursor_is_visible = true;
};

Terminal::Terminal(const Program::Settings& settings, int columns, int rows)
    : screen_(std::make_unique<Screen>(rows, columns)) {
  auto args = settings.args;
  std::vector<char*> argv;
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  winsize size{};
  size.ws_row = static_cast<unsigned short>(rows);
  size.ws_col = static_cast<unsigned short>(columns);
  pid_ = ::forkpty(&fd_, nullptr, nullptr, &size);
  if (pid_ < 0) throw std::runtime_error("forkpty");
  if (pid_ > 0) return;
  // Here setenv() is safe, because this process has a single thread.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setenv("TERM", "xterm-256color", 1);
  for (const auto& [name, value] : settings.env) ::setenv(name.c_str(), value.c_str(), 1);
  if (!settings.directory.empty() && ::chdir(settings.directory.c_str()) != 0) ::_exit(127);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

Terminal::~Terminal() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(fd_);
}

void Terminal::type(const std::string& keys) const {
  if (::write(fd_, keys.data(), keys.size()) < 0) throw std::runtime_error("the terminal is gone");
}

void Terminal::resize(int columns) {
  int rows = 0;
  int before = 0;
  vterm_get_size(screen_->terminal, &rows, &before);
  vterm_set_size(screen_->terminal, rows, columns);
  winsize size{};
  size.ws_row = static_cast<unsigned short>(rows);
  size.ws_col = static_cast<unsigned short>(columns);
  ::ioctl(fd_, TIOCSWINSZ, &size);
}

bool Terminal::read(int milliseconds) {
  pollfd fd{fd_, POLLIN, 0};
  if (::poll(&fd, 1, milliseconds) == 0) return true;
  std::array<char, 65536> buffer;
  const auto got = ::read(fd_, buffer.data(), buffer.size());
  if (got <= 0) return false;  // EIO: no process has the terminal open any more
  vterm_input_write(screen_->terminal, buffer.data(), static_cast<std::size_t>(got));
  auto line = screen_->row(screen_->cursor().row);
  if (moments_.empty() || moments_.back() != line) moments_.push_back(std::move(line));
  return true;
}

bool Terminal::wait_for(const std::string& text) {
  const auto until = steady_clock::now() + 30s;
  while (steady_clock::now() < until) {
    if (screen_->row(screen_->cursor().row).find(text) != std::string::npos) return true;
    if (!read(100)) return false;
  }
  return false;
}

int Terminal::wait() {
  const auto until = steady_clock::now() + 60s;
  while (read(100)) {
    if (steady_clock::now() > until) ::kill(pid_, SIGKILL);
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<std::string> Terminal::screen() const {
  int rows = 0;
  int columns = 0;
  vterm_get_size(screen_->terminal, &rows, &columns);
  std::vector<std::string> lines;
  for (int row = 0; row < rows; ++row) lines.push_back(screen_->row(row));
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

bool Terminal::cursor_is_visible() const { return screen_->cursor_is_visible; }

int Terminal::cursor_column() const { return screen_->cursor().col; }

}  // namespace veo::test
