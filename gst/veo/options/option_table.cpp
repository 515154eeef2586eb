// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/options/option_table.h"

#include <glib.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>

#include "veo/core/escape.h"
#include "veo/core/task_id.h"

namespace veo {

namespace {

using S = Options;
using Group = Option::Group;

template <class Number>
std::optional<Number> number_of(const std::string& text, Number least, Number most) {
  Number value{};
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value < least || value > most) return std::nullopt;
  return value;
}

template <class Number>
bool set_number(Number& to, const std::string& text, Number least,
                Number most = std::numeric_limits<Number>::max()) {
  const auto value = number_of(text, least, most);
  if (value) to = *value;
  return value.has_value();
}

template <class Duration>
bool set_duration(Duration& to, const std::string& text, std::uint32_t least,
                  std::uint32_t most = std::numeric_limits<std::uint32_t>::max()) {
  const auto value = number_of(text, least, most);
  if (value) to = Duration(*value);
  return value.has_value();
}

std::optional<bool> truth_of(const std::string& text) {
  if (text == "true" || text == "yes" || text == "1") return true;
  if (text == "false" || text == "no" || text == "0") return false;
  return std::nullopt;
}

template <class Flag>
bool set_flag(Flag& to, const std::string& text) {
  const auto value = truth_of(text);
  if (value) to = *value;
  return value.has_value();
}

template <class Value>
struct Choice {
  std::string_view nick;
  Value value;
};

template <class Member, class Value>
bool choose(Member& to, const std::string& text, std::initializer_list<Choice<Value>> choices) {
  const auto* const found = std::ranges::find(choices, text, &Choice<Value>::nick);
  if (found == choices.end()) return false;
  to = found->value;
  return true;
}

bool set_text(std::string& to, const std::string& text) {
  to = text;
  return true;
}

bool set_text(std::optional<std::string>& to, const std::string& text) {
  to = text.empty() ? std::nullopt : std::optional(text);
  return true;
}

std::string new_instance() {
  const std::unique_ptr<char, decltype(&g_free)> uuid(g_uuid_string_random(), g_free);
  return uuid.get();
}

constexpr std::string_view task_form = "TASK";

constexpr Option table[] = {
    {"prompt", Group::request, "TEXT", "what the video shows and sounds like", false,
     [](S& s, const std::string& text) { return set_text(s.request.prompt, text); }},
    {"mode", Group::request, "fast|quality|lite", "quality and price (default fast)", false,
     [](S& s, const std::string& text) {
       return choose(s.request.mode, text,
                     std::initializer_list<Choice<Mode>>{
                         {"fast", Mode::fast}, {"quality", Mode::quality}, {"lite", Mode::lite}});
     }},
    {"resolution", Group::request, "720p|1080p|4k", "size of the picture (default 720p)", false,
     [](S& s, const std::string& text) {
       return choose(
           s.request.resolution, text,
           std::initializer_list<Choice<Resolution>>{
               {"720p", Resolution::p720}, {"1080p", Resolution::p1080}, {"4k", Resolution::k4}});
     }},
    {"aspect-ratio", Group::request, "16:9|9:16|auto", "shape of the picture (default 16:9)", false,
     [](S& s, const std::string& text) {
       return choose(s.request.aspect_ratio, text,
                     std::initializer_list<Choice<AspectRatio>>{{"16:9", AspectRatio::landscape},
                                                                {"9:16", AspectRatio::portrait},
                                                                {"auto", AspectRatio::automatic}});
     }},
    {"generation-type", Group::request, "unset|text|first-and-last-frames|reference",
     "what the images are for (default unset: the service decides)", false,
     [](S& s, const std::string& text) {
       using Type = std::optional<GenerationType>;
       return choose(s.request.generation_type, text,
                     std::initializer_list<Choice<Type>>{
                         {"unset", std::nullopt},
                         {"text", GenerationType::text},
                         {"first-and-last-frames", GenerationType::first_and_last_frames},
                         {"reference", GenerationType::reference}});
     }},
    {"image-urls", Group::request, "URL",
     "an image to start from, which the service fetches; may be repeated", true,
     [](S& s, const std::string& text) {
       if (!text.empty()) s.request.image_urls.push_back(text);
       return true;
     }},
    {"enable-translation", Group::request, "true|false",
     "the service translates the prompt to English first (default true)", false,
     [](S& s, const std::string& text) { return set_flag(s.request.enable_translation, text); }},
    {"seed", Group::request, "N", "10000 to 99999 (default: the service draws one)", false,
     [](S& s, const std::string& text) {
       const auto seed = number_of<std::uint32_t>(text, 0, 99999);
       if (seed) s.request.seed = *seed == 0 ? std::nullopt : seed;
       return seed.has_value();
     }},
    {"watermark", Group::request, "TEXT", "text put into the picture", false,
     [](S& s, const std::string& text) { return set_text(s.request.watermark, text); }},
    {"callback-url", Group::request, "URL",
     "where the service POSTs the finished task; with --callback-listen: the public URL before it",
     false, [](S& s, const std::string& text) { return set_text(s.request.callback_url, text); }},
    {"callback-listen", Group::waiting, "ADDRESS:PORT",
     "listen there for the service's callbacks, which wake a query (default: polling alone)", false,
     [](S& s, const std::string& text) { return set_text(s.callback_listen, text); }},
    {"extend-task-id", Group::request, task_form, "continue the video of this completed task",
     false, [](S& s, const std::string& text) { return set_text(s.request.extend_task_id, text); }},
    {"task-id", Group::money, task_form, "take this task: nothing is submitted or paid", false,
     [](S& s, const std::string& text) { return set_text(s.task_id, text); }},

    {"take", Group::money, "N", "another take of the same request is another task (default 1)",
     false, [](S& s, const std::string& text) { return set_number(s.take, text, 1U); }},
    {"request-id", Group::money, "TEXT",
     "your own name for this request: used again, it is the same task", false,
     [](S& s, const std::string& text) { return set_text(s.request_id, text); }},
    {"reuse", Group::money, "true|false",
     "join the task of an equal request in place of paying again (default true)", false,
     [](S& s, const std::string& text) {
       const auto reuse = truth_of(text);
       if (reuse) s.instance = *reuse ? "" : new_instance();
       return reuse.has_value();
     }},
    {"on-unknown", Group::money, "fail|resubmit",
     "where an earlier submission may or may not have been accepted; resubmit may pay twice", false,
     [](S& s, const std::string& text) {
       return choose(s.resubmit, text,
                     std::initializer_list<Choice<bool>>{{"fail", false}, {"resubmit", true}});
     }},
    {"max-credits", Group::money, "N",
     "submit nothing that costs more, or whose price is unknown (default 0: no limit)", false,
     [](S& s, const std::string& text) { return set_number(s.max_credits, text, 0U); }},
    {"dry-run", Group::money, "true|false", "check and price; nothing is sent", false,
     [](S& s, const std::string& text) { return set_flag(s.dry_run, text); }},

    {"ledger", Group::files, "FILE",
     "record of paid work (default VEO_LEDGER, else $XDG_STATE_HOME/veo/ledger.db)", false,
     [](S& s, const std::string& text) { return set_text(s.ledger, text); }},
    {"cache-dir", Group::files, "DIR",
     "where clips are kept as delivered (default VEO_CACHE_DIR, else $XDG_CACHE_HOME/veo)", false,
     [](S& s, const std::string& text) { return set_text(s.cache_directory, text); }},

    {"api-url", Group::service, "URL", "base of the API (default VEO_API_URL, else the service)",
     false, [](S& s, const std::string& text) { return set_text(s.access.api_url, text); }},
    {"api-key", Group::service, "KEY",
     "the key itself: others can read a command line, so prefer --api-key-file", false,
     [](S& s, const std::string& text) {
       s.access.api_key = Secret(text);
       return true;
     }},
    {"api-key-file", Group::service, "FILE",
     "holds the key, readable by its owner alone (default VEO_API_KEY_FILE, else "
     "$CREDENTIALS_DIRECTORY/veo-api-key, else VEO_API_KEY)",
     false, [](S& s, const std::string& text) { return set_text(s.access.api_key_file, text); }},
    {"proxy", Group::service, "URL", "HTTP proxy (default https_proxy and no_proxy)", false,
     [](S& s, const std::string& text) { return set_text(s.network.proxy, text); }},
    {"ssl-ca-file", Group::service, "FILE",
     "PEM file of the authorities to trust (default: the system's)", false,
     [](S& s, const std::string& text) { return set_text(s.network.ssl_ca_file, text); }},
    {"user-agent", Group::service, "TEXT", "User-Agent header (default gst-veo/VERSION)", false,
     [](S& s, const std::string& text) { return set_text(s.network.user_agent, text); }},

    {"generation-timeout", Group::waiting, "SECONDS",
     "for the whole generation; the task goes on without us (default 1800)", false,
     [](S& s, const std::string& text) { return set_duration(s.generation_timeout, text, 1); }},
    {"timeout", Group::waiting, "SECONDS",
     "without a byte, after which an exchange has failed (default 15)", false,
     [](S& s, const std::string& text) {
       std::chrono::seconds timeout{};
       const bool good = set_duration(timeout, text, 1, 3600);
       if (good) s.network.timeout = timeout;
       return good;
     }},
    {"retries", Group::waiting, "N",
     "how often, in a row, to repeat a download, or a submission that was surely not sent (default "
     "5; -1: no end)",
     false, [](S& s, const std::string& text) { return set_number(s.network.retries, text, -1); }},
    {"poll-interval", Group::waiting, "MS",
     "between two queries of the task (default 0: VEO_POLL_INTERVAL, else adaptive)", false,
     [](S& s, const std::string& text) {
       return set_duration(s.poll_interval, text, 0, 3'600'000);
     }},

    {"layout", Group::stream, "streamable|original",
     "moov first, or bit for bit as delivered (default original for a file, streamable for -)",
     false,
     [](S& s, const std::string& text) {
       using Layout = LayoutMode;
       return choose(s.layout, text,
                     std::initializer_list<Choice<Layout>>{{"streamable", Layout::streamable},
                                                           {"original", Layout::original}});
     }},
};

/// Of a text that may be anything, in a message.
constexpr std::size_t longest_shown = 200;

Error refuse(std::string message) {
  return {.code = ErrorCode::invalid_request, .message = std::move(message) + " Nothing was sent."};
}

}  // namespace

std::span<const Option> option_table() { return table; }

Status set_option(Options& settings, std::string_view name, const std::string& text) {
  const auto* const found = std::ranges::find(table, name, &Option::name);
  if (found == std::end(table)) {
    return fail(refuse("There is no option \"" + std::string(name) + "\"."));
  }
  // An empty one unsets it.
  if (found->form == task_form && !text.empty()) {
    if (auto named = check_task_id(name, text); !named) return named;
  }
  if (found->set(settings, text)) return {};
  return fail(refuse(std::string(name) + ": \"" + escape_text(text, longest_shown) +
                     "\" is not of the form " + std::string(found->form) + "."));
}

}  // namespace veo
