# SPDX-License-Identifier: LGPL-2.1-or-later
"""Presses Ctrl-C in each phase of gst-launch-1.0 -e lines: scripts/interrupts."""
import argparse
import collections
import json
import os
import pathlib
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VEO_BUILD", ROOT / "build"))
KEY = "sk-interrupts"
PATIENCE = 60  # seconds; a phase that does not come in this time is a failure of this script
HANG = 20  # seconds that gst-launch-1.0 may take to exit before it counts as hung

# A phase is bad if its longest exit takes longer. What has gone downstream is still played, and an exit
# waits for the answer to a submission; such phases say how long that may take.
AT_ONCE = 1.0

FOREVER = ["--generation-time", "1h"]
QUICK = ["--generation-time", "0s"]
SLOW_LINK = ["--generation-time", "0s", "--bandwidth", "100k"]
LATE = ["task:slow=1h*1@2"]

FILE = "filesink location={file} buffer-mode=unbuffered"
DECODE = "decodebin ! videoconvert ! fakesink sync=true"
MUX = "qtdemux ! h264parse ! mp4mux ! " + FILE


class Run:
    """One gst-launch-1.0."""

    def __init__(self, world, line: str):
        self.world = world
        self.file = world.path / f"{world.runs}.mp4"
        self.before = world.state()
        self.output = open(world.path / "output", "w+")
        # The lines of the table are those of a user. Only the prompt differs, so that no run joins another.
        line = line.format(file=self.file, n=world.runs)
        self.process = subprocess.Popen(["bash", "-c", f"exec gst-launch-1.0 -e {line}"],
                                        env=world.environment, stdout=self.output, stderr=subprocess.STDOUT)

    def text(self) -> str:
        return pathlib.Path(self.output.name).read_text(errors="replace")

    def says(self, *texts: str):
        return lambda: all(text in self.text() for text in texts)

    def catches_interrupts(self) -> bool:
        """Before gst-launch-1.0 has a handler of its own, SIGINT kills it."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
        return bool(caught & 1 << (signal.SIGINT - 1))

    def has_submitted(self, count: int):
        return lambda: self.world.state()["submissions"] - self.before["submissions"] >= count

    def has_written(self, size: int):
        return lambda: self.file.exists() and self.file.stat().st_size >= size

    def wait_for(self, what: str, is_so) -> None:
        end = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"{what} did not come:\n{self.text()}")
            time.sleep(0.005)

    def interrupt(self) -> float:
        begin = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(HANG)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - begin


# The phases. Each function waits until its run is there.
def opening(run):
    run.wait_for("gst-launch-1.0", lambda: run.says("Setting pipeline to PAUSED")() and run.catches_interrupts())


def unlinked(run):
    run.wait_for("the wait for a peer", run.says("(submit)"))


def submitting(count):
    return lambda run: run.wait_for("the submission", run.has_submitted(count))


def generating(run):
    run.wait_for("the generation", run.says("(generate)"))


def downloading(run):
    run.wait_for("the download", run.says("(download)"))


def writing(size):
    return lambda run: run.wait_for("the file", run.has_written(size))


def playing(run):
    run.wait_for("PLAYING", run.says("Setting pipeline to PLAYING"))


def buffering(run):
    run.wait_for("BUFFERING", run.says("Buffering, setting pipeline to PAUSED"))


def continuing(size):
    def wait(run):
        run.wait_for("the second submission", run.has_submitted(2))
        if size:
            run.wait_for("the film", run.has_written(size))

    return wait


Phase = collections.namedtuple("Phase", "name line simulator faults wait limit files submissions",
                               defaults=[[], opening, AT_ONCE, {"none"}, 1])
# `files` says what may be there: none (no file is asked for), absent, whole (all boxes are complete), part
# (the beginning of the clip).
SRC = "veosrc prompt=\"scene {n}\""
FILM = SRC + " ! veoextend prompt=\"more {n}\" "
APPEND = FILM + "join=append ! "
PHASES = [
    Phase("veosrc opening, file", f"{SRC} ! {FILE}", FOREVER, files={"absent"}, submissions=None),
    Phase("veosrc opening, decoder", f"{SRC} ! {DECODE}", FOREVER, submissions=None),
    Phase("veosrc not linked", f"{SRC} fakesink", FOREVER, [], unlinked, submissions=0),
    Phase("veosrc submit, file", f"{SRC} ! {FILE}", FOREVER, ["submit:delay=200ms*1"], submitting(1),
          AT_ONCE + 0.2, {"absent"}),
    Phase("veosrc generate, file", f"{SRC} ! {FILE}", FOREVER, [], generating, files={"absent"}),
    Phase("veosrc generate, decoder", f"{SRC} ! {DECODE}", FOREVER, [], generating),
    Phase("veosrc generate, muxer", f"{SRC} ! {MUX}", FOREVER, [], generating, files={"absent"}),
    Phase("veosrc generate, queue and tee",
          f"{SRC} ! queue ! tee name=t ! queue ! {FILE} t. ! queue ! {DECODE}", FOREVER, [], generating,
          files={"absent"}),
    Phase("veosrc generate, callback-listen",
          f"{SRC} callback-listen=127.0.0.1:0 callback-url=https://example.org/veo ! {FILE}", FOREVER, [],
          generating, files={"absent"}),
    Phase("veosrc before the first byte, file", f"{SRC} ! {FILE}", QUICK, ["file:stall=0"], downloading,
          files={"absent"}),
    Phase("veosrc before the first byte, decoder", f"{SRC} ! {DECODE}", QUICK, ["file:stall=0"], downloading),
    Phase("veosrc download, file", f"{SRC} ! {FILE}", SLOW_LINK, [], writing(20_000), files={"part"}),
    Phase("veosrc download, original file", f"{SRC} layout=original ! {FILE}", SLOW_LINK, [], writing(20_000),
          files={"part"}),
    Phase("veosrc download, muxer", f"{SRC} ! {MUX}", SLOW_LINK, [], writing(20_000), files={"whole"}),
    Phase("veosrc playing", f"{SRC} ! {DECODE}", QUICK, [], playing, AT_ONCE + 1.0),
    Phase("veoextend parent generates, file", f"{FILM} ! {FILE}", FOREVER, [], generating, files={"absent"}),
    Phase("veoextend parent generates, decoder", f"{FILM} ! {DECODE}", FOREVER, [], generating),
    Phase("veoextend submit, file", f"{FILM} ! {FILE}", QUICK, LATE + ["submit:delay=200ms*1@2"], submitting(2),
          AT_ONCE + 0.2, {"absent"}, 2),
    Phase("veoextend generate, file", f"{FILM} ! {FILE}", QUICK, LATE, continuing(0), files={"absent"},
          submissions=2),
    Phase("veoextend generate, decoder", f"{FILM} ! {DECODE}", QUICK, LATE, continuing(0), submissions=2),
    Phase("veoextend generate, chain", f"{FILM} ! queue ! veoextend prompt=C ! {FILE}", QUICK, LATE,
          continuing(0), files={"absent"}, submissions=2),
    Phase("veoextend append, generate, file", APPEND + FILE, QUICK, LATE, continuing(20_000), files={"whole"},
          submissions=2),
    Phase("veoextend append, parent's download, file", APPEND + FILE, SLOW_LINK, LATE, continuing(20_000),
          files={"whole"}, submissions=2),
    Phase("veoextend append, BUFFERING", APPEND + DECODE, QUICK, LATE, buffering, AT_ONCE + 1.0,
          submissions=2),
]
# veolivesrc plays filler before and after its clips, so only its own tasks have phases.
LIVE = "veolivesrc prompt=\"scene {n}\" name=l "
LIVE_SINK = "l.video ! fakesink sync=true l.audio ! fakesink sync=true"
LIVE_PHASES = [
    Phase("veolivesrc opening", LIVE + LIVE_SINK, FOREVER, submissions=None),
    Phase("veolivesrc submit", LIVE + LIVE_SINK, FOREVER, ["submit:delay=200ms*1"], submitting(1),
          AT_ONCE + 0.2),
    Phase("veolivesrc generate", LIVE + LIVE_SINK, FOREVER, [], submitting(1)),
    Phase("veolivesrc playing", "-m " + LIVE + LIVE_SINK, QUICK, [],
          lambda run: run.wait_for("the clip", run.says("state=(string)playing"))),
    Phase("veolivesrc muxer", LIVE + f"l.video ! x264enc tune=zerolatency speed-preset=ultrafast ! mp4mux name=m ! {FILE} "
          "l.audio ! avenc_aac ! m.", FOREVER, [], lambda run: (submitting(1)(run), writing(1000)(run)),
          files={"whole"}),
]


class World:
    """A simulator, and the environment of its clients."""

    def __init__(self, clips: list[str], phase: Phase):
        self.runs = 0
        self.folder = tempfile.TemporaryDirectory(prefix="veo-interrupts-", ignore_cleanup_errors=True)
        self.path = pathlib.Path(self.folder.name)
        self.simulator = subprocess.Popen(
            [BUILD / "tools/simulator/veo-simulator", "--port", "0", "--credits", "1000000", *phase.simulator,
             *(part for clip in clips for part in ("--clip", clip))],
            stdout=subprocess.PIPE, text=True)
        self.api = json.loads(self.simulator.stdout.readline())["api"]
        # The user's own key and settings stay out of this.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VEO_")}
        self.environment = kept | {
            "VEO_API_URL": self.api,
            "VEO_API_KEY": KEY,
            "VEO_LEDGER": str(self.path / "ledger.db"),
            "VEO_CACHE_DIR": str(self.path / "cache"),
            "VEO_POLL_INTERVAL": "20",
            "GST_PLUGIN_PATH": str(BUILD / "plugin"),
            "GST_REGISTRY": str(self.path / "registry.bin"),
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.simulator.terminate()
        self.simulator.wait()
        self.folder.cleanup()

    def request(self, path: str, body=None):
        request = urllib.request.Request(self.api.removesuffix("/v1") + path, method="PUT" if body is not None else "GET",
                                         data=json.dumps(body).encode() if body is not None else None)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def state(self) -> dict:
        return json.loads(self.request("/simulator/state"))

    def start(self, phase: Phase) -> Run:
        self.runs += 1
        self.request("/simulator/faults", phase.faults)
        return Run(self, phase.line)


def describe(file: pathlib.Path) -> str:
    """Says whether the boxes of the file are complete."""
    if not file.exists() or file.stat().st_size == 0:
        return "absent"
    data = file.read_bytes()
    at, types = 0, []
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if size < 8:
            break
        types.append(kind)
        at += size
    return "whole" if at == len(data) and b"moov" in types and b"mdat" in types else "part"


def make_clips(folder: str) -> list[str]:
    """Makes two clips of two seconds. The simulator would make its own more slowly."""
    clips = []
    for source in ("testsrc2", "testsrc"):
        clips.append(f"{folder}/{source}.mp4")
        subprocess.run(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"{source}=size=640x360:rate=24,noise=alls=20:allf=t", "-f", "lavfi", "-i",
             "sine=sample_rate=48000", "-frames:v", "48", "-t", "2", "-c:v", "libx264", "-preset", "veryfast",
             "-bf", "0", "-b:v", "2M", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", clips[-1]], check=True)
    return clips


def try_phase(phase: Phase, count: int, clips: list[str]) -> tuple[str, bool]:
    """Returns the line of the table, and whether it is good."""
    times, codes, files, errors = [], collections.Counter(), collections.Counter(), 0
    is_good = True
    with World(clips, phase) as world:
        for _ in range(count):
            run = world.start(phase)
            try:
                opening(run)
                phase.wait(run)
            except AssertionError as error:
                run.process.kill()
                return f"| {phase.name} | {error} |", False
            times.append(run.interrupt())
            codes[run.process.returncode] += 1
            text = run.text()
            if "ERROR" in text or "CRITICAL" in text:
                errors += 1
                print(text, file=sys.stderr)
            if "{file}" in phase.line:
                files[describe(run.file)] += 1
        state = world.state()
        submissions, charges = state["submissions"], state["charges"]
    is_good = (set(codes) == {0} and max(times) <= phase.limit and errors == 0 and
               set(files) <= phase.files and submissions == charges and
               phase.submissions in (None, submissions / count))
    milliseconds = [round(1000 * one) for one in (statistics.median(times), max(times))]
    def show(counter):
        return ", ".join(f"{count} × {name}" if len(counter) > 1 else str(name)
                         for name, count in sorted(counter.items())) or "—"
    return (f"| {phase.name} | {count} | {milliseconds[0]} | {milliseconds[1]} | {show(codes)} | "
            f"{show(files)} | {submissions} | {charges} |"), is_good


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/interrupts")
    parser.add_argument("--list", action="store_true", help="print the names of the phases")
    parser.add_argument("count", nargs="?", default="50", help="how often each phase is interrupted")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of the name of a phase")
    arguments = parser.parse_args()
    names = arguments.names
    count = 50
    if arguments.count.isdigit():
        count = max(1, int(arguments.count))
    else:
        names = [arguments.count, *names]
    phases = PHASES + LIVE_PHASES
    chosen = [phase for phase in phases if not names or any(name in phase.name for name in names)]
    if arguments.list:
        print(*(phase.name for phase in chosen), sep="\n")
        return 0
    if not chosen:
        parser.error("no phase has such a name")
    print("| phase | count | median ms | longest ms | exit codes | file | submissions | charges |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    good = 0
    with tempfile.TemporaryDirectory(prefix="veo-clips-") as folder:
        clips = make_clips(folder)
        for phase in chosen:
            line, is_good = try_phase(phase, count, clips)
            good += is_good
            print(line + ("" if is_good else " ← bad"), flush=True)
    print(f"{good} of {len(chosen)} phases are good")
    return 0 if good == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
