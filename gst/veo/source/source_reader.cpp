// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/source_reader.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "veo/system/threads.h"

namespace veo {

SourceReader::SourceReader(std::shared_ptr<Wakeup> wakeup) : wakeup_(std::move(wakeup)) {}

SourceReader::SourceReader(std::shared_ptr<Source> source, std::shared_ptr<Wakeup> wakeup)
    : wakeup_(std::move(wakeup)), source_(std::move(source)) {}

Status SourceReader::begin(Options options) {
  auto opening = Source::begin(std::move(options), wakeup_);
  if (!opening) return fail(std::move(opening.error()));
  opening_ = std::move(*opening);
  return {};
}

Waited<Source::Snapshot> SourceReader::wait_until_open(const OnTrouble& on_trouble) {
  if (auto here = check_not_forked(); !here) return fail(std::move(here.error()));
  auto opened = wakeup_->wait_for(
      [&] {
        auto taken = opening_->take();
        if (taken || !on_trouble) return taken;
        if (const auto trouble = opening_->trouble()) on_trouble(*trouble);
        return taken;
      },
      [&] { return opening_->next_change(); });
  if (!opened) return std::nullopt;
  opening_.reset();
  if (!*opened) return fail(std::move(opened->error()));
  opened_ = std::move(**opened);
  return opened_->snapshot();
}

Waited<Source::Snapshot> SourceReader::open(Options options) {
  if (auto begun = begin(std::move(options)); !begun) return fail(std::move(begun.error()));
  return wait_until_open();
}

void SourceReader::start() {
  opened_->start();
  *source_.lock() = std::move(opened_);
}

void SourceReader::close() {
  opening_.reset();
  opened_.reset();
  // The source is destroyed after the lock is released.
  const auto gone = std::exchange(*source_.lock(), nullptr);
}

Source::Snapshot SourceReader::snapshot() const {
  const auto seen = source();
  return seen ? seen->snapshot() : Source::Snapshot{};
}

template <class Look>
auto SourceReader::wait_for(Look look, const Watch& watch) {
  auto ended = watch.interval.count() == 0 ? wakeup_->wait_for(look) : wakeup_->wait_for(look, [&] {
    return std::chrono::steady_clock::now() + watch.interval;
  });
  return ended ? std::move(*ended) : std::nullopt;
}

Waited<void> SourceReader::wait_for_completion(const Watch& watch) {
  if (auto here = check_not_forked(); !here) return fail(std::move(here.error()));
  const auto source = this->source();
  const auto look = [&]() -> std::optional<Waited<void>> {
    const auto seen = source->snapshot();
    if (watch.on_change) watch.on_change(seen);
    if (wakeup_->is_interrupted()) return Waited<void>();
    if (seen.job.error) return fail(*seen.job.error);
    if (seen.job.phase == Job::Phase::completed) return Status{};
    return std::nullopt;
  };
  return wait_for(look, watch);
}

Waited<std::uint64_t> SourceReader::wait_for_bytes(std::uint64_t offset, const Watch& watch) {
  if (auto here = check_not_forked(); !here) return fail(std::move(here.error()));
  const auto source = this->source();
  const auto look = [&]() -> std::optional<Waited<std::uint64_t>> {
    if (watch.on_change) watch.on_change(source->snapshot());
    if (wakeup_->is_interrupted()) return Waited<std::uint64_t>();
    auto there = source->at(offset);
    if (const auto* ready = std::get_if<Clip::Ready>(&there)) return ready->size;
    if (std::holds_alternative<Clip::End>(there)) return std::uint64_t{0};
    if (auto* error = std::get_if<Error>(&there)) return fail(std::move(*error));
    return std::nullopt;
  };
  return wait_for(look, watch);
}

Waited<SharedBytes> SourceReader::take(std::uint64_t offset, std::size_t most, const Watch& watch) {
  auto there = wait_for_bytes(offset, watch);
  if (!there) return std::nullopt;
  if (!*there) return fail(std::move(there->error()));
  if (**there == 0) return SharedBytes{};
  return source()->take(offset, static_cast<std::size_t>(std::min<std::uint64_t>(**there, most)));
}

Waited<std::size_t> SourceReader::read(std::uint64_t offset, std::span<std::uint8_t> into,
                                       const Watch& watch) {
  auto there = wait_for_bytes(offset, watch);
  if (!there) return std::nullopt;
  if (!*there) return fail(std::move(there->error()));
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(**there, into.size()));
  if (auto done = source()->read(offset, into.first(size)); !done) return fail(done.error());
  return size;
}

}  // namespace veo
