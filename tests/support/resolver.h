// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include <memory>
#include <string>
#include <vector>

namespace veo::test {

/// While it lives, the process knows one name. Each look-up of it gives the next of the IPv4
/// addresses, and the last one from then on; an empty one: there is no such name just now.
class Resolver {
 public:
  Resolver(const std::string& name, const std::vector<std::string>& addresses);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

 private:
  const std::unique_ptr<GResolver, decltype(&g_object_unref)> before_;
};

}  // namespace veo::test
