#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sends a live source by WebRTC, and receives it in the same process. Ctrl-C ends the program.

  python3 examples/live_webrtc.py "a dog in a park" received.mkv

WebRTC leaves it to the application how the two ends exchange the offer, the answer and the
candidates. Here the two ends are two pipelines, and join() is all there is to it. For a browser, send
the same texts through a web socket instead.

Debian packages: gstreamer1.0-veo gstreamer1.0-libav gstreamer1.0-plugins-bad gstreamer1.0-nice
python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-bad-1.0
"""

import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
# webrtcbin's objects have no names in Python without the two last ones.
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402, F401

# A key frame each two seconds lets a receiver begin late.
SENDER = (
    "webrtcbin name=rtc bundle-policy=max-bundle"
    " veolivesrc name=live video-caps=video/x-raw,width=640,height=360,framerate=24/1"
    " live.video ! queue ! videoconvert ! vp8enc deadline=1 cpu-used=8 target-bitrate=2000000 keyframe-max-dist=48"
    " ! rtpvp8pay ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! rtc."
    " live.audio ! queue ! audioconvert ! audioresample ! opusenc"
    " ! rtpopuspay ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! rtc."
)
RECEIVER = (
    "webrtcbin name=rtc bundle-policy=max-bundle matroskamux name=mux ! filesink name=file"
    " queue name=video ! rtpvp8depay ! mux."
    " queue name=audio ! rtpopusdepay ! opusparse ! mux."
)


def ask(end, what, then):
    """Has one end make an offer or an answer."""

    def on_reply(promise):
        reply = promise.get_reply()  # owns the value
        then(reply.get_value(what))

    end.emit(f"create-{what}", None, Gst.Promise.new_with_change_func(on_reply))


def join(sender, receiver):
    """Lets two webrtcbin find each other."""

    def on_offer(offer):
        sender.emit("set-local-description", offer, None)
        receiver.emit("set-remote-description", offer, None)
        ask(receiver, "answer", on_answer)

    def on_answer(answer):
        receiver.emit("set-local-description", answer, None)
        sender.emit("set-remote-description", answer, None)

    sender.connect("on-negotiation-needed", lambda end: ask(end, "offer", on_offer))
    sender.connect("on-ice-candidate", lambda _, line, text: receiver.emit("add-ice-candidate", line, text))
    receiver.connect("on-ice-candidate", lambda _, line, text: sender.emit("add-ice-candidate", line, text))


def main(prompt, file):
    Gst.init(None)
    loop = GLib.MainLoop()
    sender, receiver = Gst.parse_launch(SENDER), Gst.parse_launch(RECEIVER)
    # A prompt may have any character, so the program does not put it into a launch line.
    sender.get_by_name("live").set_property("prompt", prompt)
    receiver.get_by_name("file").set_property("location", file)
    code = 0

    def on_pad(_rtc, pad):
        if pad.direction == Gst.PadDirection.SRC:
            media = pad.get_current_caps().get_structure(0).get_string("media")
            pad.link(receiver.get_by_name(media).get_static_pad("sink"))

    def on_message(_bus, message):
        nonlocal code
        news = message.get_structure()
        if message.type == Gst.MessageType.ELEMENT and news.get_name() == "veo-live":
            print(f"{news.get_string('state')} {news.get_string('task-id') or ''}", flush=True)
        elif message.type == Gst.MessageType.WARNING:
            print(message.parse_warning().gerror.message, file=sys.stderr)
        elif message.type == Gst.MessageType.ERROR:
            print(message.parse_error().gerror.message, file=sys.stderr)
            code = 1
            loop.quit()

    def on_event(_pad, info):
        # The pipeline posts no EOS, because webrtcbin's own sinks get none.
        if info.get_event().type == Gst.EventType.EOS:
            GLib.idle_add(loop.quit)
        return Gst.PadProbeReturn.OK

    def on_signal():
        # The receiver's file needs its end.
        for name in ("video", "audio"):
            receiver.get_by_name(name).get_static_pad("sink").send_event(Gst.Event.new_eos())
        return GLib.SOURCE_CONTINUE

    end = receiver.get_by_name("file").get_static_pad("sink")
    end.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, on_event)
    receiver.get_by_name("rtc").connect("pad-added", on_pad)
    join(sender.get_by_name("rtc"), receiver.get_by_name("rtc"))
    for pipeline in (sender, receiver):
        pipeline.get_bus().add_signal_watch()
        pipeline.get_bus().connect("message", on_message)
    for number in (signal.SIGINT, signal.SIGTERM):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, on_signal)
    # The receiver must be ready for the offer.
    for pipeline in (receiver, sender):
        pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    for pipeline in (sender, receiver):
        pipeline.set_state(Gst.State.NULL)
    return code


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1].startswith("--"):  # --help is no prompt, and costs nothing
        sys.exit(f"Usage: {sys.argv[0]} PROMPT FILE.mkv")
    sys.exit(main(*sys.argv[1:]))
