// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Faults: failures on purpose. A fault is written as
//
//   PHASE:EFFECT[=VALUE][,EFFECT[=VALUE]]…[*COUNT][@N]
//
// It has its effects on COUNT requests of the phase (by default all), beginning with the Nth (by
// default the first). Each fault counts the requests since it was set. A comma in a value is
// written as %2C.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simulator {

enum class Phase {
  submit,         ///< POST /v1/videos/generations
  query,          ///< GET /v1/tasks/{id}
  credits,        ///< GET /v1/credits
  file,           ///< each request to the file host
  file_tail,      ///< each of them that asks for the file's last bytes (`Range: bytes=-N`)
  callback,       ///< each POST to a callback URL
  task,           ///< each task, from its creation
  connect_api,    ///< each connection to the API
  connect_files,  ///< each connection to the file host
};
inline constexpr std::size_t phase_count = 9;

/// The kinds of effects. The table in faults.cpp describes them.
enum class Kind {
  status,
  error,
  retry_after,
  retry_after_date,
  redirect,
  redirect_loop,
  charged,
  html,
  not_mp4,
  not_json,
  deep_json,
  huge,
  wrong_types,
  extra_fields,
  no_task_id,
  unknown_status,
  no_urls,
  url,
  upstream_id,
  lost_answer,
  half_answer,
  reset,
  reset_before_reading,
  stall,
  close,
  delay,
  drip,
  slice,
  truncate,
  chunked,
  chunked_cut,
  chunked_cut_unterminated,
  gzip,
  no_ranges,
  ignore_range,
  wrong_range,
  wrong_total,
  changed,
  failed,
  failed_code,
  slow,
};

struct Effect {
  Kind kind = Kind::status;
  bool has_value = false;
  std::string text;  ///< the value, with %2C decoded
  /// The value as a number: bytes, bytes per second, a status, seconds, or milliseconds.
  std::uint64_t number = 0;
};

/// The effects on one request, in the order in which they were given.
class Effects {
 public:
  [[nodiscard]] const Effect* find(Kind kind) const;
  [[nodiscard]] bool has(Kind kind) const { return find(kind) != nullptr; }
  /// Whether an effect replaces the work. Then nothing is created and nothing is charged.
  [[nodiscard]] bool is_refusal() const;
  /// The texts of their faults, for the log.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  friend class FaultPlan;
  std::vector<Effect> list_;
  std::string text_;
};

/// The faults that are set. Thread-safe.
class FaultPlan {
 public:
  /// Sets faults. Throws std::invalid_argument with a text for people.
  explicit FaultPlan(const std::vector<std::string>& specs);

  /// Replaces the faults. The new faults count from zero. Changes nothing if it throws.
  void replace(const std::vector<std::string>& specs);
  /// Counts one more request of the phase and returns the effects on it.
  Effects take_effects(Phase phase);
  /// The number of requests of the phase since the start.
  [[nodiscard]] std::uint64_t count(Phase phase) const;

 private:
  struct Fault {
    std::string spec;
    Phase phase = Phase::submit;
    std::vector<Effect> effects;
    std::uint64_t first = 1;
    std::optional<std::uint64_t> times;
    std::uint64_t seen = 0;
  };
  static std::vector<Fault> parse(const std::vector<std::string>& specs);
  static Fault parse(const std::string& spec);

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<Fault> faults_;
  std::array<std::uint64_t, phase_count> counts_{};
};

/// Describes the syntax and every effect, for --help.
std::string describe_faults();

}  // namespace simulator
