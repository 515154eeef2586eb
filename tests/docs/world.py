# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a recipe has around it: the simulator, a display, and programs that receive a stream."""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

import checks

# Whole packets of AAC. GStreamer leaves out the last packet of a clip of 64 frames (126,976 samples of 128,000),
# because its length is not a whole number of milliseconds. A clip of 8 s loses nothing.
FRAMES = 64
# Of the clips for a display: 8 s, because a busy machine shows few frames of a shorter clip.
SHOWN_FRAMES = 192
PATIENCE = 20  # seconds


class Skip(Exception):
    """The machine lacks something that a recipe needs."""


def end(process, group=False):
    """Ends a process, or its whole group, and waits for it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign) if group else process.send_signal(sign)
        try:
            process.wait(5)
            return
        except subprocess.TimeoutExpired:
            continue


def read_line(process, what):
    """Returns the first line that a process prints."""
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise RuntimeError(f"{what} has printed nothing in {PATIENCE} s")
    return line.decode()


def wait_for(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise checks.Failure(f"waited {patience} s in vain for {what}")
        time.sleep(0.05)


class Simulator:
    def __init__(self, program, options, folder):
        self.log = folder / "simulator.log"
        self.process = subprocess.Popen(
            [program, "--log", self.log, *options], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        self.api = json.loads(read_line(self.process, "the simulator"))["api"]

    def state(self):
        with urllib.request.urlopen(self.api.removesuffix("/v1") + "/simulator/state", timeout=10) as answer:
            return json.load(answer)

    def wait_for_tasks(self, begin, process):
        """Waits until there are more than BEGIN tasks, and all of them have ended; or the process has ended."""
        def tasks_have_ended():
            tasks = self.state()["tasks"]
            have_ended = all(task["status"] in ("completed", "failed") for task in tasks)
            return process.poll() is not None or (len(tasks) > begin and have_ended)

        wait_for(tasks_have_ended, "the end of all tasks")

    def mark(self):
        """Returns the number of charges and of logged requests so far."""
        return self.state()["charges"], len(self.lines())

    def lines(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def bodies_since(self, mark):
        entries = [json.loads(line) for line in self.lines()[mark[1] :]]
        return [
            json.loads(entry["body"])
            for entry in entries
            if entry["method"] == "POST" and entry["target"].endswith("/videos/generations") and entry["body"]
        ]

    def stop(self):
        end(self.process)
        self.process.stdout.close()


def make_clip(program, veo, environment, folder, count):
    """Has the simulator make a clip of COUNT frames. Returns the path of the file, as the service delivers it."""
    folder.mkdir()
    simulator = Simulator(program, ["--frames", str(count), "--generation-time", "100ms"], folder)
    try:
        clip = folder / "clip.mp4"
        own = environment | {"VEO_API_URL": simulator.api, "VEO_LEDGER": str(folder / "ledger.db"),
                             "VEO_CACHE_DIR": str(folder / "cache")}  # fmt: skip
        subprocess.run([veo, "generate", "--quiet", "a dog in a park", "-o", clip], env=own, check=True,
                       timeout=120, stdin=subprocess.DEVNULL)  # fmt: skip
        return clip
    finally:
        simulator.stop()


class Display:
    """An X server, and the numbers of the frames that it shows."""

    # The part of the screen in which the numbers are.
    WIDTH, HEIGHT = 800, 160

    def __init__(self):
        for program in ("Xvfb", "ffmpeg"):
            if not shutil.which(program):
                raise Skip(f"{program} is not installed")
        reader, writer = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x720x24", "-nolisten", "tcp"],
            pass_fds=[writer], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writer)
        with os.fdopen(reader) as numbers:
            ready, _, _ = select.select([numbers], [], [], PATIENCE)
            number = numbers.readline().strip() if ready else ""
        if not number:
            end(self.server)
            raise RuntimeError(f"Xvfb was not ready in {PATIENCE} s")
        self.name = f":{number}"
        self.pictures = []
        crop = f"crop={self.WIDTH}:{self.HEIGHT}:0:0"
        self.camera = subprocess.Popen(
            ["ffmpeg", "-v", "error", "-f", "x11grab", "-framerate", "12", "-video_size", "1280x720", "-i",
             self.name, "-vf", crop, "-pix_fmt", "gray", "-f", "rawvideo", "-"],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()

    def watch(self):
        size = self.WIDTH * self.HEIGHT
        while len(picture := self.camera.stdout.read(size)) == size:
            if not self.pictures or picture != self.pictures[-1]:
                self.pictures.append(picture)

    def numbers(self):
        """Returns the numbers of the frames that were on the screen.

        A window may stand anywhere near the top left corner. Its place is the one at which most pictures
        show a number of the clip."""
        best = []
        for y in range(0, self.HEIGHT - checks.BLOCK, 4):
            for x in range(0, self.WIDTH - (checks.BITS + 1) * checks.BLOCK, 4):
                read = [checks.read_number(picture, self.WIDTH, x, y) for picture in self.pictures]
                found = [number for number in read if number is not None and number < SHOWN_FRAMES]
                if len(set(found)) > len(set(best)):
                    best = found
        return best

    def stop(self):
        end(self.camera)
        self.watcher.join()
        self.camera.stdout.close()
        end(self.server)


def have_port(port, kind):
    """Returns whether a socket listens at the port, by the kernel's own list."""
    table = pathlib.Path(f"/proc/self/net/{kind}").read_text().splitlines()[1:]
    states = {"tcp": "0A", "udp": "07"}
    return any(
        line.split()[1].endswith(f":{port:04X}") and line.split()[3] == states[kind] for line in table
    )


class Peer:
    """A program that runs beside a recipe. start() returns when it is ready."""

    def __init__(self, world, folder):
        self.folder, self.world, self.processes = folder, world, []

    def spawn(self, *command, **options):
        with (self.folder / "peer.log").open("ab") as log:
            options = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL} | options
            self.processes.append(subprocess.Popen(command, cwd=self.folder, **options))
        return self.processes[-1]

    def start(self):
        pass

    def finish(self):
        """Waits until the peer has all of the stream."""

    def stop(self):
        for process in self.processes:
            end(process)

    def wait_for_end(self):
        for process in self.processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise checks.Failure(f"the peer {process.args[0]} has not ended in {PATIENCE} s") from None


class SrtReceiver(Peer):
    """FFmpeg listens for SRT, and writes received.ts."""

    def start(self):
        self.spawn("ffmpeg", "-v", "error", "-i", "srt://127.0.0.1:7001?mode=listener", "-c", "copy",
                   "received.ts")  # fmt: skip
        wait_for(lambda: have_port(7001, "udp"), "FFmpeg to listen for SRT")

    def finish(self):
        self.wait_for_end()


class SrtCaller(Peer):
    """srt-live-transmit calls a listener until the stream ends, and writes received.ts."""

    def start(self):
        script = (
            "for i in $(seq 100); do grep -q ':1B59 ' /proc/self/net/udp && break; sleep 0.1; done;"
            "exec srt-live-transmit -a no -loglevel fatal -chunk 1316 "
            "'srt://127.0.0.1:7001?mode=caller' file://con >received.ts"
        )
        if not shutil.which("srt-live-transmit"):
            raise Skip("srt-live-transmit is not installed")
        self.spawn("sh", "-c", script)

    def finish(self):
        self.wait_for_end()


class RtmpServer(Peer):
    """FFmpeg is an RTMP server for one stream, and writes received.flv."""

    def start(self):
        self.spawn("ffmpeg", "-v", "error", "-listen", "1", "-i", "rtmp://127.0.0.1:1935/live/dog", "-c",
                   "copy", "received.flv")  # fmt: skip
        wait_for(lambda: have_port(1935, "tcp"), "FFmpeg to listen for RTMP")

    def finish(self):
        self.wait_for_end()


class RtmpNginx(Peer):
    """nginx with its module for RTMP records the stream as received.flv."""

    MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")

    def start(self):
        if not shutil.which("nginx") or not self.MODULE.exists():
            raise Skip("nginx has no module for RTMP")
        (self.folder / "nginx").mkdir(exist_ok=True)
        (self.folder / "nginx.conf").write_text(
            f"load_module {self.MODULE};\ndaemon off;\nmaster_process off;\npid nginx/pid;\n"
            "error_log nginx/error.log;\nevents {}\nrtmp { server { listen 127.0.0.1:1935;\n"
            " application live { live on; record all; record_path nginx; record_suffix .flv; } } }\n"
        )
        self.spawn("nginx", "-p", str(self.folder), "-c", "nginx.conf")
        wait_for(lambda: have_port(1935, "tcp"), "nginx to listen for RTMP")

    def finish(self):
        recorded = self.folder / "nginx" / "dog.flv"
        wait_for(recorded.exists, "nginx to record the stream")
        self.stop()
        recorded.rename(self.folder / "received.flv")


PEERS = {
    "rtmp_nginx": RtmpNginx,
    "rtmp_server": RtmpServer,
    "srt_caller": SrtCaller,
    "srt_receiver": SrtReceiver,
}
