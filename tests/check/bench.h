// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Base of the element tests: an element in a GstHarness, with a bus of its own, and a list of
// everything that leaves the element's source pad.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "service.h"

// Include these last: libcheck has a macro `fail`, and the standard library's streams have a member
// of that name.
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

/// Unchecked fixture: loads the plugin and its libraries once, and not in each test's process.
void load_plugin();
/// Checked fixture: gives each test a ledger and a cache of its own.
void set_up_files();

/// Makes an element whose properties lead to the service. `service` may be null.
ObjectPtr<GstElement> make_element(const char* factory, const Service* service);

/// Checks how each of the element's own properties reads, how it is set, and its limits. `names`
/// are all of them.
void check_properties(GstElement* element, std::vector<std::string> names);

/// An element in a harness. The test starts the element, by play() or go_to().
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
  /// Sets `state`. Fails unless the element is in `state` at once.
  void go_to(GstState state);

  // --- output of the source pad ---

  /// Returns the names of events in order, with one `buffer` for consecutive buffers.
  [[nodiscard]] std::vector<std::string> seen() const;
  /// Returns the names of out-of-band events. They are apart, because they overtake the others.
  [[nodiscard]] std::vector<std::string> seen_out_of_band() const;
  /// Returns the last event of this name.
  [[nodiscard]] EventPtr event(const std::string& name) const;
  /// Returns the bytes of all buffers, in order.
  [[nodiscard]] std::string bytes() const;
  /// The offsets, the size and the flag of a buffer.
  struct Place {
    guint64 offset;
    guint64 offset_end;
    gsize size;
    bool is_readonly;
  };
  [[nodiscard]] std::vector<Place> places() const;
  /// Forgets the output so far.
  void forget();
  /// Waits until `name` has left the pad `times` times since forget(). Fails if it does not.
  void wait_for(const std::string& name, unsigned times = 1) const;
  /// Waits until `count` bytes have left the pad. Fails if they do not.
  void wait_for_bytes(std::size_t count) const;
  /// Fails unless seen() is `expected`.
  void expect_seen(const std::vector<std::string>& expected) const;

  // --- messages ---

  /// Waits for a message of this type. Fails if there is none in time.
  MessagePtr wait_for_message(GstMessageType type);
  /// Returns all messages that are on the bus now.
  std::vector<MessagePtr> messages();

 private:
  static GstPadProbeReturn on_item(GstPad* pad, GstPadProbeInfo* info, gpointer self);
  void note(const std::string& name, GstEvent* event);
  void note(GstBuffer* buffer);

  GstHarness* harness_ = nullptr;
  ObjectPtr<GstBus> bus_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // mutex_ guards all of these.
  std::vector<std::string> seen_;
  std::vector<std::string> out_of_band_;
  std::vector<std::pair<std::string, EventPtr>> events_;
  std::string bytes_;
  std::vector<Place> places_;
};

/// Describes a message: `code type` for PROGRESS, `veo-task status` and `veo-join decision` for
/// these element messages, and the name of the type for the others.
std::string text_of(GstMessage* message);
/// Returns the text_of() of the messages, if it begins with `prefix`.
std::vector<std::string> texts_of(const std::vector<MessagePtr>& messages,
                                  const std::string& prefix);
/// Returns a field of a structure, serialized; "(none)" if the field is not there.
std::string field(const GstStructure* structure, const char* name);
/// Returns the value of a property, serialized.
std::string property(GstElement* element, const char* name);
/// Does what fail_unless_equals_string() does, whose pointers would outlive temporary strings.
#define fail_unless_equals_text(a, b)                                            \
  G_STMT_START {                                                                 \
    const std::string first_text = a;                                            \
    const std::string second_text = b;                                           \
    fail_unless(first_text == second_text, "'" #a "' (%s) is not equal to '%s'", \
                first_text.c_str(), second_text.c_str());                        \
  }                                                                              \
  G_STMT_END

/// Fails unless the lists are equal.
void expect_equal(const std::vector<std::string>& got, const std::vector<std::string>& expected);

}  // namespace veo::test
