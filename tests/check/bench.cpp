// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <utility>

#include "command.h"
#include "patience.h"

namespace veo::test {

namespace {

/// Stays until the next test, or the end of the process, because the I/O thread may still write
/// files of the last test.
std::optional<TemporaryDirectory> directory;

std::string join(const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words) line += (line.empty() ? "" : " | ") + word;
  return line;
}

std::string serialize(const GValue* value) {
  if (G_VALUE_HOLDS_STRING(value)) {
    const char* const text = g_value_get_string(value);
    return text != nullptr ? text : "NULL";
  }
  const std::unique_ptr<char, decltype(&g_free)> text(gst_value_serialize(value), g_free);
  return text ? text.get() : "NULL";
}

std::string name_of(GstEvent* event) {
  const auto* const structure = gst_event_get_structure(event);
  const bool is_custom = GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY ||
                         GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM_OOB;
  return is_custom && structure != nullptr ? gst_structure_get_name(structure)
                                           : GST_EVENT_TYPE_NAME(event);
}

}  // namespace

void load_plugin() {
  const ObjectPtr<GstPlugin> plugin(gst_plugin_load_by_name("veo"));
  fail_unless(plugin != nullptr, "GST_PLUGIN_PATH does not lead to the plugin");
}

void set_up_files() {
  directory.emplace();
  g_setenv("VEO_LEDGER", directory->file("ledger.db").c_str(), TRUE);
  g_setenv("VEO_CACHE_DIR", directory->file("cache").c_str(), TRUE);
}

ObjectPtr<GstElement> make_element(const char* factory, const Service* service) {
  auto* const element = gst_element_factory_make(factory, nullptr);
  fail_unless(element != nullptr, "there is no element %s", factory);
  gst_object_ref_sink(element);
  g_object_set(element, "api-key", "sk-check", "poll-interval", 10, "retries", 0, nullptr);
  if (service != nullptr) g_object_set(element, "api-url", service->api_url().c_str(), nullptr);
  return ObjectPtr<GstElement>(element);
}

// --- Bench ---

Bench::Bench(const char* factory, const Service* service,
             const std::function<void(GstElement*)>& set)
    : bus_(gst_bus_new()) {
  const auto element = make_element(factory, service);
  const ObjectPtr<GstPad> sink(gst_element_get_static_pad(element.get(), "sink"));
  harness_ = gst_harness_new_with_element(element.get(), sink ? "sink" : nullptr, "src");
  // The harness starts an element with a sink pad. Stop the element, so that the test sees
  // everything that the element does.
  gst_element_set_state(element.get(), GST_STATE_NULL);
  gst_element_set_bus(element.get(), bus_.get());
  if (set) set(element.get());
  gst_pad_add_probe(
      harness_->sinkpad,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                   GST_PAD_PROBE_TYPE_EVENT_FLUSH),
      &Bench::on_item, this, nullptr);
}

Bench::~Bench() {
  gst_element_set_state(element(), GST_STATE_NULL);
  gst_element_set_bus(element(), nullptr);
  gst_harness_teardown(harness_);
}

ObjectPtr<GstPad> Bench::pad(const char* name) const {
  return ObjectPtr<GstPad>(gst_element_get_static_pad(element(), name));
}

void Bench::go_to(GstState state) {
  const auto begin = std::chrono::steady_clock::now();
  const auto changed = gst_element_set_state(element(), state);
  const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  fail_unless_equals_int(changed, GST_STATE_CHANGE_SUCCESS);
  fail_unless(taken < at_once(), "%s took %d ms", gst_element_state_get_name(state),
              static_cast<int>(taken.count()));
}

GstPadProbeReturn Bench::on_item(GstPad*, GstPadProbeInfo* info, gpointer self) {
  auto& bench = *static_cast<Bench*>(self);
  if (GST_IS_EVENT(info->data)) {
    auto* const event = GST_PAD_PROBE_INFO_EVENT(info);
    bench.note(name_of(event), event);
  } else {
    bench.note(GST_PAD_PROBE_INFO_BUFFER(info));
  }
  return GST_PAD_PROBE_OK;
}

void Bench::note(const std::string& name, GstEvent* event) {
  const std::lock_guard lock(mutex_);
  const bool is_out_of_band = GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM_OOB;
  (is_out_of_band ? out_of_band_ : seen_).push_back(name);
  events_.emplace_back(name, EventPtr(gst_event_ref(event)));
  changed_.notify_all();
}

void Bench::note(GstBuffer* buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return;
  const std::string bytes(map.data, map.data + map.size);
  gst_buffer_unmap(buffer, &map);
  auto* const memory = gst_buffer_peek_memory(buffer, 0);
  const std::lock_guard lock(mutex_);
  bytes_ += bytes;
  places_.push_back({GST_BUFFER_OFFSET(buffer), GST_BUFFER_OFFSET_END(buffer), bytes.size(),
                     GST_MEMORY_IS_READONLY(memory) != FALSE});
  if (seen_.empty() || seen_.back() != "buffer") seen_.emplace_back("buffer");
  changed_.notify_all();
}

std::vector<std::string> Bench::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

std::vector<std::string> Bench::seen_out_of_band() const {
  const std::lock_guard lock(mutex_);
  return out_of_band_;
}

EventPtr Bench::event(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  for (auto one = events_.rbegin(); one != events_.rend(); ++one) {
    if (one->first == name) return EventPtr(gst_event_ref(one->second.get()));
  }
  fail_unless(false, "no event %s was seen", name.c_str());
  return nullptr;
}

std::string Bench::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::vector<Bench::Place> Bench::places() const {
  const std::lock_guard lock(mutex_);
  return places_;
}

void Bench::forget() {
  const std::lock_guard lock(mutex_);
  seen_.clear();
  out_of_band_.clear();
  events_.clear();
  bytes_.clear();
  places_.clear();
}

void Bench::wait_for(const std::string& name, unsigned times) const {
  std::unique_lock lock(mutex_);
  const bool came = changed_.wait_for(lock, patience(), [&] {
    return std::ranges::count(seen_, name) + std::ranges::count(out_of_band_, name) >= times;
  });
  const auto all = join(seen_);
  lock.unlock();
  fail_unless(came, "%s did not come; seen: %s", name.c_str(), all.c_str());
}

void Bench::wait_for_bytes(std::size_t count) const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience(), [&] { return bytes_.size() >= count; });
  const auto got = bytes_.size();
  lock.unlock();
  fail_unless(got >= count, "%d bytes came, not %d", static_cast<int>(got),
              static_cast<int>(count));
}

void Bench::expect_seen(const std::vector<std::string>& expected) const {
  expect_equal(seen(), expected);
}

MessagePtr Bench::wait_for_message(GstMessageType type) {
  const auto nanoseconds = std::chrono::nanoseconds(patience()).count();
  MessagePtr message(
      gst_bus_timed_pop_filtered(bus_.get(), static_cast<GstClockTime>(nanoseconds), type));
  fail_unless(message != nullptr, "no message %s came", gst_message_type_get_name(type));
  return message;
}

std::vector<MessagePtr> Bench::messages() {
  std::vector<MessagePtr> all;
  while (auto* const message = gst_bus_pop(bus_.get())) all.emplace_back(message);
  return all;
}

// --- text ---

std::string text_of(GstMessage* message) {
  const auto* const structure = gst_message_get_structure(message);
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_PROGRESS: {
      static const char* const types[] = {"start", "continue", "complete", "canceled", "error"};
      GstProgressType type = GST_PROGRESS_TYPE_START;
      gchar* code = nullptr;
      gst_message_parse_progress(message, &type, &code, nullptr);
      const std::unique_ptr<char, decltype(&g_free)> owned(code, g_free);
      return "progress " + std::string(code) + " " + types[type];
    }
    case GST_MESSAGE_ELEMENT: {
      const std::string name = gst_structure_get_name(structure);
      return name + " " + field(structure, name == "veo-join" ? "join" : "status");
    }
    default:
      return GST_MESSAGE_TYPE_NAME(message);
  }
}

std::vector<std::string> texts_of(const std::vector<MessagePtr>& messages,
                                  const std::string& prefix) {
  std::vector<std::string> texts;
  for (const auto& message : messages) {
    if (auto text = text_of(message.get()); text.starts_with(prefix)) texts.push_back(text);
  }
  return texts;
}

std::string field(const GstStructure* structure, const char* name) {
  const GValue* const value = gst_structure_get_value(structure, name);
  return value != nullptr ? serialize(value) : "(none)";
}

std::string property(GstElement* element, const char* name) {
  GValue value = G_VALUE_INIT;
  g_object_get_property(G_OBJECT(element), name, &value);
  auto text = serialize(&value);
  g_value_unset(&value);
  return text;
}

void expect_equal(const std::vector<std::string>& got, const std::vector<std::string>& expected) {
  fail_unless(got == expected, "got:      %s\nexpected: %s", join(got).c_str(),
              join(expected).c_str());
}

// --- properties ---

namespace {

/// Sets `text`, in the form of a launch line, and fails unless the property reads back as `text`.
void expect_round_trip(GstElement* element, const GParamSpec* spec, const std::string& text) {
  gst_util_set_object_arg(G_OBJECT(element), spec->name, text.c_str());
  const auto got = property(element, spec->name);
  fail_unless_equals_text(got, text);
}

void check_flags(const GParamSpec* spec) {
  const std::string name = spec->name;
  const bool is_read_only = name == "status" || name == "stats";
  const auto has = [spec](int flag) { return (spec->flags & flag) == flag; };
  fail_unless(has(G_PARAM_STATIC_STRINGS), "%s copies its strings", spec->name);
  // Nobody may read the key.
  fail_unless(has(G_PARAM_READABLE) == (name != "api-key"), "%s", spec->name);
  fail_unless(has(G_PARAM_WRITABLE) == !is_read_only, "%s", spec->name);
  fail_unless(has(GST_PARAM_MUTABLE_READY) == !is_read_only, "%s", spec->name);
  fail_if(has(GST_PARAM_CONTROLLABLE), "%s", spec->name);
  fail_if(has(G_PARAM_CONSTRUCT), "%s", spec->name);
}

void check_texts(GParamSpec* spec) {
  const char* const nick = g_param_spec_get_nick(spec);
  fail_unless(g_ascii_isupper(nick[0]), "%s: %s", spec->name, nick);
  fail_if(g_str_equal(nick, spec->name));
  fail_unless(g_param_spec_get_blurb(spec) != nullptr &&
                  std::string(g_param_spec_get_blurb(spec)).size() > 3,
              "%s has no blurb", spec->name);
}

void check_default(GstElement* element, GParamSpec* spec) {
  GValue value = G_VALUE_INIT;
  g_object_get_property(G_OBJECT(element), spec->name, &value);
  if (GST_VALUE_HOLDS_ARRAY(&value)) {
    fail_unless(gst_value_array_get_size(&value) == 0);
  } else if (G_VALUE_HOLDS_BOXED(&value)) {
    fail_unless(GST_VALUE_HOLDS_STRUCTURE(&value));
  } else {
    fail_unless(g_param_value_defaults(spec, &value), "%s is not its default at first", spec->name);
  }
  g_value_unset(&value);
}

/// GObject drops a number outside a property's range with a warning alone. So a property takes each
/// number of its type, and the option's own range refuses the number before anything is sent.
template <class Spec, class Value>
void check_limits(GstElement* element, const GParamSpec* spec, const Spec* limits, Value least,
                  Value most) {
  fail_unless_equals_int64(limits->minimum, least);
  fail_unless_equals_int64(limits->maximum, most);
  for (const auto limit : {limits->minimum, limits->maximum, limits->default_value}) {
    expect_round_trip(element, spec, std::to_string(limit));
  }
}

void check_values(GstElement* element, GParamSpec* spec) {
  if (G_IS_PARAM_SPEC_UINT(spec)) {
    check_limits(element, spec, G_PARAM_SPEC_UINT(spec), 0U, G_MAXUINT);
  } else if (G_IS_PARAM_SPEC_INT(spec)) {
    check_limits(element, spec, G_PARAM_SPEC_INT(spec), G_MININT, G_MAXINT);
  } else if (G_IS_PARAM_SPEC_BOOLEAN(spec)) {
    for (const char* const value : {"true", "false"}) expect_round_trip(element, spec, value);
  } else if (G_IS_PARAM_SPEC_ENUM(spec)) {
    const auto* const values = G_PARAM_SPEC_ENUM(spec)->enum_class;
    fail_unless(values->n_values > 1);
    for (guint i = 0; i < values->n_values; ++i) {
      g_object_set(element, spec->name, values->values[i].value, nullptr);
      gint got = -1;
      g_object_get(element, spec->name, &got, nullptr);
      fail_unless_equals_int(got, values->values[i].value);
      // A launch line sets the nick.
      gst_util_set_object_arg(G_OBJECT(element), spec->name, values->values[i].value_nick);
      g_object_get(element, spec->name, &got, nullptr);
      fail_unless_equals_int(got, values->values[i].value);
    }
  } else if (G_IS_PARAM_SPEC_STRING(spec)) {
    const char* const text = "http://127.0.0.1:8080";
    g_object_set(element, spec->name, text, nullptr);
    if ((spec->flags & G_PARAM_READABLE) == 0) return;
    const auto got = property(element, spec->name);
    fail_unless(got.starts_with(text), "%s reads as %s", spec->name, got.c_str());
    g_object_set(element, spec->name, nullptr, nullptr);
    fail_unless_equals_text(property(element, spec->name), "NULL");
  } else if (GST_IS_PARAM_SPEC_ARRAY_LIST(spec)) {
    gst_util_set_object_arg(G_OBJECT(element), spec->name, "<a,b>");
    fail_unless_equals_text(property(element, spec->name), "< (string)a, (string)b >");
  } else {
    fail_unless(g_str_equal(spec->name, "tls-database"), "%s is of an unknown type", spec->name);
  }
}

}  // namespace

void check_properties(GstElement* element, std::vector<std::string> names) {
  guint count = 0;
  const std::unique_ptr<GParamSpec*, decltype(&g_free)> specs(
      g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count), g_free);
  std::vector<std::string> own;
  for (guint i = 0; i < count; ++i) {
    auto* const spec = specs.get()[i];
    if (spec->owner_type != G_OBJECT_TYPE(element)) continue;
    own.emplace_back(spec->name);
    check_flags(spec);
    check_texts(spec);
    if ((spec->flags & G_PARAM_READABLE) != 0) check_default(element, spec);
    if ((spec->flags & G_PARAM_WRITABLE) != 0) check_values(element, spec);
  }
  // A new property needs no line here: the checks above have taken it. No name may disappear.
  for (const auto& name : names) {
    fail_unless(std::ranges::find(own, name) != own.end(), "there is no property %s", name.c_str());
  }
}

}  // namespace veo::test
