// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/streams.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace veo {

namespace {

tl::unexpected<Error> interrupted() {
  return fail({.code = ErrorCode::network, .message = "The wait was interrupted."});
}

}  // namespace

SourceStream::SourceStream(std::shared_ptr<Source> source, std::shared_ptr<Wakeup> wakeup)
    : source_(std::move(source)), wakeup_(std::move(wakeup)) {}

Result<std::unique_ptr<media::ByteStream>> SourceStream::open_task(Options settings,
                                                                   const std::string& task_id,
                                                                   std::shared_ptr<Wakeup> wakeup) {
  settings.request = {};
  settings.task_id = task_id;
  settings.layout = LayoutMode::streamable;
  settings.callback_listen.clear();
  auto opened = Source::open(std::move(settings), wakeup);
  if (!opened) return interrupted();
  if (!*opened) return fail(std::move(opened->error()));
  (**opened)->start();
  return std::make_unique<SourceStream>(std::move(**opened), std::move(wakeup));
}

Result<std::size_t> SourceStream::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  for (;;) {
    const auto ticket = wakeup_->ticket();
    auto there = source_->at(offset);
    if (const auto* ready = std::get_if<Clip::Ready>(&there)) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(ready->size, into.size()));
      if (auto done = source_->read(offset, into.first(size)); !done) return fail(done.error());
      return size;
    }
    if (std::holds_alternative<Clip::End>(there)) return std::size_t{0};
    if (auto* error = std::get_if<Error>(&there)) return fail(std::move(*error));
    if (!wakeup_->wait(ticket)) return interrupted();
  }
}

bool PushedStream::push(SharedBytes bytes) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] {
    return interrupted_ || flushing_ || discarded_ || pushed_ < std::max(first_ + window, wanted_);
  });
  if (interrupted_ || flushing_) return false;
  pushed_ += bytes.bytes.size();
  if (discarded_) return true;
  held_.push_back(std::move(bytes));
  changed_.notify_all();
  return true;
}

void PushedStream::set_flushing(bool flushing) {
  const std::lock_guard lock(mutex_);
  flushing_ = flushing;
  changed_.notify_all();
}

void PushedStream::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void PushedStream::discard() {
  const std::lock_guard lock(mutex_);
  discarded_ = true;
  held_.clear();
  changed_.notify_all();
}

void PushedStream::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  changed_.notify_all();
}

void PushedStream::reset() {
  const std::lock_guard lock(mutex_);
  held_.clear();
  first_ = pushed_ = wanted_ = 0;
  ended_ = discarded_ = interrupted_ = flushing_ = false;
}

Result<std::size_t> PushedStream::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  std::unique_lock lock(mutex_);
  if (offset < first_) {
    return fail({.code = ErrorCode::bad_media, .message = "It cannot be read from front to back."});
  }
  wanted_ = std::max(wanted_, offset + 1);
  if (wanted_ - first_ > most) {
    return fail({.code = ErrorCode::bad_media,
                 .message = "It is too large to be held. Put its moov first, as ffmpeg does with "
                            "-movflags faststart."});
  }
  changed_.notify_all();
  changed_.wait(lock, [&] { return interrupted_ || ended_ || pushed_ > offset; });
  if (interrupted_) return interrupted();
  if (pushed_ <= offset) return std::size_t{0};
  auto at = first_;
  std::size_t copied = 0;
  for (const auto& [owner, bytes] : held_) {
    const auto end = at + bytes.size();
    if (offset + copied < end && copied < into.size()) {
      const auto part = bytes.subspan(static_cast<std::size_t>(offset + copied - at));
      const auto size = std::min(part.size(), into.size() - copied);
      std::copy_n(part.begin(), size, into.begin() + static_cast<std::ptrdiff_t>(copied));
      copied += size;
    }
    at = end;
  }
  return copied;
}

void PushedStream::release(std::uint64_t end) {
  const std::lock_guard lock(mutex_);
  while (!held_.empty() && first_ + held_.front().bytes.size() <= end) {
    first_ += held_.front().bytes.size();
    held_.pop_front();
  }
  changed_.notify_all();
}

bool PushedStream::is_interrupted() const {
  const std::lock_guard lock(mutex_);
  return interrupted_;
}

}  // namespace veo
