// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A prompt, or a known task, as a byte stream: what the element, the command and the AVIO layer
// all read from. It composes
//
//   Job (submit, poll) ──► Clip (download) ──► LayoutScanner (which bytes come first)
//
// and never blocks: whoever reads it waits on a Wakeup that subscribed here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "veo/client/access.h"
#include "veo/client/clip.h"
#include "veo/client/job.h"
#include "veo/client/wakeup.h"
#include "veo/core/catalog.h"
#include "veo/core/mp4_layout.h"
#include "veo/core/request.h"

namespace veo {

class Source {
 public:
  enum class LayoutMode { streamable, original };

  struct Settings {
    Request request;
    std::string task_id;  ///< set: play that task; the request is not even looked at
    AccessOptions access;
    NetworkSettings network;
    std::chrono::milliseconds poll_interval{0};  ///< 0: VEO_POLL_INTERVAL, else adaptive
    std::chrono::seconds generation_timeout{1800};
    std::uint32_t max_credits = 0;  ///< 0: no limit
    bool dry_run = false;           ///< checks and prices; reads as an empty stream
    LayoutMode layout = LayoutMode::streamable;
  };

  struct Snapshot {
    Job::Snapshot job;
    std::optional<std::uint32_t> credits;  ///< the estimate; nullopt: unknown
    Clip::Stats clip;
    /// Set once the clip's first bytes can be read in the order that was asked for.
    std::optional<std::uint64_t> size;
    /// Percent of the file that is here, where that is known.
    std::optional<int> downloaded;
    bool downloading = false;
  };

  /// Checks everything that can be checked without the network, and prices it. Reads the key file.
  /// Fails with the codes of validate(), resolve_access(), and budget_exceeded.
  static Result<std::unique_ptr<Source>> open(Settings settings, std::weak_ptr<Wakeup> wakeup);
  /// Submits, or joins the known task. Nothing was sent before. Once; at once.
  void start();
  /// Lets go of the job: see ~Job().
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] Snapshot snapshot() const;

  /// What there is at `offset` of the stream. One reader: at() and read() are not to be called by
  /// two threads at once.
  [[nodiscard]] Clip::Availability at(std::uint64_t offset);
  /// Copies bytes that at() has promised for the same offset.
  Status read(std::uint64_t offset, std::span<std::uint8_t> into) const;

 private:
  Source();
  struct Private;
  std::unique_ptr<Private> p_;
};

}  // namespace veo
