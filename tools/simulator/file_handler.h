// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The file host: GET and HEAD, with ranges and validators (RFC 9110, sections 8.8, 13.1.5 and 14).
// It needs no key. A client must not send one; the log shows the headers of each request.
#pragma once

#include "handler.h"
#include "options.h"
#include "service.h"

namespace simulator {

class FileHandler : public Handler {
 public:
  FileHandler(const Options& options, Service& service);

  [[nodiscard]] std::optional<Phase> find_phase(const Request& request) const override;
  [[nodiscard]] bool is_control(const Request& request) const override;
  Answer answer(const Request& request, const Effects& effects) override;

 private:
  Answer serve(const Request& request, const Effects& effects);

  const bool ranges_;
  const Etag etag_;
  Service& service_;
};

}  // namespace simulator
