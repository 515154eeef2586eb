#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service without a window. It generates videos and writes them as WebM or MP4 files.

Jobs come from a folder, or as JSON lines on standard input. The progress goes to standard output, one
JSON object on each line.

  python3 examples/transcoder.py OUT <jobs.jsonl          ends when all jobs have ended
  python3 examples/transcoder.py OUT --watch JOBS         runs until SIGTERM or Ctrl-C

A job is a JSON object: {"id": "dog", "prompt": "a dog in a park", "format": "webm"}. It may have the
properties of veosrc that PROPERTIES lists. In a folder each job is a file, and dog.json is the job
"dog". {"cancel": "dog"} on standard input, or the removal of dog.json, ends the job "dog" at once.

Shows how a service
- survives a crash. The service keeps no state of its own. A job whose file is in OUT is done. Each other
  job runs again after a restart, and gst-veo finds its task in the ledger and pays nothing,
- never shows half a file: it writes under another name, syncs and renames,
- bounds what it spends: --max-credits limits a job, and VEO_DAILY_BUDGET limits a day,
- treats jobs as input of strangers: a job cannot set where the key goes or where a file is written.

Debian packages: gstreamer1.0-veo gstreamer1.0-libav gstreamer1.0-plugins-good
gstreamer1.0-plugins-ugly python3-gi gir1.2-gstreamer-1.0
"""

import argparse
import fcntl
import json
import os
import pathlib
import re
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gio, GLib, Gst  # noqa: E402

# The properties with their types in JSON. Python would make a text of any value, and the text would be paid.
PROPERTIES = {"prompt": str, "mode": str, "resolution": str, "aspect-ratio": str, "seed": int,
              "enable-translation": bool, "take": int, "request-id": str, "task-id": str, "on-unknown": str}
LONGEST_JOB = 1 << 20  # bytes
ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
# The muxer, and the encoders of pictures and sound. x264enc looks ahead for seconds, and the muxer waits
# for both streams, so the queue of the sound has room for a whole clip.
QUEUE = "queue max-size-time=0 max-size-buffers=0 max-size-bytes=67108864"
FORMATS = {
    "webm": ("webmmux",
             f"{QUEUE} ! videoconvert ! vp9enc deadline=1 cpu-used=8 row-mt=true",
             f"{QUEUE} ! audioconvert ! audioresample ! opusenc"),
    "mp4": ("mp4mux faststart=true",
            f"{QUEUE} ! videoconvert ! x264enc speed-preset=veryfast",
            f"{QUEUE} ! audioconvert ! audioresample ! avenc_aac ! aacparse"),
}
INTERRUPTED = 130


def tell(event, **members):
    print(json.dumps({"event": event, **members}, ensure_ascii=False), flush=True)


class BadJob(Exception):
    pass


def parse(text):
    """Returns what a job's text says, which a stranger may have written."""
    if len(text) > LONGEST_JOB:
        raise BadJob(f"A job has at most {LONGEST_JOB} bytes.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadJob(f"This is not JSON: {error}.") from error


class Job:
    """One pipeline, from a prompt to a file."""

    def __init__(self, name, members, service):
        self.name = name
        self.service = service
        self.task_id = ""
        self.percent = -1
        extension = members.pop("format", "webm")
        if not isinstance(extension, str) or extension not in FORMATS:
            raise BadJob(f"The format is one of {', '.join(FORMATS)}.")
        self.file = service.output / f"{name}.{extension}"
        self.part = service.output / f".{name}.{extension}.part"
        muxer, *self.encoders = FORMATS[extension]

        self.pipeline = Gst.parse_launch(
            f"veosrc name=source ! decodebin name=decoder {muxer} name=muxer ! filesink name=file")
        source = self.pipeline.get_by_name("source")
        for key, value in members.items():
            if key not in PROPERTIES:
                raise BadJob(f"A job has no member '{key}'.")
            if type(value) is not PROPERTIES[key]:
                raise BadJob(f"The member '{key}' is no {PROPERTIES[key].__name__}.")
            if isinstance(value, str) and "\0" in value:
                raise BadJob(f"The member '{key}' has a NUL.")
            try:
                source.set_property(key, value)
            except (TypeError, ValueError, OverflowError) as error:
                raise BadJob(str(error)) from error
        source.set_property("max-credits", service.max_credits)
        self.pipeline.get_by_name("file").set_property("location", str(self.part))
        self.pipeline.get_by_name("decoder").connect("pad-added", self.on_pad)

    def start(self):
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::progress", self.on_progress)
        bus.connect("message::element", self.on_news)
        bus.connect("message::error", self.on_error)
        bus.connect("message::eos", lambda *_: self.on_end())
        self.pipeline.set_state(Gst.State.PLAYING)

    def stop(self):
        """Ends each wait at once. A task that the service has accepted goes on."""
        self.pipeline.get_bus().remove_signal_watch()
        self.pipeline.set_state(Gst.State.NULL)

    def on_pad(self, _decoder, pad):
        """Called by a streaming thread. decodebin adds all pads before their data flow."""
        GLib.idle_add(self.tell_encoding, 0, priority=GLib.PRIORITY_DEFAULT)
        kind = pad.get_current_caps().get_structure(0).get_name()
        encoder = Gst.parse_bin_from_description(self.encoders[0 if kind.startswith("video/") else 1], True)
        self.pipeline.add(encoder)
        encoder.link(self.pipeline.get_by_name("muxer"))
        encoder.sync_state_with_parent()
        pad.link(encoder.get_static_pad("sink"))

    def on_progress(self, _bus, message):
        _kind, phase, text = message.parse_progress()
        percent = message.get_structure().get_value("percent")
        tell("progress", job=self.name, phase=phase, percent=percent, message=text)

    def on_news(self, _bus, message):
        news = message.get_structure()
        if news.get_name() == "veo-task" and news.get_string("task-id"):
            self.task_id = news.get_string("task-id")
            tell("task", job=self.name, credits=news.get_value("credits"),
                 **{"task-id": self.task_id, "status": news.get_string("status"),
                    "reused": news.get_value("reused")})

    def tell_percent(self):
        """Tells how much is encoded."""
        decoder = self.pipeline.get_by_name("decoder")
        known, position = decoder.query_position(Gst.Format.TIME)
        measured, duration = decoder.query_duration(Gst.Format.TIME)
        if known and measured and duration > 0:
            self.tell_encoding(min(100 * position // duration, 100))

    def tell_encoding(self, percent):
        if percent > self.percent:
            self.percent = percent
            tell("progress", job=self.name, phase="encode", percent=percent)
        return GLib.SOURCE_REMOVE

    def on_error(self, _bus, message):
        error, _debug = message.parse_error()
        members = {"code": "media", "message": error.message, "task-id": self.task_id}
        details = message.parse_error_details()
        if details is not None and details.get_name() == "veo-error":
            for key in ("code", "charged", "paid", "task-id"):
                members[key] = details.get_value(key)
        self.stop()
        self.part.unlink(missing_ok=True)
        tell("error", job=self.name, **members)
        self.service.on_job_ended(self, good=False)

    def on_end(self):
        self.stop()
        try:
            size = self.keep_file()
        except OSError as error:
            tell("error", job=self.name, code="file", message=str(error), **{"task-id": self.task_id})
            self.service.on_job_ended(self, good=False)
            return
        tell("done", job=self.name, file=str(self.file), bytes=size, **{"task-id": self.task_id})
        self.service.on_job_ended(self, good=True)

    def keep_file(self):
        """Gives the finished file its name, and syncs both. Returns its size."""
        with open(self.part, "rb") as file:
            os.fsync(file.fileno())
        self.part.rename(self.file)
        folder = os.open(self.file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return self.file.stat().st_size


class Service:
    def __init__(self, output, jobs, max_credits):
        self.output = output
        self.limit = jobs
        self.max_credits = max_credits
        self.waiting = []
        self.running = {}
        self.more_may_come = True
        self.code = 0
        self.loop = GLib.MainLoop()

    def add(self, name, members):
        """Takes a job. A job that is known, or whose file is here, is taken already."""
        try:
            if not isinstance(members, dict):
                raise BadJob("A job is a JSON object.")
            if not isinstance(name, str) or not ID.fullmatch(name):
                raise BadJob("The id of a job has 1 to 100 of the characters A-Z a-z 0-9 . _ - and begins"
                             " without a dot.")
            if name in self.running or any(job.name == name for job in self.waiting):
                return
            job = Job(name, dict(members), self)
        except BadJob as error:
            self.refuse(name, error)
            return
        if job.file.exists():
            tell("done", job=name, file=str(job.file), bytes=job.file.stat().st_size)
            return
        self.waiting.append(job)
        self.start_more()

    def refuse(self, name, error):
        tell("error", job=name if isinstance(name, str) else None, code="invalid-request", message=str(error),
             charged="no", paid=False)
        self.code = 1

    def cancel(self, name):
        job = self.running.get(name) if isinstance(name, str) else None
        if job:
            job.stop()
            job.part.unlink(missing_ok=True)
            self.running.pop(name)
        elif any(job.name == name for job in self.waiting):
            self.waiting = [job for job in self.waiting if job.name != name]
        else:
            return
        tell("cancelled", job=name, **{"task-id": job.task_id if job else ""})
        self.start_more()

    def start_more(self):
        while self.waiting and len(self.running) < self.limit:
            job = self.waiting.pop(0)
            self.running[job.name] = job
            job.start()
        if not self.waiting and not self.running and not self.more_may_come:
            self.loop.quit()

    def on_job_ended(self, job, good):
        self.running.pop(job.name)
        if not good:
            self.code = 1
        self.start_more()

    # --- Where jobs come from ---

    def read_lines(self):
        """Takes jobs from standard input, until its end."""
        rest = b""

        def on_input(descriptor, _condition):
            nonlocal rest
            data = os.read(descriptor, 1 << 16)
            *lines, rest = (rest + data).split(b"\n") if data else (rest, b"")
            for line in lines:
                if line.strip():
                    self.take_line(line)
            if not data:
                self.more_may_come = False
                self.start_more()
            return bool(data)

        GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, 0, GLib.IOCondition.IN | GLib.IOCondition.HUP, on_input)

    def take_line(self, line):
        try:
            members = parse(line)
        except BadJob as error:
            self.refuse(None, error)
            return
        if isinstance(members, dict) and "cancel" in members:
            self.cancel(members["cancel"])
        else:
            self.add(members.pop("id", None) if isinstance(members, dict) else None, members)

    def watch(self, folder):
        """Takes the jobs of a folder, now and later."""
        # Other programs write their job files under another name and rename them, or write them at once.
        # Both end in one of these events. The monitor begins first, so that no job is missed.
        taken = (Gio.FileMonitorEvent.CHANGES_DONE_HINT, Gio.FileMonitorEvent.MOVED_IN)
        gone = (Gio.FileMonitorEvent.DELETED, Gio.FileMonitorEvent.MOVED_OUT)

        def on_change(_monitor, file, other, event):
            if event == Gio.FileMonitorEvent.RENAMED:
                self.cancel_file(file)
                self.take_file(other)
            elif event in taken:
                self.take_file(file)
            elif event in gone:
                self.cancel_file(file)

        self.monitor = Gio.File.new_for_path(str(folder)).monitor_directory(
            Gio.FileMonitorFlags.WATCH_MOVES, None)
        self.monitor.connect("changed", on_change)
        for path in sorted(folder.glob("*.json")):
            self.take_file(Gio.File.new_for_path(str(path)))

    def take_file(self, file):
        path = pathlib.Path(file.get_path())
        if path.suffix != ".json" or path.name.startswith("."):
            return
        try:
            if not path.is_file():  # reading a FIFO would wait for its writer
                raise BadJob("This is no regular file.")
            with open(path, "rb") as text:
                members = parse(text.read(LONGEST_JOB + 1))
        except (OSError, BadJob) as error:
            self.refuse(path.stem, error)
            return
        self.add(path.stem, members)

    def cancel_file(self, file):
        path = pathlib.Path(file.get_path())
        if path.suffix == ".json":
            self.cancel(path.stem)

    # --- The life of the service ---

    def on_tick(self):
        for job in self.running.values():
            job.tell_percent()
        return GLib.SOURCE_CONTINUE

    def on_signal(self):
        """Ends all waits. The process then stays for the answer to a submission, for 5 s at most."""
        self.code = INTERRUPTED
        for name in [*self.running, *(job.name for job in self.waiting)]:
            job = self.running.get(name)
            if job:
                job.stop()
            tell("interrupted", job=name, **{"task-id": job.task_id if job else ""})
        self.loop.quit()
        return GLib.SOURCE_REMOVE

    def run(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, self.on_signal)
        GLib.timeout_add(500, self.on_tick)
        if self.more_may_come or self.waiting or self.running:
            self.loop.run()
        return self.code


def main():
    parser = argparse.ArgumentParser(description="Generates videos and writes them as WebM or MP4 files.")
    parser.add_argument("output", type=pathlib.Path, help="folder of the finished files")
    parser.add_argument("--watch", type=pathlib.Path, metavar="FOLDER", help="take the jobs of FOLDER")
    parser.add_argument("--jobs", type=int, default=2, help="jobs at a time (2)")
    parser.add_argument("--max-credits", type=int, default=100, help="credits of one job at most (100; 0: no limit)")
    arguments = parser.parse_args()
    Gst.init(None)
    if not Gst.ElementFactory.find("veosrc"):
        sys.exit("GStreamer has no veosrc. Install gstreamer1.0-veo, or set GST_PLUGIN_PATH.")
    arguments.output.mkdir(parents=True, exist_ok=True)
    lock = open(arguments.output / ".lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"Another transcoder writes to {arguments.output}.")
    service = Service(arguments.output, arguments.jobs, arguments.max_credits)
    if arguments.watch:
        arguments.watch.mkdir(parents=True, exist_ok=True)
        service.watch(arguments.watch)
    else:
        service.read_lines()
    return service.run()


if __name__ == "__main__":
    sys.exit(main())
