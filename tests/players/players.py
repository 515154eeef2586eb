#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays a film in one player after the other, and prints a table; scripts/players runs this program.

Each player gives the top left corner of its pictures, where the simulator drew the number of the frame.
"""

import http.server
import json
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))
import patience  # noqa: E402

RATE = 24
# VLC and Chromium play in real time, and leave out a picture if the machine has no time for it. Chromium
# plays half as fast in each further try.
REAL_TIME_TRIES = 3
CLIP = 192  # frames
# The size of the numbers in the pictures (tests/support/frame_number.h): 16 bits and a check bit.
BLOCK, BITS = 32, 16
WIDTH, HEIGHT = (BITS + 1) * BLOCK, BLOCK


def read_number(luma, stride):
    """Returns the number of a frame; -1: there is none."""
    number, odd = 0, False
    for i in range(BITS + 1):
        value = luma[BLOCK // 2 * stride + i * BLOCK + BLOCK // 2]
        if 64 < value < 192:
            return -1
        odd ^= value >= 192
        if i < BITS:
            number = number << 1 | (value >= 192)
    return number if odd else -1


def numbers_of(stream, width, height):
    """Reads the numbers of all raw gray pictures that come from the stream."""
    numbers = []
    while len(picture := stream.read(width * height)) == width * height:
        numbers.append(read_number(picture, width))
    return numbers


def output_of(command, **more):
    ended = patience.run(command, capture_output=True, text=True, **more)
    return ended.stdout + ended.stderr


def read_raw(command, width=WIDTH, height=HEIGHT, **more):
    """Runs a command that writes raw gray pictures to standard output."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more) as process:
        end = threading.Timer(patience.SECONDS, process.kill)
        end.start()
        numbers = numbers_of(process.stdout, width, height)
        end.cancel()
    return numbers


def play_in_ffmpeg(film, _):
    crop = f"crop={WIDTH}:{HEIGHT}:0:0,format=gray"
    numbers = read_raw(["ffmpeg", "-v", "error", "-i", film, "-map", "0:v", "-fps_mode", "passthrough", "-vf", crop,
                        "-f", "rawvideo", "-"])
    return numbers, float(output_of(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0",
                                     film]))


GRAY = (f"videocrop name=crop right=736 bottom=688 ! videoconvert ! video/x-raw,format=GRAY8 "
        "! appsink name=pictures sync=false max-buffers=8")


def play_pipeline(pipeline, source=None):
    pictures = (source or pipeline).get_by_name("pictures")
    pipeline.set_state(Gst.State.PLAYING)
    numbers, duration = [], -1
    while (sample := pictures.emit("try-pull-sample", patience.SECONDS * Gst.SECOND)) is not None:
        buffer = sample.get_buffer()
        luma = buffer.extract_dup(0, buffer.get_size())
        numbers.append(read_number(luma, WIDTH))
        if duration < 0:
            duration = pipeline.query_duration(Gst.Format.TIME)[1]
    pipeline.set_state(Gst.State.NULL)
    return numbers, duration / Gst.SECOND


def play_in_qtdemux(source):
    line = (f"{source} ! qtdemux name=d  d.video_0 ! queue ! h264parse ! avdec_h264 ! {GRAY}  "
            "d.audio_0 ! queue ! aacparse ! avdec_aac ! fakesink sync=false")
    return play_pipeline(Gst.parse_launch(line))


def play_in_qtdemux_pull(film, _):
    return play_in_qtdemux(f"filesrc location={film}")


def play_in_qtdemux_push(film, _):
    with open(film, "rb") as opened:
        return play_in_qtdemux(f"fdsrc fd={opened.fileno()} ! queue")


def play_in_playbin(film, _):
    playbin = Gst.ElementFactory.make("playbin")
    sink = Gst.parse_bin_from_description(GRAY, True)
    playbin.set_property("video-sink", sink)
    playbin.set_property("audio-sink", Gst.parse_bin_from_description("fakesink sync=false", True))
    playbin.set_property("uri", Gst.filename_to_uri(film))
    return play_pipeline(playbin, sink)


def ask_discoverer(film, _):
    told = output_of(["gst-discoverer-1.0", film])
    hours, minutes, seconds = re.search(r"Duration: (\d+):(\d+):([\d.]+)", told).groups()
    return None, int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def play_in_mpv(film, folder):
    told = output_of(["mpv", "--no-config", "--no-audio", "--untimed", "--vo=image", "--vo-image-format=png",
                      f"--vo-image-outdir={folder}", f"--vf=crop={WIDTH}:{HEIGHT}:0:0",
                      "--term-playing-msg=lasts ${=duration}", film])
    numbers = read_raw(["ffmpeg", "-v", "error", "-i", f"{folder}/%08d.png", "-pix_fmt", "gray", "-f", "rawvideo", "-"])
    return numbers, float(re.search(r"lasts ([\d.]+)", told)[1])


def play_in_vlc(film, folder):
    copy, out = folder / "film.mp4", folder / "pictures.y4m"
    shutil.copy(film, copy)
    # VLC refuses to run as root.
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    os.chmod(folder, 0o777)
    os.chmod(copy, 0o644)
    command = drop + ["cvlc", "--play-and-exit", "--no-audio", "--avcodec-hw=none", "--no-drop-late-frames",
                      "--no-skip-frames", "--vout=yuv", "--yuv-chroma=GREY", f"--yuv-file={out}", str(copy)]
    patience.run(command, capture_output=True, env=dict(os.environ, HOME=str(folder)))
    numbers = []
    with open(out, "rb") as pictures:
        width, height = (int(size) for size in re.search(rb" W(\d+) H(\d+) ", pictures.readline()).groups())
        while pictures.readline() == b"FRAME\n":
            numbers.append(read_number(pictures.read(width * height), width))
    # VLC draws a picture again while the next one is late.
    return [number for i, number in enumerate(numbers) if i == 0 or number != numbers[i - 1]], None


def play_in_melt(film, folder):
    told = output_of(["melt", "-profile", "atsc_720p_24", film, "-consumer", "xml"])
    frames = int(re.search(r'<property name="length">(\d+)<', told)[1])
    numbers = read_raw(["melt", "-silent", "-profile", "atsc_720p_24", film, "-consumer", "avformat:/dev/stdout", "f=rawvideo",
                        "vcodec=rawvideo", "pix_fmt=gray", "an=1", "real_time=-1"], 1280, 720)
    return numbers, frames / RATE


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the page and the film, with ranges, and takes the result."""

    film = b""
    results = queue.Queue()

    def log_message(self, *_):
        pass

    def do_GET(self):
        is_film = self.path.startswith("/film.mp4")
        body = self.film if is_film else (HERE / "players.html").read_bytes()
        first, last = 0, len(body) - 1
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted:
            first, last = int(wanted[1]), int(wanted[2] or last)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", "video/mp4" if is_film else "text/html")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        self.end_headers()
        try:
            self.wfile.write(body[first:last + 1])
        except ConnectionError:
            pass  # a browser leaves when it has enough

    def do_POST(self):
        self.results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()


def play_in_chromium(film, folder, frames, rate):
    """Plays the film, and seeks to each join and the frames beside it. Returns the numbers, the duration, and
    what the seeks found."""
    Handler.film = pathlib.Path(film).read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wanted = [join + step for join in range(CLIP, frames, CLIP) for step in (0, -1, 1)] + [0, frames - 1]
    query = f"rate={rate}&" + "&".join(f"frame={frame}" for frame in wanted)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
               "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={folder}",
               "--remote-debugging-port=0", f"http://127.0.0.1:{server.server_port}/?{query}"]
    with open(folder / "log", "wb") as told, subprocess.Popen(command, stdout=told, stderr=told) as process:
        try:
            result = Handler.results.get(timeout=patience.SECONDS)
        finally:
            process.terminate()
            patience.await_end(process)
    server.shutdown()
    if "error" in result:
        raise RuntimeError(result["error"])
    right = sum(found == frame for found, frame in zip(result["seeks"], wanted))
    return result, f"{right} of {len(wanted)} seeks show the right frame", right == len(wanted)


def version_of(command):
    return re.search(r"\d+(\.\d+)+", output_of(command))[0]


def describe_numbers(numbers, frames):
    """Returns the text of a row, and whether the numbers are right."""
    if numbers == list(range(frames)):
        return f"{frames} of {frames}", True
    right = len(set(numbers) & set(range(frames)))
    first = next((i for i, (a, b) in enumerate(zip(numbers, range(frames))) if a != b), len(numbers))
    return f"{right} of {frames}, {len(numbers)} pictures, the first wrong one is {first}", False


def main():
    film, frames = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    Gst.init(None)
    seconds = frames / RATE
    gstreamer = Gst.version_string().split()[-1]
    mpv, vlc = version_of(["mpv", "--version"]), version_of(["dpkg-query", "-W", "-f", "${Version}", "vlc-bin"])
    rows = [
        (f"FFmpeg {version_of(['ffmpeg', '-version'])}", play_in_ffmpeg),
        (f"GStreamer {gstreamer}, `filesrc ! qtdemux`", play_in_qtdemux_pull),
        (f"GStreamer {gstreamer}, `fdsrc ! queue ! qtdemux`", play_in_qtdemux_push),
        (f"GStreamer {gstreamer}, `playbin`", play_in_playbin),
        (f"GStreamer {gstreamer}, GstDiscoverer", ask_discoverer),
        (f"mpv {mpv}", play_in_mpv),
        (f"VLC {vlc}, `cvlc --play-and-exit`", play_in_vlc),
        (f"MLT {version_of(['melt', '--version'])}, `melt`", play_in_melt),
    ]
    all_right = True
    print("| player | frames shown | duration | |\n|---|---|---|---|")

    def tell(name, shown, duration, note, is_right):
        nonlocal all_right
        is_right = is_right and (duration is None or abs(duration - seconds) < 5e-4)
        all_right = all_right and is_right
        told = "" if duration is None else f"{duration:.3f} s"
        print(f"| {name} | {shown} | {told} | {note if is_right else note + ' **wrong**'} |", flush=True)

    for name, play in rows:
        for _ in range(REAL_TIME_TRIES if play is play_in_vlc else 1):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    numbers, duration = play(film, pathlib.Path(folder))
                except Exception as problem:  # the other players still have their turn
                    shown, duration, note, is_right = "", None, f"{type(problem).__name__}: {problem}", False
                    continue
            note = ""
            shown, is_right = ("", True) if numbers is None else describe_numbers(numbers, frames)
            if is_right:
                break
        tell(name, shown, duration, note, is_right)
    with tempfile.TemporaryDirectory() as folder:
        name = f"Chromium {version_of(['chromium', '--version'])}, `<video>`"
        try:
            for i in range(REAL_TIME_TRIES):
                result, note, is_right = play_in_chromium(film, pathlib.Path(folder), frames, 0.5**i)
                if result["dropped"] == 0:
                    break
            shown = f"{result['frames'] - result['dropped']} of {frames}"
            is_right = is_right and result["frames"] == frames and result["dropped"] == 0
            tell(name, shown, result["duration"], note, is_right)
        except Exception as problem:
            tell(name, "", None, f"{type(problem).__name__}: {problem}", False)
    sys.exit(0 if all_right else 1)


if __name__ == "__main__":
    main()
