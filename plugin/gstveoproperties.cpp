// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoproperties.h"

#include <gio/gio.h>
#include <gst/gst.h>

#include <iterator>
#include <limits>
#include <memory>

#include "gstveoenums.h"
#include "veo/core/url_policy.h"

namespace veo::plugin {

namespace {

constexpr auto write_only =
    static_cast<GParamFlags>(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
constexpr auto read_write = static_cast<GParamFlags>(write_only | G_PARAM_READABLE);

constexpr guint max_uint = std::numeric_limits<guint>::max();

struct Property {
  GParamSpec* (*spec)();
  void (*set)(ElementSettings&, const GValue*);
  void (*get)(const ElementSettings&, GValue*);
};

GParamSpec* string_spec(const char* name, const char* nick, const char* blurb,
                        GParamFlags flags = read_write) {
  return g_param_spec_string(name, nick, blurb, nullptr, flags);
}

GParamSpec* enum_spec(const char* name, const char* nick, const char* blurb, GType type) {
  return g_param_spec_enum(name, nick, blurb, type, 0, read_write);
}

std::string text_of(const GValue* value) {
  const char* text = g_value_get_string(value);
  return text != nullptr ? text : "";
}

std::optional<std::string> optional_text_of(const GValue* value) {
  auto text = text_of(value);
  if (text.empty()) return std::nullopt;
  return text;
}

void give_text(GValue* value, const std::string& text) {
  g_value_set_string(value, text.empty() ? nullptr : text.c_str());
}

// An enum that was never set reads as its documented default, the enumerator 0, and is not sent.
template <class Enum>
void give_enum(GValue* value, const std::optional<Enum>& chosen) {
  g_value_set_enum(value, chosen ? static_cast<int>(*chosen) : 0);
}

template <class Enum>
Enum enum_of(const GValue* value) {
  return static_cast<Enum>(g_value_get_enum(value));
}

void set_image_urls(ElementSettings& to, const GValue* value) {
  auto& urls = to.source.request.image_urls;
  urls.clear();
  for (guint i = 0; i < gst_value_array_get_size(value); ++i) {
    urls.push_back(text_of(gst_value_array_get_value(value, i)));
  }
}

void get_image_urls(const ElementSettings& from, GValue* value) {
  for (const auto& url : from.source.request.image_urls) {
    GValue item = G_VALUE_INIT;
    g_value_init(&item, G_TYPE_STRING);
    g_value_set_string(&item, url.c_str());
    gst_value_array_append_and_take_value(value, &item);
  }
}

void set_tls_database(ElementSettings& to, const GValue* value) {
  auto* database = static_cast<GTlsDatabase*>(g_value_dup_object(value));
  auto& held = to.source.network.tls_database;
  if (database != nullptr) {
    held.reset(database, g_object_unref);
  } else {
    held.reset();
  }
}

using S = ElementSettings;

// A property appears here once, with everything there is to know of it. Its id is its place.
const Property table[] = {
    // What to generate.
    {[] { return string_spec("prompt", "Prompt", "What the video shows and sounds like"); },
     [](S& s, const GValue* v) { s.source.request.prompt = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.request.prompt); }},
    {[] { return enum_spec("mode", "Mode", "Quality and price", GST_TYPE_VEO_MODE); },
     [](S& s, const GValue* v) { s.source.request.mode = enum_of<Mode>(v); },
     [](const S& s, GValue* v) { give_enum(v, s.source.request.mode); }},
    {[] {
       return enum_spec("resolution", "Resolution", "Size of the picture", GST_TYPE_VEO_RESOLUTION);
     },
     [](S& s, const GValue* v) { s.source.request.resolution = enum_of<Resolution>(v); },
     [](const S& s, GValue* v) { give_enum(v, s.source.request.resolution); }},
    {[] {
       return enum_spec("aspect-ratio", "Aspect ratio", "Shape of the picture",
                        GST_TYPE_VEO_ASPECT_RATIO);
     },
     [](S& s, const GValue* v) { s.source.request.aspect_ratio = enum_of<AspectRatio>(v); },
     [](const S& s, GValue* v) { give_enum(v, s.source.request.aspect_ratio); }},
    {[] {
       return enum_spec("generation-type", "Generation type", "What the images are for",
                        GST_TYPE_VEO_GENERATION_TYPE);
     },
     [](S& s, const GValue* v) {
       const int chosen = g_value_get_enum(v);
       s.source.request.generation_type =
           chosen == 0 ? std::nullopt : std::optional(static_cast<GenerationType>(chosen - 1));
     },
     [](const S& s, GValue* v) {
       const auto& type = s.source.request.generation_type;
       g_value_set_enum(v, type ? static_cast<int>(*type) + 1 : 0);
     }},
    {[] {
       return gst_param_spec_array(
           "image-urls", "Image URLs",
           "Images to start from: http(s) URLs, which the service fetches. "
           "In gst-launch-1.0: image-urls='<\"https://…\",\"https://…\">'",
           g_param_spec_string("url", "URL", "An image's URL", nullptr, read_write), read_write);
     },
     set_image_urls, get_image_urls},
    {[] {
       return g_param_spec_boolean("enable-translation", "Enable translation",
                                   "The service translates the prompt to English first", TRUE,
                                   read_write);
     },
     [](S& s, const GValue* v) {
       s.source.request.enable_translation = g_value_get_boolean(v) != FALSE;
     },
     [](const S& s, GValue* v) {
       g_value_set_boolean(v, s.source.request.enable_translation.value_or(true) ? TRUE : FALSE);
     }},
    {[] {
       return g_param_spec_uint("seed", "Seed", "10000 to 99999 (0 = the service draws one)", 0,
                                99999, 0, read_write);
     },
     [](S& s, const GValue* v) {
       const guint seed = g_value_get_uint(v);
       s.source.request.seed = seed == 0 ? std::nullopt : std::optional<std::uint32_t>(seed);
     },
     [](const S& s, GValue* v) { g_value_set_uint(v, s.source.request.seed.value_or(0)); }},
    {[] { return string_spec("watermark", "Watermark", "Text put into the picture"); },
     [](S& s, const GValue* v) { s.source.request.watermark = optional_text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.request.watermark.value_or("")); }},
    {[] {
       return string_spec("callback-url", "Callback URL",
                          "Where the service POSTs the finished task, besides what we do. With "
                          "callback-listen: the public URL before it");
     },
     [](S& s, const GValue* v) { s.source.request.callback_url = optional_text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.request.callback_url.value_or("")); }},
    {[] {
       return string_spec("callback-listen", "Callback listen",
                          "ADDRESS:PORT on which this process listens for the service's callbacks: "
                          "a loopback address, behind your own proxy at callback-url. A callback "
                          "only wakes a query (unset = polling alone)");
     },
     [](S& s, const GValue* v) { s.source.callback_listen = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.callback_listen); }},
    {[] {
       return string_spec("extend-task-id", "Extend task id",
                          "Continue the video of this completed task, instead of a new one");
     },
     [](S& s, const GValue* v) { s.source.request.extend_task_id = optional_text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.request.extend_task_id.value_or("")); }},
    {[] {
       return string_spec("task-id", "Task id",
                          "Play this task: nothing is submitted or paid. Reads back the running "
                          "task");
     },
     [](S& s, const GValue* v) { s.source.task_id = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.task_id); }},

    {[] {
       return g_param_spec_uint("take", "Take",
                                "Another take of the same request is another task, paid for itself",
                                1, max_uint, 1, read_write);
     },
     [](S& s, const GValue* v) { s.source.take = g_value_get_uint(v); },
     [](const S& s, GValue* v) { g_value_set_uint(v, s.source.take); }},
    {[] {
       return string_spec("request-id", "Request id",
                          "Your own name for this request: used again, it is the same task, "
                          "whatever became of signed URLs (unset = the request's content is its "
                          "name)");
     },
     [](S& s, const GValue* v) { s.source.request_id = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.request_id); }},

    // What it may cost.
    {[] {
       return g_param_spec_boolean("reuse", "Reuse",
                                   "Play the task of an equal request, running or completed, in "
                                   "place of paying again. Off: each element submits anew, once",
                                   TRUE, read_write);
     },
     [](S& s, const GValue* v) { s.reuse = g_value_get_boolean(v) != FALSE; },
     [](const S& s, GValue* v) { g_value_set_boolean(v, s.reuse ? TRUE : FALSE); }},
    {[] {
       return enum_spec("on-unknown", "On unknown",
                        "What to do where an earlier submission of this request may or may not "
                        "have been accepted. resubmit may pay a second time",
                        GST_TYPE_VEO_ON_UNKNOWN);
     },
     [](S& s, const GValue* v) { s.source.resubmit = g_value_get_enum(v) != 0; },
     [](const S& s, GValue* v) { g_value_set_enum(v, s.source.resubmit ? 1 : 0); }},
    {[] {
       return g_param_spec_uint("max-credits", "Max credits",
                                "Submit nothing that costs more, or whose price is unknown (0 = no "
                                "limit)",
                                0, max_uint, 0, read_write);
     },
     [](S& s, const GValue* v) { s.source.max_credits = g_value_get_uint(v); },
     [](const S& s, GValue* v) { g_value_set_uint(v, s.source.max_credits); }},
    {[] {
       return g_param_spec_boolean("dry-run", "Dry run",
                                   "Check the request and post its price, send nothing, end", FALSE,
                                   read_write);
     },
     [](S& s, const GValue* v) { s.source.dry_run = g_value_get_boolean(v) != FALSE; },
     [](const S& s, GValue* v) { g_value_set_boolean(v, s.source.dry_run ? TRUE : FALSE); }},

    // Where it is written down.
    {[] {
       return string_spec("ledger", "Ledger",
                          "File with the record of paid work, on a local disk (unset = VEO_LEDGER, "
                          "else $XDG_STATE_HOME/veo/ledger.db)");
     },
     [](S& s, const GValue* v) { s.source.ledger = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.ledger); }},
    {[] {
       return string_spec("cache-dir", "Cache directory",
                          "Where clips are kept as they were delivered (unset = VEO_CACHE_DIR, "
                          "else $XDG_CACHE_HOME/veo). VEO_CACHE_SIZE limits it");
     },
     [](S& s, const GValue* v) { s.source.cache_directory = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.cache_directory); }},

    // Where the service is.
    {[] {
       return string_spec("api-url", "API URL",
                          "Base of the API: https, or http to a loopback address (unset = "
                          "VEO_API_URL, else the service)");
     },
     [](S& s, const GValue* v) { s.source.access.api_url = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.access.api_url); }},
    {[] {
       return string_spec("api-key", "API key",
                          "The key itself (prefer api-key-file: a command line can be read by "
                          "others)",
                          write_only);
     },
     [](S& s, const GValue* v) { s.source.access.api_key = Secret(text_of(v)); }, nullptr},
    {[] {
       return string_spec("api-key-file", "API key file",
                          "File that holds the key, readable by its owner alone (unset = "
                          "VEO_API_KEY_FILE, else $CREDENTIALS_DIRECTORY/veo-api-key, else "
                          "VEO_API_KEY)");
     },
     [](S& s, const GValue* v) { s.source.access.api_key_file = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.access.api_key_file); }},
    {[] {
       return string_spec(
           "proxy", "Proxy",
           "HTTP proxy server URI (unset = https_proxy and no_proxy of the environment)");
     },
     [](S& s, const GValue* v) { s.source.network.proxy = text_of(v); },
     // A proxy's password is nobody's to read: not in a dot file either.
     [](const S& s, GValue* v) {
       const auto& proxy = s.source.network.proxy;
       give_text(v, proxy.empty() ? proxy : redact_url(proxy));
     }},
    {[] {
       return string_spec(
           "ssl-ca-file", "SSL CA file",
           "PEM file of the certificate authorities to trust (unset = the system's)");
     },
     [](S& s, const GValue* v) { s.source.network.ssl_ca_file = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.network.ssl_ca_file); }},
    {[] {
       return g_param_spec_object("tls-database", "TLS database",
                                  "Anchor certificate authorities; goes before ssl-ca-file",
                                  G_TYPE_TLS_DATABASE, read_write);
     },
     set_tls_database,
     [](const S& s, GValue* v) { g_value_set_object(v, s.source.network.tls_database.get()); }},
    {[] {
       return string_spec("user-agent", "User agent",
                          "User-Agent header (unset = gst-veo/VERSION)");
     },
     [](S& s, const GValue* v) { s.source.network.user_agent = text_of(v); },
     [](const S& s, GValue* v) { give_text(v, s.source.network.user_agent); }},

    // How long to wait.
    {[] {
       return g_param_spec_uint("generation-timeout", "Generation timeout",
                                "Seconds for the whole generation. The task goes on without us, "
                                "and can be played later by its id",
                                1, max_uint, 1800, read_write);
     },
     [](S& s, const GValue* v) {
       s.source.generation_timeout = std::chrono::seconds(g_value_get_uint(v));
     },
     [](const S& s, GValue* v) {
       g_value_set_uint(v, static_cast<guint>(s.source.generation_timeout.count()));
     }},
    {[] {
       return g_param_spec_uint("timeout", "Timeout",
                                "Seconds without a byte after which an exchange has failed", 1,
                                3600, 15, read_write);
     },
     [](S& s, const GValue* v) {
       s.source.network.timeout = std::chrono::seconds(g_value_get_uint(v));
     },
     [](const S& s, GValue* v) {
       g_value_set_uint(v, static_cast<guint>(s.source.network.timeout.count() / 1000));
     }},
    {[] {
       return g_param_spec_int("retries", "Retries",
                               "How often, in a row, to repeat a download, or a submission that "
                               "was surely not sent (-1 = no end)",
                               -1, std::numeric_limits<gint>::max(), 5, read_write);
     },
     [](S& s, const GValue* v) { s.source.network.retries = g_value_get_int(v); },
     [](const S& s, GValue* v) { g_value_set_int(v, s.source.network.retries); }},
    {[] {
       return g_param_spec_uint("poll-interval", "Poll interval",
                                "Milliseconds between two queries of the task (0 = "
                                "VEO_POLL_INTERVAL, else adaptive)",
                                0, 3'600'000, 0, read_write);
     },
     [](S& s, const GValue* v) {
       s.source.poll_interval = std::chrono::milliseconds(g_value_get_uint(v));
     },
     [](const S& s, GValue* v) {
       g_value_set_uint(v, static_cast<guint>(s.source.poll_interval.count()));
     }},

    // What comes out.
    {[] {
       return enum_spec("layout", "Layout",
                        "Order of the file's parts. original keeps the C2PA signature valid",
                        GST_TYPE_VEO_LAYOUT);
     },
     [](S& s, const GValue* v) { s.source.layout = enum_of<LayoutMode>(v); },
     [](const S& s, GValue* v) { g_value_set_enum(v, static_cast<int>(s.source.layout)); }},
    {[] {
       return g_param_spec_boolean("prompt-tag", "Prompt tag",
                                   "Put the prompt into the stream's tags, which end up in files",
                                   FALSE, read_write);
     },
     [](S& s, const GValue* v) { s.prompt_tag = g_value_get_boolean(v) != FALSE; },
     [](const S& s, GValue* v) { g_value_set_boolean(v, s.prompt_tag ? TRUE : FALSE); }},
};

GstStructure* make_stats(const Source::Snapshot& seen) {
  return gst_structure_new("veo-stats",                                                           //
                           "polls", G_TYPE_UINT, seen.job.polls,                                  //
                           "requests", G_TYPE_UINT, seen.job.requests + seen.clip.requests,       //
                           "retries", G_TYPE_UINT, seen.job.retries + seen.clip.retries,          //
                           "bytes", G_TYPE_UINT64, static_cast<guint64>(seen.clip.bytes),         //
                           "credits", G_TYPE_UINT, static_cast<guint>(seen.credits.value_or(0)),  //
                           "reused", G_TYPE_BOOLEAN, seen.reused ? TRUE : FALSE,                  //
                           "submit-time", G_TYPE_UINT64,
                           static_cast<guint64>(seen.job.submit_time.count()) * GST_MSECOND,
                           "generate-time", G_TYPE_UINT64,
                           static_cast<guint64>(seen.job.generate_time.count()) * GST_MSECOND,  //
                           nullptr);
}

}  // namespace

guint install_properties(GObjectClass* object_class) {
  guint id = 1;
  for (const auto& property : table) {
    g_object_class_install_property(object_class, id++, property.spec());
  }
  return id;
}

bool set_property(ElementSettings& settings, guint id, const GValue* value) {
  if (id == 0 || id > std::size(table)) return false;
  table[id - 1].set(settings, value);
  return true;
}

bool get_property(const ElementSettings& settings, guint id, GValue* value) {
  if (id == 0 || id > std::size(table) || table[id - 1].get == nullptr) return false;
  table[id - 1].get(settings, value);
  return true;
}

guint install_task_properties(GObjectClass* object_class, guint first) {
  constexpr auto read_only = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property(
      object_class, first++,
      g_param_spec_enum("status", "Status", "Status of the running task", GST_TYPE_VEO_TASK_STATUS,
                        0, read_only));
  g_object_class_install_property(
      object_class, first++,
      g_param_spec_boxed("stats", "Statistics",
                         "polls, requests, retries, bytes, credits (estimate), reused, "
                         "submit-time and generate-time in ns",
                         GST_TYPE_STRUCTURE, read_only));
  for (const auto type : {GST_TYPE_VEO_MODE, GST_TYPE_VEO_ON_UNKNOWN, GST_TYPE_VEO_RESOLUTION,
                          GST_TYPE_VEO_ASPECT_RATIO, GST_TYPE_VEO_GENERATION_TYPE,
                          GST_TYPE_VEO_LAYOUT, GST_TYPE_VEO_TASK_STATUS}) {
    gst_type_mark_as_plugin_api(type, GstPluginAPIFlags{});
  }
  return first;
}

bool get_task_property(const Source::Snapshot& seen, guint index, const GParamSpec* spec,
                       GValue* value) {
  if (index == 0) {
    g_value_set_enum(value, static_cast<int>(seen.job.status));
  } else if (index == 1) {
    g_value_take_boxed(value, make_stats(seen));
  } else if (!seen.job.task_id.empty() && g_strcmp0(spec->name, "task-id") == 0) {
    g_value_set_string(value, seen.job.task_id.c_str());
  } else {
    return false;
  }
  return true;
}

std::string make_instance() {
  const std::unique_ptr<char, decltype(&g_free)> uuid(g_uuid_string_random(), g_free);
  return uuid.get();
}

}  // namespace veo::plugin
