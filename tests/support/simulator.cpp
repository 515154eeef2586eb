// SPDX-License-Identifier: LGPL-2.1-or-later
#include "simulator.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "http_client.h"

namespace veo::test {
namespace {

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

/// A child process and the read end of its stdout.
struct Child {
  pid_t pid = -1;
  Fd output;

  static Child spawn(std::vector<std::string> args, bool errors_too) {
    const char* const given = std::getenv("VEO_SIMULATOR");
    args.insert(args.begin(), given != nullptr && *given != '\0' ? given : VEO_SIMULATOR);
    std::vector<char*> argv;
    for (auto& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);

    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    Fd output(pipe[0]);
    const Fd input(pipe[1]);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error("fork");
    if (pid == 0) {
      // Only async-signal-safe calls are allowed here, because other threads of the test may have
      // held locks.
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) ::_exit(127);
      ::dup2(input.get(), STDOUT_FILENO);
      if (errors_too) ::dup2(input.get(), STDERR_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    return {pid, std::move(output)};
  }

  /// Reads one line, or all text up to the end.
  std::string read(bool line) const {
    std::string text;
    for (char c = 0; ::read(output.get(), &c, 1) == 1;) {
      if (line && c == '\n') break;
      text += c;
    }
    return text;
  }

  /// Waits for the end. Returns the exit code, or -1 if a signal ended the child.
  int wait() {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

/// Makes a new, empty directory.
std::string make_home() {
  std::string name = (std::filesystem::temp_directory_path() / "veo-simulator-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return name;
}

}  // namespace

struct Simulator::Private {
  ~Private() {
    if (child.pid > 0) {
      ::kill(child.pid, SIGTERM);
      child.wait();
    }
    std::error_code ignored;
    std::filesystem::remove_all(home, ignored);
  }

  /// `scheme://address:port`, for URLs outside of /v1.
  [[nodiscard]] std::string origin() const { return api.substr(0, api.rfind('/')); }

  [[nodiscard]] std::string log() const { return home + "/log"; }

  Child child;
  std::string home;
  std::string api;
  std::string files;
};

Simulator::Simulator(std::unique_ptr<Private> p) : p_(std::move(p)) {}
Simulator::~Simulator() = default;
Simulator::Simulator(Simulator&&) noexcept = default;
Simulator& Simulator::operator=(Simulator&&) noexcept = default;

Simulator Simulator::start(const std::vector<std::string>& args) {
  auto p = std::make_unique<Private>();
  p->home = make_home();
  auto all = args;
  all.insert(all.end(), {"--log", p->log()});
  p->child = Child::spawn(std::move(all), false);
  const auto ready = nlohmann::json::parse(p->child.read(true), nullptr, false);
  if (ready.is_discarded()) throw std::runtime_error("veo-simulator did not start");
  p->api = ready.at("api");
  p->files = ready.at("files");
  return Simulator(std::move(p));
}

std::string Simulator::api_url() const { return p_->api; }
std::string Simulator::files_url() const { return p_->files; }
std::string Simulator::ledger() const { return p_->home + "/state/ledger.db"; }
std::string Simulator::cache() const { return p_->home + "/cache"; }

nlohmann::json Simulator::state() const {
  const auto answer = http_request("GET", p_->origin() + "/simulator/state");
  if (!answer.complete) throw std::runtime_error("no state: " + answer.error);
  return nlohmann::json::parse(answer.body);
}

std::vector<nlohmann::json> Simulator::log() const {
  std::vector<nlohmann::json> entries;
  std::ifstream file(p_->log());
  for (std::string line; std::getline(file, line);) entries.push_back(nlohmann::json::parse(line));
  return entries;
}

void Simulator::set_faults(const std::vector<std::string>& specs) {
  const auto answer =
      http_request("PUT", p_->origin() + "/simulator/faults", {}, nlohmann::json(specs).dump());
  if (answer.status != 200) throw std::runtime_error(answer.body + answer.error);
}

int Simulator::stop() {
  ::kill(p_->child.pid, SIGTERM);
  return p_->child.wait();
}

SimulatorExit run_simulator(const std::vector<std::string>& args) {
  auto child = Child::spawn(args, true);
  SimulatorExit exit;
  exit.output = child.read(false);
  exit.code = child.wait();
  return exit;
}

}  // namespace veo::test
