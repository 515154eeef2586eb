// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs a pipeline to its end, and keeps what came out and what was said on the way.
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulator.h"

namespace veo::test {

template <class T>
struct GstUnref {
  void operator()(T* object) const { gst_object_unref(object); }
};
template <class T>
using GstPtr = std::unique_ptr<T, GstUnref<T>>;

struct MessageUnref {
  void operator()(GstMessage* message) const { gst_message_unref(message); }
};
using MessagePtr = std::unique_ptr<GstMessage, MessageUnref>;

/// What a sink saw of one buffer.
struct Seen {
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  gsize size = 0;
  bool discont = false;  ///< not counted on a stream's first buffer
  std::string sha256;
  bool operator==(const Seen&) const = default;
};

struct Progress {
  std::string type;  ///< start, continue, complete, canceled, error
  std::string code;
  int percent = 0;
  bool operator==(const Progress&) const = default;
};

struct Failure {
  std::string domain;  ///< resource or stream
  int code = 0;
  std::string text;
  std::string debug;
  std::map<std::string, std::string> details;  ///< of the structure `veo-error`
};

/// A pipeline from a gst-launch line. Elements named in it can be reached by name.
class TestPipeline {
 public:
  explicit TestPipeline(const std::string& line);
  ~TestPipeline();
  TestPipeline(const TestPipeline&) = delete;
  TestPipeline& operator=(const TestPipeline&) = delete;

  [[nodiscard]] GstElement* pipeline() const { return pipeline_.get(); }
  [[nodiscard]] GstPtr<GstElement> element(const char* name) const;
  /// Points each veosrc and veoextend to the simulator, with the key and the record kept beside it,
  /// and polls fast. Unless `shares_cache`, no other pipeline's clips are there: each byte has to
  /// be fetched.
  void use(const Simulator& simulator, bool shares_cache = false);
  /// Keeps what arrives at the sink of that name.
  void watch(const char* sink);

  void start(GstState state = GST_STATE_PLAYING);
  /// To EOS or ERROR, whichever comes; false: neither within 60 s, which is a hang.
  [[nodiscard]] bool finish();
  /// The next message of that type (or ERROR, or EOS); null after 60 s.
  [[nodiscard]] MessagePtr next(GstMessageType type);
  void stop();

  [[nodiscard]] const std::vector<Seen>& seen(const std::string& sink) const;
  [[nodiscard]] const std::vector<std::uint8_t>& bytes(const std::string& sink) const;
  [[nodiscard]] const std::vector<Progress>& progress() const { return progress_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// `veo-task` element messages, as text: status, credits, and `reused` where it is.
  [[nodiscard]] const std::vector<std::string>& tasks() const { return tasks_; }
  /// `veo-join` element messages, as text: `join` and `contained-steps`.
  [[nodiscard]] const std::vector<std::string>& joins() const { return joins_; }
  [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }
  [[nodiscard]] bool eos() const { return eos_; }

 private:
  struct Watch;
  void note(GstMessage* message);
  void for_each_element(const std::function<void(GstElement*)>& look) const;

  GstPtr<GstElement> pipeline_;
  GstPtr<GstBus> bus_;
  std::map<std::string, std::unique_ptr<Watch>> watches_;
  std::vector<Progress> progress_;
  std::vector<std::string> tasks_;
  std::vector<std::string> joins_;
  std::vector<std::string> warnings_;
  std::optional<Failure> failure_;
  bool eos_ = false;
};

/// The line that decodes into the sinks `video` and `audio`.
std::string decode_line(const std::string& source);

/// As by hand, while nobody uses the ledger.
void execute(const std::string& ledger, const char* sql);

}  // namespace veo::test
