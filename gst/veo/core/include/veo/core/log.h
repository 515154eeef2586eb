// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The only way in which the library logs:
//
//   log::debug(log::Category::job, "task ", log::text(id), ": ", nick(from), " -> ", nick(to));
//
// In a GStreamer process the plugin's sink gives each line to a debug category of GStreamer. In any
// other process system/log_to_stderr.h writes the lines that VEO_LOG asks for to stderr. Without a
// sink a call costs one load and one branch.
//
// A secret has no way into a line. A part of a line is a literal, a number, a time, an enum with a
// nick, an Error, or one of the wrappers below; a plain string does not compile, so that every call
// decides which wrapper it needs. Secret has no conversion to any of them. A URL goes through
// url(), which leaves its password and its query out, because the query of a signed URL is a
// credential.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

#include "veo/core/error.h"

namespace veo::log {

/// The importance of a line, the most important level first.
enum class Level {
  error,    ///< work has failed
  warning,  ///< something failed, and the work goes on or is tried again
  info,     ///< a step of a task: submitted, accepted, completed, kept
  debug,    ///< each transition, request, answer and decision
  trace,    ///< each piece of data
};

/// The subject of a line. Each category has a debug category in GStreamer.
enum class Category {
  job,     ///< veo-job: a task, from its claim to its end
  clip,    ///< veo-clip: a clip's download and its cache
  http,    ///< veo-http: requests and answers
  ledger,  ///< veo-ledger: the record of paid work
  film,    ///< veo-film: continuations and joins
};
inline constexpr std::size_t category_count = 5;
std::string_view nick(Level level);        ///< `error`, `warning`, …
std::string_view nick(Category category);  ///< `veo-job`, …

/// The position of a call in the source, and its category. A Category converts to it, and the
/// compiler fills in the position.
struct At {
  At(Category about, const char* in_file = __builtin_FILE(), int at_line = __builtin_LINE(),
     const char* in_function = __builtin_FUNCTION())  // NOLINT(google-explicit-constructor)
      : category(about), file(in_file), line(at_line), function(in_function) {}

  Category category;
  const char* file;
  int line;
  const char* function;
};

/// The receiver of the lines. Any thread calls it, also the I/O thread, so it must not wait.
class Sink {
 public:
  virtual ~Sink() = default;
  [[nodiscard]] virtual bool is_enabled(Category category, Level level) const = 0;
  /// `line` is valid UTF-8 without line breaks.
  virtual void write(const At& at, Level level, const std::string& line) = 0;
};

/// Sets the sink of the process. `sink` must live as long as the process, because threads may use
/// it until the very end. Any thread may call it.
void set_sink(Sink& sink);
/// Sets the sink of the process unless one is set already. Returns false in that case.
bool set_sink_if_none(Sink& sink);
/// Whether the sink takes lines of this category and level. False without a sink.
[[nodiscard]] bool is_enabled(Category category, Level level);

/// A text from any source. Its control characters are escaped, and at most 200 bytes are shown.
struct Text {
  std::string_view value;
};
inline Text text(std::string_view value) { return {value}; }

/// A URL without its password and its query.
struct Url {
  std::string_view value;
};
inline Url url(std::string_view value) { return {value}; }

namespace detail {

// One overload for each kind of part.
template <std::size_t N>
void append(std::string& line, const char (&literal)[N]) {
  line.append(literal, N - 1);
}
void append(std::string& line, Text part);
void append(std::string& line, Url part);
/// Appends the code, the HTTP status and the message of the error. The message of submit-unknown is
/// left out, because it quotes the prompt.
void append(std::string& line, const Error& error);
void append(std::string& line, std::chrono::milliseconds time);
template <std::integral Number>
void append(std::string& line, Number number) {
  if constexpr (std::same_as<Number, bool>) {
    line += number ? "yes" : "no";
  } else {
    line += std::to_string(number);
  }
}
/// Appends the nick() of the enum.
template <class Enum>
requires std::is_enum_v<Enum>
void append(std::string& line, Enum value) { line += nick(value); }

void write(const At& at, Level level, const std::string& line);

template <class... Parts>
void write(const At& at, Level level, const Parts&... parts) {
  if (!is_enabled(at.category, level)) return;
  std::string line;
  (append(line, parts), ...);
  write(at, level, line);
}

}  // namespace detail

template <class... Parts>
void error(At at, const Parts&... parts) {
  detail::write(at, Level::error, parts...);
}
template <class... Parts>
void warning(At at, const Parts&... parts) {
  detail::write(at, Level::warning, parts...);
}
template <class... Parts>
void info(At at, const Parts&... parts) {
  detail::write(at, Level::info, parts...);
}
template <class... Parts>
void debug(At at, const Parts&... parts) {
  detail::write(at, Level::debug, parts...);
}
template <class... Parts>
void trace(At at, const Parts&... parts) {
  detail::write(at, Level::trace, parts...);
}

}  // namespace veo::log
