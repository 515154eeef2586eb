# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays films whose second clip is late, and counts the frames that are shown: scripts/late-film."""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VEO_BUILD", ROOT / "build"))
RATE = 24
KEY = "sk-late-film"

FILM = "veosrc prompt=A ! veoextend prompt=B join=append"
SINK = "fakesink sync=true qos=true max-lateness=20000000 silent=false"
DECODE = "decodebin ! videoconvert"


class Skipped(Exception):
    """The machine lacks what this way needs."""


def need(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program):
            raise Skipped(f"{program} is missing")


def yield_processor() -> None:
    """The simulator encodes its clips while the film plays. A real service does that elsewhere."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(10)


class World:
    """A simulator whose second task is late, and the environment of its clients."""

    def __init__(self, frames: int):
        self.frames = frames
        self.folder = tempfile.TemporaryDirectory(prefix="veo-late-film-", ignore_cleanup_errors=True)
        self.generation = 2 * frames / RATE
        self.simulator = subprocess.Popen(
            [BUILD / "tools/simulator/veo-simulator", "--port", "0", "--generation-time", "0s",
             "--frames", str(frames), "--fault", f"task:slow={int(self.generation * 1000)}ms*1@2"],
            stdout=subprocess.PIPE, text=True, preexec_fn=yield_processor,
        )
        api = json.loads(self.simulator.stdout.readline())["api"]
        path = pathlib.Path(self.folder.name)
        # The user's own key and settings stay out of this.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VEO_")}
        self.environment = kept | {
            "VEO_API_URL": api,
            "VEO_API_KEY": KEY,
            "VEO_LEDGER": str(path / "ledger.db"),
            "VEO_CACHE_DIR": str(path / "cache"),
            "VEO_POLL_INTERVAL": "50",
            "GST_PLUGIN_PATH": str(BUILD / "plugin"),
            "GST_REGISTRY": str(path / "registry.bin"),
            "PATH": f"{BUILD / 'tools/veo'}:{os.environ['PATH']}",
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.simulator.terminate()
        self.simulator.wait()
        self.folder.cleanup()

    def run(self, command: str) -> str:
        """Runs a line of the shell, and returns its output."""
        limit = 60 + 10 * self.generation
        done = subprocess.run(["bash", "-c", command], env=self.environment, timeout=limit, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        return done.stdout

    def make_parent(self) -> str:
        """Generates the first clip, and returns its task."""
        lines = self.run("veo generate A --json -o /dev/null 2>/dev/null").splitlines()
        tasks = [json.loads(line).get("task-id") for line in lines if line.startswith("{")]
        return next(task for task in reversed(tasks) if task)


def find_frames(output: str) -> list[int]:
    """Returns the numbers of the frames that a fakesink has shown. The sink prints none that it drops."""
    times = re.findall(r"last-message = \(?\"?chain .*?pts: (\d+):(\d+):([\d.]+)", output)
    frames = [round((3600 * int(hours) + 60 * int(minutes) + float(seconds)) * RATE)
              for hours, minutes, seconds in times]
    # Clips with B-frames may begin two frames later.
    return [frame - min(frames) for frame in frames]


def launch(line: str):
    def play(world: World) -> list[int]:
        return find_frames(world.run(f"gst-launch-1.0 -v {line}"))

    return play


def launch_on_a_screen(world: World) -> int:
    """fpsdisplaysink counts what the sink in it shows."""
    need("xvfb-run")
    output = world.run(f"xvfb-run -a gst-launch-1.0 -v {FILM} ! {DECODE} ! fpsdisplaysink text-overlay=false "
                       "fps-update-interval=1 video-sink='ximagesink max-lateness=20000000'")
    rendered = re.findall(r"rendered: (\d+), dropped: (\d+)", output)
    if not rendered:
        raise AssertionError(output[-500:])
    return int(rendered[-1][0])


def playbin3_at_a_pipe(options: str):
    def play(world: World) -> list[int]:
        task = world.make_parent()
        return find_frames(world.run(
            f"veo extend {task} B {options} -o - 2>/dev/null | "
            f"gst-launch-1.0 -v playbin3 uri=fd://0 'video-sink={SINK}' 'audio-sink=fakesink sync=true'"))

    return play


def queue2_at_a_pipe(world: World) -> list[int]:
    task = world.make_parent()
    return find_frames(world.run(
        f"veo extend {task} B --join=append -o - 2>/dev/null | gst-launch-1.0 -v fdsrc ! "
        f"queue2 use-buffering=true ! {DECODE} ! {SINK}"))


# mpv counts what it dropped. At the end of the film the number of its frame, counted from 0, tells
# whether the film was played to its last frame.
MPV_SCRIPT = """
mp.observe_property("eof-reached", "bool", function(_, has_ended)
  if not has_ended then return end
  print(string.format("FRAMES %d %d", mp.get_property_number("estimated-frame-number") + 1,
    mp.get_property_number("frame-drop-count") + mp.get_property_number("decoder-frame-drop-count")))
  mp.command("quit")
end)
"""


def mpv_at_a_pipe(options: str):
    def play(world: World) -> int:
        need("mpv", "xvfb-run")
        task = world.make_parent()
        script = pathlib.Path(world.folder.name, "count.lua")
        script.write_text(MPV_SCRIPT)
        output = world.run(
            f"veo extend {task} B {options} -o - 2>/dev/null | xvfb-run -a mpv --no-config --vo=x11 --ao=null "
            f"--keep-open=yes --script={script} - 2>&1")
        seen = re.search(r"FRAMES (\d+) (\d+)", output)
        if not seen:
            raise AssertionError(output[-500:])
        return int(seen[1]) - int(seen[2])

    return play


WAYS = {
    "documented": launch(f"{FILM} ! {DECODE} ! {SINK}"),
    "no-queue": launch(f"{FILM} ! qtdemux ! h264parse ! avdec_h264 ! {SINK}"),
    "with-sound": launch(f"{FILM} ! decodebin name=d d. ! queue ! videoconvert ! {SINK} "
                         "d. ! queue ! audioconvert ! fakesink sync=true"),
    "decodebin3": launch(f"{FILM} ! decodebin3 ! videoconvert ! {SINK}"),
    "queue2-before": launch("veosrc prompt=A ! queue2 use-buffering=true ! veoextend prompt=B join=append ! "
                            f"{DECODE} ! {SINK}"),
    "queue2-behind": launch(f"{FILM} ! queue2 max-size-bytes=0 max-size-buffers=0 max-size-time=0 ! "
                            f"{DECODE} ! {SINK}"),
    "queue2-buffering": launch(f"{FILM} ! queue2 use-buffering=true max-size-bytes=200000 ! {DECODE} ! {SINK}"),
    "screen": launch_on_a_screen,
    "pipe-playbin3": playbin3_at_a_pipe(""),
    "pipe-queue2-append": queue2_at_a_pipe,
    "pipe-mpv": mpv_at_a_pipe(""),
    "pipe-mpv-append": mpv_at_a_pipe("--join=append"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/late-film")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="list the NAMEs")
    parser.add_argument("--quick", action="store_true", help="clips of 48 frames instead of 192")
    options = parser.parse_args()
    if options.list:
        print("\n".join(WAYS))
        return 0
    for name in options.names:
        if name not in WAYS:
            parser.error(f"there is no {name}; the names are: {', '.join(WAYS)}")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    frames = 48 if options.quick else 192
    for name in options.names or WAYS:
        began = time.monotonic()
        try:
            with World(frames) as world:
                shown = WAYS[name](world)
            count = shown if isinstance(shown, int) else len(shown)
            result = "passed" if count == 2 * frames else "failed"
            text = f"{count} frames of {2 * frames}"
            if shown and count < 2 * frames and not isinstance(shown, int):
                missing = sorted(set(range(2 * frames)) - set(shown))
                text += f", without {', '.join(map(str, missing[:12]))}{' …' * (len(missing) > 12)}"
        except Skipped as reason:
            result, text = "skipped", str(reason)
        except (AssertionError, StopIteration, subprocess.TimeoutExpired) as error:
            result, text = "failed", str(error) or type(error).__name__
        counts[result] += 1
        print(f"{name:20} {result:8} {text:24} {time.monotonic() - began:5.1f} s", flush=True)
    print(", ".join(f"{count} {result}" for result, count in counts.items()
                    if count or result != "skipped"))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
