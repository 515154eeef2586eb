// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/unknown_submission.h"

#include <cmath>
#include <cstddef>

namespace veo {

namespace {

std::string number_of(double value) {
  const auto whole = std::llround(value);
  if (static_cast<double>(whole) == value) return std::to_string(whole);
  return std::to_string(value);
}

/// The start of a prompt, cut between two characters.
std::string quoted(const std::string& prompt) {
  constexpr std::size_t enough = 60;
  if (prompt.size() <= enough) return '"' + prompt + '"';
  auto end = enough;
  while (end > 0 && (static_cast<unsigned char>(prompt[end]) & 0xC0U) == 0x80U) --end;
  return '"' + prompt.substr(0, end) + "…\"";
}

/// A word for gst-launch-1.0 behind a shell, where it can be one without a second kind of quoting.
bool is_plain(const std::string& text) {
  return text.find_first_of("'\"\\\n!") == std::string::npos;
}

/// The element as the user may have written it; empty where what was kept is not enough for that.
std::string element_line(const Record& record) {
  if (record.prompt.empty() || !record.details.empty() || !is_plain(record.prompt)) return "";
  return "veosrc prompt='" + record.prompt + "' mode=" + record.mode +
         " resolution=" + record.resolution;
}

}  // namespace

std::string balance_hint(double balance) {
  return " A hint: the balance was " + number_of(balance) + " credits afterwards.";
}

Error unknown_submission(const Record& record, const std::string& seen) {
  const auto when = record.sending_at.value_or(record.reserved_at);
  std::string text = "The submission of " + to_text(when) + " (" + quoted(record.prompt) + ", " +
                     record.mode + ", " + record.resolution + ", " +
                     std::to_string(record.credits) +
                     " credits) was sent, and may have been accepted and paid: ";
  text += seen.empty() ? "no answer of it was recorded." : seen;
  text +=
      " It is not sent again by itself. Look for the task in the provider's dashboard. If it is "
      "there, set task-id to its id, once, on the same line: it plays at no further cost, and the "
      "line alone finds it from then on. If it is not there, submit anew, which may pay a second "
      "time, with on-unknown=resubmit";
  const auto line = element_line(record);
  text += line.empty()
              ? std::string(" on the same line.")
              : ": gst-launch-1.0 " + line + " on-unknown=resubmit ! decodebin ! autovideosink";
  if (record.balance) text += balance_hint(*record.balance);
  return {.code = ErrorCode::submit_unknown,
          .message = std::move(text),
          .task_id = record.task_id,
          .charged = Charged::unknown};
}

}  // namespace veo
