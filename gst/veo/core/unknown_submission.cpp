// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/unknown_submission.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "veo/core/intent.h"
#include "veo/core/task_id.h"

namespace veo {

namespace {

/// Writes the number without decimals if it has none.
std::string write_number(double value) {
  const auto rounded = std::llround(value);
  if (static_cast<double>(rounded) == value) return std::to_string(rounded);
  return std::to_string(value);
}

/// Quotes the start of a prompt. A long prompt is cut between two characters.
std::string quote(const std::string& prompt) {
  constexpr std::size_t enough = 60;
  if (prompt.size() <= enough) return '"' + prompt + '"';
  auto end = enough;
  while (end > 0 && (static_cast<unsigned char>(prompt[end]) & 0xC0U) == 0x80U) --end;
  return '"' + prompt.substr(0, end) + "…\"";
}

/// A word for gst-launch-1.0 behind a shell, where it can be one without a second kind of quoting.
bool is_plain(const std::string& text) {
  return std::ranges::none_of(text, [](char c) {
    const bool is_control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    return is_control || std::string_view("'\"\\!").find(c) != std::string_view::npos;
  });
}

template <class Enum>
std::optional<Enum> find_by_wire_name(std::string_view name, std::initializer_list<Enum> values) {
  const auto* const found =
      std::ranges::find_if(values, [&](Enum value) { return wire_name(value) == name; });
  return found == values.end() ? std::nullopt : std::optional(*found);
}

/// Writes the element as the user may have written it. Returns "" if the record is not enough to
/// write a line with the same intent: a line with another intent would pay for another task.
std::string write_element(const Record& record) {
  if (record.prompt.empty() || !is_plain(record.prompt) || !record.details.empty() ||
      !record.parent_task_id.empty() || !record.instance.empty()) {
    return "";
  }
  const Request request{
      .prompt = record.prompt,
      .mode = find_by_wire_name(record.mode, {Mode::fast, Mode::quality, Mode::lite}),
      .resolution = find_by_wire_name(record.resolution,
                                      {Resolution::p720, Resolution::p1080, Resolution::k4})};
  const auto intent = make_intent(request, {.api_url = record.api_url, .account = record.account});
  if (intent.id != record.intent) return "";
  return "veosrc prompt='" + record.prompt + "' mode=" + record.mode +
         " resolution=" + record.resolution;
}

}  // namespace

std::string make_balance_hint(double balance) {
  return " A hint: the balance was " + write_number(balance) +
         " credits afterwards. Compare it with the balance before, if you know that one.";
}

Error make_unknown_submission_error(const Record& record, bool offers_line) {
  const auto when = record.sending_at.value_or(record.reserved_at);
  std::string text = "The submission of " + to_text(when) + " (" + quote(record.prompt) + ", " +
                     record.mode + ", " + record.resolution + ", ";
  if (!record.parent_task_id.empty()) text += "extends task " + record.parent_task_id + ", ";
  // The ledger records 0 if the catalog does not know the price.
  text += (record.credits > 0 ? std::to_string(record.credits) + " credits" : "price unknown") +
          std::string(") was sent, and may have been accepted and paid: ");
  text += record.error_message.empty() ? "no answer of it was recorded." : record.error_message;
  if (!record.task_id.empty()) {
    text += " It named the task " + record.task_id + ": try " + make_task_property(record.task_id) +
            " for the same request first.";
  }
  if (record.balance) text += make_balance_hint(*record.balance);
  // The way that costs nothing comes first, so that a reader in a hurry does not pay twice.
  const auto line = offers_line ? write_element(record) : "";
  const auto offer = [&line](const std::string& property) {
    return line.empty()
               ? " for the same request."
               : ":\n  gst-launch-1.0 " + line + " " + property + " ! decodebin ! autovideosink\n";
  };
  text +=
      " It is not sent again by itself. Look for the task in the provider's dashboard. If the task "
      "is there, play it once by its id: that costs nothing more, and from then on the request "
      "alone finds it. Set task-id to the id" +
      offer("task-id=ID") + (line.empty() ? " " : "") +
      "If the task is not there, but the balance has fallen by the price, do not submit anew: the "
      "task is probably paid, so ask the provider. If neither is so, submit anew, which may pay a "
      "second time, with on-unknown=resubmit" +
      offer("on-unknown=resubmit");
  if (!line.empty()) text.pop_back();
  return {.code = ErrorCode::submit_unknown,
          .message = std::move(text),
          .task_id = record.task_id,
          .charged = Charged::unknown};
}

}  // namespace veo
