// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whether a source pad leads to somebody who sees the video. An element asks before it submits,
// because GStreamer says `not-linked` only at the first buffer, minutes after the payment.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <memory>

#include "veo/system/wakeup.h"

namespace veo::plugin {

/// Whether the pad leads to an element. A ghost pad that is not linked is no element, and a
/// veoextend whose own source pad leads nowhere would only pay once more.
bool has_peer(GstPad* pad);

struct ElementUnref {
  void operator()(GstElement* element) const { gst_object_unref(element); }
};
/// Returns the element that takes the video, behind ghost pads and each veoextend. Null: there is
/// none, or nobody can tell.
std::unique_ptr<GstElement, ElementUnref> find_receiver(GstPad* pad);

/// Waits until the pad has a peer, because an application may link the pad while the element plays.
/// Calls `on_wait` once before a wait. `pause` blocks until a moment, and returns false if it was
/// interrupted; then the result is empty. Fails with invalid_request after 5 s: nothing was sent.
Waited<void> wait_for_peer(GstPad* pad, const std::function<void()>& on_wait,
                           const std::function<bool(Wakeup::Time)>& pause);

}  // namespace veo::plugin
