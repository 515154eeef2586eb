// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoproperties.h"

#include <gio/gio.h>
#include <gst/gst.h>

#include <utility>

#include "gstveoenums.h"
#include "veo/core/url_policy.h"

namespace veo::plugin {

namespace {

using Kind = OptionType::Kind;

constexpr auto write_only = static_cast<GParamFlags>(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS);
constexpr auto read_write = static_cast<GParamFlags>(write_only | G_PARAM_READABLE);

/// Returns a copy of the text that stays valid until the process ends.
const char* static_text(const std::string& text) { return g_intern_string(text.c_str()); }

GParamSpec* make_number_spec(const Option& option, const char* name, const char* nick,
                             const char* blurb, GParamFlags flags) {
  // The property takes every number of its type, so that check_ranges() sees the number. GObject
  // would drop a number outside a range with a warning, and the element would pay without it.
  const OptionType& type = option.type;
  if (type.least < 0) {
    return g_param_spec_int(name, nick, blurb, G_MININT, G_MAXINT, static_cast<gint>(type.standard),
                            flags);
  }
  return g_param_spec_uint(name, nick, blurb, 0, G_MAXUINT, static_cast<guint>(type.standard),
                           flags);
}

GParamSpec* make_spec(const Option& option, GParamFlags changeable) {
  const char* const name = option.name.value.data();
  const char* const nick = option.title.value.data();
  const auto range = range_of(option);
  const char* const blurb =
      static_text(help_of(option) + (range.empty() ? "" : " [" + range + "]"));
  const auto access = option.exposure == Option::Exposure::secret ? write_only : read_write;
  const auto flags = static_cast<GParamFlags>(access | changeable);
  const OptionType& type = option.type;
  switch (type.kind) {
    case Kind::flag:
      return g_param_spec_boolean(name, nick, blurb, type.standard != 0 ? TRUE : FALSE, flags);
    case Kind::number:
      return make_number_spec(option, name, nick, blurb, flags);
    case Kind::choice:
      return g_param_spec_enum(name, nick, blurb, enum_type_of(option), 0, flags);
    case Kind::list:
      return gst_param_spec_array(
          name, nick, blurb,
          g_param_spec_string("item", type.form.data(), "An item of the list", nullptr, flags),
          flags);
    case Kind::object:
      return g_param_spec_object(name, nick, blurb, G_TYPE_TLS_DATABASE, flags);
    case Kind::text:
      break;
  }
  return g_param_spec_string(name, nick, blurb, nullptr, flags);
}

std::string text_of(const GValue* value) {
  const char* text = g_value_get_string(value);
  return text != nullptr ? text : "";
}

std::vector<std::string> texts_of(const GValue* array) {
  std::vector<std::string> texts;
  for (guint i = 0; i < gst_value_array_get_size(array); ++i) {
    texts.push_back(text_of(gst_value_array_get_value(array, i)));
  }
  return texts;
}

std::shared_ptr<GTlsDatabase> database_of(const GValue* value) {
  auto* database = static_cast<GTlsDatabase*>(g_value_dup_object(value));
  return database != nullptr ? std::shared_ptr<GTlsDatabase>(database, g_object_unref) : nullptr;
}

/// Reads a value whose type GObject has checked by the GParamSpec.
OptionValue read_value(const Option& option, const GValue* value) {
  const OptionType& type = option.type;
  switch (type.kind) {
    case Kind::flag:
      return g_value_get_boolean(value) != FALSE;
    case Kind::number:
      return type.least < 0 ? std::int64_t{g_value_get_int(value)}
                            : std::int64_t{g_value_get_uint(value)};
    case Kind::choice:
      return std::int64_t{g_value_get_enum(value)};
    case Kind::list:
      return texts_of(value);
    case Kind::object:
      return database_of(value);
    case Kind::text:
      break;
  }
  return text_of(value);
}

/// Writes an option's value to a GValue that has the option's GType.
struct WriteValue {
  const Option& option;
  GValue* value;

  void operator()(bool flag) const { g_value_set_boolean(value, flag ? TRUE : FALSE); }
  void operator()(std::int64_t number) const {
    const OptionType& type = option.type;
    if (type.kind == Kind::choice) return g_value_set_enum(value, static_cast<gint>(number));
    if (type.least < 0) return g_value_set_int(value, static_cast<gint>(number));
    g_value_set_uint(value, static_cast<guint>(number));
  }
  void operator()(const std::string& text) const {
    if (text.empty()) return g_value_set_string(value, nullptr);
    const bool is_redacted = option.exposure == Option::Exposure::redacted;
    g_value_set_string(value, is_redacted ? redact_url(text).c_str() : text.c_str());
  }
  void operator()(const std::vector<std::string>& texts) const {
    for (const auto& text : texts) {
      GValue item = G_VALUE_INIT;
      g_value_init(&item, G_TYPE_STRING);
      g_value_set_string(&item, text.c_str());
      gst_value_array_append_and_take_value(value, &item);
    }
  }
  void operator()(const std::shared_ptr<GTlsDatabase>& database) const {
    g_value_set_object(value, database.get());
  }
};

/// Returns the option whose property has this id, or null if there is none.
const Option* find_option_of(guint id) {
  const auto table = option_table();
  return id > 0 && id <= table.size() ? &table[id - 1] : nullptr;
}

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

guint install_properties(GObjectClass* object_class, OptionSetter element, GParamFlags changeable) {
  guint id = 0;
  for (const auto& option : option_table()) {
    ++id;
    if (!includes(option.setters, element)) continue;
    g_object_class_install_property(object_class, id, make_spec(option, changeable));
    if (option.type.value.kind == Kind::choice) {
      gst_type_mark_as_plugin_api(enum_type_of(option), GstPluginAPIFlags{});
    }
  }
  return id + 1;
}

bool set_property(ElementSettings& settings, guint id, const GValue* value) {
  const auto* const option = find_option_of(id);
  if (option == nullptr) return false;
  // Store the value even if it is not valid: the Source will refuse it, and an error on the bus
  // says so. If the property kept its old value, the element would pay for a request that the
  // application did not want.
  option->member.value.set(settings.source, read_value(*option, value));
  return true;
}

bool get_property(const ElementSettings& settings, guint id, GValue* value) {
  const auto* const option = find_option_of(id);
  if (option == nullptr || option->exposure == Option::Exposure::secret) return false;
  std::visit(WriteValue{*option, value}, get_option(settings.source, *option));
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
  gst_type_mark_as_plugin_api(GST_TYPE_VEO_TASK_STATUS, GstPluginAPIFlags{});
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

}  // namespace veo::plugin
