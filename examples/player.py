#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A window that plays generated videos. Type a prompt, see its price, press Enter, watch the video.

Shows how an application with a window uses veosrc:
- A dry run asks for the price before anything is paid. `max-credits` makes sure that the task never
  costs more than the button says.
- PROGRESS and `veo-task` messages move the bar: queued, generating, downloading, playing. BUFFERING
  messages pause the video while the network is too slow.
- Cancel (or Escape) ends the wait at once. The task goes on at the service, and the same prompt
  finds it again and pays nothing.
- The details `veo-error` of an error say what it has cost.

Debian packages: gstreamer1.0-veo gstreamer1.0-gtk3 gstreamer1.0-libav python3-gi gir1.2-gtk-3.0
gir1.2-gstreamer-1.0, and gstreamer1.0-alsa or gstreamer1.0-pipewire for the sound.

  python3 examples/player.py
"""

import signal
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gst, Gtk, Pango  # noqa: E402

STYLE = b"""
.screen { background: #000; }
.hint { color: #aaa; font-size: 130%; }
.headline { font-weight: bold; color: #ff8080; }
progressbar trough, progressbar progress { min-height: 8px; border-radius: 4px; }
"""
TICK = 100  # milliseconds
TYPING_PAUSE = 250  # milliseconds without a key until the price is asked for


def make_source(prompt, mode):
    source = Gst.ElementFactory.make("veosrc", "source")
    source.set_property("prompt", prompt)
    source.set_property("mode", mode)
    return source


class Price:
    """Asks what a request costs. Sends nothing, and needs no key."""

    def __init__(self, prompt, mode, on_answer):
        """Calls on_answer(credits, paid, error). `credits` is None if nobody knows the price. `paid`
        says whether a run would find a task that exists."""
        self.on_answer = on_answer
        self.answer = (None, False, None)
        source = make_source(prompt, mode)
        source.set_property("dry-run", True)
        sink = Gst.ElementFactory.make("fakesink")
        self.pipeline = Gst.Pipeline()
        self.pipeline.add(source)
        self.pipeline.add(sink)
        source.link(sink)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::element", self.on_element)
        bus.connect("message::error", self.on_error)
        bus.connect("message::eos", lambda *_: self.finish())
        self.pipeline.set_state(Gst.State.PLAYING)

    def on_element(self, _bus, message):
        news = message.get_structure()
        if news.get_name() == "veo-task":
            self.answer = (news.get_value("credits"), news.get_value("reused"), None)

    def on_error(self, _bus, message):
        self.answer = (None, False, message.parse_error()[0].message)
        self.finish()

    def finish(self):
        self.drop()
        self.on_answer(*self.answer)

    def drop(self):
        self.pipeline.get_bus().remove_signal_watch()
        self.pipeline.set_state(Gst.State.NULL)


class Playback:
    """One pipeline. It submits the request, or finds its task, and plays the video while it
    downloads."""

    def __init__(self, prompt, mode, max_credits, listener):
        self.pipeline = Gst.Pipeline()
        source = make_source(prompt, mode)
        # 0 would mean no limit.
        source.set_property("max-credits", max(max_credits, 1))
        # Pauses the video until 512 KiB are ahead of the decoder, or the rest of the clip.
        buffer = Gst.ElementFactory.make("queue2")
        buffer.set_property("use-buffering", True)
        buffer.set_property("max-size-bytes", 512 << 10)
        buffer.set_property("max-size-time", 0)
        decoder = Gst.ElementFactory.make("decodebin")
        # GTK requires that its widgets are made in the main thread, so the branch of the pictures
        # exists before the decoder knows its pads.
        self.pictures = self.add_branch("queue ! videoconvert ! gtksink name=screen")
        self.widget = self.pictures.get_by_name("screen").get_property("widget")
        for element in (source, buffer, decoder):
            self.pipeline.add(element)
        source.link(buffer)
        buffer.link(decoder)
        decoder.connect("pad-added", self.on_pad)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::progress", listener.on_progress)
        bus.connect("message::element", listener.on_news)
        bus.connect("message::buffering", self.on_buffering, listener)
        bus.connect("message::async-done", lambda *_: listener.on_picture())
        bus.connect("message::error", listener.on_error)
        bus.connect("message::eos", listener.on_end)

    def start(self):
        """Returns at once, because each wait is in a streaming thread. The widget must be in the window
        before, otherwise gtksink opens a window of its own."""
        self.pipeline.set_state(Gst.State.PLAYING)

    def add_branch(self, description):
        branch = Gst.parse_bin_from_description(description, True)
        self.pipeline.add(branch)
        return branch

    def on_pad(self, _decoder, pad):
        """Called by a streaming thread."""
        kind = pad.get_current_caps().get_structure(0).get_name()
        if kind.startswith("video/"):
            branch = self.pictures
        else:
            # openalsink plays sound that is not interleaved at the wrong pitch.
            branch = self.add_branch(
                "queue ! audioconvert ! audioresample ! audio/x-raw,layout=interleaved ! autoaudiosink")
            branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))

    def on_buffering(self, _bus, message, listener):
        percent = message.parse_buffering()
        self.pipeline.set_state(Gst.State.PLAYING if percent == 100 else Gst.State.PAUSED)
        listener.on_buffering(percent)

    def find_position(self):
        """Returns position and duration in seconds."""
        known, position = self.pipeline.query_position(Gst.Format.TIME)
        measured, duration = self.pipeline.query_duration(Gst.Format.TIME)
        return (position / Gst.SECOND, duration / Gst.SECOND) if known and measured else None

    def stop(self):
        self.pipeline.get_bus().remove_signal_watch()
        self.pipeline.set_state(Gst.State.NULL)


def tell_cost(details):
    """Says in a few words what an error has cost."""
    if details is None or details.get_name() != "veo-error":
        return "The video cannot be shown."
    if details.get_value("paid"):
        return "The task is paid and not lost: the same prompt finds it again."
    return {
        "no": "Nothing was paid.",
        "refunded": "The service gives the credits back.",
    }.get(details.get_string("charged"), "This may have been paid. Read on before you try again.")


class Window(Gtk.Window):
    def __init__(self):
        super().__init__(title="Veo player", default_width=800, default_height=590)
        self.playback = None
        self.price = None
        self.typing = 0
        self.credits = None
        self.phase = ""
        self.began = 0.0

        self.prompt = Gtk.Entry(placeholder_text="a dog in a park", activates_default=True, hexpand=True)
        self.prompt.connect("changed", self.on_request_changed)
        self.mode = Gtk.ComboBoxText()
        for mode in ("fast", "quality", "lite"):
            self.mode.append(mode, mode)
        self.mode.set_active_id("fast")
        self.mode.connect("changed", self.on_request_changed)
        self.generate = Gtk.Button(label="Generate", can_default=True, width_request=210)
        self.generate.get_style_context().add_class("suggested-action")
        self.generate.connect("clicked", lambda _: self.start())
        self.cancel = Gtk.Button(label="Cancel", width_request=90)
        self.cancel.get_style_context().add_class("destructive-action")
        self.cancel.connect("clicked", lambda _: self.on_cancel())

        self.screen = Gtk.Stack(expand=True)
        self.screen.get_style_context().add_class("screen")
        self.hint = Gtk.Label()
        self.hint.get_style_context().add_class("hint")
        self.screen.add(self.hint)

        self.headline = Gtk.Label(xalign=0, wrap=True)
        self.headline.get_style_context().add_class("headline")
        self.explanation = Gtk.Label(xalign=0, wrap=True, selectable=True, can_focus=False)
        self.explanation.set_line_wrap_mode(Pango.WrapMode.WORD_CHAR)
        self.trouble = Gtk.InfoBar(message_type=Gtk.MessageType.ERROR, no_show_all=True)
        texts = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=4)
        texts.add(self.headline)
        texts.add(self.explanation)
        texts.show_all()
        self.trouble.get_content_area().add(texts)

        self.status = Gtk.Label(xalign=0, ellipsize=Pango.EllipsizeMode.END)
        self.news = Gtk.Label(xalign=1, ellipsize=Pango.EllipsizeMode.END, hexpand=True)
        self.bar = Gtk.ProgressBar(hexpand=True, valign=Gtk.Align.CENTER, pulse_step=0.04)

        grid = Gtk.Grid(margin=12, row_spacing=10, column_spacing=8)
        grid.attach(self.prompt, 0, 0, 1, 1)
        grid.attach(self.mode, 1, 0, 1, 1)
        grid.attach(self.generate, 2, 0, 1, 1)
        grid.attach(self.screen, 0, 1, 3, 1)
        grid.attach(self.trouble, 0, 2, 3, 1)
        texts = Gtk.Box(spacing=12)
        texts.add(self.status)
        texts.add(self.news)
        grid.attach(texts, 0, 3, 3, 1)
        last = Gtk.Box(spacing=12)
        last.add(self.bar)
        last.add(self.cancel)
        grid.attach(last, 0, 4, 3, 1)
        self.add(grid)
        self.set_default(self.generate)
        self.connect("key-press-event", self.on_key)
        self.connect("destroy", self.on_destroy)
        self.show_idle("")
        self.on_request_changed()

    # --- The price ---

    def on_request_changed(self, *_):
        """Asks for the price when the user pauses. Until the answer is here, nothing can be paid."""
        self.credits = None
        self.generate.set_sensitive(False)
        self.generate.set_label("Generate")
        if self.typing:
            GLib.source_remove(self.typing)
        self.typing = GLib.timeout_add(TYPING_PAUSE, self.ask_price)

    def ask_price(self):
        self.typing = 0
        if self.price:
            self.price.drop()
            self.price = None
        if self.prompt.get_text() and not self.playback:
            self.price = Price(self.prompt.get_text(), self.mode.get_active_id(), self.on_price)
        return GLib.SOURCE_REMOVE

    def on_price(self, credits, paid, error):
        self.price = None
        self.credits = credits
        self.generate.set_sensitive(credits is not None)
        if credits is not None:
            self.generate.set_label("Play, paid already" if paid else f"Generate for {credits} credits")
        elif error is not None:
            self.status.set_text(error)
        else:
            self.status.set_text("Nobody knows the price of this request.")

    # --- A run ---

    def start(self):
        self.trouble.hide()
        self.phase, self.began = "Submitting", time.monotonic()
        self.playback = Playback(
            self.prompt.get_text(), self.mode.get_active_id(), self.credits, self)
        for child in self.screen.get_children()[1:]:
            self.screen.remove(child)
        self.screen.add(self.playback.widget)
        self.screen.show_all()
        self.playback.start()
        for widget in (self.prompt, self.mode, self.generate):
            widget.set_sensitive(False)
        self.cancel.set_sensitive(True)
        self.cancel.grab_focus()
        self.timer = GLib.timeout_add(TICK, self.on_tick)

    def on_progress(self, _bus, message):
        """Each step begins with START. CONTINUE has the percent where the service tells it, and the
        text of a passing trouble, such as a network that is down."""
        kind, step, text = message.parse_progress()
        if kind in (Gst.ProgressType.START, Gst.ProgressType.CONTINUE):
            self.bar.set_fraction(message.get_structure().get_value("percent") / 100)
            self.phase = "Downloading" if step == "download" else self.phase
        self.news.set_text(text if text.startswith(("Trying again", "Waiting")) else "")

    def on_news(self, _bus, message):
        news = message.get_structure()
        if news.get_name() == "veo-task":
            names = {"pending": "Queued", "processing": "Generating"}
            self.phase = names.get(news.get_string("status"), self.phase)

    def on_buffering(self, percent):
        self.phase = "Playing" if percent == 100 else "Downloading"
        self.bar.set_fraction(percent / 100)

    def on_picture(self):
        """The first picture is here."""
        self.screen.set_visible_child(self.playback.widget)

    def on_tick(self):
        self.hint.set_text(self.phase + "…")
        where = self.playback.find_position() if self.phase == "Playing" else None
        if where:
            self.bar.set_fraction(min(where[0] / max(where[1], 0.001), 1))
            self.status.set_text(f"Playing, {where[0]:.0f} of {where[1]:.0f} s")
        elif self.bar.get_fraction() > 0:
            self.status.set_text(f"{self.phase}, {self.bar.get_fraction():.0%}")
        else:
            self.bar.pulse()
            self.status.set_text(f"{self.phase}, {time.monotonic() - self.began:.0f} s")
        return GLib.SOURCE_CONTINUE

    def on_end(self, *_):
        self.stop("The video has ended. Enter plays it again and costs nothing.", keep_picture=True)
        self.bar.set_fraction(1)

    def on_error(self, _bus, message):
        error, _debug = message.parse_error()
        self.headline.set_text(tell_cost(message.parse_error_details()))
        self.explanation.set_text(error.message)
        self.stop("")
        self.trouble.show()

    def on_cancel(self):
        if self.phase == "Playing":
            self.stop("Stopped. Enter plays the video again and costs nothing.")
        else:
            self.stop("Cancelled. The task goes on, and the same prompt finds it again.")

    def stop(self, status, keep_picture=False):
        if not self.playback:
            return
        GLib.source_remove(self.timer)
        self.playback.stop()
        self.playback = None
        if not keep_picture:
            self.screen.set_visible_child(self.hint)
        self.show_idle(status)
        self.on_request_changed()  # the price of the same prompt may be nothing now

    def show_idle(self, status):
        self.status.set_text(status)
        self.news.set_text("")
        self.hint.set_text("Describe a video, and press Enter.")
        self.bar.set_fraction(0)
        self.cancel.set_sensitive(False)
        self.prompt.set_sensitive(True)
        self.mode.set_sensitive(True)
        self.prompt.grab_focus_without_selecting()

    # --- The window ---

    def on_key(self, _window, event):
        if event.keyval == Gdk.KEY_Escape and self.playback:
            self.on_cancel()
            return True
        return False

    def on_destroy(self, _window):
        """Ends the wait. If a submission is on its way, the process stays for its answer, for 5 s at
        most."""
        if self.playback:
            self.playback.stop()
        Gtk.main_quit()


def main():
    Gst.init(sys.argv)
    missing = [name for name in ("veosrc", "gtksink") if not Gst.ElementFactory.find(name)]
    if missing:
        sys.exit(f"GStreamer has no {' and no '.join(missing)}. Install gstreamer1.0-veo and"
                 " gstreamer1.0-gtk3, or set GST_PLUGIN_PATH to the folder of the plugin.")
    if not Gtk.init_check()[0]:
        sys.exit("There is no display. Set DISPLAY or WAYLAND_DISPLAY.")
    style = Gtk.CssProvider()
    style.load_from_data(STYLE)
    Gtk.StyleContext.add_provider_for_screen(
        Gdk.Screen.get_default(), style, Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION)
    Gtk.Settings.get_default().set_property("gtk-application-prefer-dark-theme", True)
    window = Window()
    for number in (signal.SIGINT, signal.SIGTERM):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, window.destroy)
    window.show_all()
    Gtk.main()


if __name__ == "__main__":
    main()
