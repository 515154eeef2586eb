// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/ledger/answer_journal.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "veo/core/digest.h"
#include "veo/core/error_table.h"
#include "veo/core/escape.h"
#include "veo/core/log.h"
#include "veo/system/private_directory.h"

namespace veo {

namespace {

using namespace std::chrono_literals;

constexpr char is_waiting = '+';
constexpr char is_taken = '-';
constexpr std::size_t checksum_size = 16;
constexpr std::size_t largest_file = std::size_t{16} << 20U;

// The bytes of the locks.
constexpr off_t guard_at = off_t{1} << 40U;
constexpr off_t units_at = guard_at + 1;
/// How many units all processes may reserve at a time.
constexpr off_t most_units = 4096;
constexpr off_t unit_size = 4096;
/// What the task id, the error's text and the times can add to a line, percent-encoded.
constexpr std::size_t room_for_an_answer = 4096;
constexpr std::size_t longest_message = 512;
/// The guard is held for moments.
constexpr auto guard_patience = 2s;

/// Keeps a write beyond RLIMIT_FSIZE from ending the process: the write fails with EFBIG.
class FileSizeSignal {
 public:
  FileSizeSignal() {
    sigemptyset(&signal_);
    sigaddset(&signal_, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~FileSizeSignal() {
    // The kernel sends the signal to the thread that writes. Take it before it can be delivered.
    if (sigismember(&before_, SIGXFSZ) == 1) return;
    const timespec at_once{};
    while (sigtimedwait(&signal_, nullptr, &at_once) == SIGXFSZ) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  FileSizeSignal(const FileSizeSignal&) = delete;
  FileSizeSignal& operator=(const FileSizeSignal&) = delete;

 private:
  sigset_t signal_{};
  sigset_t before_{};
};

struct TextField {
  std::string_view name;
  std::string Record::*member;
};
// The columns that an answer can have. A released name is never used again for another meaning.
constexpr TextField text_fields[] = {
    {"intent", &Record::intent},
    {"instance", &Record::instance},
    {"request", &Record::request},
    {"api-url", &Record::api_url},
    {"account", &Record::account},
    {"model", &Record::model},
    {"mode", &Record::mode},
    {"resolution", &Record::resolution},
    {"prompt", &Record::prompt},
    {"parent-task-id", &Record::parent_task_id},
    {"details", &Record::details},
    {"key-mark", &Record::key_mark},
    {"task-id", &Record::task_id},
    {"error", &Record::error},
    {"error-message", &Record::error_message},
};
struct TimeField {
  std::string_view name;
  std::optional<UnixTime> Record::*member;
};
constexpr TimeField time_fields[] = {
    {"sending-at", &Record::sending_at},
    {"accepted-at", &Record::accepted_at},
    {"finished-at", &Record::finished_at},
};

void add(std::string& text, std::string_view name, std::string_view value) {
  if (!text.empty()) text += '&';
  text.append(name).append("=").append(percent_encode(value));
}
void add(std::string& text, std::string_view name, std::int64_t value) {
  add(text, name, std::to_string(value));
}

/// Shortens a message, and keeps its last character complete (UTF-8).
std::string_view shorten(std::string_view message) {
  if (message.size() <= longest_message) return message;
  auto size = longest_message;
  while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xc0U) == 0x80U) --size;
  return message.substr(0, size);
}

std::string encode(const AnswerRecord& answer) {
  const auto& record = answer.record;
  std::string text;
  add(text, "ledger", answer.ledger);
  add(text, "salt", answer.salt);
  add(text, "row", record.id);
  add(text, "state", nick(record.state));
  add(text, "credits", std::int64_t{record.credits});
  add(text, "by-uri", std::int64_t{record.by_uri ? 1 : 0});
  add(text, "reserved-at", record.reserved_at.time_since_epoch().count());
  for (const auto& field : text_fields) {
    std::string_view value = record.*field.member;
    if (field.member == &Record::error_message) value = shorten(value);
    if (!value.empty()) add(text, field.name, value);
  }
  for (const auto& field : time_fields) {
    if (const auto& time = record.*field.member) {
      add(text, field.name, time->time_since_epoch().count());
    }
  }
  return text;
}

std::string make_line(const AnswerRecord& answer) {
  const auto text = encode(answer);
  return std::string(1, is_waiting) + " " + compute_sha256(text).substr(0, checksum_size) + " " +
         text + "\n";
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Sets one field. False: the value is not valid. A field that this version does not know is
/// ignored.
bool set_field(AnswerRecord& answer, std::string_view name, const std::string& value) {
  auto& record = answer.record;
  const auto* const text = std::ranges::find(text_fields, name, &TextField::name);
  if (text != std::end(text_fields)) {
    record.*(text->member) = value;
    return true;
  }
  if (name == "ledger" || name == "salt") {
    (name == "ledger" ? answer.ledger : answer.salt) = value;
    return true;
  }
  if (name == "state") {
    const auto state = parse_record_state(value);
    if (state) record.state = *state;
    return state.has_value();
  }
  const auto number = parse_integer(value);
  const auto time = UnixTime(std::chrono::milliseconds(number.value_or(0)));
  const auto* const moment = std::ranges::find(time_fields, name, &TimeField::name);
  if (moment != std::end(time_fields)) {
    record.*(moment->member) = time;
  } else if (name == "row") {
    record.id = number.value_or(0);
  } else if (name == "credits") {
    record.credits = static_cast<std::uint32_t>(number.value_or(0));
  } else if (name == "by-uri") {
    record.by_uri = number.value_or(0) != 0;
  } else if (name == "reserved-at") {
    record.reserved_at = time;
  } else {
    return true;
  }
  return number.has_value();
}

/// Reads a line without its end. nullopt: the line is torn, or no answer.
std::optional<AnswerRecord> parse_line(std::string_view line) {
  constexpr auto text_at = 2 + checksum_size + 1;
  if (line.size() <= text_at) return std::nullopt;
  auto text = line.substr(text_at);
  if (compute_sha256(text).substr(0, checksum_size) != line.substr(2, checksum_size)) {
    return std::nullopt;
  }
  AnswerRecord answer;
  while (!text.empty()) {
    const auto field = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(field.size() + 1, text.size()));
    const auto equals = field.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto value = percent_decode(field.substr(equals + 1));
    if (!value || !set_field(answer, field.substr(0, equals), *value)) return std::nullopt;
  }
  return answer;
}

struct flock make_lock(short type, off_t start, off_t length) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

/// Waits for the guard. False: errno says why there is none. The guard goes with `file`, or with
/// release_guard().
bool hold_guard(int file) {
  const auto until = std::chrono::steady_clock::now() + guard_patience;
  for (;;) {
    const auto lock = make_lock(F_WRLCK, guard_at, 1);
    if (retried([&] { return FileSystem::get().lock(file, lock); }) == 0) return true;
    const bool is_held = errno == EAGAIN || errno == EACCES;
    if (!is_held) return false;
    if (std::chrono::steady_clock::now() >= until) {
      errno = EBUSY;
      return false;
    }
    std::this_thread::sleep_for(1ms);
  }
}

void release_guard(int file) { FileSystem::get().lock(file, make_lock(F_UNLCK, guard_at, 1)); }

/// Whether another Reserve holds one of these units.
bool is_unit_held(int file, off_t from, off_t count) {
  auto lock = make_lock(F_WRLCK, units_at + from, count);
  return ::fcntl(file, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

off_t count_held_units(int file, off_t from, off_t count) {
  if (!is_unit_held(file, from, count)) return 0;
  if (count == 1) return 1;
  const auto half = count / 2;
  return count_held_units(file, from, half) + count_held_units(file, from + half, count - half);
}

std::optional<std::string> read_all(int file) {
  struct stat info {};
  if (FileSystem::get().fstat(file, &info) != 0) return std::nullopt;
  std::string text(std::min(static_cast<std::size_t>(info.st_size), largest_file), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const auto count = retried([&] {
      return FileSystem::get().pread(file, text.data() + have, text.size() - have,
                                     static_cast<off_t>(have));
    });
    if (count < 0) return std::nullopt;
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  text.resize(have);
  return text;
}

int write_all(int file, std::string_view text, off_t offset) {
  while (!text.empty()) {
    const auto count =
        retried([&] { return FileSystem::get().pwrite(file, text.data(), text.size(), offset); });
    if (count <= 0) {
      if (count == 0) errno = ENOSPC;
      return -1;
    }
    text.remove_prefix(static_cast<std::size_t>(count));
    offset += count;
  }
  return 0;
}

template <class Each>
void for_each_line(std::string_view text, Each each) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    if (end == std::string_view::npos) return;
    each(at, text.substr(at, end - at));
    at = end + 1;
  }
}

/// Empties the file if the ledgers have all its answers and nobody has a Reserve, because that
/// frees the space of the reserves, too. The caller holds the guard.
void empty_if_done(int file, std::string_view text) {
  if (text.empty() || text.size() >= largest_file || is_unit_held(file, 0, most_units)) return;
  bool has_more = false;
  for_each_line(text, [&](std::size_t /*at*/, std::string_view line) {
    has_more = has_more || (!line.empty() && line.front() == is_waiting && parse_line(line));
  });
  if (!has_more) retried([&] { return FileSystem::get().ftruncate(file, 0); });
}

/// Checks the process's own limit. fallocate(2) does not check it if the file keeps its size.
bool is_within_limit(off_t size) {
  rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
         static_cast<rlim_t>(size) <= limit.rlim_cur;
}

FileHandle open_journal(const std::string& path, int flags) {
  return FileHandle(retried([&] {
    // With O_NONBLOCK a FIFO in the journal's place does not block. A file knows no such wait.
    return FileSystem::get().openat(AT_FDCWD, path.c_str(),
                                    flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  }));
}

}  // namespace

AnswerJournal AnswerJournal::beside(const std::string& ledger) {
  const auto slash = ledger.rfind('/');
  auto directory =
      slash == std::string::npos ? "." : ledger.substr(0, std::max<std::size_t>(slash, 1));
  // If the ledger's directory was moved away, a new one would be in the way when it comes back.
  return {std::move(directory), ledger + "-journal-answers", false};
}

AnswerJournal AnswerJournal::in_cache(const std::string& directory) {
  return {directory, directory + "/journal-answers", true};
}

Error AnswerJournal::explain(int error) const {
  const std::string why = error == ENOSPC || error == EDQUOT ? "the disk is full"
                          : error == EFBIG ? "the process may not write so large a file (ulimit -f)"
                          : error == EACCES || error == EROFS || error == EPERM
                              ? "it is read-only"
                              : std::strerror(error);
  return {.code = ErrorCode::ledger,
          .message = "The journal " + path_ + " cannot be written: " + why + "."};
}

Result<FileHandle> AnswerJournal::open_to_write() const {
  auto& files = FileSystem::get();
  if (makes_directory_) {
    auto made = open_private_directory(directory_, ErrorCode::ledger, "The cache directory");
    if (!made) return fail(std::move(made.error()));
  }
  auto file = open_journal(path_, O_RDWR);
  if (!file && errno == ENOENT) {
    file = open_journal(path_, O_RDWR | O_CREAT);
    if (!file) return fail(explain(errno));
    // What is written is safe only if the file's name is on the disk too.
    const FileHandle directory(retried([&] {
      return files.openat(AT_FDCWD, directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    }));
    if (!directory || retried([&] { return files.fsync(directory.get()); }) != 0) {
      auto why = explain(errno);
      files.unlinkat(AT_FDCWD, path_.c_str(), 0);
      return fail(std::move(why));
    }
  }
  if (!file) return fail(explain(errno));
  if (auto usable = check(file.get()); !usable) return fail(std::move(usable.error()));
  return file;
}

Status AnswerJournal::check(int file) const {
  const auto refuse = [this](const char* why) {
    return fail(
        {.code = ErrorCode::ledger, .message = "The journal " + path_ + " cannot be used: " + why});
  };
  struct stat info {};
  if (FileSystem::get().fstat(file, &info) != 0) return fail(explain(errno));
  if (!S_ISREG(info.st_mode)) {
    return refuse("it is not a regular file. Move it away.");
  }
  if (info.st_uid != ::geteuid()) {
    return refuse("it belongs to another user. Give it to the user of the ledger: chown.");
  }
  // Others could make tasks appear as paid.
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return refuse("others may write it. Make it yours alone: chmod 600.");
  }
  if (static_cast<std::size_t>(info.st_size) > largest_file) {
    return refuse("it is too large. Move it away: no journal of gst-veo becomes so large.");
  }
  return {};
}

Status AnswerJournal::check() const {
  const auto file = open_journal(path_, O_RDONLY);
  if (file) return check(file.get());
  // The directory may be missing, or a part of the path may be a file: then there is no journal.
  if (errno == ENOENT || errno == ENOTDIR) return {};
  return fail({.code = ErrorCode::ledger,
               .message = "The journal " + path_ + " cannot be read: " + std::strerror(errno) +
                          ". It may have the id of a paid task."});
}

Result<AnswerJournal::Reserve> AnswerJournal::reserve(const AnswerRecord& answer) const {
  auto& files = FileSystem::get();
  const auto refuse = [this](int error) {
    auto why = explain(error);
    why.message += " So an answer might be lost, and nothing was sent: nothing is paid. " +
                   std::string(error == ENOSPC || error == EDQUOT
                                   ? "Make room on that disk, or name a ledger on another disk "
                                     "with the property ledger or VEO_LEDGER."
                                   : "Name a ledger elsewhere with the property ledger or "
                                     "VEO_LEDGER.");
    return fail(std::move(why));
  };
  auto file = open_to_write();
  if (!file) return fail(std::move(file.error()));
  if (!hold_guard(file->get())) return refuse(errno);
  if (const auto text = read_all(file->get())) empty_if_done(file->get(), *text);
  struct stat info {};
  if (files.fstat(file->get(), &info) != 0) return refuse(errno);

  const auto size = static_cast<off_t>(make_line(answer).size() + room_for_an_answer);
  const auto units = (size + unit_size - 1) / unit_size;
  off_t at = 0;
  while (at + units <= most_units && is_unit_held(file->get(), at, units)) ++at;
  if (at + units > most_units) return refuse(EBUSY);
  // The space of all answers begins at the end of the file. An answer that is appended moves the
  // end, and its Reserve counts until the ledger has the answer: so the others' space stays enough.
  const auto held = count_held_units(file->get(), 0, most_units);
  const auto space = (held + units) * unit_size;
  if (!is_within_limit(info.st_size + space)) return refuse(EFBIG);
  if (retried([&] { return files.fallocate(file->get(), info.st_size, space); }) != 0 &&
      errno != EOPNOTSUPP && errno != ENOSYS) {
    return refuse(errno);
  }
  if (retried([&] { return files.lock(file->get(), make_lock(F_WRLCK, units_at + at, units)); }) !=
      0) {
    return refuse(errno);
  }
  release_guard(file->get());
  return Reserve(std::move(*file));
}

Status AnswerJournal::append(const AnswerRecord& answer) const {
  auto& files = FileSystem::get();
  const FileSizeSignal blocked;
  const auto file = open_to_write();
  if (!file) return fail(file.error());
  if (!hold_guard(file->get())) return fail(explain(errno));
  struct stat info {};
  if (files.fstat(file->get(), &info) != 0) return fail(explain(errno));
  // A line that was torn must not take this one with it.
  auto line = make_line(answer);
  char last = '\n';
  if (info.st_size > 0 &&
      retried([&] { return files.pread(file->get(), &last, 1, info.st_size - 1); }) != 1) {
    return fail(explain(errno));
  }
  if (last != '\n') line.insert(0, 1, '\n');
  if (write_all(file->get(), line, info.st_size) != 0 ||
      retried([&] { return files.fsync(file->get()); }) != 0) {
    return fail(explain(errno));
  }
  log::info(log::Category::ledger, "an answer is in the journal ", log::text(path_));
  return {};
}

std::vector<AnswerJournal::Entry> AnswerJournal::read() const {
  std::vector<Entry> entries;
  const auto file = open_journal(path_, O_RDONLY);
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return entries;
  std::optional<std::string> text;
  if (file && check(file.get())) text = read_all(file.get());
  if (!text) {
    log::warning(log::Category::ledger, "the journal ", log::text(path_),
                 " cannot be read, or others can write it: it is ignored");
    return entries;
  }
  for_each_line(*text, [&](std::size_t at, std::string_view line) {
    if (line.empty() || line.front() != is_waiting) return;
    if (auto answer = parse_line(line)) {
      entries.push_back({.answer = std::move(*answer),
                         .offset = static_cast<std::int64_t>(at),
                         .line = std::string(line)});
    } else {
      log::warning(log::Category::ledger, "the journal ", log::text(path_),
                   " has a line that is torn, at byte ", at);
    }
  });
  return entries;
}

void AnswerJournal::remove(const std::vector<Entry>& entries) const {
  const FileSizeSignal blocked;
  const auto file = open_journal(path_, O_RDWR);
  if (!file || !hold_guard(file.get())) return;
  auto text = read_all(file.get());
  if (!text) return;
  for (const auto& entry : entries) {
    // Another process may have emptied the file, and others may have appended since.
    const auto at = static_cast<std::size_t>(entry.offset);
    if (text->compare(std::min(at, text->size()), entry.line.size(), entry.line) != 0) continue;
    if (write_all(file.get(), std::string_view(&is_taken, 1), entry.offset) == 0) {
      text->at(at) = is_taken;
    }
  }
  empty_if_done(file.get(), *text);
}

void AnswerJournal::remove(const AnswerRecord& answer) const {
  auto entries = read();
  std::erase_if(entries,
                [&](const Entry& entry) { return make_line(entry.answer) != make_line(answer); });
  remove(entries);
}

}  // namespace veo
