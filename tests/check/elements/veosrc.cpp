// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tests veosrc as an application, a bin and the elements downstream see veosrc.
#include <gst/check/gsttestclock.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "bench.h"
#include "patience.h"

using namespace veo::test;

namespace {

void set_prompt(GstElement* element) { g_object_set(element, "prompt", "a dog", nullptr); }

/// Sets a prompt, and the layout in which the service delivers the clip, so that each byte is
/// known.
void set_original(GstElement* element) {
  set_prompt(element);
  gst_util_set_object_arg(G_OBJECT(element), "layout", "original");
}

/// Phases in which an element can wait for the service.
constexpr Phase phases[] = {Phase::submission, Phase::generation, Phase::download};
constexpr int phase_count = G_N_ELEMENTS(phases);

/// Returns the number of bytes that the service sends while it holds the download.
std::size_t count_sent_bytes() { return Service::clip().size() - Service::clip().size() / 2; }

/// Returns once the element waits for the service in that phase.
void wait_until_held(Bench& bench, const Service& service, Phase phase) {
  switch (phase) {
    case Phase::submission:
      fail_unless(service.wait_for("POST "));
      break;
    case Phase::generation:
      fail_unless(service.wait_for("GET /v1/tasks/"));
      break;
    case Phase::download:
      bench.wait_for_bytes(count_sent_bytes());
      break;
    case Phase::none:
      break;
  }
}

/// The names of what begins a stream. Each of them comes once, in this order.
const std::vector<std::string> stream_begins = {"stream-start", "caps", "segment",
                                                "veo-task",     "tag",  "buffer"};

std::vector<std::string> with(std::vector<std::string> words, const std::string& word) {
  words.push_back(word);
  return words;
}

/// Seeks as an element downstream does.
bool seek(const Bench& bench, GstFormat format, GstSeekFlags flags, gint64 start,
          gint64 stop = -1) {
  auto* const event = gst_event_new_seek(1.0, format, flags, GST_SEEK_TYPE_SET, start,
                                         stop < 0 ? GST_SEEK_TYPE_NONE : GST_SEEK_TYPE_SET, stop);
  return gst_harness_push_upstream_event(bench.harness(), event) != FALSE;
}

gint64 query_duration(GstPad* pad, GstFormat format) {
  gint64 bytes = -1;
  return gst_pad_query_duration(pad, format, &bytes) ? bytes : -1;
}

/// Returns the answer of the SEEKING query for this format: whether the pad can seek, and up to
/// where.
std::pair<bool, gint64> query_seeking(GstPad* pad, GstFormat format) {
  const QueryPtr query(gst_query_new_seeking(format));
  if (!gst_pad_query(pad, query.get())) return {false, -1};
  gboolean is_seekable = FALSE;
  gint64 end = -1;
  gst_query_parse_seeking(query.get(), nullptr, &is_seekable, nullptr, &end);
  return {is_seekable != FALSE, end};
}

GstSchedulingFlags query_scheduling(GstPad* pad) {
  const QueryPtr query(gst_query_new_scheduling());
  fail_unless(gst_pad_query(pad, query.get()));
  fail_unless(gst_query_has_scheduling_mode(query.get(), GST_PAD_MODE_PUSH));
  fail_if(gst_query_has_scheduling_mode(query.get(), GST_PAD_MODE_PULL));
  GstSchedulingFlags flags = {};
  gst_query_parse_scheduling(query.get(), &flags, nullptr, nullptr, nullptr);
  return flags;
}

}  // namespace

// --- the class ---

GST_START_TEST(test_factory) {
  const ObjectPtr<GstElementFactory> factory(gst_element_factory_find("veosrc"));
  fail_unless(factory != nullptr);
  fail_unless_equals_int(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory.get())),
                         GST_RANK_PRIMARY);
  fail_unless_equals_string(
      gst_element_factory_get_metadata(factory.get(), GST_ELEMENT_METADATA_KLASS),
      "Source/Network");
  // Users see here who gets the key.
  fail_unless(
      strstr(gst_element_factory_get_metadata(factory.get(), GST_ELEMENT_METADATA_DESCRIPTION),
             "api.aivideoapi.ai") != nullptr);
  fail_unless_equals_int(gst_element_factory_get_uri_type(factory.get()), GST_URI_SRC);
  const gchar* const* const protocols = gst_element_factory_get_uri_protocols(factory.get());
  fail_unless_equals_string(protocols[0], "veo");
  fail_unless(protocols[1] == nullptr);
}
GST_END_TEST;

GST_START_TEST(test_pads) {
  const auto src = make_element("veosrc", nullptr);
  fail_unless_equals_int(src->numsrcpads, 1);
  fail_unless_equals_int(src->numsinkpads, 0);
  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(src.get(), "src"));
  const ObjectPtr<GstPadTemplate> pad_template(gst_pad_get_pad_template(pad.get()));
  fail_unless_equals_int(GST_PAD_TEMPLATE_PRESENCE(pad_template.get()), GST_PAD_ALWAYS);
  const CapsPtr expected(gst_caps_from_string("video/quicktime, variant=(string)iso"));
  const CapsPtr of_template(gst_pad_template_get_caps(pad_template.get()));
  const CapsPtr of_pad(gst_pad_query_caps(pad.get(), nullptr));
  gst_check_caps_equal(of_template.get(), expected.get());
  gst_check_caps_equal(of_pad.get(), expected.get());
  fail_if(gst_pad_has_current_caps(pad.get()));
}
GST_END_TEST;

GST_START_TEST(test_properties) {
  auto* const src = gst_check_setup_element("veosrc");
  check_properties(src, {"allow-addresses",
                         "allow-http",
                         "api-key",
                         "api-key-file",
                         "api-url",
                         "aspect-ratio",
                         "cache-dir",
                         "callback-listen",
                         "callback-url",
                         "dry-run",
                         "enable-translation",
                         "extend-task-id",
                         "generation-timeout",
                         "generation-type",
                         "image-urls",
                         "layout",
                         "ledger",
                         "max-credits",
                         "mode",
                         "on-unknown",
                         "poll-interval",
                         "prompt",
                         "prompt-tag",
                         "proxy",
                         "request-id",
                         "resolution",
                         "retries",
                         "reuse",
                         "seed",
                         "ssl-ca-file",
                         "stats",
                         "status",
                         "take",
                         "task-id",
                         "timeout",
                         "tls-database",
                         "user-agent",
                         "watermark"});
  gst_check_teardown_element(src);
}
GST_END_TEST;

GST_START_TEST(test_no_leak_when_unused) {
  gst_check_object_destroyed_on_unref(gst_element_factory_make("veosrc", nullptr));
}
GST_END_TEST;

// --- GstURIHandler ---

GST_START_TEST(test_uri) {
  const auto src = make_element("veosrc", nullptr);
  auto* const handler = GST_URI_HANDLER(src.get());
  fail_unless(gst_uri_handler_get_uri(handler) == nullptr);
  fail_unless(gst_uri_handler_set_uri(handler, "veo:task/abc", nullptr));
  const std::unique_ptr<char, decltype(&g_free)> uri(gst_uri_handler_get_uri(handler), g_free);
  fail_unless_equals_string(uri.get(), "veo:task/abc");
  fail_unless_equals_text(property(src.get(), "task-id"), "abc");

  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(src.get(), "src"));
  gst_pad_set_active(pad.get(), TRUE);
  const QueryPtr query(gst_query_new_uri());
  fail_unless(gst_element_query(src.get(), query.get()));
  gchar* answer = nullptr;
  gst_query_parse_uri(query.get(), &answer);
  fail_unless_equals_string(answer, "veo:task/abc");
  g_free(answer);
  gst_pad_set_active(pad.get(), FALSE);
}
GST_END_TEST;

GST_START_TEST(test_uri_with_a_request) {
  const auto src = make_element("veosrc", nullptr);
  fail_unless(gst_uri_handler_set_uri(GST_URI_HANDLER(src.get()),
                                      "veo:clip?prompt=a%20dog&mode=lite&seed=10000", nullptr));
  fail_unless_equals_text(property(src.get(), "prompt"), "a dog");
  fail_unless_equals_text(property(src.get(), "mode"), "lite");
  fail_unless_equals_text(property(src.get(), "seed"), "10000");
}
GST_END_TEST;

GST_START_TEST(test_uri_makes_the_element) {
  GError* error = nullptr;
  auto* const made = gst_element_make_from_uri(GST_URI_SRC, "veo:task/abc", nullptr, &error);
  fail_unless(made != nullptr, "%s", error != nullptr ? error->message : "");
  gst_object_ref_sink(made);
  const ObjectPtr<GstElement> src(made);
  fail_unless_equals_string(GST_OBJECT_NAME(gst_element_get_factory(made)), "veosrc");
  fail_unless_equals_text(property(made, "task-id"), "abc");
}
GST_END_TEST;

GST_START_TEST(test_uri_of_another_scheme) {
  const auto src = make_element("veosrc", nullptr);
  GError* error = nullptr;
  fail_if(gst_uri_handler_set_uri(GST_URI_HANDLER(src.get()), "http://127.0.0.1/", &error));
  fail_unless(g_error_matches(error, GST_URI_ERROR, GST_URI_ERROR_UNSUPPORTED_PROTOCOL) ||
              g_error_matches(error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI));
  g_error_free(error);
}
GST_END_TEST;

/// The URI is a part of the request, so it cannot change while the element runs.
GST_START_TEST(test_uri_in_paused) {
  const Service service({.hold = Phase::generation});
  Bench bench("veosrc", &service, set_prompt);
  bench.go_to(GST_STATE_PAUSED);
  GError* error = nullptr;
  fail_if(gst_uri_handler_set_uri(GST_URI_HANDLER(bench.element()), "veo:task/abc", &error));
  fail_unless(g_error_matches(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE));
  g_error_free(error);
}
GST_END_TEST;

/// GStreamer sets the URI before the element has a bus, so the element posts the error when it
/// plays.
GST_START_TEST(test_uri_with_an_unknown_parameter) {
  const Service service;
  Bench bench("veosrc", &service, [](GstElement* src) {
    fail_unless(
        gst_uri_handler_set_uri(GST_URI_HANDLER(src), "veo:clip?prompt=x&colour=red", nullptr));
  });
  bench.play();
  const auto message = bench.wait_for_message(GST_MESSAGE_ERROR);
  assert_message_error(message.get(), RESOURCE, SETTINGS);
  fail_unless_equals_int(service.count("POST "), 0);
}
GST_END_TEST;

// --- queries ---

GST_START_TEST(test_queries_before_the_size_is_known) {
  const Service service({.hold = Phase::generation});
  Bench bench("veosrc", &service, set_prompt);
  bench.play();
  wait_until_held(bench, service, Phase::generation);
  const auto pad = bench.pad();
  fail_unless_equals_int64(query_duration(pad.get(), GST_FORMAT_BYTES), -1);
  fail_if(query_seeking(pad.get(), GST_FORMAT_BYTES).first);
  fail_if(seek(bench, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH, 0));
  const auto flags = query_scheduling(pad.get());
  fail_unless((flags & GST_SCHEDULING_FLAG_BANDWIDTH_LIMITED) != 0);
  fail_if((flags & GST_SCHEDULING_FLAG_SEEKABLE) != 0);
}
GST_END_TEST;

GST_START_TEST(test_queries_while_it_streams) {
  const Service service({.hold = Phase::download});
  Bench bench("veosrc", &service, set_original);
  bench.play();
  bench.wait_for_bytes(count_sent_bytes());
  const auto size = static_cast<gint64>(Service::clip().size());
  const auto pad = bench.pad();
  fail_unless_equals_int64(query_duration(pad.get(), GST_FORMAT_BYTES), size);
  fail_unless_equals_int64(query_duration(pad.get(), GST_FORMAT_TIME), -1);
  const auto [is_seekable, end] = query_seeking(pad.get(), GST_FORMAT_BYTES);
  fail_unless(is_seekable);
  fail_unless_equals_int64(end, size);
  fail_if(query_seeking(pad.get(), GST_FORMAT_TIME).first);
  const auto flags = query_scheduling(pad.get());
  fail_unless((flags & GST_SCHEDULING_FLAG_BANDWIDTH_LIMITED) != 0);

  gint64 position = -1;
  fail_unless(gst_pad_query_position(pad.get(), GST_FORMAT_BYTES, &position));
  fail_unless_equals_int64(position, static_cast<gint64>(count_sent_bytes()));
}
GST_END_TEST;

/// A source that needs minutes is not live: a pipeline waits for its preroll.
GST_START_TEST(test_latency_query) {
  const Service service({.hold = Phase::generation});
  Bench bench("veosrc", &service, set_prompt);
  bench.play();
  const QueryPtr query(gst_query_new_latency());
  fail_unless(gst_pad_query(bench.pad().get(), query.get()));
  gboolean is_live = TRUE;
  GstClockTime min = GST_CLOCK_TIME_NONE;
  gst_query_parse_latency(query.get(), &is_live, &min, nullptr);
  fail_if(is_live);
  fail_unless_equals_uint64(min, 0);
}
GST_END_TEST;

GST_START_TEST(test_convert_query) {
  const Service service({.hold = Phase::download});
  Bench bench("veosrc", &service, set_original);
  bench.play();
  bench.wait_for_bytes(count_sent_bytes());
  gint64 converted = -1;
  fail_unless(gst_pad_query_convert(bench.pad().get(), GST_FORMAT_BYTES, 100, GST_FORMAT_BYTES,
                                    &converted));
  fail_unless_equals_int64(converted, 100);
  fail_if(
      gst_pad_query_convert(bench.pad().get(), GST_FORMAT_BYTES, 100, GST_FORMAT_TIME, &converted));
}
GST_END_TEST;

/// An ALLOCATION query would wait in a queue in front of a sink that prerolls.
GST_START_TEST(test_no_allocation_query) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  std::atomic<int> asked = 0;
  gst_pad_add_probe(
      bench.harness()->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
      [](GstPad*, GstPadProbeInfo* info, gpointer count) {
        if (GST_QUERY_TYPE(GST_PAD_PROBE_INFO_QUERY(info)) == GST_QUERY_ALLOCATION) {
          ++*static_cast<std::atomic<int>*>(count);
        }
        return GST_PAD_PROBE_OK;
      },
      &asked, nullptr);
  bench.play();
  bench.wait_for("eos");
  fail_unless_equals_int(asked, 0);
}
GST_END_TEST;

// --- the stream ---

GST_START_TEST(test_events_in_order) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  bench.play();
  bench.wait_for("eos");
  bench.expect_seen(with(stream_begins, "eos"));

  const GstSegment* segment = nullptr;
  const auto segment_event = bench.event("segment");
  gst_event_parse_segment(segment_event.get(), &segment);
  fail_unless_equals_int(segment->format, GST_FORMAT_BYTES);
  fail_unless_equals_uint64(segment->start, 0);
  fail_unless_equals_float(segment->rate, 1.0);

  GstCaps* caps = nullptr;
  const auto caps_event = bench.event("caps");
  gst_event_parse_caps(caps_event.get(), &caps);
  const CapsPtr expected(gst_caps_from_string("video/quicktime, variant=(string)iso"));
  gst_check_caps_equal(caps, expected.get());
}
GST_END_TEST;

GST_START_TEST(test_task_event) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  bench.play();
  bench.wait_for("eos");
  const auto task = bench.event("veo-task");
  fail_unless_equals_int(GST_EVENT_TYPE(task.get()), GST_EVENT_CUSTOM_DOWNSTREAM_STICKY);
  const auto* const structure = gst_event_get_structure(task.get());
  fail_unless_equals_text(field(structure, "task-id"), "task-1");
  fail_unless_equals_text(field(structure, "status"), "completed");
}
GST_END_TEST;

namespace {

/// Returns the value of a tag of the stream; "": there is no such tag.
std::string read_tag(const Bench& bench, const char* name) {
  const auto event = bench.event("tag");
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event.get(), &tags);
  gchar* text = nullptr;
  if (!gst_tag_list_get_string(tags, name, &text)) return "";
  const std::unique_ptr<char, decltype(&g_free)> owned(text, g_free);
  return text;
}

}  // namespace

GST_START_TEST(test_tags) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  bench.play();
  bench.wait_for("eos");
  fail_unless_equals_text(read_tag(bench, GST_TAG_EXTENDED_COMMENT), "veo-task-id=task-1");
  fail_unless_equals_text(read_tag(bench, GST_TAG_TITLE), "Veo task task-1");
  fail_unless(g_str_has_prefix(read_tag(bench, GST_TAG_APPLICATION_NAME).c_str(), "gst-veo "));
  // A prompt may be private, and muxers write tags to files.
  fail_unless_equals_text(read_tag(bench, GST_TAG_DESCRIPTION), "");
  const auto event = bench.event("tag");
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event.get(), &tags);
  fail_unless_equals_int(gst_tag_list_get_scope(tags), GST_TAG_SCOPE_GLOBAL);
  GstDateTime* date = nullptr;
  fail_unless(gst_tag_list_get_date_time(tags, GST_TAG_DATE_TIME, &date));
  const std::unique_ptr<char, decltype(&g_free)> text(gst_date_time_to_iso8601_string(date),
                                                      g_free);
  gst_date_time_unref(date);
  const std::unique_ptr<GDateTime, decltype(&g_date_time_unref)> submitted(
      g_date_time_new_from_iso8601(text.get(), nullptr), g_date_time_unref);
  fail_unless(submitted != nullptr, "%s", text.get());
  const auto age = g_get_real_time() / G_USEC_PER_SEC - g_date_time_to_unix(submitted.get());
  fail_unless(age >= 0 && age < 60, "the date is %s", text.get());
  fail_unless(bench.bytes().find(text.get()) != std::string::npos, "the file has another date");
}
GST_END_TEST;

GST_START_TEST(test_prompt_tag) {
  const Service service;
  Bench bench("veosrc", &service, [](GstElement* src) {
    g_object_set(src, "prompt", "a dog", "prompt-tag", TRUE, nullptr);
  });
  bench.play();
  bench.wait_for("eos");
  fail_unless_equals_text(read_tag(bench, GST_TAG_DESCRIPTION), "a dog");
  fail_unless_equals_text(read_tag(bench, GST_TAG_TITLE), "a dog");
}
GST_END_TEST;

GST_START_TEST(test_original_bytes) {
  const Service service;
  Bench bench("veosrc", &service, set_original);
  bench.play();
  bench.wait_for("eos");
  fail_unless(bench.bytes() == Service::clip());
  guint64 next = 0;
  for (const auto& place : bench.places()) {
    fail_unless_equals_uint64(place.offset, next);
    next += place.size;
    fail_unless_equals_uint64(place.offset_end, next);
    // Other readers share the memory, so downstream must not write to it.
    fail_unless(place.is_readonly);
  }
}
GST_END_TEST;

GST_START_TEST(test_streamable_bytes) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  bench.play();
  bench.wait_for("eos");
  const auto bytes = bench.bytes();
  // The tags are in the file, too, because a demuxer drops the event.
  fail_unless(bytes.size() > Service::clip().size());
  fail_unless(bytes.find("veo-task-id=task-1") < bytes.find("mdat"));
  fail_unless(Service::clip().find("mdat") < Service::clip().find("moov"));
  fail_unless(bytes.find("moov") < bytes.find("mdat"));
}
GST_END_TEST;

namespace {

/// Makes a uuid box that stands for a C2PA manifest.
std::string make_manifest() {
  constexpr unsigned char type[] = {0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c,
                                    0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4, 0x81};
  const std::string content = "jumb c2pa";
  std::string box{0, 0, 0, static_cast<char>(8 + sizeof(type) + content.size())};
  return box + "uuid" + std::string(std::begin(type), std::end(type)) + content;
}

/// Returns the last message `veo-task`.
const GstStructure* last_task(const std::vector<MessagePtr>& messages) {
  const GstStructure* last = nullptr;
  for (const auto& message : messages) {
    if (text_of(message.get()).starts_with("veo-task ")) {
      last = gst_message_get_structure(message.get());
    }
  }
  fail_unless(last != nullptr);
  return last;
}

}  // namespace

/// A manifest whose hash does not hold is worse than none. The original with its manifest is in the
/// cache, and the bus says where.
GST_START_TEST(test_manifest) {
  const auto delivered = Service::clip() + make_manifest();
  const Service service({.clip = delivered});
  std::string file;
  {
    Bench bench("veosrc", &service, set_prompt);
    bench.play();
    bench.wait_for("eos");
    const auto bytes = bench.bytes();
    auto blank = make_manifest();
    blank.replace(4, 4, "free");
    std::fill(blank.begin() + 8, blank.end(), '\0');
    fail_unless(bytes.ends_with(blank));
    fail_unless(bytes.find("c2pa") == std::string::npos);
    const auto messages = bench.messages();
    gchar* path = nullptr;
    fail_unless(gst_structure_get(last_task(messages), "file", G_TYPE_STRING, &path, nullptr));
    file = path;
    g_free(path);
    gchar* contents = nullptr;
    gsize size = 0;
    fail_unless(g_file_get_contents(file.c_str(), &contents, &size, nullptr), "%s", file.c_str());
    fail_unless(std::string(contents, size) == delivered);
    g_free(contents);
  }
  Bench again("veosrc", &service, set_original);
  again.play();
  again.wait_for("eos");
  fail_unless(again.bytes() == delivered);
  // Both requests are of the first play: for the start and for the tail.
  fail_unless_equals_int(service.count("GET /task-1.mp4"), 2);
  const auto messages = again.messages();
  gchar* path = nullptr;
  fail_unless(gst_structure_get(last_task(messages), "file", G_TYPE_STRING, &path, nullptr));
  fail_unless_equals_text(path, file);
  g_free(path);
}
GST_END_TEST;

GST_START_TEST(test_blocksize) {
  const Service service;
  Bench bench("veosrc", &service, [](GstElement* src) {
    set_original(src);
    g_object_set(src, "blocksize", 1000, nullptr);
  });
  bench.play();
  bench.wait_for("eos");
  for (const auto& place : bench.places()) fail_unless(place.size <= 1000);
  fail_unless(bench.bytes() == Service::clip());
}
GST_END_TEST;

/// The element waits for the service, never for a clock: a clock that stands still does not delay
/// the element.
GST_START_TEST(test_clock_is_not_used) {
  Service service({.hold = Phase::generation});
  Bench bench("veosrc", &service, set_prompt);
  gst_harness_use_testclock(bench.harness());
  bench.play();
  wait_until_held(bench, service, Phase::generation);
  const ObjectPtr<GstTestClock> clock(gst_harness_get_testclock(bench.harness()));
  fail_unless_equals_int(gst_test_clock_peek_id_count(clock.get()), 0);
  service.go_on();
  bench.wait_for("eos");
  fail_unless_equals_int(gst_test_clock_peek_id_count(clock.get()), 0);
}
GST_END_TEST;

namespace {

/// Returns whether a PROGRESS message has this text.
bool has_progress(const std::vector<MessagePtr>& messages, const std::string& wanted) {
  return std::ranges::any_of(messages, [&wanted](const MessagePtr& message) {
    if (GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_PROGRESS) return false;
    gchar* text = nullptr;
    gst_message_parse_progress(message.get(), nullptr, nullptr, &text);
    const bool found = std::string(text).find(wanted) != std::string::npos;
    g_free(text);
    return found;
  });
}

}  // namespace

GST_START_TEST(test_second_play_comes_from_the_cache) {
  const Service service;
  Bench bench("veosrc", &service, set_original);
  bench.play();
  bench.wait_for("eos");
  const gchar* first = nullptr;
  const auto first_start = bench.event("stream-start");
  gst_event_parse_stream_start(first_start.get(), &first);
  bench.go_to(GST_STATE_READY);
  const char* const is_free = "from the cache: the task is already paid, and nothing is spent";
  fail_if(has_progress(bench.messages(), is_free));
  bench.forget();
  bench.play();
  bench.wait_for("eos");
  bench.expect_seen(with(stream_begins, "eos"));
  fail_unless(has_progress(bench.messages(), is_free));
  fail_unless(bench.bytes() == Service::clip());
  fail_unless_equals_int(service.count("POST "), 1);
  // Both requests are of the first play: for the start and for the tail.
  fail_unless_equals_int(service.count("GET /task-1.mp4"), 2);
  const gchar* second = nullptr;
  const auto second_start = bench.event("stream-start");
  gst_event_parse_stream_start(second_start.get(), &second);
  fail_unless_equals_string(second, first);
  fail_unless(GST_EVENT_SEQNUM(first_start.get()) != GST_EVENT_SEQNUM(second_start.get()));
}
GST_END_TEST;

// --- seeks ---

GST_START_TEST(test_flushing_seek) {
  const Service service({.hold = Phase::download});
  Bench bench("veosrc", &service, set_original);
  bench.play();
  bench.wait_for_bytes(count_sent_bytes());
  bench.forget();
  fail_unless(seek(bench, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH, 1000));
  bench.wait_for("buffer");
  auto begin = bench.seen();
  expect_equal(begin, {"flush-start", "flush-stop", "segment", "buffer"});
  const GstSegment* segment = nullptr;
  const auto event = bench.event("segment");
  gst_event_parse_segment(event.get(), &segment);
  fail_unless_equals_uint64(segment->start, 1000);
  fail_unless_equals_uint64(bench.places().front().offset, 1000);
  const auto got = bench.bytes();
  fail_unless(got == Service::clip().substr(1000, got.size()));
}
GST_END_TEST;

GST_START_TEST(test_seek_with_a_stop) {
  const Service service({.hold = Phase::download});
  Bench bench("veosrc", &service, set_original);
  bench.play();
  bench.wait_for_bytes(count_sent_bytes());
  bench.forget();
  fail_unless(seek(bench, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH, 1000, 3000));
  bench.wait_for("eos");
  fail_unless(bench.bytes() == Service::clip().substr(1000, 2000));
}
GST_END_TEST;

/// An application plays in a loop without a gap like this: SEGMENT_DONE comes instead of EOS, then
/// a seek without a flush.
GST_START_TEST(test_segment_seeks) {
  Service service({.hold = Phase::download});
  Bench bench("veosrc", &service, set_original);
  bench.play();
  bench.wait_for_bytes(count_sent_bytes());
  bench.forget();
  fail_unless(seek(bench, GST_FORMAT_BYTES,
                   static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT), 0));
  service.go_on();
  bench.wait_for("segment-done");
  bench.expect_seen({"flush-start", "flush-stop", "segment", "buffer", "segment-done"});
  fail_unless(bench.bytes() == Service::clip());
  const auto message = bench.wait_for_message(GST_MESSAGE_SEGMENT_DONE);
  GstFormat format = GST_FORMAT_UNDEFINED;
  gint64 position = -1;
  gst_message_parse_segment_done(message.get(), &format, &position);
  fail_unless_equals_int(format, GST_FORMAT_BYTES);
  fail_unless_equals_int64(position, static_cast<gint64>(Service::clip().size()));

  bench.forget();
  fail_unless(seek(bench, GST_FORMAT_BYTES, GST_SEEK_FLAG_NONE, 10));
  bench.wait_for("eos");
  bench.expect_seen({"segment", "buffer", "eos"});
  fail_unless(bench.bytes() == Service::clip().substr(10));
}
GST_END_TEST;

GST_START_TEST(test_seek_after_eos) {
  const Service service;
  Bench bench("veosrc", &service, set_original);
  bench.play();
  bench.wait_for("eos");
  bench.forget();
  fail_unless(seek(bench, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH, 10));
  bench.wait_for("eos");
  bench.expect_seen({"flush-start", "flush-stop", "segment", "buffer", "eos"});
  fail_unless(bench.bytes() == Service::clip().substr(10));
}
GST_END_TEST;

GST_START_TEST(test_seek_in_time_fails) {
  const Service service({.hold = Phase::download});
  Bench bench("veosrc", &service, set_original);
  bench.play();
  bench.wait_for_bytes(count_sent_bytes());
  bench.forget();
  fail_if(seek(bench, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0));
}
GST_END_TEST;

/// A flush ends at once in any phase. The task goes on, and is paid once.
GST_START_TEST(test_flush_in_each_phase) {
  const auto phase = phases[__i__];
  Service service({.hold = phase});
  Bench bench("veosrc", &service, set_original);
  bench.play();
  wait_until_held(bench, service, phase);
  const auto begin = std::chrono::steady_clock::now();
  fail_unless(gst_element_send_event(bench.element(), gst_event_new_flush_start()));
  fail_unless(gst_element_send_event(bench.element(), gst_event_new_flush_stop(TRUE)));
  fail_unless(std::chrono::steady_clock::now() - begin < at_once());
  service.go_on();
  bench.wait_for("eos");
  // The flush removed the segment downstream, so another segment comes before the next buffer.
  const auto seen = bench.seen();
  const auto flushed = std::ranges::find(seen, "flush-stop");
  fail_unless(flushed != seen.end() && *(flushed - 1) == "flush-start");
  fail_unless_equals_int(std::count(flushed, seen.end(), "segment"), 1);
  // A flush drops bytes downstream, so the stream begins again at the start of its segment.
  fail_unless(bench.bytes().ends_with(Service::clip()));
  fail_unless_equals_int(service.count("POST "), 1);
}
GST_END_TEST;

// --- states ---

GST_START_TEST(test_states) {
  const Service service({.hold = Phase::generation});
  Bench bench("veosrc", &service, set_prompt);
  for (int i = 0; i < 10; ++i) {
    for (const auto state : {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PAUSED,
                             GST_STATE_READY, GST_STATE_NULL}) {
      bench.go_to(state);
    }
  }
  for (int i = 0; i < 10; ++i) {
    bench.go_to(GST_STATE_PLAYING);
    bench.go_to(GST_STATE_NULL);
  }
  fail_unless(service.count("POST ") <= 1, "states must not pay again");
}
GST_END_TEST;

/// The state READY sends nothing: an application may set READY to inspect an element.
GST_START_TEST(test_ready_sends_nothing) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  bench.go_to(GST_STATE_READY);
  bench.go_to(GST_STATE_NULL);
  fail_unless_equals_int(service.count(""), 0);
  expect_equal(texts_of(bench.messages(), "progress"), {});
}
GST_END_TEST;

GST_START_TEST(test_stop_in_each_phase) {
  const auto phase = phases[__i__];
  const Service service({.hold = phase});
  Bench bench("veosrc", &service, set_original);
  bench.play();
  wait_until_held(bench, service, phase);
  bench.go_to(GST_STATE_NULL);
  // Each open PROGRESS is closed, so that nobody waits for its end.
  int open = 0;
  for (const auto& text : texts_of(bench.messages(), "progress")) {
    if (text.ends_with(" start")) ++open;
    if (text.ends_with(" complete") || text.ends_with(" canceled")) --open;
  }
  fail_unless_equals_int(open, 0);
  const auto seen = bench.seen();
  fail_unless_equals_int(std::ranges::count(seen, "eos"), 0);
}
GST_END_TEST;

GST_START_TEST(test_destroyed_in_each_phase) {
  const auto phase = phases[__i__];
  const Service service({.hold = phase});
  auto bench = std::make_unique<Bench>("veosrc", &service, set_original);
  gpointer left = bench->element();
  g_object_add_weak_pointer(G_OBJECT(left), &left);
  bench->play();
  wait_until_held(*bench, service, phase);
  bench.reset();
  fail_unless(left == nullptr, "something holds on to the element");
}
GST_END_TEST;

// --- messages and read-only properties ---

GST_START_TEST(test_progress_messages) {
  Service service({.hold = Phase::generation});
  Bench bench("veosrc", &service, set_prompt);
  bench.play();
  wait_until_held(bench, service, Phase::generation);
  service.go_on();
  bench.wait_for("eos");
  const auto messages = bench.messages();
  auto progress = texts_of(messages, "progress");
  // The number of `continue` messages depends on timing, so leave them out.
  std::erase_if(progress, [](const auto& text) { return text.ends_with(" continue"); });
  expect_equal(progress, {"progress submit start", "progress submit complete",
                          "progress generate start", "progress generate complete",
                          "progress download start", "progress download complete"});
  for (const auto& message : messages) {
    if (GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_PROGRESS) continue;
    gint percent = -1;
    fail_unless(
        gst_structure_get_int(gst_message_get_structure(message.get()), "percent", &percent));
    fail_unless(percent >= 0 && percent <= 100);
  }
}
GST_END_TEST;

GST_START_TEST(test_task_messages) {
  Service service({.hold = Phase::generation});
  Bench bench("veosrc", &service, set_prompt);
  bench.play();
  wait_until_held(bench, service, Phase::generation);
  // The element has surely seen the answer only after this message.
  for (std::string status; status != "veo-task processing";) {
    status = text_of(bench.wait_for_message(GST_MESSAGE_ELEMENT).get());
    fail_unless(status != "veo-task completed");
  }
  fail_unless_equals_text(property(bench.element(), "status"), "processing");
  service.go_on();
  bench.wait_for("eos");
  const auto messages = bench.messages();
  // The second one comes when the file is in the cache.
  expect_equal(texts_of(messages, "veo-task"), {"veo-task completed", "veo-task completed"});
  int with_file = 0;
  for (const auto& message : messages) {
    if (GST_MESSAGE_TYPE(message.get()) != GST_MESSAGE_ELEMENT) continue;
    const auto* const task = gst_message_get_structure(message.get());
    if (field(task, "file") != "(none)") ++with_file;
    fail_unless_equals_text(field(task, "task-id"), "task-1");
    fail_unless_equals_text(field(task, "mode"), "fast");
    fail_unless_equals_text(field(task, "resolution"), "720p");
    fail_unless_equals_text(field(task, "credits"), "40");
    fail_unless_equals_text(field(task, "reused"), "false");
  }
  fail_unless_equals_int(with_file, 1);
}
GST_END_TEST;

GST_START_TEST(test_duration_changed_message) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  bench.play();
  bench.wait_for("eos");
  fail_unless_equals_int(texts_of(bench.messages(), "duration-changed").size(), 1);
}
GST_END_TEST;

GST_START_TEST(test_task_id_and_stats) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  std::atomic<int> notified = 0;
  std::atomic<int> changes = 0;
  g_signal_connect(bench.element(), "notify::task-id",
                   G_CALLBACK(+[](GObject*, GParamSpec*, std::atomic<int>* count) { ++*count; }),
                   &notified);
  g_signal_connect(bench.element(), "notify::status",
                   G_CALLBACK(+[](GObject*, GParamSpec*, std::atomic<int>* times) { ++*times; }),
                   &changes);
  fail_unless_equals_text(property(bench.element(), "task-id"), "NULL");
  fail_unless_equals_text(property(bench.element(), "status"), "none");
  bench.play();
  bench.wait_for("eos");
  fail_unless_equals_int(notified, 1);
  // An application can bind the status to a label: each change is told.
  std::string last = "veo-task none";
  int expected = 0;
  for (const auto& text : texts_of(bench.messages(), "veo-task")) {
    if (std::exchange(last, text) != text) ++expected;
  }
  fail_unless_equals_text(last, "veo-task completed");
  fail_unless_equals_int(changes, expected);
  fail_unless_equals_text(property(bench.element(), "task-id"), "task-1");
  fail_unless_equals_text(property(bench.element(), "status"), "completed");
  GstStructure* stats = nullptr;
  g_object_get(bench.element(), "stats", &stats, nullptr);
  fail_unless_equals_string(gst_structure_get_name(stats), "veo-stats");
  guint64 bytes = 0;
  fail_unless(gst_structure_get_uint64(stats, "bytes", &bytes));
  fail_unless_equals_uint64(bytes, Service::clip().size());
  fail_unless_equals_text(field(stats, "credits"), "40");
  fail_unless_equals_text(field(stats, "reused"), "false");
  gst_structure_free(stats);
}
GST_END_TEST;

GST_START_TEST(test_dry_run) {
  const Service service;
  Bench bench("veosrc", &service, [](GstElement* src) {
    g_object_set(src, "prompt", "a dog", "dry-run", TRUE, nullptr);
  });
  bench.play();
  bench.wait_for("eos");
  fail_unless_equals_uint64(bench.bytes().size(), 0);
  fail_unless_equals_int(service.count(""), 0);
  const auto messages = bench.messages();
  expect_equal(texts_of(messages, "veo-task"), {"veo-task none"});
  expect_equal(texts_of(messages, "progress"), {});
}
GST_END_TEST;

// --- errors ---

namespace {

struct ErrorCase {
  const char* name;
  Script script;
  const char* properties[2];  // one property and its value
  GQuark (*domain)();
  int gst_code;
  const char* code;
  const char* charged;
  unsigned http_status;
  const char* service_code;
};

const ErrorCase& error_case(int index) {
  static const auto* const cases = new std::vector<ErrorCase>{
      {"no prompt",
       {},
       {"prompt", ""},
       gst_resource_error_quark,
       GST_RESOURCE_ERROR_SETTINGS,
       "invalid-request",
       "no",
       0,
       ""},
      {"too dear",
       {},
       {"max-credits", "39"},
       gst_resource_error_quark,
       GST_RESOURCE_ERROR_NOT_AUTHORIZED,
       "budget-exceeded",
       "no",
       0,
       ""},
      {"key refused",
       {.submission = {"401 Unauthorized", "invalid_api_key", "authentication_error"}},
       {},
       gst_resource_error_quark,
       GST_RESOURCE_ERROR_NOT_AUTHORIZED,
       "invalid-api-key",
       "no",
       401,
       "invalid_api_key"},
      {"rate limit",
       {.submission = {"429 Too Many Requests", "rate_limit_exceeded", "rate_limit_error"}},
       {},
       gst_resource_error_quark,
       GST_RESOURCE_ERROR_BUSY,
       "rate-limit-exceeded",
       "no",
       429,
       "rate_limit_exceeded"},
      {"answer lost",
       {.submission = {"500 Internal Server Error", "internal_error", "api_error"}},
       {},
       gst_resource_error_quark,
       GST_RESOURCE_ERROR_FAILED,
       "submit-unknown",
       "unknown",
       500,
       "internal_error"},
      {"no such task",
       {.query = {"404 Not Found", "task_not_found", "invalid_request_error"}},
       {"task-id", "gone"},
       gst_resource_error_quark,
       GST_RESOURCE_ERROR_NOT_FOUND,
       "task-not-found",
       "unknown",
       404,
       "task_not_found"},
      {"task failed",
       {.failure = "upstream_error"},
       {},
       gst_resource_error_quark,
       GST_RESOURCE_ERROR_FAILED,
       "task-failed",
       "refunded",
       0,
       "upstream_error"},
      {"no MP4",
       {.clip = std::string(100'000, 'x')},
       {},
       gst_stream_error_quark,
       GST_STREAM_ERROR_WRONG_TYPE,
       "bad-media",
       "unknown",
       0,
       ""},
  };
  return cases->at(static_cast<std::size_t>(index));
}
constexpr int error_case_count = 8;

}  // namespace

GST_START_TEST(test_errors) {
  const auto& expected = error_case(__i__);
  const Service service(expected.script);
  Bench bench("veosrc", &service, [&expected](GstElement* src) {
    set_prompt(src);
    const auto& [name, value] = expected.properties;
    if (name != nullptr) gst_util_set_object_arg(G_OBJECT(src), name, value);
  });
  bench.play();
  const auto message = bench.wait_for_message(GST_MESSAGE_ERROR);
  gst_check_message_error(message.get(), GST_MESSAGE_ERROR, expected.domain(), expected.gst_code);
  fail_unless(GST_MESSAGE_SRC(message.get()) == GST_OBJECT(bench.element()));
  const GstStructure* details = nullptr;
  gst_message_parse_error_details(message.get(), &details);
  fail_unless(details != nullptr, "%s: there are no details", expected.name);
  fail_unless_equals_string(gst_structure_get_name(details), "veo-error");
  fail_unless_equals_text(field(details, "code"), expected.code);
  fail_unless_equals_text(field(details, "charged"), expected.charged);
  guint status = 0;
  fail_unless(gst_structure_get_uint(details, "http-status", &status));
  fail_unless_equals_int(status, expected.http_status);
  fail_unless_equals_text(field(details, "service-code"), expected.service_code);
  for (const char* const name : {"type", "service-message", "task-id"}) {
    fail_unless(gst_structure_has_field_typed(details, name, G_TYPE_STRING), "%s", name);
  }
  // After EOS without a byte, an element downstream does not wait for more, and does not take the
  // stream for a complete one.
  bench.wait_for("eos");
  fail_unless_equals_uint64(bench.bytes().size(), 0);
  bench.go_to(GST_STATE_NULL);
}
GST_END_TEST;

/// An application can correct an element that has failed, and play the element again.
GST_START_TEST(test_recovery_after_an_error) {
  const Service service;
  Bench bench("veosrc", &service);
  bench.play();
  bench.wait_for_message(GST_MESSAGE_ERROR);
  bench.go_to(GST_STATE_READY);
  set_prompt(bench.element());
  bench.forget();
  bench.messages();
  bench.play();
  bench.wait_for("eos");
  bench.expect_seen(with(stream_begins, "eos"));
  fail_unless_equals_int(texts_of(bench.messages(), "error").size(), 0);
}
GST_END_TEST;

// --- what nobody means ---

namespace {

struct WrongNumber {
  const char* name;
  const char* value;
  const char* says;
};
/// Numbers beyond the range of each option that has one. GObject must not drop them.
constexpr WrongNumber wrong_numbers[] = {
    {"seed", "100000", "seed: 100000"},
    {"seed", "9999", "seed"},
    {"seed", "4294967295", "seed: 4294967295"},
    {"take", "0", "take: 0"},
    {"take", "4294967295", "take: 4294967295"},
    {"max-credits", "4294967295", "max-credits: 4294967295"},
    {"generation-timeout", "0", "generation-timeout: 0"},
    {"timeout", "0", "timeout: 0"},
    {"timeout", "3601", "timeout: 3601"},
    {"retries", "-2", "retries: -2"},
    {"poll-interval", "3600001", "poll-interval: 3600001"},
};

std::string read_error(GstMessage* message) {
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  const std::string text = error->message;
  g_error_free(error);
  return text;
}

void expect_refused(Bench& bench, const Service& service, const char* says) {
  const auto message = bench.wait_for_message(GST_MESSAGE_ERROR);
  assert_message_error(message.get(), RESOURCE, SETTINGS);
  const auto text = read_error(message.get());
  fail_unless(text.find(says) != std::string::npos, "%s is not in: %s", says, text.c_str());
  fail_unless(text.find("othing was sent") != std::string::npos, "%s", text.c_str());
  fail_unless_equals_int(service.count("POST "), 0);
}

}  // namespace

GST_START_TEST(test_wrong_numbers) {
  const auto& wrong = wrong_numbers[__i__];
  const Service service;
  Bench bench("veosrc", &service, [&wrong](GstElement* src) {
    set_prompt(src);
    gst_util_set_object_arg(G_OBJECT(src), wrong.name, wrong.value);
  });
  bench.play();
  expect_refused(bench, service, wrong.says);
}
GST_END_TEST;

GST_START_TEST(test_negative_numbers_from_a_launch_line) {
  const Service service;
  Bench bench("veosrc", &service, [](GstElement* src) {
    set_prompt(src);
    gst_util_set_object_arg(G_OBJECT(src), "max-credits", "-1");
  });
  bench.play();
  expect_refused(bench, service, "max-credits: ");
}
GST_END_TEST;

GST_START_TEST(test_prompts_that_say_nothing) {
  for (const char* const prompt : {"!", " ", "-", "..."}) {
    const Service service;
    Bench bench("veosrc", &service,
                [prompt](GstElement* src) { g_object_set(src, "prompt", prompt, nullptr); });
    bench.play();
    expect_refused(bench, service, "prompt-says-nothing");
  }
}
GST_END_TEST;

/// Nobody would see the video of a source that leads nowhere.
GST_START_TEST(test_without_a_peer_nothing_is_submitted) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  const auto pad = bench.pad();
  fail_unless(gst_pad_unlink(pad.get(), bench.harness()->sinkpad));
  bench.play();
  const auto started = bench.wait_for_message(GST_MESSAGE_PROGRESS);
  fail_unless_equals_text(text_of(started.get()), "progress submit start");
  expect_refused(bench, service, "is not linked");
  // Once the pad is linked, the element plays.
  bench.go_to(GST_STATE_READY);
  fail_unless_equals_int(gst_pad_link(pad.get(), bench.harness()->sinkpad), GST_PAD_LINK_OK);
  bench.forget();
  bench.play();
  bench.wait_for("eos");
  bench.expect_seen(with(stream_begins, "eos"));
  fail_unless_equals_int(service.count("POST "), 1);
}
GST_END_TEST;

/// An application may link the pad while the element plays.
GST_START_TEST(test_a_peer_may_come_late) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  const auto pad = bench.pad();
  fail_unless(gst_pad_unlink(pad.get(), bench.harness()->sinkpad));
  bench.play();
  const auto started = bench.wait_for_message(GST_MESSAGE_PROGRESS);
  fail_unless_equals_text(text_of(started.get()), "progress submit start");
  fail_unless_equals_int(service.count("POST "), 0);
  fail_unless_equals_int(gst_pad_link(pad.get(), bench.harness()->sinkpad), GST_PAD_LINK_OK);
  bench.wait_for("eos");
  bench.expect_seen(with(stream_begins, "eos"));
  fail_unless_equals_int(service.count("POST "), 1);
  fail_unless_equals_int(texts_of(bench.messages(), "error").size(), 0);
}
GST_END_TEST;

/// A bin's ghost pad that is not linked is no peer, and a state change ends the wait at once.
GST_START_TEST(test_a_ghost_pad_is_no_peer) {
  const Service service;
  auto* const bin = gst_bin_new(nullptr);
  gst_object_ref_sink(bin);
  const ObjectPtr<GstElement> owned(bin);
  const ObjectPtr<GstBus> bus(gst_bus_new());
  gst_element_set_bus(bin, bus.get());
  auto element = make_element("veosrc", &service);
  set_prompt(element.get());
  const ObjectPtr<GstPad> pad(gst_element_get_static_pad(element.get(), "src"));
  gst_bin_add(GST_BIN(bin), GST_ELEMENT(gst_object_ref(element.get())));
  gst_element_add_pad(bin, gst_ghost_pad_new("src", pad.get()));
  gst_element_set_state(bin, GST_STATE_PLAYING);
  std::vector<MessagePtr> started;
  started.emplace_back(gst_bus_timed_pop_filtered(
      bus.get(), std::chrono::nanoseconds(patience()).count(), GST_MESSAGE_PROGRESS));
  fail_unless(started.front() != nullptr);
  fail_unless(has_progress(started, "Waiting until the src pad is linked"));
  const auto begin = std::chrono::steady_clock::now();
  gst_element_set_state(bin, GST_STATE_NULL);
  fail_unless(std::chrono::steady_clock::now() - begin < at_once());
  fail_unless_equals_int(service.count("POST "), 0);
  gst_element_set_bus(bin, nullptr);
}
GST_END_TEST;

/// veoextend would pay once more, for nobody.
GST_START_TEST(test_a_veoextend_that_leads_nowhere_is_no_peer) {
  const Service service;
  const ObjectPtr<GstElement> pipeline(GST_ELEMENT(gst_object_ref_sink(gst_pipeline_new(nullptr))));
  const ObjectPtr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  const auto src = make_element("veosrc", &service);
  const auto extend = make_element("veoextend", &service);
  set_prompt(src.get());
  g_object_set(extend.get(), "prompt", "it sleeps", nullptr);
  for (const auto& element : {src.get(), extend.get()}) {
    gst_bin_add(GST_BIN(pipeline.get()), GST_ELEMENT(gst_object_ref(element)));
  }
  fail_unless(gst_element_link(src.get(), extend.get()));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const MessagePtr message(gst_bus_timed_pop_filtered(
      bus.get(), std::chrono::nanoseconds(patience()).count(), GST_MESSAGE_ERROR));
  fail_unless(message != nullptr);
  const auto text = read_error(message.get());
  fail_unless(text.find("is not linked") != std::string::npos, "%s", text.c_str());
  fail_unless_equals_int(service.count("POST "), 0);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}
GST_END_TEST;

// --- action signals ---

namespace {

bool prepare(GstElement* element) {
  gboolean accepted = FALSE;
  g_signal_emit_by_name(element, "prepare", &accepted);
  return accepted != FALSE;
}

/// Does what gst_check_message_error() does for errors only.
void expect_warning(GstMessage* message, GQuark domain, int code) {
  GError* warning = nullptr;
  gst_message_parse_warning(message, &warning, nullptr);
  const bool is_expected = g_error_matches(warning, domain, code) != FALSE;
  const std::string text = warning->message;
  g_error_free(warning);
  fail_unless(is_expected, "another warning came: %s", text.c_str());
}

void wait_for_task(Bench& bench, const std::string& status) {
  while (text_of(bench.wait_for_message(GST_MESSAGE_ELEMENT).get()) != "veo-task " + status) {
  }
}

}  // namespace

GST_START_TEST(test_prepare) {
  const Service service;
  Bench bench("veosrc", &service, set_original);
  fail_unless(prepare(bench.element()));
  wait_for_task(bench, "completed");
  fail_unless_equals_int(GST_STATE(bench.element()), GST_STATE_NULL);
  // An open PROGRESS would hold up the other elements of a pipeline.
  expect_equal(texts_of(bench.messages(), "progress"), {});
  fail_unless_equals_text(property(bench.element(), "task-id"), "task-1");
  bench.play();
  bench.wait_for("eos");
  fail_unless(bench.bytes() == Service::clip());
  fail_unless_equals_int(service.count("POST "), 1);
}
GST_END_TEST;

GST_START_TEST(test_prepare_what_cannot_be_used) {
  const Service service;
  Bench bench("veosrc", &service, [](GstElement* src) {
    gst_uri_handler_set_uri(GST_URI_HANDLER(src), "veo:clip?colour=red", nullptr);
  });
  fail_if(prepare(bench.element()));
  const auto message = bench.wait_for_message(GST_MESSAGE_WARNING);
  expect_warning(message.get(), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
  const GstStructure* details = nullptr;
  gst_message_parse_warning_details(message.get(), &details);
  fail_unless_equals_text(field(details, "code"), "invalid-request");
  fail_unless_equals_int(service.count(""), 0);
}
GST_END_TEST;

GST_START_TEST(test_prepare_that_fails) {
  const Service service(
      {.submission = {"402 Payment Required", "insufficient_credits", "billing_error"}});
  Bench bench("veosrc", &service, set_prompt);
  fail_unless(prepare(bench.element()));
  const auto message = bench.wait_for_message(GST_MESSAGE_WARNING);
  expect_warning(message.get(), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED);
}
GST_END_TEST;

GST_START_TEST(test_abandon_in_each_phase) {
  const auto phase = phases[__i__];
  const Service service({.hold = phase});
  Bench bench("veosrc", &service, set_original);
  bench.play();
  wait_until_held(bench, service, phase);
  g_signal_emit_by_name(bench.element(), "abandon");
  bench.wait_for("eos");
  fail_unless_equals_int(texts_of(bench.messages(), "error").size(), 0);
}
GST_END_TEST;

GST_START_TEST(test_abandon_what_does_not_run) {
  const Service service;
  Bench bench("veosrc", &service, set_prompt);
  g_signal_emit_by_name(bench.element(), "abandon");
  // The signal has no effect on the next play.
  bench.play();
  bench.wait_for("eos");
  fail_unless(bench.bytes().size() > Service::clip().size());
}
GST_END_TEST;

static Suite* veosrc_suite() {
  auto* const suite = suite_create("veosrc");
  auto* const tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_unchecked_fixture(tcase, load_plugin, nullptr);
  tcase_add_checked_fixture(tcase, set_up_files, nullptr);
  tcase_set_timeout(tcase, 20);

  tcase_add_test(tcase, test_factory);
  tcase_add_test(tcase, test_pads);
  tcase_add_test(tcase, test_properties);
  tcase_add_test(tcase, test_no_leak_when_unused);

  tcase_add_test(tcase, test_uri);
  tcase_add_test(tcase, test_uri_with_a_request);
  tcase_add_test(tcase, test_uri_makes_the_element);
  tcase_add_test(tcase, test_uri_of_another_scheme);
  tcase_add_test(tcase, test_uri_in_paused);
  tcase_add_test(tcase, test_uri_with_an_unknown_parameter);

  tcase_add_test(tcase, test_queries_before_the_size_is_known);
  tcase_add_test(tcase, test_queries_while_it_streams);
  tcase_add_test(tcase, test_latency_query);
  tcase_add_test(tcase, test_convert_query);
  tcase_add_test(tcase, test_no_allocation_query);

  tcase_add_test(tcase, test_events_in_order);
  tcase_add_test(tcase, test_task_event);
  tcase_add_test(tcase, test_tags);
  tcase_add_test(tcase, test_prompt_tag);
  tcase_add_test(tcase, test_original_bytes);
  tcase_add_test(tcase, test_streamable_bytes);
  tcase_add_test(tcase, test_manifest);
  tcase_add_test(tcase, test_blocksize);
  tcase_add_test(tcase, test_clock_is_not_used);
  tcase_add_test(tcase, test_second_play_comes_from_the_cache);

  tcase_add_test(tcase, test_flushing_seek);
  tcase_add_test(tcase, test_seek_with_a_stop);
  tcase_add_test(tcase, test_segment_seeks);
  tcase_add_test(tcase, test_seek_after_eos);
  tcase_add_test(tcase, test_seek_in_time_fails);
  tcase_add_loop_test(tcase, test_flush_in_each_phase, 0, phase_count);

  tcase_add_test(tcase, test_states);
  tcase_add_test(tcase, test_ready_sends_nothing);
  tcase_add_loop_test(tcase, test_stop_in_each_phase, 0, phase_count);
  tcase_add_loop_test(tcase, test_destroyed_in_each_phase, 0, phase_count);

  tcase_add_test(tcase, test_progress_messages);
  tcase_add_test(tcase, test_task_messages);
  tcase_add_test(tcase, test_duration_changed_message);
  tcase_add_test(tcase, test_task_id_and_stats);
  tcase_add_test(tcase, test_dry_run);

  tcase_add_loop_test(tcase, test_errors, 0, error_case_count);
  tcase_add_test(tcase, test_recovery_after_an_error);

  tcase_add_loop_test(tcase, test_wrong_numbers, 0, G_N_ELEMENTS(wrong_numbers));
  tcase_add_test(tcase, test_negative_numbers_from_a_launch_line);
  tcase_add_test(tcase, test_prompts_that_say_nothing);
  tcase_add_test(tcase, test_without_a_peer_nothing_is_submitted);
  tcase_add_test(tcase, test_a_peer_may_come_late);
  tcase_add_test(tcase, test_a_ghost_pad_is_no_peer);
  tcase_add_test(tcase, test_a_veoextend_that_leads_nowhere_is_no_peer);

  tcase_add_test(tcase, test_prepare);
  tcase_add_test(tcase, test_prepare_what_cannot_be_used);
  tcase_add_test(tcase, test_prepare_that_fails);
  tcase_add_loop_test(tcase, test_abandon_in_each_phase, 0, phase_count);
  tcase_add_test(tcase, test_abandon_what_does_not_run);
  return suite;
}

GST_CHECK_MAIN(veosrc);
