// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs a pipeline to its end, and keeps its output and its messages.
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

/// One buffer, as a sink saw it.
struct Seen {
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  gsize size = 0;
  bool discont = false;  ///< false for the first buffer of a stream
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
  std::map<std::string, std::string> details;  ///< the fields of the structure `veo-error`
};

/// A pipeline that is made from a gst-launch line. The line's named elements can be reached by
/// name.
/// For TestPipeline::use().
inline constexpr bool shares_cache = true;

class TestPipeline {
 public:
  explicit TestPipeline(const std::string& line);
  ~TestPipeline();
  TestPipeline(const TestPipeline&) = delete;
  TestPipeline& operator=(const TestPipeline&) = delete;

  [[nodiscard]] GstElement* pipeline() const { return pipeline_.get(); }
  [[nodiscard]] GstPtr<GstElement> element(const char* name) const;
  /// Points each veosrc and veoextend to the simulator, with its key, and with the ledger that lies
  /// beside it, and makes them poll fast. Unless `has_shared_cache` is true, the pipeline has a
  /// cache of its own and downloads each byte itself.
  void use(const Simulator& simulator, bool has_shared_cache = false);
  /// Keeps what arrives at the sink with this name.
  void watch(const char* sink);

  void start(GstState state = GST_STATE_PLAYING);
  /// Runs to EOS or ERROR. Returns false if neither comes within 60 s, which counts as a hang.
  [[nodiscard]] bool finish();
  /// Returns the next message of this type, or ERROR, or EOS. Returns null after 60 s.
  [[nodiscard]] MessagePtr next(GstMessageType type);
  void stop();

  [[nodiscard]] const std::vector<Seen>& seen(const std::string& sink) const;
  [[nodiscard]] const std::vector<std::uint8_t>& bytes(const std::string& sink) const;
  [[nodiscard]] const std::vector<Progress>& progress() const { return progress_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// The `veo-task` element messages as text: status, credits, and `reused` if the message has it.
  [[nodiscard]] const std::vector<std::string>& tasks() const { return tasks_; }
  /// The `veo-join` element messages as text: `join` and `contained-steps`.
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

/// Returns a line that decodes the source into the sinks `video` and `audio`.
std::string decode_line(const std::string& source);

/// Executes SQL on the ledger, as a user could by hand while no program uses it.
void execute(const std::string& ledger, const char* sql);

}  // namespace veo::test
