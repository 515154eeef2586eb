// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/clip/clip.h"

#include <utility>

#include "clip_driver.h"

namespace veo {

Clip::Clip() = default;

std::shared_ptr<Clip> Clip::open(Settings settings) {
  std::shared_ptr<Clip> clip(new Clip);
  clip->driver_ = std::make_shared<ClipDriver>(std::move(settings));
  clip->driver_->begin();
  return clip;
}

Clip::~Clip() { driver_->release(); }

std::optional<std::uint64_t> Clip::size() const { return driver_->size(); }
Clip::Availability Clip::at(std::uint64_t offset) { return driver_->at(offset); }
Result<SharedBytes> Clip::take(std::uint64_t offset, std::size_t most, bool is_through) {
  return driver_->take(offset, most, is_through);
}
unsigned Clip::version() const { return driver_->version(); }
bool Clip::commit(unsigned version) { return driver_->commit(version); }
void Clip::report_broken(unsigned version, Error fault) {
  driver_->report_broken(version, std::move(fault));
}
Clip::Stats Clip::stats() const { return driver_->stats(); }
std::optional<Error> Clip::failure() const { return driver_->failure(); }
bool Clip::is_refused() const { return driver_->is_refused(); }
std::string Clip::notice() const { return driver_->notice(); }
std::string Clip::kept_path() const { return driver_->kept_path(); }
void Clip::subscribe(std::weak_ptr<Wakeup> wakeup) { driver_->subscribe(std::move(wakeup)); }

}  // namespace veo
