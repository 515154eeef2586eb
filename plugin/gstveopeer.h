// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whether a source pad leads to somebody who sees the video. An element asks before it submits,
// because GStreamer says `not-linked` only at the first buffer, minutes after the payment. At the
// end it asks whether the sinks can get EOS.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <memory>

#include "gstveoowned.h"
#include "veo/system/wakeup.h"

namespace veo::plugin {

/// Whether the pad leads to an element. A ghost pad that is not linked is no element, and a
/// veoextend whose own source pad leads nowhere would only pay once more.
bool has_peer(GstPad* pad);

/// Returns the element that takes the video, behind ghost pads and each veoextend. Null: there is
/// none, or nobody can tell.
Owned<GstElement> find_receiver(GstPad* pad);

/// Whether EOS from the pad reaches sinks on every way that is linked. False: on one way a demuxer
/// or a decodebin has no streams yet, and such an element answers EOS with an ERROR; or there is no
/// way. A way ends at a veoextend, which sends an EOS of its own.
bool takes_eos(GstPad* pad);
/// Whether the stream of the pad comes to that element, behind a veoextend, too.
bool leads_to(GstPad* pad, GstElement* element);

/// Waits until the pad has a peer, because an application may link the pad while the element plays.
/// Calls `on_wait` once before a wait. `pause` blocks until a moment, and returns false if it was
/// interrupted; then the result is empty. Fails with invalid_request after 5 s: nothing was sent.
Waited<void> wait_for_peer(GstPad* pad, const std::function<void()>& on_wait,
                           const std::function<bool(Wakeup::Time)>& pause);

}  // namespace veo::plugin
