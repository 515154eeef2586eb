// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/source/access.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "veo/core/error_table.h"
#include "veo/core/log.h"
#include "veo/core/url_policy.h"
#include "veo/json/codec.h"
#include "veo/system/environment.h"
#include "veo/system/file_handle.h"

namespace veo {

namespace {

constexpr std::size_t max_key_size = 4096;

Error make_key_error(std::string message) {
  return {.code = ErrorCode::invalid_api_key, .message = std::move(message)};
}

/// Makes a key of one line of visible ASCII. Any other text cannot be the value of a header.
Result<Secret> make_key(std::string text, const std::string& origin) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(),
                                                  [](char c) { return c > ' ' && c < 127; });
  if (!plain) {
    Secret wiped(std::move(text));
    return fail(
        make_key_error(origin + " holds no API key: a key is one line of visible characters."));
  }
  return Secret(std::move(text));
}

Result<Secret> read_key_file(const std::string& path) {
  const auto refuse = [&](const char* why) {
    return fail(make_key_error("The API key file " + path + " cannot be used: " + why));
  };
  const FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0) return refuse(std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return refuse("it is not a regular file.");
  if ((info.st_mode & 077U) != 0) {
    return refuse("others may read it. Make it yours alone: chmod 600.");
  }
  std::string text(max_key_size + 1, '\0');
  const ssize_t count = ::read(file.get(), text.data(), text.size());
  if (count < 0) return refuse(std::strerror(errno));
  if (static_cast<std::size_t>(count) > max_key_size) return refuse("it is too large for a key.");
  text.resize(static_cast<std::size_t>(count));
  return make_key(std::move(text), "The API key file " + path);
}

/// Whether the environment's key belongs to `api_url`: the key belongs to the service that the
/// environment names, else to the built-in service.
bool is_environment_key_for(const std::string& api_url) {
  const auto home = parse_origin(environment::get("VEO_API_URL").value_or(default_api_url));
  const auto asked = parse_origin(api_url);
  return home && asked && *home == *asked;
}

Result<Secret> find_key(const AccessOptions& options, const std::string& api_url) {
  // Logs the origin of the key, and never a part of the key.
  const auto log_origin = [](std::string_view origin) {
    log::debug(log::Category::job, "the API key comes from ", log::text(origin));
  };
  if (!options.api_key.empty()) {
    log_origin("the property api-key");
    return options.api_key;
  }
  if (!options.api_key_file.empty()) {
    log_origin("the file of api-key-file");
    return read_key_file(options.api_key_file);
  }
  const bool allowed = is_environment_key_for(api_url);
  bool withheld = false;
  if (const auto path = environment::get("VEO_API_KEY_FILE")) {
    if (allowed) {
      log_origin("the file of VEO_API_KEY_FILE");
      return read_key_file(*path);
    }
    withheld = true;
  }
  if (const auto directory = environment::get("CREDENTIALS_DIRECTORY")) {
    const std::string path = *directory + "/veo-api-key";
    if (::access(path.c_str(), F_OK) == 0) {
      if (allowed) {
        log_origin("the file veo-api-key in CREDENTIALS_DIRECTORY");
        return read_key_file(path);
      }
      withheld = true;
    }
  }
  if (auto text = environment::get("VEO_API_KEY")) {
    if (allowed) {
      log_origin("the variable VEO_API_KEY");
      return make_key(std::move(*text), "VEO_API_KEY");
    }
    withheld = true;
  }
  if (withheld) {
    return fail({.code = ErrorCode::missing_api_key,
                 .message = "The environment's API key is not sent to " + redact_url(api_url) +
                            ", which is another service than VEO_API_URL names. Set api-key or "
                            "api-key-file for it."});
  }
  return fail({.code = ErrorCode::missing_api_key,
               .message = with_advice("There is no API key, and nothing was sent.",
                                      ErrorCode::missing_api_key)});
}

}  // namespace

std::string resolve_allow_http(const std::string& set) {
  return !set.empty() ? set : environment::get("VEO_ALLOW_HTTP").value_or("");
}

Result<std::string> resolve_allow_addresses(const std::string& set) {
  auto text = !set.empty() ? set : environment::get("VEO_ALLOW_ADDRESSES").value_or("");
  auto ranges =
      AddressRanges::parse(!set.empty() ? "allow-addresses" : "VEO_ALLOW_ADDRESSES", text);
  if (!ranges) return fail(std::move(ranges.error()));
  return text;
}

Result<std::string> resolve_api_url(const AccessOptions& options) {
  const auto& set = options.api_url;
  auto hosts = HostList::parse(!options.allow_http.empty() ? "allow-http" : "VEO_ALLOW_HTTP",
                               resolve_allow_http(options.allow_http));
  if (!hosts) return fail(std::move(hosts.error()));
  return check_api_url(
      !set.empty() ? set : environment::get("VEO_API_URL").value_or(default_api_url), *hosts);
}

std::string make_plain_http_notice(const AccessOptions& options) {
  const auto url = resolve_api_url(options);
  if (!url || !is_plain_http(*url)) return "";
  return "The service is reached by plain http at " + redact_url(*url) +
         ", because allow-http (VEO_ALLOW_HTTP) names its host. Everybody on the way can read the "
         "API key and the prompts.";
}

Result<Access> resolve_access(const AccessOptions& options) {
  auto url = resolve_api_url(options);
  if (!url) return fail(std::move(url.error()));
  auto key = find_key(options, *url);
  if (!key) return fail(std::move(key.error()));
  return Access{.api_url = std::move(*url), .key = std::move(*key)};
}

Result<std::shared_ptr<const Catalog>> load_catalog() {
  const auto path = environment::get("VEO_CATALOG");
  // The built-in catalog outlives everything, so the pointer owns nothing.
  if (!path)
    return std::shared_ptr<const Catalog>(std::shared_ptr<void>(), &json::builtin_catalog());
  std::ifstream file(*path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) {
    return fail({.code = ErrorCode::invalid_request,
                 .message = "The catalog " + *path + " (VEO_CATALOG) cannot be read."});
  }
  auto catalog = json::decode_catalog(text);
  if (!catalog) {
    catalog.error().message = "VEO_CATALOG=" + *path + ": " + catalog.error().message;
    return fail(std::move(catalog.error()));
  }
  return std::make_shared<const Catalog>(std::move(*catalog));
}

}  // namespace veo
