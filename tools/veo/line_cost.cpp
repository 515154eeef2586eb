// SPDX-License-Identifier: LGPL-2.1-or-later
#include "line_cost.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "display_text.h"
#include "veo/core/error_table.h"
#include "veo/core/url_policy.h"
#include "veo/source/access.h"
#include "veo/source/account.h"
#include "veo/system/environment.h"

namespace veo::cli {

Waited<LinePricer> LinePricer::open(const Options& common, const std::shared_ptr<Wakeup>& wakeup) {
  const auto records = read_history(common.ledger, {.states = {RecordState::unknown}}, wakeup);
  if (!records) return std::nullopt;
  if (!*records) return fail(records->error());
  LinePricer pricer;
  pricer.wakeup_ = wakeup;
  for (const auto& record : **records) pricer.unknown_.insert(record.intent);
  return pricer;
}

Waited<std::optional<LinePrice>> LinePricer::price(
    const BatchRequest& request, std::map<std::size_t, std::string>& mistakes) const {
  auto settings = request.settings;
  settings.dry_run = true;
  const auto opened = Source::open(std::move(settings), wakeup_);
  if (!opened) return std::nullopt;
  if (!*opened) {
    const auto& error = opened->error();
    if (error.code != ErrorCode::invalid_request) return fail(error);
    mistakes.emplace(request.line, error.message);
    return std::optional<LinePrice>();
  }
  const auto seen = (**opened)->snapshot();
  const bool is_unknown =
      unknown_.contains(request.id) && request.settings.on_unknown != OnUnknown::resubmit;
  return std::optional(
      LinePrice{.is_paid = seen.reused || !request.settings.task_id.empty() || is_unknown,
                .is_unknown = is_unknown && !seen.reused,
                .credits = seen.credits});
}

void LineCost::add(const LinePrice& price) {
  if (price.is_unknown) ++unknown_;
  if (price.is_paid) return;
  ++to_submit_;
  if (price.credits) {
    credits_ += *price.credits;
  } else {
    ++unpriced_;
  }
}

std::string LineCost::describe() const {
  if (unpriced_ == 0) return count_text(credits_, "credit");
  if (unpriced_ == to_submit_) return "an unknown price";
  return count_text(credits_, "credit") + ", and " + std::to_string(unpriced_) +
         " of unknown price";
}

std::string LineCost::describe_plan(std::size_t requests) const {
  const auto paid = requests - to_submit_ - unknown_;
  std::string text;
  if (paid > 0) text += std::to_string(paid) + " paid already, ";
  if (unknown_ > 0) {
    text += std::to_string(unknown_) + " of unknown " +
            (unknown_ == 1 ? "submission" : "submissions") + " (not repeated, may be paid), ";
  }
  text += std::to_string(to_submit_) + " to submit";
  return to_submit_ > 0 ? text + " for " + describe() : text;
}

namespace {

Error refuse_cost(const LineCost& cost, const Approval& approval, const std::string& limit,
                  const std::string& raise) {
  std::string message =
      approval.what + " would cost " + cost.describe() + ". " + limit + ". Nothing was sent. ";
  if (cost.credits()) {
    message += raise + ", or remove lines.";
  } else {
    message +=
        "An unknown price counts as too high. Set the price in the catalog (extend_credits, for an "
        "extension; VEO_CATALOG names the file).";
  }
  return {.code = ErrorCode::budget_exceeded, .message = std::move(message)};
}

/// Returns the credits that count against VEO_DAILY_BUDGET now. The ledger decides again at each
/// submission, by its own clock.
Waited<Credits> sum_spending(const Options& common, const std::shared_ptr<Wakeup>& wakeup) {
  const auto api_url = resolve_api_url(common.access);
  if (!api_url) return fail(api_url.error());
  const auto now = std::chrono::floor<UnixTime::duration>(std::chrono::system_clock::now());
  const auto records = read_history(common.ledger, {.since = now - budget_window}, wakeup);
  if (!records) return std::nullopt;
  if (!*records) return fail(records->error());
  Credits spent = 0;
  for (const auto& record : **records) {
    // Play money has a budget of its own.
    if (is_loopback_url(record.api_url) != is_loopback_url(*api_url)) continue;
    if (is_spent(record.state)) spent += record.credits;
  }
  return spent;
}

Waited<void> check_daily_budget(const std::shared_ptr<Wakeup>& wakeup, const Options& common,
                                const LineCost& cost, const Approval& approval) {
  const auto budget = parse_budget("VEO_DAILY_BUDGET", environment::get("VEO_DAILY_BUDGET"));
  if (!budget) return fail(budget.error());
  if (!*budget) return Status{};
  const auto spent = sum_spending(common, wakeup);
  if (!spent) return std::nullopt;
  if (!*spent) return fail(spent->error());
  const auto left = **budget - std::min(**budget, **spent);
  if (cost.credits() && *cost.credits() <= left) return Status{};
  return fail(refuse_cost(cost, approval,
                          "VEO_DAILY_BUDGET=" + std::to_string(**budget) + " leaves " +
                              std::to_string(left) + " credits within 24 hours",
                          "Wait, or raise the budget"));
}

bool is_interactive(const Arguments& arguments) {
  return arguments.kind() == Display::Kind::automatic && ::isatty(STDIN_FILENO) != 0 &&
         ::isatty(STDERR_FILENO) != 0;
}

bool ask(const Interruption& interruption, const Approval& approval, const LineCost& cost) {
  std::fputs((approval.what + " costs " + cost.describe() + ". Go on? [y/N] ").c_str(), stderr);
  std::array<pollfd, 2> fds{{{STDIN_FILENO, POLLIN, 0}, {interruption.fd(), POLLIN, 0}}};
  while (::poll(fds.data(), fds.size(), -1) < 0) {
  }
  std::array<char, 64> answer{};
  if (fds[1].revents != 0 || ::read(STDIN_FILENO, answer.data(), answer.size()) <= 0) {
    std::fputs("\n", stderr);
    return false;
  }
  const bool yes = answer[0] == 'y' || answer[0] == 'Y';
  if (!yes) std::fputs("Nothing was sent.\n", stderr);
  return yes;
}

}  // namespace

Waited<bool> approve(Session& session, Display& display, const Arguments& arguments,
                     const Options& common, const LineCost& cost, const Approval& approval) {
  if (cost.to_submit() == 0) return true;
  if (approval.limit > 0 && (!cost.credits() || *cost.credits() > approval.limit)) {
    return fail(
        refuse_cost(cost, approval,
                    "--max-credits=" + std::to_string(approval.limit) + " allows no more than that",
                    "Raise the limit"));
  }
  if (approval.needs_all) {
    const auto fits = check_daily_budget(session.wakeup, common, cost, approval);
    if (!fits) return std::nullopt;
    if (!*fits) return fail(fits->error());
  }
  std::vector<std::string> notices;
  const auto access = open_access(common.access, session.wakeup, &notices);
  if (!access) return std::nullopt;
  if (!*access) return fail(access->error());
  for (const auto& notice : notices) display.say(notice);
  if (approval.yes) return true;
  if (!is_interactive(arguments)) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = approval.what + " would cost " + cost.describe() +
                            ", and veo cannot ask you here. Nothing was sent. --yes agrees to the "
                            "price."});
  }
  const bool agrees = ask(session.interruption, approval, cost);
  if (session.interruption.happened()) return std::nullopt;
  return agrees;
}

}  // namespace veo::cli
