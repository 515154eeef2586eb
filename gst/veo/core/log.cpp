// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/log.h"

#include <atomic>
#include <iterator>

#include "veo/core/escape.h"
#include "veo/core/url_policy.h"

namespace veo::log {

namespace {

constexpr std::size_t longest_text = 200;     // bytes of a Text
constexpr std::size_t longest_message = 500;  // bytes of an Error's message

// A plain pointer has no destructor, so threads can log until the very end of the process.
std::atomic<Sink*> current_sink{nullptr};

}  // namespace

std::string_view nick(Level level) {
  constexpr std::string_view nicks[] = {"error", "warning", "info", "debug", "trace"};
  return nicks[static_cast<std::size_t>(level)];
}

std::string_view nick(Category category) {
  constexpr std::string_view nicks[] = {"veo-job", "veo-clip", "veo-http", "veo-ledger",
                                        "veo-film"};
  static_assert(std::size(nicks) == category_count);
  return nicks[static_cast<std::size_t>(category)];
}

void set_sink(Sink& sink) { current_sink.store(&sink); }

bool set_sink_if_none(Sink& sink) {
  Sink* none = nullptr;
  return current_sink.compare_exchange_strong(none, &sink);
}

bool is_enabled(Category category, Level level) {
  const auto* const sink = current_sink.load(std::memory_order_acquire);
  return sink != nullptr && sink->is_enabled(category, level);
}

namespace detail {

void append(std::string& line, Text part) { line += escape_text(part.value, longest_text); }

void append(std::string& line, Url part) {
  line += escape_text(redact_url(part.value), longest_text);
}

void append(std::string& line, const Error& error) {
  line += nick(error.code);
  if (error.http_status != 0) line += " (HTTP " + std::to_string(error.http_status) + ")";
  // The message of submit-unknown is for the user, and quotes the prompt.
  if (error.code == ErrorCode::submit_unknown) return;
  line += ": " + escape_text(error.message, longest_message);
}

void append(std::string& line, std::chrono::milliseconds time) {
  line += std::to_string(time.count()) + " ms";
}

void write(const At& at, Level level, const std::string& line) {
  if (auto* const sink = current_sink.load(std::memory_order_acquire)) sink->write(at, level, line);
}

}  // namespace detail

}  // namespace veo::log
