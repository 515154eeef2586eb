// SPDX-License-Identifier: LGPL-2.1-or-later
#include "manifest.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "output.h"

namespace veo::cli {

namespace fs = std::filesystem;
using nlohmann::json;

Result<Manifest> Manifest::open(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return fail(make_write_error(directory, error.value()));
  auto path = (fs::path(directory) / "manifest.jsonl").string();
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return fail(make_write_error(path, errno));
  Manifest manifest(std::move(path), fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = "Another veo batch is writing to " + directory +
                            ". Wait for it, or name another directory with -o. Nothing was sent."});
  }
  if (auto loaded = manifest.load(); !loaded) return fail(std::move(loaded.error()));
  return manifest;
}

Manifest::~Manifest() {
  if (fd_ >= 0) ::close(fd_);
}

Manifest::Manifest(Manifest&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      entries_(std::move(other.entries_)) {}

Status Manifest::load() {
  std::string text;
  std::array<char, 1U << 16U> piece{};
  for (;;) {
    const auto got = ::pread(fd_, piece.data(), piece.size(), static_cast<off_t>(text.size()));
    if (got < 0) return fail(make_write_error(path_, errno));
    if (got == 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  const auto complete_size = text.rfind('\n') + 1;  // 0: no line is complete
  if (complete_size < text.size() && ::ftruncate(fd_, static_cast<off_t>(complete_size)) != 0) {
    return fail(make_write_error(path_, errno));
  }
  for (std::string_view rest = std::string_view(text).substr(0, complete_size); !rest.empty();) {
    const auto end = rest.find('\n');
    // Ignore a line that is no entry of ours, and keep it in the file.
    auto entry = json::parse(rest.substr(0, end), nullptr, false);
    if (entry.is_object() && entry.contains("id") && entry["id"].is_string()) {
      auto id = entry["id"].get<std::string>();
      entries_.insert_or_assign(std::move(id), std::move(entry));
    }
    rest.remove_prefix(end + 1);
  }
  return {};
}

json Manifest::find(const std::string& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? json() : found->second;
}

Status Manifest::add(const json& entry) {
  auto line = entry.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  const auto end = ::lseek(fd_, 0, SEEK_END);
  const auto written = ::write(fd_, line.data(), line.size());
  if (std::cmp_not_equal(written, line.size()) || ::fdatasync(fd_) != 0) {
    const int reason = written < 0 || std::cmp_equal(written, line.size()) ? errno : ENOSPC;
    // Remove the part of the line that was written, so that the next line begins correctly.
    if (written > 0) static_cast<void>(!::ftruncate(fd_, end));
    return fail(make_write_error(path_, reason));
  }
  entries_.insert_or_assign(entry.at("id").get<std::string>(), entry);
  return {};
}

}  // namespace veo::cli
