// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/clip/clip.h"

#include <algorithm>
#include <utility>

#include "clip_private.h"

namespace veo {

Clip::Availability Clip::Private::at(std::uint64_t offset) {
  const std::lock_guard lock(mutex);
  // The end is told when the clip is safe, so that the next run finds it. What failed behind a
  // reader who has everything is not his concern.
  if (size && offset >= *size) {
    if (settled || error || !spool.file()) return End{};
    return Pending{};
  }
  if (const auto run = spool.run_at(offset); run > 0) {
    // What is in memory alone stays until it is taken.
    if (!spool.file()) promised = spool.take(offset, run, false);
    is_awaited = false;
    return Ready{promised ? promised->bytes.size() : run};
  }
  if (error) return *error;
  wanted = offset;
  is_awaited = true;
  if ((!is_coming(offset) || is_paused) && !asked) {
    asked = true;
    thread->post([self = shared_from_this()] { self->serve_wanted(); });
  }
  return Pending{};
}

Result<SharedBytes> Clip::Private::take(std::uint64_t offset, std::size_t most, bool finally) {
  Spool::File from;
  {
    const std::lock_guard lock(mutex);
    auto found = spool.take(offset, most, finally);
    from = spool.file();
    if (!found && !from) found = std::exchange(promised, std::nullopt);
    if (found) {
      found->bytes = found->bytes.first(std::min(found->bytes.size(), most));
      if (is_paused && !asked) {
        asked = true;
        thread->post([self = shared_from_this()] { self->serve_wanted(); });
      }
      return *found;
    }
  }
  // Bytes that are there stay there, unchanged: they are read without the lock.
  const std::shared_ptr<std::uint8_t[]> bytes(new std::uint8_t[most]);
  if (auto read = Spool::load(*from, offset, {bytes.get(), most}); !read) {
    return fail(explain(std::move(read.error())));
  }
  return SharedBytes{.owner = bytes, .bytes = {bytes.get(), most}};
}

bool Clip::Private::is_coming(std::uint64_t offset) const {
  const bool in_the_tail = side.active && side.is_tail && size && offset + clip_tail >= *size;
  return in_the_tail || main.will_soon_bring(offset) || side.will_soon_bring(offset);
}

Error Clip::Private::explain(Error failure) const {
  failure.message = "The video of task " + settings.task_id +
                    " could not be downloaded: " + failure.message +
                    " The task is complete and paid, and is not lost: play it again with task-id=" +
                    settings.task_id + ".";
  failure.task_id = settings.task_id;
  failure.charged = Charged::unknown;
  return failure;
}

Clip::Clip() = default;

std::shared_ptr<Clip> Clip::open(Settings settings) {
  std::shared_ptr<Clip> clip(new Clip);
  clip->p_ = std::make_shared<Private>(std::move(settings));
  clip->p_->thread->post([p = clip->p_] { p->begin(); });
  return clip;
}

Clip::~Clip() {
  const auto thread = p_->thread;
  thread->post([p = std::move(p_)] { p->release(); });
}

std::optional<std::uint64_t> Clip::size() const {
  const std::lock_guard lock(p_->mutex);
  return p_->size;
}

Clip::Availability Clip::at(std::uint64_t offset) { return p_->at(offset); }

Result<SharedBytes> Clip::take(std::uint64_t offset, std::size_t most, bool finally) {
  return p_->take(offset, most, finally);
}

unsigned Clip::version() const {
  const std::lock_guard lock(p_->mutex);
  return p_->versions;
}

bool Clip::commit(unsigned version) {
  const std::lock_guard lock(p_->mutex);
  if (version != p_->versions) return false;
  p_->committed = true;
  return true;
}

Clip::Stats Clip::stats() const {
  const std::lock_guard lock(p_->mutex);
  return p_->stats;
}

bool Clip::has_failed() const {
  const std::lock_guard lock(p_->mutex);
  return p_->error.has_value();
}

bool Clip::is_refused() const {
  const std::lock_guard lock(p_->mutex);
  return p_->refused;
}

std::string Clip::notice() const {
  const std::lock_guard lock(p_->mutex);
  return p_->notice;
}

void Clip::subscribe(std::weak_ptr<Wakeup> wakeup) { p_->subscribers.add(std::move(wakeup)); }

}  // namespace veo
