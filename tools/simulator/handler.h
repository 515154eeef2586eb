// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>

#include "faults.h"
#include "http.h"

namespace simulator {

/// Answers the requests of a listener. Many threads call it.
class Handler {
 public:
  Handler() = default;
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  virtual ~Handler() = default;

  /// Finds the phase of a request by its head alone; nullopt if no fault can concern the request.
  [[nodiscard]] virtual std::optional<Phase> find_phase(const Request& request) const = 0;
  /// Whether the request controls the simulator. Such a request is neither counted nor logged.
  [[nodiscard]] virtual bool is_control(const Request& request) const = 0;
  virtual Answer answer(const Request& request, const Effects& effects) = 0;
};

}  // namespace simulator
