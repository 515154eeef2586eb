// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the element tests share: an element in a GstHarness, with a bus of its own, and a list of
// all that leaves its source pad.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "service.h"

// Last: libcheck has a macro `fail`, which is also a member of the standard library's streams.
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#undef fail

namespace veo::test {

struct MiniUnref {
  void operator()(GstMessage* message) const { gst_message_unref(message); }
  void operator()(GstEvent* event) const { gst_event_unref(event); }
  void operator()(GstQuery* query) const { gst_query_unref(query); }
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
};
using MessagePtr = std::unique_ptr<GstMessage, MiniUnref>;
using EventPtr = std::unique_ptr<GstEvent, MiniUnref>;
using QueryPtr = std::unique_ptr<GstQuery, MiniUnref>;
using CapsPtr = std::unique_ptr<GstCaps, MiniUnref>;
using BufferPtr = std::unique_ptr<GstBuffer, MiniUnref>;

struct ObjectUnref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
template <class T>
using ObjectPtr = std::unique_ptr<T, ObjectUnref>;

/// Unchecked fixture: the plugin and its libraries are loaded once, and not by each test's process.
void load_plugin();
/// Checked fixture: gives each test a ledger and a cache of its own.
void set_up_files();

/// An element whose properties are such that it finds the service. `service` may be null.
ObjectPtr<GstElement> make_element(const char* factory, const Service* service);

/// Fails unless reading, setting and the limits of all its own properties are as they must be.
/// `names` are all of them.
void check_properties(GstElement* element, std::vector<std::string> names);

/// An element in a harness. It has not been started, unless it has a sink pad.
class Bench {
 public:
  Bench(const char* factory, const Service* service,
        const std::function<void(GstElement*)>& set = nullptr);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  [[nodiscard]] GstHarness* harness() const { return harness_; }
  [[nodiscard]] GstElement* element() const { return harness_->element; }
  [[nodiscard]] ObjectPtr<GstPad> pad(const char* name = "src") const;
  void play() { gst_harness_play(harness_); }
  /// Fails unless the element comes to `state` at once.
  void go_to(GstState state);

  // --- what left the source pad ---

  /// In order: the names of events, and `buffer` for buffers in a row.
  [[nodiscard]] std::vector<std::string> seen() const;
  /// Out of band: apart, since they overtake what is above.
  [[nodiscard]] std::vector<std::string> seen_out_of_band() const;
  /// The last event of this name.
  [[nodiscard]] EventPtr event(const std::string& name) const;
  /// The bytes of all buffers, in order.
  [[nodiscard]] std::string bytes() const;
  /// What the buffers say of their place.
  struct Place {
    guint64 offset;
    guint64 offset_end;
    gsize size;
    bool is_readonly;
  };
  [[nodiscard]] std::vector<Place> places() const;
  /// Forgets all of it.
  void forget();
  /// Waits until `name` was seen `times` since forget(). Fails if it does not come.
  void wait_for(const std::string& name, unsigned times = 1) const;
  /// Waits until so many bytes came. Fails if they do not come.
  void wait_for_bytes(std::size_t count) const;
  /// Fails unless seen() is `expected`.
  void expect_seen(const std::vector<std::string>& expected) const;

  // --- what it posted ---

  /// Waits for a message of this type. Fails if it does not come.
  MessagePtr wait_for_message(GstMessageType type);
  /// All that is on the bus now.
  std::vector<MessagePtr> messages();

 private:
  static GstPadProbeReturn on_item(GstPad* pad, GstPadProbeInfo* info, gpointer self);
  void note(const std::string& name, GstEvent* event);
  void note(GstBuffer* buffer);

  GstHarness* harness_ = nullptr;
  ObjectPtr<GstBus> bus_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // Guarded by mutex_, all that follow.
  std::vector<std::string> seen_;
  std::vector<std::string> out_of_band_;
  std::vector<std::pair<std::string, EventPtr>> events_;
  std::string bytes_;
  std::vector<Place> places_;
};

/// `code type` of PROGRESS messages, `veo-task status` of that element message, `veo-join decision`
/// of that one, and the type's name of the rest.
std::string text_of(GstMessage* message);
/// The messages whose text_of() begins with `prefix`, as text.
std::vector<std::string> texts_of(const std::vector<MessagePtr>& messages,
                                  const std::string& prefix);
/// A field of a structure, serialized; "(none)" if it is not there.
std::string field(const GstStructure* structure, const char* name);
/// The value of a property, serialized.
std::string property(GstElement* element, const char* name);
/// As fail_unless_equals_string(), whose pointers would outlive the strings that are made for it.
#define fail_unless_equals_text(a, b)                                            \
  G_STMT_START {                                                                 \
    const std::string first_text = a;                                            \
    const std::string second_text = b;                                           \
    fail_unless(first_text == second_text, "'" #a "' (%s) is not equal to '%s'", \
                first_text.c_str(), second_text.c_str());                        \
  }                                                                              \
  G_STMT_END

/// Fails unless the lists are the same.
void expect_equal(const std::vector<std::string>& got, const std::vector<std::string>& expected);

}  // namespace veo::test
