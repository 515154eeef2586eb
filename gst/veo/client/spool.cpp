// SPDX-License-Identifier: LGPL-2.1-or-later
#include "spool.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace veo {

namespace {

using Interval = boost::icl::interval<std::uint64_t>;

auto cache_error(const char* what) {
  return fail({.code = ErrorCode::cache,
               .message = std::string("the local copy cannot be ") + what + ": " +
                          std::strerror(errno) + "."});
}

}  // namespace

Spool::Spool(std::shared_ptr<const FileHandle> file, std::uint64_t whole) : file_(std::move(file)) {
  if (whole > 0) map_.add(Interval::right_open(0, whole));
}

Status Spool::write(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  const auto end = offset + bytes.size();
  for (auto at = offset; at < end;) {
    const auto done = FileSystem::get().pwrite(file_->get(), bytes.data() + (at - offset), end - at,
                                               static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return cache_error("written");
    at += static_cast<std::uint64_t>(done);
  }
  map_.add(Interval::right_open(offset, end));
  return {};
}

Status Spool::read(std::uint64_t offset, std::span<std::uint8_t> into) const {
  for (std::size_t at = 0; at < into.size();) {
    const auto done = FileSystem::get().pread(file_->get(), into.data() + at, into.size() - at,
                                              static_cast<off_t>(offset + at));
    if (done < 0 && errno == EINTR) continue;
    if (done == 0) errno = ENODATA;
    if (done <= 0) return cache_error("read");
    at += static_cast<std::size_t>(done);
  }
  return {};
}

std::uint64_t Spool::run_at(std::uint64_t offset) const {
  const auto run = map_.find(offset);
  return run == map_.end() ? 0 : run->upper() - offset;
}

std::optional<std::uint64_t> Spool::next_after(std::uint64_t offset) const {
  const auto next = map_.lower_bound(Interval::right_open(offset, offset + 1));
  if (next == map_.end()) return std::nullopt;
  return next->lower();
}

std::uint64_t Spool::held() const { return map_.size(); }

void Spool::clear() { map_.clear(); }

}  // namespace veo
