// SPDX-License-Identifier: LGPL-2.1-or-later
#include "shots.h"

#include <utility>

#include "veo/source/access.h"
#include "veo/source/account.h"

namespace veo::cli {

Waited<Shots> Shots::read(const std::string& path, const Options& common, const Patience& patience,
                          const std::shared_ptr<Wakeup>& wakeup) {
  auto file = read_storyboard(path, common, patience);
  if (wakeup->is_interrupted()) return std::nullopt;
  if (!file) return fail(std::move(file.error()));
  auto& [requests, mistakes] = *file;
  Shots shots;
  for (auto& request : requests) {
    const auto index = shots.shots_.size();
    const bool continues = is_continuation(request) && index > 0;
    shots.shots_.push_back({.request = std::move(request)});
    if (continues) shots.shots_.back().parent = index - 1;
  }
  const auto priced = shots.price(common, mistakes, wakeup);
  if (!priced) return std::nullopt;
  if (!mistakes.empty()) return fail(mistakes_in(path, mistakes));
  if (!*priced) return fail(priced->error());
  return shots;
}

Waited<void> Shots::price(const Options& common, std::map<std::size_t, std::string>& mistakes,
                          const std::shared_ptr<Wakeup>& wakeup) {
  const auto api_url = resolve_api_url(common.access);
  if (!api_url) return fail(api_url.error());
  const auto pricer = LinePricer::open(common, wakeup);
  if (!pricer) return std::nullopt;
  if (!*pricer) return fail(pricer->error());
  for (auto& shot : shots_) {
    auto& request = shot.request;
    if (mistakes.contains(request.line)) continue;
    set_parent_task(shot);
    request.id = make_request_name(request.settings, *api_url);
    const auto priced = (*pricer)->price(request, mistakes);
    if (!priced) return std::nullopt;
    if (!*priced) return fail(priced->error());
    if (!**priced) continue;
    shot.price = ***priced;
    shot.task_id = request.settings.task_id;
    cost_.add(shot.price);
    if (!shot.price.is_paid || !shot.task_id.empty()) continue;
    // The next shot may continue this one, and whether it is paid depends on this one's task.
    const auto record = find_record(common.ledger, request.id, wakeup);
    if (!record) return std::nullopt;
    if (!*record) return fail(record->error());
    if (**record) shot.task_id = (**record)->task_id;
  }
  return Status{};
}

const Shot* Shots::parent_of(const Shot& shot) const {
  return shot.parent ? &shots_[*shot.parent] : nullptr;
}

void Shots::set_parent_task(Shot& shot) const {
  const auto* const parent = parent_of(shot);
  if (parent == nullptr || parent->task_id.empty()) return;
  shot.request.settings.request.extend_task_id = parent->task_id;
  shot.request.settings.parent_upstream_id = parent->upstream_id;
}

std::vector<std::vector<std::string>> Shots::chains() const {
  std::vector<std::vector<std::string>> chains;
  for (const auto& shot : shots_) {
    if (!shot.parent) chains.emplace_back();
    chains.back().push_back(shot.task_id);
  }
  return chains;
}

}  // namespace veo::cli
