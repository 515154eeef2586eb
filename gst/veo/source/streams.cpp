// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/streams.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace veo {

namespace {

tl::unexpected<Error> fail_interrupted() {
  return fail({.code = ErrorCode::network, .message = "The wait was interrupted."});
}

}  // namespace

Result<std::unique_ptr<media::ByteStream>> SourceStream::open_task(Options options,
                                                                   const std::string& task_id,
                                                                   std::shared_ptr<Wakeup> wakeup) {
  options.request = {};
  options.task_id = task_id;
  options.layout = LayoutMode::streamable;
  options.callback_listen.clear();
  SourceReader reader(wakeup);
  const auto opened = reader.open(std::move(options));
  if (!opened) return fail_interrupted();
  if (!*opened) return fail(opened->error());
  reader.start();
  return std::make_unique<SourceStream>(reader.source(), std::move(wakeup));
}

Result<std::size_t> SourceStream::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  auto got = reader_.read(offset, into);
  return got ? std::move(*got) : fail_interrupted();
}

bool PushedStream::push(SharedBytes bytes) {
  auto state = state_.lock();
  state.wait(changed_, [](const State& now) {
    return now.is_interrupted || now.is_flushing || now.is_discarded ||
           now.end < std::max(now.first + window, now.wanted);
  });
  if (state->is_interrupted || state->is_flushing) return false;
  state->end += bytes.bytes.size();
  if (state->is_discarded) return true;
  state->held.push_back(std::move(bytes));
  changed_.notify_all();
  return true;
}

void PushedStream::set_flushing(bool flushing) {
  state_.lock()->is_flushing = flushing;
  changed_.notify_all();
}

void PushedStream::end() {
  state_.lock()->has_ended = true;
  changed_.notify_all();
}

void PushedStream::discard() {
  std::deque<SharedBytes> gone;  // destroyed after the lock is released
  {
    const auto state = state_.lock();
    state->is_discarded = true;
    gone.swap(state->held);
  }
  changed_.notify_all();
}

void PushedStream::interrupt() {
  state_.lock()->is_interrupted = true;
  changed_.notify_all();
}

void PushedStream::reset() { *state_.lock() = {}; }

Result<std::size_t> PushedStream::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  auto state = state_.lock();
  if (offset < state->first) {
    return fail({.code = ErrorCode::bad_media, .message = "It cannot be read from front to back."});
  }
  state->wanted = std::max(state->wanted, offset + 1);
  if (state->wanted - state->first > most) {
    return fail({.code = ErrorCode::bad_media,
                 .message = "It is too large to be held. Put its moov first, as ffmpeg does with "
                            "-movflags faststart."});
  }
  changed_.notify_all();
  state.wait(changed_, [offset](const State& now) {
    return now.is_interrupted || now.has_ended || now.end > offset;
  });
  if (state->is_interrupted) return fail_interrupted();
  if (state->end <= offset) return std::size_t{0};
  auto at = state->first;
  std::size_t copied = 0;
  for (const auto& [owner, bytes] : state->held) {
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
  const auto state = state_.lock();
  while (!state->held.empty() && state->first + state->held.front().bytes.size() <= end) {
    state->first += state->held.front().bytes.size();
    state->held.pop_front();
  }
  changed_.notify_all();
}

bool PushedStream::is_interrupted() const { return state_.lock()->is_interrupted; }

}  // namespace veo
