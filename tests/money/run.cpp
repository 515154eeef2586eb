// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run.h"

#include <fcntl.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace veo::test {

namespace fs = std::filesystem;

namespace {

/// Opens a file without a name: a child can write to it while nobody reads.
int temporary_file() {
  const int fd = ::open(fs::temp_directory_path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) throw std::runtime_error("O_TMPFILE");
  return fd;
}

std::string contents_of(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  for (off_t at = 0;;) {
    const auto done = ::pread(fd, buffer.data(), buffer.size(), at);
    if (done <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(done));
    at += done;
  }
}

std::string column(sqlite3_stmt* row, int at) {
  const auto* const text = sqlite3_column_text(row, at);
  return text != nullptr ? reinterpret_cast<const char*>(text) : "";
}

}  // namespace

bool Ended::played(const std::string& sha256) const {
  return report.is_object() && report.at("eos").get<bool>() && report.at("sha256") == sha256;
}

std::string Ended::error_code() const { return of_error("code"); }

std::string Ended::charged() const { return of_error("charged"); }

std::string Ended::of_error(const char* field) const {
  const bool failed = report.is_object() && !report.at("error").is_null();
  return failed ? report.at("error").at(field).get<std::string>() : "";
}

std::ostream& operator<<(std::ostream& out, const Ended& ended) {
  return out << "exit code " << ended.exit_code << ", signal " << ended.signal << "\n"
             << ended.report.dump() << "\n"
             << ended.errors;
}

RunProcess::RunProcess(const std::vector<std::string>& properties, const std::string& fault)
    : output_(temporary_file()), errors_(temporary_file()) {
  const char* const program = std::getenv("VEO_RUN");
  if (program == nullptr) throw std::runtime_error("VEO_RUN is not set: run this by meson test");
  std::vector<std::string> args{program};
  args.insert(args.end(), properties.begin(), properties.end());
  std::vector<char*> argv;
  argv.reserve(args.size() + 1);
  for (auto& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);

  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("VEO_TEST_FAULT=")) {
      variables.emplace_back(*variable);
    }
  }
  if (!fault.empty()) variables.push_back("VEO_TEST_FAULT=" + fault);
  std::vector<char*> env;
  env.reserve(variables.size() + 1);
  for (auto& variable : variables) env.push_back(variable.data());
  env.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output_, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors_, STDERR_FILENO);
  const int error = ::posix_spawn(&pid_, program, &actions, nullptr, argv.data(), env.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error(std::string("cannot start ") + program);
}

RunProcess::~RunProcess() {
  if (pid_ > 0) {
    kill();
    wait();
  }
  ::close(output_);
  ::close(errors_);
}

void RunProcess::kill() const { ::kill(pid_, SIGKILL); }

Ended RunProcess::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  Ended ended;
  if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  ended.report = nlohmann::json::parse(contents_of(output_), nullptr, false);
  if (ended.report.is_discarded()) ended.report = nullptr;
  ended.errors = contents_of(errors_);
  return ended;
}

Line::Line(const Simulator& simulator) : api_url_(simulator.api_url()), key_(simulator.key()) {}

std::vector<std::string> Line::properties() const {
  return {"prompt=a dog in a park", "layout=original", "poll-interval=5",
          "api-url=" + api_url_,    "api-key=" + key_, "ledger=" + home_.file("state/ledger.db"),
          "cache-dir=" + cache()};
}

std::string Line::cache() const { return home_.file("cache"); }

Ended Line::run(const std::string& fault, const std::vector<std::string>& more) const {
  auto all = properties();
  all.insert(all.end(), more.begin(), more.end());
  return RunProcess(all, fault).wait();
}

std::vector<Row> Line::rows() const {
  // Read a copy: SQLite would repair the files that it opens, and the next run has to do that
  // itself.
  const TemporaryDirectory copy;
  for (const auto* const part : {"", "-wal", "-journal"}) {
    const auto original = home_.file(std::string("state/ledger.db") + part);
    if (fs::exists(original)) fs::copy_file(original, copy.file(std::string("ledger.db") + part));
  }
  std::vector<Row> rows;
  sqlite3* opened = nullptr;
  sqlite3_open_v2(copy.file("ledger.db").c_str(), &opened, SQLITE_OPEN_READWRITE, nullptr);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database(opened, sqlite3_close);
  sqlite3_stmt* prepared = nullptr;
  sqlite3_prepare_v2(opened,
                     "SELECT state, task_id, clip_path, clip_sha256 FROM submission ORDER BY id",
                     -1, &prepared, nullptr);
  // Null if there is no ledger yet, or an empty one.
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement(prepared,
                                                                             sqlite3_finalize);
  while (prepared != nullptr && sqlite3_step(prepared) == SQLITE_ROW) {
    rows.push_back({.state = column(prepared, 0),
                    .task_id = column(prepared, 1),
                    .clip_path = column(prepared, 2),
                    .clip_sha256 = column(prepared, 3)});
  }
  return rows;
}

namespace {

SmallClip make_clip(const TemporaryDirectory& directory, const char* frames) {
  const auto simulator = Simulator::start({"--generation-time", "0s", "--frames", frames});
  const Line line(simulator);
  const auto made = line.run();
  const auto task = simulator.state().at("tasks").at(0);
  SmallClip found{directory.file("clip.mp4"), task.at("sha256")};
  for (const auto& entry : fs::directory_iterator(line.cache())) {
    if (entry.path().extension() == ".mp4") fs::copy_file(entry.path(), found.path);
  }
  if (!made.played(found.sha256) || !fs::exists(found.path)) {
    std::ostringstream text;
    text << "no clip: " << made;
    throw std::runtime_error(text.str());
  }
  return found;
}

}  // namespace

const SmallClip& small_clip() {
  static const TemporaryDirectory directory;
  static const SmallClip clip = make_clip(directory, "24");
  return clip;
}

const SmallClip& larger_clip() {
  static const TemporaryDirectory directory;
  static const SmallClip clip = make_clip(directory, "96");
  return clip;
}

Simulator start_simulator() {
  return Simulator::start({"--generation-time", "0s", "--clip", small_clip().path});
}

unsigned repeats() {
  const char* const text = std::getenv("VEO_TEST_REPEAT");
  return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : 0;
}

}  // namespace veo::test
