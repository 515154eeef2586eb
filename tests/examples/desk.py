# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the examples share: a simulator, a screen, and a wait that ends.

Screen is an X server without a monitor. A test reads the pixels from the server's own framebuffer,
and types and clicks as a person does.
"""

import json
import mmap
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
import zlib

SKIP = 77
PATIENCE = 60  # seconds, longer than any step takes
SOURCE = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = SOURCE / "examples"
# The examples need Debian's Python, which has python3-gi. The Python that runs the test may be another.
PYTHON = "/usr/bin/python3"


def wait_for(what, seconds=PATIENCE, process=None):
    """Asks what() until its answer is true, and returns the answer. The test fails with the name of the
    function after some seconds, or if the process ends first. Nothing outside a program tells a test
    that a pixel or a counter has changed, so this function looks again and again."""
    until = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert process is None or process.poll() is None, f"the program ended before {what.__name__}"
        assert time.monotonic() < until, f"{what.__name__} did not become true in {seconds} s"
        time.sleep(0.02)


def require(*programs, python_modules=(), elements=()):
    """Skips the test if this machine lacks something."""
    for program in programs:
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise unittest.SkipTest(f"{program} is not installed")
    for element in elements:
        if subprocess.run(["gst-inspect-1.0", "--exists", element]).returncode != 0:
            raise unittest.SkipTest(f"GStreamer has no {element}")
    for line in python_modules:
        tried = subprocess.run([PYTHON, "-c", line], capture_output=True, text=True)
        if tried.returncode != 0:
            raise unittest.SkipTest((tried.stderr or "python").strip().splitlines()[-1])


def make_clip(path, seconds=2):
    """Makes a clip whose left half is magenta and whose right half is green, with a tone of 440 Hz."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=0xff00ff:size=160x180:rate=24",
         "-f", "lavfi", "-i", "color=0x00ff00:size=160x180:rate=24",
         "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
         "-filter_complex", "hstack", "-t", str(seconds), "-c:v", "libx264", "-pix_fmt", "yuv420p",
         "-c:a", "aac", "-ac", "2", path],
        check=True)
    return path


class Speakers:
    """A sound device that writes a WAV file as fast as a real one would play."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.file = self.folder / "sound.wav"
        (self.folder / "alsoft.conf").write_text(f"[general]\ndrivers = wave\n[wave]\nfile = {self.file}\n")

    def environment(self):
        return {"ALSOFT_CONF": str(self.folder / "alsoft.conf"), "GST_PLUGIN_FEATURE_RANK": "openalsink:MAX"}

    def find_tone(self):
        """Returns the strongest frequency of what was played, in Hz, or 0 for silence."""
        data = self.file.read_bytes() if self.file.exists() else b""
        at = data.find(b"data") + 8
        frames = (len(data) - at) // 8 if at > 8 else 0  # two channels of 32-bit floats
        left = struct.unpack_from(f"<{2 * frames}f", data, at)[::2] if frames else ()
        loud = [index for index, value in enumerate(left) if abs(value) > 0.01]
        if not loud or loud[-1] - loud[0] < 9600:
            return 0
        left = left[loud[0]:loud[-1]]
        crossings = sum(1 for before, after in zip(left, left[1:]) if before < 0 <= after)
        return crossings * 48000 / len(left)


class Simulator:
    """The simulator of the service, with a ledger and a cache of its own."""

    def __init__(self, folder, *arguments):
        self.folder = pathlib.Path(folder)
        self.process = subprocess.Popen(
            [os.environ["VEO_SIMULATOR"], *arguments], stdout=subprocess.PIPE, text=True)
        self.api = json.loads(self.process.stdout.readline())["api"]

    def environment(self, **more):
        """Returns the environment of a program that uses the simulator."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VEO_")}
        return {**kept, "VEO_API_URL": self.api, "VEO_API_KEY": "sk-simulator",
                "VEO_LEDGER": str(self.folder / "state" / "ledger.db"),
                "VEO_CACHE_DIR": str(self.folder / "cache"), "VEO_POLL_INTERVAL": "20",
                "LC_ALL": "C.UTF-8", **more}

    @property
    def state(self):
        with urllib.request.urlopen(self.api[:-3] + "/simulator/state", timeout=PATIENCE) as answer:
            return json.load(answer)

    def clear_faults(self):
        request = urllib.request.Request(self.api[:-3] + "/simulator/faults", b"[]", method="PUT")
        urllib.request.urlopen(request, timeout=PATIENCE).close()

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()


class Screen:
    """An X server without a monitor, and the hands of a user. Has no window manager."""

    WIDTH, HEIGHT = 820, 620

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        read_end, write_end = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write_end), "-screen", "0", f"{self.WIDTH}x{self.HEIGHT}x24",
             "-fbdir", str(self.folder), "-nolisten", "tcp", "-noreset"],
            pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            self.name = ":" + pipe.readline().strip()
        assert self.name != ":", "Xvfb does not start"
        with open(self.folder / "Xvfb_screen0", "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        # The framebuffer is an XWD file: big-endian numbers, then the colour map, then the pixels.
        head = struct.unpack(">25I", self.memory[:100])
        self.stride = head[12]
        self.begin = head[0] + head[19] * 12

    def environment(self):
        # GTK must not look for a session of the desktop.
        return {"DISPLAY": self.name, "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "GTK_THEME": "Adwaita:dark",
                "DBUS_SESSION_BUS_ADDRESS": "disabled:", "XDG_RUNTIME_DIR": str(self.folder),
                "WAYLAND_DISPLAY": ""}

    def row(self, y, step=1):
        """Returns the bytes of red, green and blue of a row."""
        at = self.begin + y * self.stride
        row = self.memory[at:at + 4 * self.WIDTH]
        return row[2::4 * step], row[1::4 * step], row[0::4 * step]

    def find(self, is_wanted, step=4):
        """Returns the points, some pixels apart, whose colour is wanted."""
        return [(x * step, y) for y in range(0, self.HEIGHT, step)
                for x, colour in enumerate(zip(*self.row(y, step))) if is_wanted(*colour)]

    def do(self, *words):
        """Types or clicks: `xdotool` words."""
        return subprocess.run(["xdotool", *map(str, words)], timeout=PATIENCE, text=True,
                              env={**os.environ, "DISPLAY": self.name}, stdout=subprocess.PIPE).stdout

    def focus(self, title, process):
        """Waits for a window of a process, and gives it the keyboard. A window manager would do that."""
        def window_is_visible():
            return self.do("search", "--onlyvisible", "--name", title).split()

        self.do("windowfocus", wait_for(window_is_visible, process=process)[0])

    def save(self, path):
        """Saves a picture of the screen as PNG, for people."""
        rows = bytearray()
        for y in range(self.HEIGHT):
            row = bytearray(3 * self.WIDTH)
            row[0::3], row[1::3], row[2::3] = self.row(y)
            rows += b"\0" + row

        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        pathlib.Path(path).write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", self.WIDTH, self.HEIGHT, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

    def close(self):
        self.memory.close()
        self.server.terminate()
        self.server.wait(PATIENCE)


def run_tests():
    """Runs the tests of the calling file. Skips the program if all of its tests were skipped."""
    ended = unittest.main(module="__main__", argv=[sys.argv[0], *sys.argv[1:]], verbosity=2, exit=False).result
    if ended.wasSuccessful() and len(ended.skipped) >= max(ended.testsRun, 1):
        print("skipped: " + "; ".join(dict.fromkeys(why for _, why in ended.skipped)))
        sys.exit(SKIP)
    sys.exit(0 if ended.wasSuccessful() else 1)


def temporary_folder(test):
    """Makes a folder that goes with the test."""
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    test.addCleanup(folder.cleanup)
    return pathlib.Path(folder.name)
