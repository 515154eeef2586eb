// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The end of a stream that the application asks for (`gst-launch-1.0 -e`, or
// gst_element_send_event() with EOS), and the end of a dry run, which has no bytes. The element
// ends its waits, and its streaming thread calls end_stream():
//
//   every way downstream leads to a sink   ──► EOS                 the sinks post EOS, as always
//   a demuxer has no streams yet           ──► no EOS downstream   the element posts EOS for the
//                                                                  pipeline
//
// A demuxer without streams answers EOS with an ERROR, and the sinks behind it never get EOS. A
// pipeline posts EOS only if all its sinks have EOS, so without the second way such a pipeline
// would never end.
//
// GstBaseSrc's own EOS is not used, for two reasons. It does not call create() again, which has to
// end the PROGRESS. And it waits for the streaming thread, which may stand in a paused sink, while
// gst_element_send_event() holds the lock of the pipeline's state: then nothing can play that sink.
#pragma once

#include <gst/gst.h>

#include "veo/system/wakeup.h"

namespace veo::plugin {

struct Ending {
  GstElement* element;
  GstPad* src;
  GstEvent* eos;
  bool has_data;  ///< bytes have gone downstream, so a demuxer may be about to show its streams
  bool is_asked;  ///< the application ended the stream, and a veoextend downstream must know that
};

/// Ends the stream. Blocks while other sources of the pipeline still play, if the element has to
/// post EOS for the pipeline. Returns early if `wakeup` is interrupted. The streaming thread calls
/// this function.
void end_stream(const Ending& ending, Wakeup& wakeup);

/// The element begins a new stream.
void forget_end(GstElement* element);

}  // namespace veo::plugin
