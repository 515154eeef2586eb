#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Puts a clip of veosrc into a live mixer, without veolivesrc. Ctrl-C ends the program.

  python3 examples/live_by_hand.py "a dog in a park" mixed.mp4

Take this way only if a branch needs the encoded bytes of veosrc. Three things come together:
`force-live=true` has the mixer go on without the clip, `async=false` has its sink play without it,
and place() gives the clip, which comes minutes late, the running time of its arrival.

Debian packages: gstreamer1.0-veo gstreamer1.0-libav gstreamer1.0-plugins-ugly python3-gi
gir1.2-gstreamer-1.0
"""

import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

SIZE = "video/x-raw,width=640,height=360"
LINE = (
    f"compositor name=mix force-live=true background=black ! {SIZE},framerate=24/1 ! videoconvert"
    " ! x264enc tune=zerolatency speed-preset=ultrafast ! mp4mux ! filesink name=file async=false"
    f" videotestsrc is-live=true pattern=blue ! {SIZE},framerate=24/1 ! queue ! mix.sink_0"
    f" veosrc name=clip ! decodebin ! videoconvert ! videoscale ! {SIZE} ! queue name=end ! mix.sink_1"
)
# The mixer must get the first frame before its time has come.
AHEAD = 300 * Gst.MSECOND
RATE = 24


def main(prompt, file):
    Gst.init(None)
    loop = GLib.MainLoop()
    pipeline = Gst.parse_launch(LINE)
    # A prompt may have any character, so the program does not put it into a launch line.
    pipeline.get_by_name("clip").set_property("prompt", prompt)
    pipeline.get_by_name("file").set_property("location", file)
    code = 0

    def place(pad, _info):
        # The offset of a source pad counts from the next buffer on. That of a sink pad would wait for a new segment.
        begin = pipeline.get_clock().get_time() - pipeline.get_base_time() + AHEAD
        # Whole frames of the mixer: otherwise it shows one frame of the clip twice.
        pad.set_offset(begin * RATE // Gst.SECOND * Gst.SECOND // RATE)
        return Gst.PadProbeReturn.REMOVE

    def on_message(_bus, message):
        nonlocal code
        if message.type == Gst.MessageType.ERROR:
            print(message.parse_error().gerror.message, file=sys.stderr)
            code = 1
            loop.quit()
        elif message.type == Gst.MessageType.EOS:
            loop.quit()

    def on_signal():
        # The file needs its end.
        pipeline.send_event(Gst.Event.new_eos())
        return GLib.SOURCE_CONTINUE

    pipeline.get_by_name("end").get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, place)
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", on_message)
    for number in (signal.SIGINT, signal.SIGTERM):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, on_signal)
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)
    return code


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1].startswith("--"):  # --help is no prompt, and costs nothing
        sys.exit(f"Usage: {sys.argv[0]} PROMPT FILE.mp4")
    sys.exit(main(*sys.argv[1:]))
