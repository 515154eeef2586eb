#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fades each clip into a live picture, and out again. Ctrl-C ends the program.

  python3 examples/live_fade.py "a dog in a park" fade.mp4
  python3 examples/live_fade.py "a dog in a park" display

`veo-live` messages say when a clip begins and ends. GstController then changes the alpha of the
compositor's pad from frame to frame. With filler=freeze the last frame of a clip stays until it is
faded out. Set this example's black camera to a camera of yours.

Debian packages: gstreamer1.0-veo gstreamer1.0-libav gstreamer1.0-plugins-ugly python3-gi
gir1.2-gstreamer-1.0
"""

import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstController", "1.0")
from gi.repository import GLib, Gst, GstController  # noqa: E402

LENGTH = Gst.SECOND // 2
SIZE = "video/x-raw,width=640,height=360,framerate=24/1"
LINE = (
    "compositor name=mix background=black sink_1::alpha=0 ! video/x-raw,framerate=24/1 ! videoconvert ! queue ! {sink}"
    " videotestsrc is-live=true pattern=black ! {size} ! queue ! mix.sink_0"
    " veolivesrc name=live filler=freeze video-caps={size} live.video ! queue ! mix.sink_1"
)
FILE = "x264enc tune=zerolatency speed-preset=ultrafast ! mp4mux ! filesink name=file"


class Fader:
    """Lets the alpha of a pad go from one value to another, at the running time of the stream."""

    def __init__(self, pad):
        self.values = GstController.InterpolationControlSource(mode=GstController.InterpolationMode.LINEAR)
        pad.add_control_binding(GstController.DirectControlBinding.new(pad, "alpha", self.values))
        self.alpha = 0.0
        self.values.set(0, self.alpha)

    def fade(self, begin, alpha):
        if alpha == self.alpha:
            return
        self.values.set(begin, self.alpha)
        self.values.set(begin + LENGTH, alpha)
        self.alpha = alpha


def main(prompt, file):
    Gst.init(None)
    loop = GLib.MainLoop()
    pipeline = Gst.parse_launch(LINE.format(size=SIZE, sink="autovideosink" if file == "display" else FILE))
    if file != "display":
        pipeline.get_by_name("file").set_property("location", file)
    # A prompt may have any character, so the program does not put it into a launch line.
    pipeline.get_by_name("live").set_property("prompt", prompt)
    fader = Fader(pipeline.get_by_name("mix").get_static_pad("sink_1"))
    code = 0

    def on_message(_bus, message):
        nonlocal code
        news = message.get_structure()
        if message.type == Gst.MessageType.ELEMENT and news.get_name() == "veo-live":
            is_playing = news.get_string("state") == "playing"
            fader.fade(news.get_uint64("running-time").value, 1.0 if is_playing else 0.0)
            print(f"plays: task {news.get_string('task-id')}" if is_playing else "plays: filler", flush=True)
        elif message.type == Gst.MessageType.WARNING:
            print(message.parse_warning().gerror.message, file=sys.stderr)
        elif message.type == Gst.MessageType.ERROR:
            print(message.parse_error().gerror.message, file=sys.stderr)
            code = 1
            loop.quit()
        elif message.type == Gst.MessageType.EOS:
            loop.quit()

    def on_signal():
        # The file needs its end.
        pipeline.send_event(Gst.Event.new_eos())
        return GLib.SOURCE_CONTINUE

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
        sys.exit(f"Usage: {sys.argv[0]} PROMPT FILE.mp4|display")
    sys.exit(main(*sys.argv[1:]))
