// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/options/option_table.h"

#include <glib.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "option_member.h"

namespace veo {

namespace {

using option_member::member;
using option_member::member_in;
using option_member::member_unset_by_zero;
using Exposure = Option::Exposure;
using Group = Option::Group;
using Identity = Option::Identity;
using Kind = OptionType::Kind;
using Setter = OptionSetter;

// The largest number of every option without an upper end. It is also that of the options whose
// property is a guint: gst-launch-1.0 turns max-credits=-1 into 4294967295, and no rule could tell
// that from a number that somebody means.
constexpr std::int64_t most_number = std::numeric_limits<std::int32_t>::max();

// --- types ---

constexpr OptionType text(std::string_view form) { return {.kind = Kind::text, .form = form}; }
constexpr OptionType list(std::string_view form) { return {.kind = Kind::list, .form = form}; }
constexpr OptionType object(std::string_view form) { return {.kind = Kind::object, .form = form}; }
constexpr OptionType flag(bool standard) {
  return {.kind = Kind::flag, .standard = standard ? 1 : 0};
}
constexpr OptionType number(std::string_view form, std::int64_t least, std::int64_t most,
                            std::int64_t standard) {
  return {.kind = Kind::number, .form = form, .least = least, .most = most, .standard = standard};
}
/// The first choice has the number 0 and is the default.
constexpr OptionType choice(std::string_view enum_name, std::span<const OptionChoice> choices) {
  return {.kind = Kind::choice, .enum_name = enum_name, .choices = choices};
}

template <class Enum>
constexpr int number_of(Enum value) {
  return static_cast<int>(value);
}

constexpr OptionChoice modes[] = {
    {"fast", number_of(Mode::fast), "Fast: the default"},
    {"quality", number_of(Mode::quality), "Best quality, highest price"},
    {"lite", number_of(Mode::lite), "Lowest price"},
};
constexpr OptionChoice resolutions[] = {
    {"720p", number_of(Resolution::p720), "1280x720, or 720x1280"},
    {"1080p", number_of(Resolution::p1080), "1920x1080, or 1080x1920"},
    {"4k", number_of(Resolution::k4), "3840x2160, or 2160x3840"},
};
constexpr OptionChoice aspect_ratios[] = {
    {"16:9", number_of(AspectRatio::landscape), "Landscape"},
    {"9:16", number_of(AspectRatio::portrait), "Portrait"},
    {"auto", number_of(AspectRatio::automatic), "The service decides (sent as Auto)"},
};
// 0 unsets the member, and the enumerators follow from number 1 on.
constexpr OptionChoice generation_types[] = {
    {"unset", 0, "Not sent: the service decides by whether there are images"},
    {"text", 1 + number_of(GenerationType::text), "From the prompt alone"},
    {"first-and-last-frames", 1 + number_of(GenerationType::first_and_last_frames),
     "The first image is the first frame, a second one the last"},
    {"reference", 1 + number_of(GenerationType::reference),
     "1 to 3 images as reference (mode fast only)"},
};
constexpr OptionChoice unknown_policies[] = {
    {"fail", number_of(OnUnknown::fail), "Report it, and how to go on: nothing is paid twice"},
    {"resubmit", number_of(OnUnknown::resubmit), "Submit anew, which may pay a second time"},
};
constexpr OptionChoice layouts[] = {
    {"streamable", number_of(LayoutMode::streamable),
     "moov first, whatever was delivered: plays while it downloads"},
    {"original", number_of(LayoutMode::original), "Bit for bit as delivered"},
};
constexpr OptionChoice joins[] = {
    {"auto", number_of(Join::automatic), "Waits for the continuation, and sees what it contains"},
    {"append", number_of(Join::append), "The parent flows at once, and the continuation after it"},
    {"replace", number_of(Join::replace), "The continuation's file is the film"},
};

// --- who may set an option ---

constexpr Setter elements = Setter::source_element | Setter::extension_element;
/// The user, by every way that only the user has.
constexpr Setter user = elements | Setter::command | Setter::c_api;
constexpr Setter user_and_batch = user | Setter::batch;
constexpr Setter everybody = user_and_batch | Setter::uri;

// Each option stands here once, with everything that is known about the option. A row that lacks a
// Given field does not compile.
constexpr Option table[] = {
    // What to generate.
    {.name = "prompt",
     .title = "Prompt",
     .help = "What the video shows and sounds like",
     .group = Group::request,
     .type = text("TEXT"),
     .member = member<&Options::request, &Request::prompt>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1"},
    {.name = "mode",
     .title = "Mode",
     .help = "Quality and price",
     .group = Group::request,
     .type = choice("GstVeoMode", modes),
     .member = member<&Options::request, &Request::mode>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1",
     .fits_extension = false},
    {.name = "resolution",
     .title = "Resolution",
     .help = "Size of the picture",
     .group = Group::request,
     .type = choice("GstVeoResolution", resolutions),
     .member = member<&Options::request, &Request::resolution>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1",
     .fits_extension = false},
    {.name = "aspect-ratio",
     .title = "Aspect ratio",
     .help = "Shape of the picture",
     .group = Group::request,
     .type = choice("GstVeoAspectRatio", aspect_ratios),
     .member = member<&Options::request, &Request::aspect_ratio>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1",
     .fits_extension = false},
    {.name = "generation-type",
     .title = "Generation type",
     .help = "What the images are for",
     .group = Group::request,
     .type = choice("GstVeoGenerationType", generation_types),
     .member = member_unset_by_zero<&Options::request, &Request::generation_type>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1",
     .fits_extension = false},
    {.name = "image-urls",
     .title = "Image URLs",
     .help =
         "Images to start from: http(s) URLs, which the service fetches. As a flag once for each "
         "image; in gst-launch-1.0: image-urls='<\"https://…\",\"https://…\">'",
     .group = Group::request,
     .type = list("URL"),
     .member = member<&Options::request, &Request::image_urls>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1",
     .fits_extension = false},
    {.name = "enable-translation",
     .title = "Enable translation",
     .help = "The service translates the prompt to English first",
     .group = Group::request,
     .type = flag(true),
     .member = member<&Options::request, &Request::enable_translation>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1",
     .fits_extension = false},
    {.name = "seed",
     .title = "Seed",
     .help = "10000 to 99999 (0: the service draws one)",
     .group = Group::request,
     .type = number("N", 0, 99999, 0),
     .member = member_unset_by_zero<&Options::request, &Request::seed>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1",
     .fits_extension = false},
    {.name = "watermark",
     .title = "Watermark",
     .help = "Text put into the picture",
     .group = Group::request,
     .type = text("TEXT"),
     .member = member<&Options::request, &Request::watermark>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1",
     .fits_extension = false},
    {.name = "callback-url",
     .title = "Callback URL",
     .help = "Where the service POSTs the finished task. With callback-listen: the public URL in "
             "front of this process",
     .group = Group::request,
     .type = text("URL"),
     .member = member<&Options::request, &Request::callback_url>(),
     .identity = Identity::job,
     .setters = user_and_batch,
     .since = "0.1"},
    {.name = "callback-listen",
     .title = "Callback listen",
     .help =
         "Listen there for the service's callbacks, which only wake a query: a loopback address, "
         "behind your own proxy at callback-url",
     .group = Group::waiting,
     .type = text("ADDRESS:PORT"),
     .member = member<&Options::callback_listen>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .unset = "polling alone"},
    {.name = "extend-task-id",
     .title = "Extend task id",
     .help = "Continue the video of this completed task, instead of a new one",
     .group = Group::request,
     .type = text("TASK"),
     .member = member<&Options::request, &Request::extend_task_id>(),
     .identity = Identity::request,
     .setters = user_and_batch,
     .since = "0.1",
     .is_task_id = true},
    {.name = "task-id",
     .title = "Task id",
     .help =
         "Take this task: nothing is submitted or paid. The property reads back the running task",
     .group = Group::money,
     .type = text("TASK"),
     .member = member<&Options::task_id>(),
     .identity = Identity::job,
     .setters = user_and_batch,
     .since = "0.1",
     .is_task_id = true},

    // What it may cost.
    {.name = "take",
     .title = "Take",
     .help = "Another take of the same request is another task, paid for itself",
     .group = Group::money,
     .type = number("N", 1, most_number, 1),
     .member = member<&Options::take>(),
     .identity = Identity::request,
     .setters = everybody,
     .since = "0.1"},
    {.name = "request-id",
     .title = "Request id",
     .help = "Your own name for this request: used again, it is the same task, whatever became of "
             "signed URLs",
     .group = Group::money,
     .type = text("TEXT"),
     .member = member<&Options::request_id>(),
     .identity = Identity::request,
     .setters = user_and_batch,
     .since = "0.1",
     .unset = "the request's content is its name"},
    {.name = "reuse",
     .title = "Reuse",
     .help = "Take the task of an equal request, running or completed, in place of paying again. "
             "Off: submit anew, once for each element or run",
     .group = Group::money,
     .type = flag(true),
     .member = member<&Options::reuse>(),
     .identity = Identity::request,
     .setters = user,
     .since = "0.1"},
    {.name = "on-unknown",
     .title = "On unknown",
     .help = "What to do where an earlier submission of this request may or may not have been "
             "accepted. resubmit may pay a second time",
     .group = Group::money,
     .type = choice("GstVeoOnUnknown", unknown_policies),
     .member = member<&Options::on_unknown>(),
     .identity = Identity::job,
     .setters = user_and_batch,
     .since = "0.1"},
    {.name = "max-credits",
     .title = "Max credits",
     .help = "Submit nothing that costs more, or whose price is unknown (0: no limit)",
     .group = Group::money,
     .type = number("N", 0, most_number, 0),
     .member = member<&Options::max_credits>(),
     // A refusal is a part of the claim. Two readers within their limits share a job.
     .identity = Identity::reader,
     .setters = user,
     .since = "0.1"},
    {.name = "dry-run",
     .title = "Dry run",
     .help = "Check the request and tell its price, send nothing, end",
     .group = Group::money,
     .type = flag(false),
     .member = member<&Options::dry_run>(),
     .identity = Identity::reader,
     .setters = user,
     .since = "0.1"},

    // Where the work is recorded.
    {.name = "ledger",
     .title = "Ledger",
     .help = "File with the record of paid work, on a local disk",
     .group = Group::files,
     .type = text("FILE"),
     .member = member<&Options::ledger>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .unset = "VEO_LEDGER, else $XDG_STATE_HOME/veo/ledger.db"},
    {.name = "cache-dir",
     .title = "Cache directory",
     .help = "Where clips are kept as they were delivered. VEO_CACHE_SIZE limits it",
     .group = Group::files,
     .type = text("DIR"),
     .member = member<&Options::cache_directory>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .unset = "VEO_CACHE_DIR, else $XDG_CACHE_HOME/veo"},

    // Where the service is.
    {.name = "api-url",
     .title = "API URL",
     .help = "Base of the API: https, or http to a loopback address or a host of allow-http",
     .group = Group::service,
     .type = text("URL"),
     .member = member<&Options::access, &AccessOptions::api_url>(),
     .identity = Identity::request,
     .setters = user,
     .since = "0.1",
     .unset = "VEO_API_URL, else the service"},
    {.name = "api-key",
     .title = "API key",
     .help = "The key itself. Prefer api-key-file: others can read a command line",
     .group = Group::service,
     .type = text("KEY"),
     .member = member<&Options::access, &AccessOptions::api_key>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .exposure = Exposure::secret},
    {.name = "api-key-file",
     .title = "API key file",
     .help = "File or pipe that holds the key",
     .group = Group::service,
     .type = text("FILE"),
     .member = member<&Options::access, &AccessOptions::api_key_file>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .unset = "$CREDENTIALS_DIRECTORY/veo-api-key, else VEO_API_KEY_FILE, else "
              "VEO_API_KEY_COMMAND, else VEO_API_KEY"},
    {.name = "allow-http",
     .title = "Allow http",
     .help = "Hosts to whose API the key may go by http, which everybody on the way can read: "
             "comma-separated, each with or without a port",
     .group = Group::service,
     .type = text("HOSTS"),
     .member = member<&Options::access, &AccessOptions::allow_http>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .unset = "VEO_ALLOW_HTTP, else loopback hosts alone"},
    {.name = "allow-addresses",
     .title = "Allow addresses",
     .help = "Ranges of addresses that file hosts may have besides public ones, such as "
             "198.18.0.0/15 for fake-IP DNS: comma-separated",
     .group = Group::service,
     .type = text("RANGES"),
     .member = member<&Options::network, &NetworkSettings::allow_addresses>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .unset = "VEO_ALLOW_ADDRESSES, else public addresses alone"},
    {.name = "proxy",
     .title = "Proxy",
     .help = "URI of a proxy, with its password: http, https, socks4a, socks5 or socks5h",
     .group = Group::service,
     .type = text("URL"),
     .member = member<&Options::network, &NetworkSettings::proxy>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .unset = "https_proxy and no_proxy of the environment",
     // Nobody may read a proxy's password, in a dot file either.
     .exposure = Exposure::redacted},
    {.name = "ssl-ca-file",
     .title = "SSL CA file",
     .help = "PEM file of the certificate authorities to trust",
     .group = Group::service,
     .type = text("FILE"),
     .member = member<&Options::network, &NetworkSettings::ssl_ca_file>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .unset = "VEO_CA_FILE, else SSL_CERT_FILE, else the system's"},
    {.name = "tls-database",
     .title = "TLS database",
     .help = "Anchor certificate authorities; goes before ssl-ca-file",
     .group = Group::service,
     .type = object("GTlsDatabase"),
     .member = member<&Options::network, &NetworkSettings::tls_database>(),
     .identity = Identity::job,
     .setters = elements,
     .since = "0.1"},
    {.name = "user-agent",
     .title = "User agent",
     .help = "User-Agent header",
     .group = Group::service,
     .type = text("TEXT"),
     .member = member<&Options::network, &NetworkSettings::user_agent>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1",
     .unset = "gst-veo/VERSION"},

    // How long to wait.
    {.name = "generation-timeout",
     .title = "Generation timeout",
     .help =
         "Seconds for the whole generation. The task goes on without us, and can be played later "
         "by its id",
     .group = Group::waiting,
     .type = number("SECONDS", 1, most_number, 1800),
     .member = member_in<std::chrono::seconds, &Options::generation_timeout>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1"},
    {.name = "timeout",
     .title = "Timeout",
     .help = "Seconds without a byte after which an exchange has failed",
     .group = Group::waiting,
     .type = number("SECONDS", 1, 3600, 15),
     .member = member_in<std::chrono::seconds, &Options::network, &NetworkSettings::timeout>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1"},
    {.name = "retries",
     .title = "Retries",
     .help = "How often, in a row, to repeat a download, or a submission that was surely not sent "
             "(-1: no end)",
     .group = Group::waiting,
     .type = number("N", -1, most_number, 5),
     .member = member<&Options::network, &NetworkSettings::retries>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1"},
    {.name = "poll-interval",
     .title = "Poll interval",
     .help = "Milliseconds between two queries of the task (0: VEO_POLL_INTERVAL, else adaptive)",
     .group = Group::waiting,
     .type = number("MS", 0, 3'600'000, 0),
     .member = member_in<std::chrono::milliseconds, &Options::poll_interval>(),
     .identity = Identity::job,
     .setters = user,
     .since = "0.1"},

    // What comes out.
    {.name = "layout",
     .title = "Layout",
     .help = "Order of the file's parts. original keeps the C2PA signature valid",
     .group = Group::stream,
     .type = choice("GstVeoLayout", layouts),
     .member = member<&Options::layout>(),
     .identity = Identity::reader,
     .setters = user,
     .since = "0.1",
     .command_default = "original for a file, streamable for -"},
    {.name = "prompt-tag",
     .title = "Prompt tag",
     .help = "Put the prompt into the stream's tags, which end up in files",
     .group = Group::stream,
     .type = flag(false),
     .member = member<&Options::prompt_tag>(),
     .identity = Identity::reader,
     .setters = elements,
     .since = "0.1"},
    {.name = "join",
     .title = "Join",
     .help =
         "What to do with the continuation, whose file may or may not contain what it continues",
     .group = Group::film,
     .type = choice("GstVeoJoin", joins),
     .member = member<&Options::join>(),
     .identity = Identity::reader,
     .setters = Setter::extension_element | Setter::command,
     .since = "0.1"},
};

// --- rules for every row ---

constexpr bool is_kept_by_all(bool (*is_kept)(const Option&)) {
  for (const auto& option : table) {
    if (!is_kept(option)) return false;
  }
  return true;
}

static_assert(is_kept_by_all([](const Option& option) {
                return option.member.value.is_for(option.type.value.kind);
              }),
              "A member cannot hold a value of its option's type.");
static_assert(is_kept_by_all([](const Option& option) {
                const OptionType& type = option.type;
                return type.kind != Kind::number ||
                       (type.least <= type.standard && type.standard <= type.most);
              }),
              "A default is out of its option's range.");
static_assert(is_kept_by_all([](const Option& option) {
                const OptionType& type = option.type;
                return type.kind != Kind::choice ||
                       (!type.choices.empty() && type.choices.front().number == 0);
              }),
              "The first choice of an option does not have the number 0.");
static_assert(is_kept_by_all([](const Option& option) {
                return option.member.value.is_secret == (option.exposure == Exposure::secret);
              }),
              "A secret could be read back.");
// A batch file or a playlist may come from anybody. Neither may set where the key goes, what is
// written to the disk, or how much may be spent.
static_assert(is_kept_by_all([](const Option& option) {
                const bool is_open = includes(option.setters, Setter::batch) ||
                                     includes(option.setters, Setter::uri);
                return !is_open || option.group == Group::request || option.group == Group::money;
              }),
              "A file of somebody else's could set an option of the user's.");

}  // namespace

std::span<const Option> option_table() { return table; }

std::string_view nick(Join join) { return joins[number_of(join)].nick; }

const Option* find_option(std::string_view name, OptionSetter by) {
  const auto* const found =
      std::ranges::find_if(table, [&](const Option& option) { return option.name.value == name; });
  return found != std::end(table) && includes(found->setters, by) ? found : nullptr;
}

OptionValue get_option(const Options& options, const Option& option) {
  auto read = option.member.value.get(options);
  if (auto* const value = std::get_if<OptionValue>(&read)) return std::move(*value);
  const OptionType& type = option.type;
  switch (type.kind) {
    case Kind::flag:
      return type.standard != 0;
    case Kind::number:
    case Kind::choice:
      return type.standard;
    case Kind::list:
      return std::vector<std::string>();
    case Kind::object:
      return std::shared_ptr<GTlsDatabase>();
    case Kind::text:
      break;
  }
  return std::string();
}

namespace {

/// Names every member of Options, so that a new member does not compile before these lines name it.
/// If users set the member, the member needs a row in the table. If not, is_same_job() compares the
/// member, or says why not.
[[maybe_unused]] void name_every_member(const Options& options) {
  [[maybe_unused]] const auto& [request, task_id, take, request_id, reuse, on_unknown, max_credits,
                                dry_run, ledger, cache_directory, access, network, callback_listen,
                                generation_timeout, poll_interval, layout, prompt_tag, join,
                                parent_upstream_id, instance, by_uri, offers_launch_line] = options;
  [[maybe_unused]] const auto& [api_url, api_key, api_key_file, allow_http] = access;
  [[maybe_unused]] const auto& [proxy, ssl_ca_file, tls_database, user_agent, timeout,
                                allow_addresses, retries] = network;
  [[maybe_unused]] const auto& [prompt, mode, resolution, aspect_ratio, generation_type, image_urls,
                                enable_translation, seed, watermark, callback_url, extend_task_id] =
      request;
}

}  // namespace

bool is_same_job(const Options& a, const Options& b) {
  // These members are no options. by_uri and offers_launch_line are a part of the claim
  // (make_claim()).
  if (a.parent_upstream_id != b.parent_upstream_id || a.instance != b.instance) return false;
  return std::ranges::all_of(table, [&](const Option& option) {
    return option.identity == Identity::reader || option.member.value.is_equal(a, b);
  });
}

std::string make_instance() {
  const std::unique_ptr<char, decltype(&g_free)> uuid(g_uuid_string_random(), g_free);
  return uuid.get();
}

}  // namespace veo
