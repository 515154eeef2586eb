// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/budget.h"

#include <charconv>

namespace veo {

namespace {

constexpr const char* unknown_price =
    "Set its price in the catalog (extend_credits, for an extension; VEO_CATALOG names the file)";

Error refusal(std::string message) {
  return {.code = ErrorCode::budget_exceeded, .message = std::move(message)};
}

}  // namespace

Status check_max_credits(std::optional<std::uint32_t> price, std::uint32_t limit) {
  if (limit == 0 || (price && *price <= limit)) return {};
  const std::string what = price ? "The request costs " + std::to_string(*price) + " credits"
                                 : "The request's price is not known to the catalog";
  const std::string next = price ? "Raise max-credits, or choose a cheaper mode or resolution."
                                 : unknown_price + std::string(", or max-credits to 0.");
  return fail(refusal(what + ", and max-credits is " + std::to_string(limit) +
                      ". Nothing was sent. " + next));
}

Result<std::optional<Credits>> parse_budget(const char* variable,
                                            const std::optional<std::string>& text) {
  if (!text) return std::optional<Credits>();
  Credits value = 0;
  const auto* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc{} || stop != end) {
    return fail(refusal(std::string(variable) + "=" + *text +
                        " is not a whole number of credits. Nothing was sent."));
  }
  return std::optional(value);
}

Status check_budget(const char* variable, Credits limit, Credits spent,
                    std::optional<std::uint32_t> price) {
  const std::string name(variable);
  if (!price) {
    return fail(refusal("The request's price is not known to the catalog, and " + name +
                        " limits what may be spent. Nothing was sent. " + unknown_price +
                        ", or unset " + name + "."));
  }
  if (spent <= limit && *price <= limit - spent) return {};
  return fail(refusal("The request costs " + std::to_string(*price) + " credits. Of the " +
                      std::to_string(limit) + " that " + name + " allows within 24 hours, " +
                      std::to_string(spent) +
                      " are spent or reserved. Nothing was sent. Wait, or "
                      "raise " +
                      name + "."));
}

}  // namespace veo
