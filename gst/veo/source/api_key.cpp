// SPDX-License-Identifier: LGPL-2.1-or-later
#include "api_key.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>

#include "veo/core/error_table.h"
#include "veo/core/escape.h"
#include "veo/core/log.h"
#include "veo/core/url_policy.h"
#include "veo/system/child_process.h"
#include "veo/system/environment.h"
#include "veo/system/guarded.h"
#include "veo/system/small_file.h"

namespace veo {

namespace {

constexpr std::size_t max_key_size = 4096;
constexpr std::size_t max_command_output = 64U << 10U;
constexpr std::size_t max_quoted = 200;  // bytes of a command's last words

Error make_key_error(std::string message) {
  return {.code = ErrorCode::invalid_api_key, .message = std::move(message)};
}

/// Makes a key of a text that may have white space at its ends, as a file has.
Result<Secret> make_key(Secret text, const std::string& origin) {
  text.trim();
  if (text.empty()) {
    return fail(make_key_error(origin + " holds no API key: it is empty. Nothing was sent."));
  }
  if (!text.is_header_value()) {
    return fail(make_key_error(
        origin +
        " holds no API key: a key is one line of visible ASCII characters. Nothing was "
        "sent."));
  }
  return text;
}

// --- files ---

/// Returns why the owner cannot change the file's mode. Null: the owner can.
const char* find_obstacle_to_chmod(int fd) {
  struct statvfs mount {};
  if (::fstatvfs(fd, &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0) {
    return "the file system is read-only";
  }
  // These file systems keep no modes: the mount decides.
  constexpr std::uint32_t without_modes[] = {MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC, SMB_SUPER_MAGIC,
                                             CIFS_SUPER_MAGIC,  SMB2_SUPER_MAGIC,  V9FS_MAGIC};
  struct statfs kind {};
  if (::fstatfs(fd, &kind) == 0 &&
      std::ranges::count(without_modes, static_cast<std::uint32_t>(kind.f_type)) != 0) {
    return "the file system keeps no permissions";
  }
  int flags = 0;
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
      (static_cast<unsigned>(flags) & FS_IMMUTABLE_FL) != 0) {
    return "the file is immutable";
  }
  return nullptr;
}

std::string format_mode(mode_t mode) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & 07777U));
  return text.data();
}

/// Refuses a file that others can read, if its owner could change that. A file that an orchestrator
/// has put there (systemd, Kubernetes, Docker) is accepted, with one notice in a process.
std::optional<std::string> judge_permissions(const std::string& path, int fd,
                                             const struct stat& info, AccessProgress& progress) {
  if ((info.st_mode & (S_IRGRP | S_IROTH)) == 0) return std::nullopt;
  const bool is_ours = info.st_uid == ::geteuid();
  const char* const why = is_ours ? find_obstacle_to_chmod(fd) : "the file belongs to another user";
  if (why == nullptr) {
    return "others may read it (its mode is " + format_mode(info.st_mode) +
           "). Make it yours alone: chmod 600 " + quote_for_shell(path);
  }
  static std::atomic_flag is_told;
  if (!is_told.test_and_set()) {
    progress.notices.push_back("Others may read the API key file " + path + " (its mode is " +
                               format_mode(info.st_mode) + "). It is used, because " + why +
                               ": its permissions cannot be changed here.");
  }
  return std::nullopt;
}

/// The keys that came through pipes, by the pipe. A pipe gives its bytes only once.
using PipeKeys = std::map<std::tuple<std::string, dev_t, ino_t>, Secret>;

Guarded<PipeKeys>& pipe_keys() {
  static auto* const keys = new Guarded<PipeKeys>;  // never destroyed: threads may use it at exit
  return *keys;
}

Result<Secret> read_key_file(const std::string& path, AccessProgress& progress) {
  const std::string what = "The API key file " + path;
  progress.reads("API key file " + path);
  // Do not open a pipe again: a FIFO's writer would write to nobody.
  std::optional<PipeKeys::key_type> pipe;
  struct stat seen {};
  if (::stat(path.c_str(), &seen) == 0 && S_ISFIFO(seen.st_mode)) {
    pipe.emplace(path, seen.st_dev, seen.st_ino);
    const auto keys = pipe_keys().lock();
    if (const auto known = keys->find(*pipe); known != keys->end()) return known->second;
    progress.waits_for("API key", "the writer of the pipe " + path + " has not closed it");
  }
  auto text = read_small_file_or_pipe(path,
                                      {.what = what,
                                       .code = ErrorCode::invalid_api_key,
                                       .most = max_key_size,
                                       .find_objection =
                                           [&](int fd, const struct stat& info) {
                                             return judge_permissions(path, fd, info, progress);
                                           }},
                                      progress.patience);
  if (!text) return fail(std::move(text.error()));
  auto key = make_key(Secret(std::move(*text)), what);
  if (key && pipe) pipe_keys().lock()->insert_or_assign(*pipe, *key);
  return key;
}

// --- the command ---

/// Returns the last line of a command's standard error that is not empty, for people. Removes the
/// lines of its standard output, because a shell that traces its commands prints the key there.
std::string quote_last_line(std::string errors, std::string_view output) {
  constexpr std::size_t shortest_secret = 4;
  while (!output.empty()) {
    const auto end = std::min(output.find('\n'), output.size());
    const auto line = output.substr(0, end);
    output.remove_prefix(std::min(end + 1, output.size()));
    if (line.size() < shortest_secret) continue;
    for (auto at = errors.find(line); at != std::string::npos; at = errors.find(line, at)) {
      errors.replace(at, line.size(), "***");
    }
  }
  // The command may also print the key among its errors.
  constexpr std::string_view prefix = "sk-";
  for (auto at = errors.find(prefix); at != std::string::npos; at = errors.find(prefix, at)) {
    const auto end = std::min(errors.find_first_of(" \t\r\n", at), errors.size());
    errors.replace(at, end - at, "***");
  }
  const auto last = errors.find_last_not_of(" \t\r\n");
  if (last == std::string::npos) return "";
  const auto begin = errors.find_last_of("\r\n", last);
  const auto first = begin == std::string::npos ? 0 : begin + 1;
  return escape_text(std::string_view(errors).substr(first, last + 1 - first), max_quoted);
}

/// Says how a command ended. Empty: well.
std::string describe_end(const CommandResult& result, const Patience& patience) {
  using enum CommandResult::End;
  switch (result.end) {
    case exited:
      return result.status == 0 ? ""
                                : "the command ended with status " + std::to_string(result.status);
    case signalled:
      return "the signal " + std::to_string(result.status) + " (" + ::strsignal(result.status) +
             ") ended the command";
    case not_started:
      return std::string("the command could not be started: ") + std::strerror(result.status);
    case timed_out:
      return "the command did not end within " +
             std::to_string(std::chrono::ceil<std::chrono::seconds>(patience.timeout).count()) +
             " s, and was ended";
    case cancelled:
      return "nobody waits for the command any more";
    case flooded:
      return "the command printed more than " + std::to_string(max_command_output) +
             " bytes, and was ended";
    case unknown:
      return result.output.empty() ? "the command printed nothing, and its status is not known"
                                   : "";
  }
  return "";
}

Result<Secret> make_key_of(CommandResult result, const Patience& patience) {
  const auto refuse = [&](std::string why) {
    const auto words = quote_last_line(result.errors, result.output);
    Secret wiped(std::move(result.output));
    if (!words.empty()) why += ". Its last words were: " + words;
    return fail(make_key_error(
        "VEO_API_KEY_COMMAND gave no API key: " + why + (why.ends_with('.') ? "" : ".") +
        " Nothing was sent, and nothing is paid. The command runs once in a process: mend it, and "
        "start again."));
  };
  if (const auto why = describe_end(result, patience); !why.empty()) return refuse(why);
  const auto line = result.output.find('\n');
  Secret key(result.output.substr(0, line));
  key.trim();
  if (key.empty()) {
    return refuse(result.output.empty() ? "the command printed nothing"
                                        : "the first line of its output is empty");
  }
  if (!key.is_header_value()) {
    return refuse("the first line of its output has characters that no key has");
  }
  Secret wiped(std::move(result.output));
  return key;
}

/// Runs the command, if this process has not run it yet. A run that was cancelled does not count.
Result<Secret> run_key_command(const std::string& line, AccessProgress& progress) {
  using Answers = std::map<std::string, Result<Secret>>;
  // Never destroyed: the thread for settings may use it at exit.
  static auto* const answers = new Guarded<Answers>;
  {
    const auto locked = answers->lock();
    if (const auto known = locked->find(line); known != locked->end()) return known->second;
  }
  progress.waits_for("API key", "the command of VEO_API_KEY_COMMAND has not ended");
  auto result = run_command(line, max_command_output, progress.patience);
  const bool counts = result.end != CommandResult::End::cancelled;
  auto key = make_key_of(std::move(result), progress.patience);
  if (counts) answers->lock()->emplace(line, key);
  return key;
}

// --- the order ---

/// Whether the environment's key belongs to `api_url`: the key belongs to the service that the
/// environment names, else to the built-in service.
bool is_environment_key_for(const std::string& api_url) {
  const auto home = parse_origin(environment::get("VEO_API_URL").value_or(default_api_url));
  const auto asked = parse_origin(api_url);
  return home && asked && *home == *asked;
}

/// Returns the path of the credential that a service manager has put there, if there is one.
std::optional<std::string> find_credential() {
  const auto directory = environment::get("CREDENTIALS_DIRECTORY");
  if (!directory) return std::nullopt;
  auto path = *directory + "/veo-api-key";
  // A credential that is there and cannot be read must be an error. So do not ask access(2).
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return std::nullopt;
  }
  return path;
}

/// Logs the origin of the key, and never a part of the key.
void log_origin(std::string_view origin) {
  log::debug(log::Category::job, "the API key comes from ", log::text(origin));
}

/// Returns the environment's key. nullopt: the environment has none. `is_allowed`: the key may go
/// to this API; otherwise nothing is read.
std::optional<Result<Secret>> find_environment_key(bool is_allowed, AccessProgress& progress) {
  const Result<Secret> withheld = Secret();
  if (const auto path = find_credential()) {
    if (!is_allowed) return withheld;
    log_origin("the file veo-api-key in CREDENTIALS_DIRECTORY");
    return read_key_file(*path, progress);
  }
  if (const auto path = environment::get("VEO_API_KEY_FILE")) {
    if (!is_allowed) return withheld;
    log_origin("the file of VEO_API_KEY_FILE");
    return read_key_file(*path, progress);
  }
  if (const auto line = environment::get("VEO_API_KEY_COMMAND")) {
    if (!is_allowed) return withheld;
    log_origin("the command of VEO_API_KEY_COMMAND");
    return run_key_command(*line, progress);
  }
  if (auto text = environment::get("VEO_API_KEY")) {
    if (!is_allowed) return withheld;
    log_origin("the variable VEO_API_KEY");
    return make_key(Secret(std::move(*text)), "VEO_API_KEY");
  }
  return std::nullopt;
}

/// Refuses a key of somebody else before the built-in service gets the key.
Status check_owner(const Secret& key, const std::string& api_url) {
  constexpr std::string_view prefix = "sk-";  // of each key, by the provider's page
  const auto asked = parse_origin(api_url);
  const auto builtin = parse_origin(default_api_url);
  if (!asked || !builtin || *asked != *builtin || key.has_prefix(prefix)) return {};
  return fail(make_key_error(
      "The API key does not begin with sk-, so it is no key of the provider at " + asked->host +
      ", and is not sent there. That provider is not Google: a key of Google's is of no use there. "
      "Take a key from the provider's dashboard."));
}

Result<Secret> find_key(const AccessOptions& options, const std::string& api_url,
                        AccessProgress& progress) {
  if (!options.api_key.empty()) {
    log_origin("the property api-key");
    return make_key(options.api_key, "The property api-key");
  }
  if (!options.api_key_file.empty()) {
    log_origin("the file of api-key-file");
    return read_key_file(options.api_key_file, progress);
  }
  const bool is_allowed = is_environment_key_for(api_url);
  auto key = find_environment_key(is_allowed, progress);
  if (key && is_allowed) return std::move(*key);
  if (key) {
    return fail({.code = ErrorCode::missing_api_key,
                 .message = "The environment's API key is not sent to " + redact_url(api_url) +
                            ", which is another service than VEO_API_URL names. Set api-key or "
                            "api-key-file for it."});
  }
  return fail({.code = ErrorCode::missing_api_key,
               .message = with_advice("There is no API key, and nothing was sent.",
                                      ErrorCode::missing_api_key)});
}

}  // namespace

Result<Secret> find_api_key(const AccessOptions& options, const std::string& api_url,
                            AccessProgress& progress) {
  auto key = find_key(options, api_url, progress);
  if (!key) return key;
  if (auto owned = check_owner(*key, api_url); !owned) return fail(std::move(owned.error()));
  return key;
}

}  // namespace veo
