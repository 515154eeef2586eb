// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The variables of the environment that gst-veo reads: a row for each. environment::get() compiles
// only with a name that has a row. docs/reference/environment.md and the man page print the rows.
#pragma once

#include <string_view>

namespace veo::environment {

struct Variable {
  std::string_view name;
  std::string_view form;     ///< of the value: `FILE`
  std::string_view meaning;  ///< in sentences
  std::string_view example;  ///< a value; empty: the meaning is enough
  std::string_view since = "0.1";
};

inline constexpr Variable variables[] = {
    // The key and the service.
    {"VEO_API_KEY", "KEY",
     "The key itself. Child processes do not get it. The variables below that lead to a key go "
     "before it.",
     "sk-simulator"},
    {"VEO_API_KEY_COMMAND", "SHELL LINE",
     "A command whose first line of output is the key. It runs once for each process.",
     "pass show veo"},
    {"VEO_API_KEY_FILE", "FILE", "The file or pipe that holds the key, and nothing else.",
     "~/.config/veo-api-key"},
    {"CREDENTIALS_DIRECTORY", "DIR",
     "The folder of systemd's credentials. Its file `veo-api-key` holds the key, and goes before "
     "the three variables of the key above.",
     ""},
    {"VEO_API_URL", "URL",
     "The base of the API, with its path. The variable's key goes to this address. Unset: the "
     "service.",
     "http://127.0.0.1:8123/v1"},
    {"VEO_ALLOW_HTTP", "HOSTS",
     "Hosts to whose API the key may go by plain http: comma-separated, each with or without a "
     "port. Unset: loopback hosts alone.",
     "simulator:8080"},

    // Money.
    {"VEO_DAILY_BUDGET", "CREDITS",
     "The credits that all submissions of a ledger may spend in 24 hours. Unset: no limit.", "500"},
    {"VEO_URI_BUDGET", "CREDITS",
     "The credits that `veo:clip` URIs may spend in 24 hours. Unset: URIs submit nothing.", "100"},
    {"VEO_ACCOUNT", "TEXT",
     "A name for the account that pays, if one ledger serves several accounts. It is a part of "
     "what makes two requests one.",
     "studio"},
    {"VEO_CATALOG", "FILE",
     "A file of models, prices and rules in place of the catalog that is compiled in.",
     "/etc/veo/catalog.json"},

    // The record and the clips.
    {"VEO_LEDGER", "FILE",
     "The record of paid work, on a local disk. Unset: `$XDG_STATE_HOME/veo/ledger.db`.",
     "/data/veo/ledger.db"},
    {"VEO_CACHE_DIR", "DIR",
     "The folder of clips as they were delivered. Unset: `$XDG_CACHE_HOME/veo`.",
     "/data/veo/cache"},
    {"VEO_CACHE_SIZE", "SIZE",
     "The most bytes that the cache keeps; `K`, `M`, `G` and `T` may follow the number. `0` keeps "
     "no clip and needs no folder. Unset: no limit.",
     "5G"},
    {"XDG_STATE_HOME", "DIR",
     "The folder for the states of programs. Unset or relative: `~/.local/state`.", ""},
    {"XDG_CACHE_HOME", "DIR",
     "The folder for the caches of programs. Unset or relative: `~/.cache`.", ""},
    {"HOME", "DIR",
     "The user's folder, which `~` stands for in this table. Unset: the one that the system knows.",
     ""},

    // The network.
    {"VEO_ALLOW_ADDRESSES", "RANGES",
     "Ranges of addresses that file hosts may have besides public ones: comma-separated. Unset: "
     "public addresses alone.",
     "198.18.0.0/15"},
    {"VEO_CA_FILE", "FILE",
     "A PEM file of the certificate authorities to trust. Unset: `SSL_CERT_FILE`.",
     "/etc/ssl/company.pem"},
    {"SSL_CERT_FILE", "FILE", "The same, for all programs. Unset: the system's authorities.", ""},
    {"https_proxy", "URL",
     "The proxy, with its password if it needs one. Written without a scheme, it is an http proxy.",
     "http://NAME:PASSWORD@proxy.example:3128"},
    {"HTTPS_PROXY", "URL", "The proxy, if `https_proxy` is unset.", ""},
    {"all_proxy", "URL", "The proxy, if the two variables above are unset.", ""},
    {"ALL_PROXY", "URL", "The proxy, if the three variables above are unset.", ""},
    {"no_proxy", "HOSTS", "Hosts that need no proxy: comma-separated.", ".example.com"},
    {"NO_PROXY", "HOSTS", "The same, if `no_proxy` is unset.", ""},

    // Waiting, and the log.
    {"VEO_POLL_INTERVAL", "MS",
     "Milliseconds between two queries of a task, if the option `poll-interval` is 0. Unset or 0: "
     "adaptive.",
     "5000"},
    {"VEO_LOG", "error|warning|info|debug|trace",
     "The log of `veo` and of the C API on standard error. The log never contains the key. In "
     "GStreamer, `GST_DEBUG=veo*:6` does the same.",
     "debug"},
};

/// The name of a variable that has a row. Another name does not compile.
class Name {
 public:
  template <std::size_t size>
  // NOLINTNEXTLINE(google-explicit-constructor): a literal is a name.
  consteval Name(const char (&name)[size]) : name_(name) {
    for (const auto& variable : variables) {
      if (variable.name == name_) return;
    }
    fail_because_the_variable_has_no_row();
  }

  [[nodiscard]] constexpr const char* text() const { return name_; }

 private:
  static void fail_because_the_variable_has_no_row() {}  // not constexpr, so no Name is made

  const char* name_;
};

}  // namespace veo::environment
