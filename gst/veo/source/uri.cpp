// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/uri.h"

#include <glib.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <regex>
#include <set>
#include <string_view>

#include "veo/core/task_id.h"
#include "veo/source/options.h"

namespace veo {

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

Error refusal(const std::string& why) {
  return {.code = ErrorCode::invalid_request,
          .message = "The URI cannot be played: " + why + " Nothing was sent."};
}

Result<Uri> parse_task(std::string id, bool has_query) {
  if (!is_task_id(id)) {
    return fail(refusal("a task id has 1 to 512 bytes of UTF-8 without control characters."));
  }
  if (has_query) return fail(refusal("veo:task/ID takes no parameters."));
  return Uri{.task_id = std::move(id), .parameters = {}};
}

Result<Uri> parse_clip(const std::string& query) {
  GUriParamsIter iter;
  g_uri_params_iter_init(&iter, query.data(), static_cast<gssize>(query.size()), "&",
                         G_URI_PARAMS_NONE);
  Uri uri;
  std::set<std::string> seen;
  for (;;) {
    char* raw_name = nullptr;
    char* raw_value = nullptr;
    GError* raw_error = nullptr;
    const bool more = g_uri_params_iter_next(&iter, &raw_name, &raw_value, &raw_error) != FALSE;
    const Text name(raw_name);
    const Text value(raw_value);
    const std::unique_ptr<GError, decltype(&g_error_free)> error(raw_error, g_error_free);
    if (error) return fail(refusal(error->message + std::string(".")));
    if (!more) return uri;
    if (std::ranges::find(parameters, std::string_view(name.get())) == std::end(parameters)) {
      return fail(
          refusal("veo:clip does not take the parameter \"" + std::string(name.get()) + "\"."));
    }
    if (!seen.insert(name.get()).second) {
      return fail(refusal("the parameter " + std::string(name.get()) + " is there twice."));
    }
    uri.parameters.emplace_back(name.get(), value.get());
  }
}

/// The texts of a GstValueArray of strings, `<"a","b">`; of what is none, itself.
std::vector<std::string> texts_of(const std::string& value) {
  if (!value.starts_with('<') || !value.ends_with('>')) return {value};
  static const std::regex quoted(R"re("([^"\\]*)")re");
  std::vector<std::string> texts;
  for (std::sregex_iterator found(value.begin(), value.end(), quoted), end; found != end; ++found) {
    texts.push_back((*found)[1]);
  }
  return texts;
}

}  // namespace

bool is_veo_uri(const std::string& text) {
  const Text scheme(g_uri_parse_scheme(text.c_str()));
  return scheme && g_ascii_strcasecmp(scheme.get(), "veo") == 0;
}

Result<Uri> parse_uri(const std::string& text) {
  char* raw_host = nullptr;
  char* raw_path = nullptr;
  char* raw_query = nullptr;
  char* raw_fragment = nullptr;
  if (!is_veo_uri(text) ||
      g_uri_split(text.c_str(), G_URI_FLAGS_ENCODED, nullptr, nullptr, &raw_host, nullptr,
                  &raw_path, &raw_query, &raw_fragment, nullptr) == FALSE) {
    return fail(refusal("it is no URI of ours."));
  }
  const Text host(raw_host);
  const Text path(raw_path);
  const Text query(raw_query);
  const Text fragment(raw_fragment);
  constexpr std::string_view task = "task/";
  const std::string what(path.get());
  if (!host && !fragment && what.starts_with(task)) {
    return parse_task(what.substr(task.size()), query != nullptr);
  }
  if (!host && !fragment && what == "clip") return parse_clip(query ? query.get() : "");
  return fail(refusal("it is neither veo:task/ID nor veo:clip?prompt=…."));
}

Error bad_parameter(const std::string& name, const std::string& value) {
  return refusal(name + "=" + value + " is not a value that the property " + name + " takes.");
}

Status set_uri(Source::Settings& settings, const Uri& uri) {
  settings.request = {};
  settings.take = 1;
  settings.task_id = uri.task_id;
  settings.by_uri = uri.task_id.empty();
  for (const auto& [name, value] : uri.parameters) {
    for (const auto& text : name == "image-urls" ? texts_of(value) : std::vector{value}) {
      if (!set_option(settings, name, text)) return fail(bad_parameter(name, value));
    }
  }
  return {};
}

}  // namespace veo
