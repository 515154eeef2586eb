// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include "raw_server.h"

namespace veo::test {

/// While it lives, every name of the process resolves to one address, if it is the one name given;
/// to nothing else.
class Resolver {
 public:
  Resolver(const char* name, const char* address);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

 private:
  const GRef<GResolver> before_;
};

}  // namespace veo::test
