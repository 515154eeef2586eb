// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>

#include <memory>
#include <string>
#include <vector>

namespace veo::test {

/// Replaces the resolver of the process with one that knows a single name. Each look-up of the name
/// returns the next of the IPv4 addresses; after the last address it returns that one. An empty
/// address means that the name does not exist at that moment. The destructor restores the resolver.
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
