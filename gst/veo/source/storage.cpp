// SPDX-License-Identifier: LGPL-2.1-or-later
#include "storage.h"

#include <glib.h>

#include "veo/system/absolute_path.h"
#include "veo/system/environment.h"

namespace veo {

namespace {

/// Ignores a relative path in the environment, as the specification demands.
std::string find_base_directory(environment::Name variable, const char* below_home) {
  if (auto path = environment::get(variable); path && path->front() == '/') return *path;
  auto home = environment::get("HOME").value_or(g_get_home_dir());
  while (home.ends_with('/')) home.pop_back();
  return home + below_home;
}

}  // namespace

std::string ledger_path(const std::string& set) {
  if (!set.empty()) return make_absolute(set);
  if (auto path = environment::get("VEO_LEDGER")) return make_absolute(*path);
  return find_base_directory("XDG_STATE_HOME", "/.local/state") + "/veo/ledger.db";
}

std::string cache_directory(const std::string& set) {
  if (!set.empty()) return make_absolute(set);
  if (auto path = environment::get("VEO_CACHE_DIR")) return make_absolute(*path);
  return find_base_directory("XDG_CACHE_HOME", "/.cache") + "/veo";
}

}  // namespace veo
