// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Tests veoextend as upstream, downstream and an application see veoextend.
#include <gst/check/gsttestclock.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "bench.h"
#include "patience.h"

using namespace veo::test;

namespace {

constexpr const char* mp4 = "video/quicktime, variant=(string)iso";

void set_append(GstElement* element) {
  g_object_set(element, "prompt", "it runs", nullptr);
  gst_util_set_object_arg(G_OBJECT(element), "join", "append");
}

/// Names the parent's task by the property, as an application does, not by the stream.
void set_named(GstElement* element) {
  set_append(element);
  g_object_set(element, "extend-task-id", "parent", nullptr);
}

void push_event(const Bench& bench, GstEvent* event) {
  fail_unless(gst_harness_push_event(bench.harness(), event));
}

/// The group of the stream that comes in.
constexpr guint upstream_group = 4711;

/// Pushes the events that precede the first buffer.
void push_begin(const Bench& bench) {
  auto* const start = gst_event_new_stream_start("upstream");
  gst_event_set_group_id(start, upstream_group);
  push_event(bench, start);
  const CapsPtr caps(gst_caps_from_string(mp4));
  push_event(bench, gst_event_new_caps(caps.get()));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  push_event(bench, gst_event_new_segment(&segment));
}

/// Pushes the event by which veosrc tells its task.
void push_task(const Bench& bench, const char* status) {
  push_event(bench,
             gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
                                  gst_structure_new("veo-task", "task-id", G_TYPE_STRING, "parent",
                                                    "status", G_TYPE_STRING, status, nullptr)));
}

GstBuffer* buffer_of(const std::string& bytes, guint64 offset = 0) {
  auto* const buffer = gst_buffer_new_memdup(bytes.data(), bytes.size());
  GST_BUFFER_OFFSET(buffer) = offset;
  return buffer;
}

GstFlowReturn push(const Bench& bench, const std::string& bytes, guint64 offset = 0) {
  return gst_harness_push(bench.harness(), buffer_of(bytes, offset));
}

/// Pushes all of the parent, from its first event to EOS.
void push_parent(const Bench& bench, bool has_task) {
  push_begin(bench);
  if (has_task) push_task(bench, "completed");
  fail_unless_equals_int(push(bench, Service::clip()), GST_FLOW_OK);
  push_event(bench, gst_event_new_eos());
}

/// Waits for an error, and returns the error's `code`.
std::string wait_for_error(Bench& bench) {
  const auto message = bench.wait_for_message(GST_MESSAGE_ERROR);
  const GstStructure* details = nullptr;
  gst_message_parse_error_details(message.get(), &details);
  fail_unless(details != nullptr && gst_structure_has_name(details, "veo-error"));
  return field(details, "code");
}

const std::vector<std::string> film = {"stream-start", "caps",   "segment", "veo-task",
                                       "tag",          "buffer", "eos"};

/// Moments at which a test stops the element. At `no_parent` the element waits for the task to
/// continue.
enum class Moment { no_parent, submission, generation, download };
constexpr int moment_count = 4;

Phase phase_of(Moment moment) {
  switch (moment) {
    case Moment::submission:
      return Phase::submission;
    case Moment::generation:
      return Phase::generation;
    case Moment::download:
      return Phase::download;
    case Moment::no_parent:
      break;
  }
  return Phase::none;
}

/// Plays until that moment has come.
void play_until(Bench& bench, const Service& service, Moment moment) {
  bench.play();
  push_begin(bench);
  if (moment == Moment::no_parent) return;
  push_task(bench, "completed");
  fail_unless_equals_int(push(bench, Service::clip()), GST_FLOW_OK);
  // The clip has its header last, and the element checks the parent before the submission.
  push_event(bench, gst_event_new_eos());
  static const char* const heads[] = {"", "POST ", "GET /v1/tasks/", "GET /task-"};
  fail_unless(service.wait_for(heads[static_cast<int>(moment)]));
}

}  // namespace

// --- the class ---

GST_START_TEST(test_factory) {
  const ObjectPtr<GstElementFactory> factory(gst_element_factory_find("veoextend"));
  fail_unless(factory != nullptr);
  // The element costs credits, so nothing may choose the element by itself.
  fail_unless_equals_int(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory.get())),
                         GST_RANK_NONE);
  fail_unless_equals_string(
      gst_element_factory_get_metadata(factory.get(), GST_ELEMENT_METADATA_KLASS),
      "Filter/Network");
  // Users see here who gets the key.
  const std::string description =
      gst_element_factory_get_metadata(factory.get(), GST_ELEMENT_METADATA_DESCRIPTION);
  fail_unless(description.find("api.aivideoapi.ai") != std::string::npos);
}
GST_END_TEST;

GST_START_TEST(test_pads) {
  const auto extend = make_element("veoextend", nullptr);
  fail_unless_equals_int(extend->numsrcpads, 1);
  fail_unless_equals_int(extend->numsinkpads, 1);
  for (const auto& [name, text] : {std::pair("sink", "video/quicktime"), std::pair("src", mp4)}) {
    const ObjectPtr<GstPad> pad(gst_element_get_static_pad(extend.get(), name));
    const ObjectPtr<GstPadTemplate> pad_template(gst_pad_get_pad_template(pad.get()));
    fail_unless_equals_int(GST_PAD_TEMPLATE_PRESENCE(pad_template.get()), GST_PAD_ALWAYS);
    const CapsPtr expected(gst_caps_from_string(text));
    const CapsPtr of_template(gst_pad_template_get_caps(pad_template.get()));
    const CapsPtr of_pad(gst_pad_query_caps(pad.get(), nullptr));
    gst_check_caps_equal(of_template.get(), expected.get());
    gst_check_caps_equal(of_pad.get(), expected.get());
  }
}
GST_END_TEST;

GST_START_TEST(test_accept_caps) {
  const auto extend = make_element("veoextend", nullptr);
  const ObjectPtr<GstPad> sink(gst_element_get_static_pad(extend.get(), "sink"));
  for (const char* const text :
       {"video/quicktime", mp4, "video/quicktime, variant=(string)apple"}) {
    const CapsPtr caps(gst_caps_from_string(text));
    fail_unless(gst_pad_query_accept_caps(sink.get(), caps.get()), "%s", text);
  }
  for (const char* const text : {"video/x-h264", "video/x-matroska", "application/x-id3"}) {
    const CapsPtr caps(gst_caps_from_string(text));
    fail_if(gst_pad_query_accept_caps(sink.get(), caps.get()), "%s", text);
  }
}
GST_END_TEST;

GST_START_TEST(test_properties) {
  auto* const extend = gst_check_setup_element("veoextend");
  check_properties(extend, {"allow-addresses",
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
                            "join",
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
  gst_check_teardown_element(extend);
}
GST_END_TEST;

GST_START_TEST(test_no_leak_when_unused) {
  gst_check_object_destroyed_on_unref(gst_element_factory_make("veoextend", nullptr));
}
GST_END_TEST;

// --- queries ---

/// The element makes the film once, from front to back, and nobody knows the film's length before
/// its end.
GST_START_TEST(test_queries_at_the_source_pad) {
  const Service service({.hold = Phase::generation});
  Bench bench("veoextend", &service, set_append);
  play_until(bench, service, Moment::generation);
  const auto pad = bench.pad();
  const QueryPtr scheduling(gst_query_new_scheduling());
  fail_unless(gst_pad_query(pad.get(), scheduling.get()));
  fail_unless(gst_query_has_scheduling_mode(scheduling.get(), GST_PAD_MODE_PUSH));
  fail_if(gst_query_has_scheduling_mode(scheduling.get(), GST_PAD_MODE_PULL));
  GstSchedulingFlags flags = {};
  gst_query_parse_scheduling(scheduling.get(), &flags, nullptr, nullptr, nullptr);
  fail_unless_equals_int(flags,
                         GST_SCHEDULING_FLAG_SEQUENTIAL | GST_SCHEDULING_FLAG_BANDWIDTH_LIMITED);
  const QueryPtr seeking(gst_query_new_seeking(GST_FORMAT_BYTES));
  fail_unless(gst_pad_query(pad.get(), seeking.get()));
  gboolean is_seekable = TRUE;
  gst_query_parse_seeking(seeking.get(), nullptr, &is_seekable, nullptr, nullptr);
  fail_if(is_seekable);
  gint64 value = 0;
  for (const auto format : {GST_FORMAT_BYTES, GST_FORMAT_TIME}) {
    // Upstream's answer would be about the parent only.
    fail_if(gst_pad_query_duration(pad.get(), format, &value));
    fail_if(gst_pad_query_position(pad.get(), format, &value));
  }
}
GST_END_TEST;

/// A SEEKING query of an unsupported format must not be answered in bytes.
GST_START_TEST(test_seeking_query_keeps_its_format) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  const QueryPtr query(gst_query_new_seeking(GST_FORMAT_TIME));
  if (!gst_pad_query(bench.pad().get(), query.get())) return;
  GstFormat format = GST_FORMAT_UNDEFINED;
  gboolean is_seekable = TRUE;
  gst_query_parse_seeking(query.get(), &format, &is_seekable, nullptr, nullptr);
  fail_if(is_seekable);
  fail_unless_equals_int(format, GST_FORMAT_TIME);
}
GST_END_TEST;

GST_START_TEST(test_queries_at_the_sink_pad) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  const CapsPtr caps(gst_caps_from_string(mp4));
  const auto pad = bench.pad("sink");
  const QueryPtr allocation(gst_query_new_allocation(caps.get(), TRUE));
  fail_if(gst_pad_query(pad.get(), allocation.get()));
  // A DRAIN query is only for the film of a step that failed: nothing else may wait.
  const QueryPtr drain(gst_query_new_drain());
  fail_if(gst_pad_query(pad.get(), drain.get()));
}
GST_END_TEST;

GST_START_TEST(test_latency_query) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  gst_harness_set_upstream_latency(bench.harness(), 0);
  const QueryPtr query(gst_query_new_latency());
  fail_unless(gst_pad_query(bench.pad().get(), query.get()));
}
GST_END_TEST;

// --- the film ---

GST_START_TEST(test_events_in_order) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  auto seen = bench.seen();
  expect_equal({seen.begin(), seen.begin() + 4}, {"stream-start", "caps", "segment", "veo-task"});
  fail_unless_equals_text(seen.back(), "eos");
  for (const char* const once : {"stream-start", "caps", "segment", "eos"}) {
    fail_unless_equals_int(std::ranges::count(seen, once), 1);
  }
  const gchar* stream = nullptr;
  const auto stream_start = bench.event("stream-start");
  gst_event_parse_stream_start(stream_start.get(), &stream);
  fail_if(g_str_equal(stream, "upstream"), "the film is another stream than what comes in");
  guint group = GST_GROUP_ID_INVALID;
  fail_unless(gst_event_parse_group_id(stream_start.get(), &group));
  fail_unless_equals_int(group, upstream_group);
  const GstSegment* segment = nullptr;
  const auto segment_event = bench.event("segment");
  gst_event_parse_segment(segment_event.get(), &segment);
  fail_unless_equals_int(segment->format, GST_FORMAT_BYTES);
  GstCaps* caps = nullptr;
  const auto caps_event = bench.event("caps");
  gst_event_parse_caps(caps_event.get(), &caps);
  const CapsPtr expected(gst_caps_from_string(mp4));
  gst_check_caps_equal(caps, expected.get());
}
GST_END_TEST;

GST_START_TEST(test_film_is_fragmented_mp4) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  const auto bytes = bench.bytes();
  fail_unless_equals_text(bytes.substr(4, 4), "ftyp");
  fail_unless(bytes.find("moov") < bytes.find("moof"));
  guint64 next = 0;
  for (const auto& place : bench.places()) {
    fail_unless_equals_uint64(place.offset, next);
    next += place.size;
    fail_unless_equals_uint64(place.offset_end, next);
  }
  // Both clips are in the film.
  fail_unless(bytes.size() > Service::clip().size() * 19 / 10);
}
GST_END_TEST;

GST_START_TEST(test_request_names_the_parent) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  const auto submissions = service.submissions();
  fail_unless_equals_int(submissions.size(), 1);
  fail_unless(submissions[0].find(R"("extend_task_id":"parent")") != std::string::npos, "%s",
              submissions[0].c_str());
}
GST_END_TEST;

GST_START_TEST(test_extend_task_id) {
  const Service service;
  Bench bench("veoextend", &service, set_named);
  bench.play();
  push_parent(bench, false);
  bench.wait_for("eos");
  const auto submissions = service.submissions();
  fail_unless_equals_int(submissions.size(), 1);
  fail_unless(submissions[0].find(R"("extend_task_id":"parent")") != std::string::npos);
}
GST_END_TEST;

/// The next veoextend submits as soon as it knows the task, whatever the stream does.
GST_START_TEST(test_task_events) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  fail_unless(std::ranges::count(bench.seen_out_of_band(), "veo-task") >= 2);
  const auto task = bench.event("veo-task");
  const auto* const structure = gst_event_get_structure(task.get());
  fail_unless_equals_text(field(structure, "task-id"), "task-1");
  fail_unless_equals_text(field(structure, "status"), "completed");
  fail_unless_equals_text(field(structure, "step"), "2");
  fail_if(field(structure, "steps") == "(none)");
}
GST_END_TEST;

/// The film names all of its tasks, in the stream's tags and in the file. With prompt-tag it tells
/// its own prompt, behind what upstream tells.
GST_START_TEST(test_tags) {
  const Service service;
  Bench bench("veoextend", &service, [](GstElement* element) {
    g_object_set(element, "prompt", "it sleeps", "prompt-tag", TRUE, nullptr);
  });
  bench.play();
  push_begin(bench);
  push_task(bench, "completed");
  auto* const date = gst_date_time_new_from_iso8601_string("2026-03-29T13:17:07Z");
  push_event(bench, gst_event_new_tag(gst_tag_list_new(GST_TAG_DESCRIPTION, "a dog",
                                                       GST_TAG_DATE_TIME, date, nullptr)));
  gst_date_time_unref(date);
  fail_unless_equals_int(push(bench, Service::clip()), GST_FLOW_OK);
  push_event(bench, gst_event_new_eos());
  bench.wait_for("eos");
  const auto event = bench.event("tag");
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event.get(), &tags);
  const auto text_at = [tags](const char* tag, guint index) -> std::string {
    const gchar* text = nullptr;
    return gst_tag_list_peek_string_index(tags, tag, index, &text) ? text : "(none)";
  };
  fail_unless_equals_text(text_at(GST_TAG_TITLE, 0), "Veo film of 2 clips");
  fail_unless_equals_text(text_at(GST_TAG_EXTENDED_COMMENT, 0), "veo-task-id=parent");
  fail_unless_equals_text(text_at(GST_TAG_EXTENDED_COMMENT, 1), "veo-task-id=task-1");
  fail_unless_equals_text(text_at(GST_TAG_DESCRIPTION, 0), "a dog\nit sleeps");
  const auto head = bench.bytes().substr(0, bench.bytes().find("mdat"));
  for (const char* const text : {"Veo film of 2 clips", "veo-task-id=parent\nveo-task-id=task-1",
                                 "a dog\nit sleeps", "2026-03-29T13:17:07Z"}) {
    fail_unless(head.find(text) != std::string::npos, "the file does not say: %s", text);
  }
}
GST_END_TEST;

/// A prompt may be private.
GST_START_TEST(test_no_prompt_in_the_tags) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  const auto event = bench.event("tag");
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event.get(), &tags);
  fail_unless_equals_int(gst_tag_list_get_tag_size(tags, GST_TAG_DESCRIPTION), 0);
  const auto prompt = property(bench.element(), "prompt");
  fail_unless(prompt.size() > 3);
  fail_unless(bench.bytes().find(prompt) == std::string::npos);
  // With join=append the film begins before its own task has an id.
  fail_unless(bench.bytes().find("veo-task-id=parent") != std::string::npos);
}
GST_END_TEST;

GST_START_TEST(test_join_message) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  const auto messages = bench.messages();
  expect_equal(texts_of(messages, "veo-join"), {"veo-join append"});
  const auto join = std::ranges::find_if(
      messages, [](const auto& one) { return text_of(one.get()).starts_with("veo-join"); });
  const auto* const structure = gst_message_get_structure(join->get());
  fail_unless_equals_text(field(structure, "task-id"), "task-1");
  fail_unless_equals_text(field(structure, "frames"), "24");
  fail_unless_equals_text(field(structure, "contained-steps"), "0");
}
GST_END_TEST;

/// An open PROGRESS would keep the pipeline from playing the parent's part.
GST_START_TEST(test_append_posts_no_progress) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  const auto messages = bench.messages();
  expect_equal(texts_of(messages, "progress"), {});
  const auto tasks = texts_of(messages, "veo-task");
  fail_unless_equals_text(tasks.front(), "veo-task none");
  fail_unless_equals_text(tasks.back(), "veo-task completed");
  // The last one says where the continuation's own file is, as it was delivered.
  const auto last = std::ranges::find_if(messages.rbegin(), messages.rend(), [](const auto& one) {
    return text_of(one.get()).starts_with("veo-task");
  });
  gchar* path = nullptr;
  fail_unless(gst_structure_get(gst_message_get_structure(last->get()), "file", G_TYPE_STRING,
                                &path, nullptr));
  gchar* contents = nullptr;
  gsize size = 0;
  fail_unless(g_file_get_contents(path, &contents, &size, nullptr), "%s", path);
  fail_unless(std::string(contents, size) == Service::clip());
  g_free(contents);
  g_free(path);
}
GST_END_TEST;

/// The file of the continuation is the same clip as the parent, so it does not contain the parent.
GST_START_TEST(test_join_auto) {
  const Service service;
  Bench bench("veoextend", &service,
              [](GstElement* extend) { g_object_set(extend, "prompt", "it runs", nullptr); });
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  const auto messages = bench.messages();
  expect_equal(texts_of(messages, "veo-join"), {"veo-join append"});
  auto progress = texts_of(messages, "progress");
  std::erase_if(progress, [](const auto& text) { return text.ends_with(" continue"); });
  expect_equal(progress, {"progress submit start", "progress submit complete",
                          "progress generate start", "progress generate complete",
                          "progress download start", "progress download complete"});
}
GST_END_TEST;

GST_START_TEST(test_join_replace) {
  const Service service;
  Bench bench("veoextend", &service, [](GstElement* extend) {
    set_append(extend);
    gst_util_set_object_arg(G_OBJECT(extend), "join", "replace");
    gst_util_set_object_arg(G_OBJECT(extend), "layout", "original");
  });
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  expect_equal(texts_of(bench.messages(), "veo-join"), {"veo-join replace"});
  fail_unless(bench.bytes() == Service::clip());
}
GST_END_TEST;

/// The parent's part flows while the service generates the continuation.
GST_START_TEST(test_append_flows_at_once) {
  Service service({.hold = Phase::generation});
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("buffer");
  fail_unless_equals_int(std::ranges::count(bench.seen(), "eos"), 0);
  service.go_on();
  bench.wait_for("eos");
}
GST_END_TEST;

GST_START_TEST(test_clock_is_not_used) {
  Service service({.hold = Phase::generation});
  Bench bench("veoextend", &service, set_append);
  gst_harness_use_testclock(bench.harness());
  play_until(bench, service, Moment::generation);
  const ObjectPtr<GstTestClock> clock(gst_harness_get_testclock(bench.harness()));
  fail_unless_equals_int(gst_test_clock_peek_id_count(clock.get()), 0);
}
GST_END_TEST;

GST_START_TEST(test_second_play_pays_nothing) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  const auto first = bench.bytes();
  bench.go_to(GST_STATE_READY);
  bench.forget();
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  fail_unless(bench.bytes() == first);
  fail_unless_equals_int(service.count("POST "), 1);
}
GST_END_TEST;

GST_START_TEST(test_dry_run) {
  const Service service;
  Bench bench("veoextend", &service, [](GstElement* extend) {
    set_append(extend);
    g_object_set(extend, "dry-run", TRUE, nullptr);
  });
  bench.play();
  push_parent(bench, true);
  bench.wait_for("eos");
  fail_unless_equals_uint64(bench.bytes().size(), 0);
  fail_unless_equals_int(service.count(""), 0);
  expect_equal(texts_of(bench.messages(), "veo-task"), {"veo-task none"});
}
GST_END_TEST;

// --- flushes and seeks ---

GST_START_TEST(test_seek_is_refused) {
  const Service service({.hold = Phase::generation});
  Bench bench("veoextend", &service, set_append);
  play_until(bench, service, Moment::generation);
  fail_if(gst_pad_send_event(bench.pad().get(),
                             gst_event_new_seek(1.0, GST_FORMAT_BYTES, GST_SEEK_FLAG_FLUSH,
                                                GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, -1)));
  fail_unless_equals_int(gst_harness_upstream_events_in_queue(bench.harness()), 1);  // RECONFIGURE
}
GST_END_TEST;

/// Bytes that come again after a flush are left out, so that each byte counts once.
GST_START_TEST(test_flush_does_not_reach_the_film) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_begin(bench);
  push_task(bench, "completed");
  const auto half = Service::clip().size() / 2;
  fail_unless_equals_int(push(bench, Service::clip().substr(0, half)), GST_FLOW_OK);
  push_event(bench, gst_event_new_flush_start());
  push_event(bench, gst_event_new_flush_stop(TRUE));
  push_parent(bench, false);
  bench.wait_for("eos");
  const auto seen = bench.seen();
  fail_unless_equals_int(std::ranges::count(seen, "flush-start"), 0);
  fail_unless_equals_int(std::ranges::count(seen, "segment"), 1);

  // The film is the same as without the flush.
  Bench plain("veoextend", &service, set_append);
  plain.play();
  push_parent(plain, true);
  plain.wait_for("eos");
  fail_unless(bench.bytes() == plain.bytes());
}
GST_END_TEST;

/// Upstream waits while nothing is read. A flush ends that wait at once.
GST_START_TEST(test_flush_ends_a_wait) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_begin(bench);
  // Push more bytes than the element holds. The element reads nothing until the task to continue is
  // completed.
  push_event(bench, gst_event_new_custom(
                        GST_EVENT_CUSTOM_DOWNSTREAM_STICKY,
                        gst_structure_new("veo-task", "task-id", G_TYPE_STRING, "parent", "status",
                                          G_TYPE_STRING, "processing", nullptr)));
  std::atomic<int> pushed = 0;
  GstFlowReturn flow = GST_FLOW_OK;
  std::thread upstream([&] {
    const std::string block(256 << 10, 'x');
    for (int i = 0; i < 64 && flow == GST_FLOW_OK; ++i) {
      flow = push(bench, block, static_cast<guint64>(i) * block.size());
      ++pushed;
    }
  });
  // The window is 1 MiB: when it is full, the next push waits.
  const auto end = std::chrono::steady_clock::now() + patience();
  while (pushed < 4 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  push_event(bench, gst_event_new_flush_start());
  upstream.join();
  push_event(bench, gst_event_new_flush_stop(TRUE));
  fail_unless(pushed < 64, "nothing ever waited");
  fail_unless_equals_int(flow, GST_FLOW_FLUSHING);
}
GST_END_TEST;

GST_START_TEST(test_gap_by_a_seek_is_an_error) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_begin(bench);
  push_task(bench, "completed");
  fail_unless_equals_int(push(bench, Service::clip().substr(0, 1000)), GST_FLOW_OK);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  segment.start = segment.time = 2000;
  push_event(bench, gst_event_new_segment(&segment));
  fail_unless_equals_int(push(bench, Service::clip().substr(2000), 2000), GST_FLOW_ERROR);
  const auto message = bench.wait_for_message(GST_MESSAGE_ERROR);
  assert_message_error(message.get(), STREAM, WRONG_TYPE);
}
GST_END_TEST;

// --- states ---

GST_START_TEST(test_states) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
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
  fail_unless_equals_int(service.count(""), 0);
  bench.expect_seen({});
}
GST_END_TEST;

GST_START_TEST(test_stop_at_each_moment) {
  const auto moment = static_cast<Moment>(__i__);
  const Service service({.hold = phase_of(moment)});
  Bench bench("veoextend", &service, set_append);
  play_until(bench, service, moment);
  bench.go_to(GST_STATE_NULL);
  fail_unless_equals_int(std::ranges::count(bench.seen(), "eos"), 0);
  fail_unless_equals_int(texts_of(bench.messages(), "error").size(), 0);
}
GST_END_TEST;

GST_START_TEST(test_destroyed_at_each_moment) {
  const auto moment = static_cast<Moment>(__i__);
  const Service service({.hold = phase_of(moment)});
  auto bench = std::make_unique<Bench>("veoextend", &service, set_append);
  gpointer left = bench->element();
  g_object_add_weak_pointer(G_OBJECT(left), &left);
  play_until(*bench, service, moment);
  bench.reset();
  fail_unless(left == nullptr, "something holds on to the element");
}
GST_END_TEST;

GST_START_TEST(test_push_when_stopped) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  const auto pad = bench.pad("sink");
  fail_unless_equals_int(gst_pad_chain(pad.get(), buffer_of("x")), GST_FLOW_FLUSHING);
}
GST_END_TEST;

// --- errors ---

GST_START_TEST(test_no_task_to_continue) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, false);
  const auto message = bench.wait_for_message(GST_MESSAGE_ERROR);
  assert_message_error(message.get(), RESOURCE, SETTINGS);
  fail_unless_equals_int(service.count("POST "), 0);
}
GST_END_TEST;

GST_START_TEST(test_eos_without_data) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_begin(bench);
  push_event(bench, gst_event_new_eos());
  fail_unless_equals_text(wait_for_error(bench), "invalid-request");
  fail_unless_equals_int(service.count("POST "), 0);
}
GST_END_TEST;

/// Nothing is paid for a parent that cannot be joined.
GST_START_TEST(test_no_mp4_comes_in) {
  const Service service;
  Bench bench("veoextend", &service, set_named);
  bench.play();
  push_begin(bench);
  push(bench, std::string(100'000, 'x'));
  gst_harness_push_event(bench.harness(), gst_event_new_eos());
  const auto message = bench.wait_for_message(GST_MESSAGE_ERROR);
  assert_message_error(message.get(), STREAM, WRONG_TYPE);
  fail_unless_equals_int(service.count("POST "), 0);
}
GST_END_TEST;

/// The details are those of the service's error. EOS follows the error, as GstBaseSrc pushes EOS,
/// so that no element downstream waits for more.
GST_START_TEST(test_error_of_the_service) {
  const Service service(
      {.submission = {"401 Unauthorized", "invalid_api_key", "authentication_error"}});
  Bench bench("veoextend", &service,
              [](GstElement* extend) { g_object_set(extend, "prompt", "it runs", nullptr); });
  bench.play();
  push_begin(bench);
  push_task(bench, "completed");
  fail_unless_equals_int(push(bench, Service::clip()), GST_FLOW_OK);
  push_event(bench, gst_event_new_eos());
  const auto message = bench.wait_for_message(GST_MESSAGE_ERROR);
  assert_message_error(message.get(), RESOURCE, NOT_AUTHORIZED);
  const GstStructure* details = nullptr;
  gst_message_parse_error_details(message.get(), &details);
  fail_unless_equals_text(field(details, "code"), "invalid-api-key");
  fail_unless_equals_text(field(details, "http-status"), "401");
  bench.wait_for("eos");
}
GST_END_TEST;

/// With `append` the parent's part has left before the continuation fails: this part is complete,
/// and the error comes last.
GST_START_TEST(test_film_ends_early) {
  Service service({.hold = Phase::generation, .failure = "upstream_error"});
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_parent(bench, true);
  bench.wait_for("buffer");
  service.go_on();
  const auto message = bench.wait_for_message(GST_MESSAGE_ERROR);
  assert_message_error(message.get(), RESOURCE, FAILED);
  const auto task = bench.event("veo-task");
  fail_unless_equals_text(field(gst_event_get_structure(task.get()), "status"), "failed");
  fail_unless(bench.bytes().size() > Service::clip().size() * 9 / 10);
}
GST_END_TEST;

/// The parent's step reports the error. The element under test ends its film, and reports nothing.
GST_START_TEST(test_parent_that_failed) {
  const Service service;
  Bench bench("veoextend", &service, set_append);
  bench.play();
  push_begin(bench);
  push_task(bench, "failed");
  fail_unless_equals_int(push(bench, Service::clip()), GST_FLOW_OK);
  const QueryPtr drain(gst_query_new_drain());
  fail_unless(gst_pad_query(bench.pad("sink").get(), drain.get()));
  fail_unless_equals_int(texts_of(bench.messages(), "error").size(), 0);
  fail_unless_equals_int(service.count("POST "), 0);
}
GST_END_TEST;

static Suite* veoextend_suite() {
  auto* const suite = suite_create("veoextend");
  auto* const tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_unchecked_fixture(tcase, load_plugin, nullptr);
  tcase_add_checked_fixture(tcase, set_up_files, nullptr);
  tcase_set_timeout(tcase, 20);

  tcase_add_test(tcase, test_factory);
  tcase_add_test(tcase, test_pads);
  tcase_add_test(tcase, test_accept_caps);
  tcase_add_test(tcase, test_properties);
  tcase_add_test(tcase, test_no_leak_when_unused);

  tcase_add_test(tcase, test_queries_at_the_source_pad);
  tcase_add_test(tcase, test_seeking_query_keeps_its_format);
  tcase_add_test(tcase, test_queries_at_the_sink_pad);
  tcase_add_test(tcase, test_latency_query);

  tcase_add_test(tcase, test_events_in_order);
  tcase_add_test(tcase, test_film_is_fragmented_mp4);
  tcase_add_test(tcase, test_request_names_the_parent);
  tcase_add_test(tcase, test_extend_task_id);
  tcase_add_test(tcase, test_task_events);
  tcase_add_test(tcase, test_tags);
  tcase_add_test(tcase, test_no_prompt_in_the_tags);
  tcase_add_test(tcase, test_join_message);
  tcase_add_test(tcase, test_append_posts_no_progress);
  tcase_add_test(tcase, test_join_auto);
  tcase_add_test(tcase, test_join_replace);
  tcase_add_test(tcase, test_append_flows_at_once);
  tcase_add_test(tcase, test_clock_is_not_used);
  tcase_add_test(tcase, test_second_play_pays_nothing);
  tcase_add_test(tcase, test_dry_run);

  tcase_add_test(tcase, test_seek_is_refused);
  tcase_add_test(tcase, test_flush_does_not_reach_the_film);
  tcase_add_test(tcase, test_flush_ends_a_wait);
  tcase_add_test(tcase, test_gap_by_a_seek_is_an_error);

  tcase_add_test(tcase, test_states);
  tcase_add_loop_test(tcase, test_stop_at_each_moment, 0, moment_count);
  tcase_add_loop_test(tcase, test_destroyed_at_each_moment, 0, moment_count);
  tcase_add_test(tcase, test_push_when_stopped);

  tcase_add_test(tcase, test_no_task_to_continue);
  tcase_add_test(tcase, test_eos_without_data);
  tcase_add_test(tcase, test_no_mp4_comes_in);
  tcase_add_test(tcase, test_error_of_the_service);
  tcase_add_test(tcase, test_film_ends_early);
  tcase_add_test(tcase, test_parent_that_failed);
  return suite;
}

GST_CHECK_MAIN(veoextend);
