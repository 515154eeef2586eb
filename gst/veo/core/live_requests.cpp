// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/live_requests.h"

#include <utility>

namespace veo {

using Kind = LiveRequests::Command::Kind;

void LiveRequests::on_set(Time now) { settles_at_ = now + settling; }

LiveRequests::Id LiveRequests::request() {
  settles_at_.reset();
  return enqueue();
}

LiveRequests::Id LiveRequests::enqueue() {
  const Id id = ++newest_;
  queue_.push_back(id);
  begin_next();
  return id;
}

void LiveRequests::on_timer(Time now) {
  // A read that is not answered yet takes the newest properties anyway. The timer waits for it, so
  // that each answer belongs to one read.
  if (!settles_at_ || now < *settles_at_ || is_reading_) return;
  settles_at_.reset();
  is_reading_ = true;
  add(Kind::read);
}

std::optional<LiveRequests::Id> LiveRequests::on_read() {
  if (!std::exchange(is_reading_, false)) return std::nullopt;
  return enqueue();
}

void LiveRequests::on_unreadable() { is_reading_ = false; }

void LiveRequests::open() {
  is_open_ = true;
  begin_next();
}

void LiveRequests::skip() {
  if (!playing_) return;
  add(Kind::close, playing_->id);
  playing_.reset();
  close_repetition();
  forget_last();
}

void LiveRequests::flush() {
  settles_at_.reset();
  is_reading_ = false;
  for (const Id id : queue_) add(Kind::forget, id);
  queue_.clear();
}

void LiveRequests::set_repeat(bool repeat) {
  is_repeat_ = repeat;
  if (repeat) {
    begin_repetition();
  } else {
    close_repetition();
  }
}

void LiveRequests::close() {
  flush();
  if (next_) {
    add(Kind::close, next_->id);
    add(Kind::forget, next_->id);
    next_.reset();
  }
  if (playing_) add(Kind::close, playing_->id);
  playing_.reset();
  close_repetition();
  forget_last();
  is_open_ = false;
}

void LiveRequests::on_ready(Id id) {
  if (next_ && next_->id == id) next_->is_ready = true;
  if (repetition_ && repetition_->id == id) repetition_->is_ready = true;
}

void LiveRequests::on_ended(Id id) {
  if (!playing_ || playing_->id != id) return;
  add(Kind::close, id);
  playing_.reset();
}

void LiveRequests::on_failed(Id id) {
  if (next_ && next_->id == id) {
    add(Kind::close, id);
    add(Kind::forget, id);
    next_.reset();
    begin_next();
  } else if (playing_ && playing_->id == id) {
    add(Kind::close, id);
    playing_.reset();
    close_repetition();
    forget_last();
  } else if (repetition_ && repetition_->id == id) {
    // The clip that plays goes on.
    close_repetition();
    forget_last();
  }
}

std::optional<LiveRequests::Playing> LiveRequests::choose() {
  const bool has_next = next_ && next_->is_ready;
  if (playing_ && playing_->is_repetition && has_next) {
    add(Kind::close, playing_->id);
    playing_.reset();
  }
  if (!playing_) {
    if (has_next) {
      play_next();
    } else if (repetition_ && repetition_->is_ready) {
      play_repetition();
    }
  }
  return playing_;
}

std::vector<LiveRequests::Command> LiveRequests::take_commands() {
  return std::exchange(commands_, {});
}

std::optional<LiveRequests::Id> LiveRequests::next() const {
  return next_ ? std::optional(next_->id) : std::nullopt;
}

std::optional<LiveRequests::Id> LiveRequests::repetition() const {
  return repetition_ ? std::optional(repetition_->id) : std::nullopt;
}

std::size_t LiveRequests::pending() const {
  return queue_.size() + (next_ ? 1 : 0) + (settles_at_ ? 1 : 0) + (is_reading_ ? 1 : 0);
}

void LiveRequests::begin_next() {
  if (!is_open_ || next_ || queue_.empty()) return;
  next_ = Prepared{.id = queue_.front()};
  queue_.pop_front();
  add(Kind::begin, next_->id);
}

/// Prepares a repetition early, while the last clip plays, so that no gap is before it.
void LiveRequests::begin_repetition() {
  if (!is_repeat_ || repetition_ || !last_) return;
  repetition_ = Prepared{.id = ++newest_};
  add(Kind::repeat, repetition_->id, *last_);
}

void LiveRequests::close_repetition() {
  if (!repetition_) return;
  add(Kind::close, repetition_->id);
  repetition_.reset();
}

void LiveRequests::play_next() {
  close_repetition();
  forget_last();
  last_ = next_->id;
  playing_ = Playing{.id = next_->id};
  next_.reset();
  begin_next();
  begin_repetition();
}

void LiveRequests::play_repetition() {
  playing_ = Playing{.id = repetition_->id, .is_repetition = true};
  repetition_.reset();
  begin_repetition();
}

void LiveRequests::forget_last() {
  if (last_) add(Kind::forget, *last_);
  last_.reset();
}

}  // namespace veo
