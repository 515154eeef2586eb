#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Saves the video of a prompt. Shows in few lines how Python uses veosrc: progress, errors, and Ctrl-C.

  python3 examples/progress.py "a dog in a park" dog.mp4

Debian packages: gstreamer1.0-veo python3-gi gir1.2-gstreamer-1.0
"""

import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


def main(prompt, file):
    Gst.init(None)
    loop = GLib.MainLoop()
    pipeline = Gst.parse_launch("veosrc name=source layout=original ! filesink name=file")
    # A prompt may have any character, so the program does not put it into a launch line.
    source = pipeline.get_by_name("source")
    source.set_property("prompt", prompt)
    pipeline.get_by_name("file").set_property("location", file)
    code = 0

    def on_message(_bus, message):
        nonlocal code
        if message.type == Gst.MessageType.PROGRESS:
            print(message.parse_progress().text, flush=True)
        elif message.type == Gst.MessageType.ERROR:
            print(message.parse_error().gerror.message, file=sys.stderr)
            details = message.parse_error_details()
            if details is not None and details.get_name() == "veo-error":
                print(f"[{details.get_string('code')}, charged: {details.get_string('charged')}]", file=sys.stderr)
            code = 1
            loop.quit()
        elif message.type == Gst.MessageType.EOS:
            loop.quit()

    def on_signal():
        nonlocal code
        task = source.get_property("task-id")
        if task:
            print(f"Task {task} goes on. The same line finds it again, and pays nothing.", file=sys.stderr)
        code = 130
        loop.quit()
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
    if len(sys.argv) != 3 or sys.argv[1].startswith("--"):
        sys.exit(f"Usage: {sys.argv[0]} PROMPT FILE.mp4")
    sys.exit(main(*sys.argv[1:]))
