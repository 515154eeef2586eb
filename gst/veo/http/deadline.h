// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The deadline of an exchange. A deadline never beats data: what lies readable in the socket when
// the deadline is due is read first, and only silence after that is a timeout.
//
//   set() ─► due ─┬─ on time ─► the loop is idle ──────────────────────────────► expired
//                 └─ late ────► silence for 1 s (each sign of life: again, up to 15 s) ─► expired
//
// A deadline is late after the process was stopped, or after another task blocked the I/O thread.
// Then TLS and HTTP/2 need several rounds of the loop to read what has arrived, and the peer may
// still be sending.
#pragma once

#include <chrono>
#include <memory>

#include "glib_ptr.h"
#include "veo/http/io_thread.h"

namespace veo::http {

/// I/O thread only.
class Deadline {
 public:
  Deadline() = default;
  ~Deadline() { cancel(); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  /// Calls `expired` once, `after` from now. Replaces what was set before.
  void set(std::shared_ptr<IoThread> thread, std::chrono::milliseconds after,
           IoThread::Task expired);
  void cancel();
  /// The peer has done something. This does not move the deadline; it only counts in the silence
  /// after a late deadline.
  void note_sign_of_life() { ++signs_; }

 private:
  void on_due();
  void on_silence();
  void expire();
  static gboolean on_idle(gpointer self) noexcept;

  std::shared_ptr<IoThread> thread_;
  IoThread::Task expired_;
  IoThread::Timer timer_;
  std::unique_ptr<GSource, Deleter<g_source_unref>> idle_;
  IoThread::Clock::time_point due_{};
  unsigned signs_ = 0;
  unsigned signs_before_ = 0;
  unsigned silences_left_ = 0;
};

}  // namespace veo::http
