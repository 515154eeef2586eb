// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveouri.h"

#include <glib.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <string_view>

#include "veo/core/catalog.h"

namespace veo::plugin {

namespace {

struct GFree {
  void operator()(char* text) const { g_free(text); }
};
using Text = std::unique_ptr<char, GFree>;

// By the names of the properties, and with their values.
constexpr std::string_view parameters[] = {
    "prompt",          "mode",       "resolution",         "aspect-ratio",
    "generation-type", "image-urls", "enable-translation", "seed",
    "watermark",       "take"};

Error refuse(const std::string& why) {
  return {.code = ErrorCode::invalid_request,
          .message = "The URI cannot be played: " + why + " Nothing was sent."};
}

std::optional<Error> set_task(ElementSettings& settings, const std::string& id, bool has_query) {
  if (!is_task_id(id)) {
    return refuse("a task id has 1 to 128 of the characters A-Z a-z 0-9 . _ -");
  }
  if (has_query) return refuse("veo:task/ID takes no parameters.");
  settings.source.task_id = id;
  return std::nullopt;
}

std::optional<Error> set_clip(ElementSettings& settings, const std::string& query) {
  settings.source.by_uri = true;
  GUriParamsIter iter;
  g_uri_params_iter_init(&iter, query.data(), static_cast<gssize>(query.size()), "&",
                         G_URI_PARAMS_NONE);
  std::set<std::string> seen;
  for (;;) {
    char* raw_name = nullptr;
    char* raw_value = nullptr;
    GError* raw_error = nullptr;
    const bool more = g_uri_params_iter_next(&iter, &raw_name, &raw_value, &raw_error) != FALSE;
    const Text name(raw_name);
    const Text value(raw_value);
    const std::unique_ptr<GError, decltype(&g_error_free)> error(raw_error, g_error_free);
    if (error) return refuse(error->message + std::string("."));
    if (!more) break;
    if (std::ranges::find(parameters, std::string_view(name.get())) == std::end(parameters)) {
      return refuse("veo:clip does not take the parameter \"" + std::string(name.get()) + "\".");
    }
    if (!seen.insert(name.get()).second) {
      return refuse("the parameter " + std::string(name.get()) + " is there twice.");
    }
    if (!set_property(settings, name.get(), value.get())) {
      return refuse(std::string(name.get()) + "=" + value.get() +
                    " is not a value that the property " + name.get() + " takes.");
    }
  }
  return std::nullopt;
}

}  // namespace

bool set_uri(ElementSettings& settings, const std::string& uri) {
  char* raw_scheme = nullptr;
  char* raw_host = nullptr;
  char* raw_path = nullptr;
  char* raw_query = nullptr;
  char* raw_fragment = nullptr;
  if (g_uri_split(uri.c_str(), G_URI_FLAGS_ENCODED, &raw_scheme, nullptr, &raw_host, nullptr,
                  &raw_path, &raw_query, &raw_fragment, nullptr) == FALSE) {
    return false;
  }
  const Text scheme(raw_scheme);
  const Text host(raw_host);
  const Text path(raw_path);
  const Text query(raw_query);
  const Text fragment(raw_fragment);
  if (!scheme || g_ascii_strcasecmp(scheme.get(), "veo") != 0) return false;

  settings.uri = uri;
  settings.source.request = {};
  settings.source.task_id.clear();
  settings.source.take = 1;
  settings.source.by_uri = false;
  constexpr std::string_view task = "task/";
  const std::string what(path.get());
  if (host || fragment) {
    settings.uri_error = refuse("it is neither veo:task/ID nor veo:clip?prompt=….");
  } else if (what.starts_with(task)) {
    settings.uri_error = set_task(settings, what.substr(task.size()), query != nullptr);
  } else if (what == "clip") {
    settings.uri_error = set_clip(settings, query ? query.get() : "");
  } else {
    settings.uri_error = refuse("it is neither veo:task/ID nor veo:clip?prompt=….");
  }
  return true;
}

}  // namespace veo::plugin
