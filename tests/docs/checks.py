# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks at what a recipe has made, with FFmpeg. FFmpeg shares no code with gst-veo.

Each function is a check of a marker (pages.py), and raises Failure with what it saw. The simulator draws
the number of each frame into the picture: 17 blocks of 32 by 32 pixels from the top left corner of a
picture of 1280 by 720. 16 blocks are the bits, the last one is the parity.
"""
import json
import pathlib
import re
import subprocess

BLOCK, BITS, MARGIN = 32, 16, 10
RATE = 48000
SILENCE = -60.0  # dB


class Failure(Exception):
    """A result is not what the marker says."""


def run(*command):
    done = subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip()
        raise Failure(f"{command[0]} ended with {done.returncode}: {text[-800:]}")
    return done


def existing(folder, name):
    path = folder / name
    if not path.is_file():
        files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        raise Failure(f"there is no file {name}; there are {files[:12]}")
    return path


def read_number(luma, stride, x=0, y=0):
    """Returns the number in a picture whose top left corner is at x, y; or None."""
    number, odd, size = 0, False, BLOCK - 2 * MARGIN
    for block in range(BITS + 1):
        left = x + block * BLOCK + MARGIN
        total = 0
        for row in range(y + MARGIN, y + MARGIN + size, 3):
            line = luma[row * stride + left : row * stride + left + size]
            if len(line) < size:
                return None
            total += sum(line)
        mean = total / (size * len(range(0, size, 3)))
        if 80 <= mean <= 176:
            return None
        bit = mean > 176
        odd ^= bit
        if block < BITS:
            number = number << 1 | bit
    return number if odd else None


def numbers_in(path, crop=""):
    """Returns the number in each picture. CROP selects the part of the picture that shows the clip."""
    width, height = (BITS + 1) * BLOCK, BLOCK
    filters = ",".join(filter(None, [crop, "scale=1280:720:flags=area", f"crop={width}:{height}:0:0"]))
    done = run("ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v:0", "-vf", filters,
               "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")  # fmt: skip
    size = width * height
    return [read_number(done.stdout[at : at + size], width) for at in range(0, len(done.stdout), size)]


def streams_of(path):
    done = run("ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json",
               str(path))  # fmt: skip
    return json.loads(done.stdout)


def stream_of(path, kind):
    found = [stream for stream in streams_of(path)["streams"] if stream["codec_type"] == kind]
    if not found:
        raise Failure(f"{path.name} has no {kind}")
    return found[0]


# ---- checks ----------------------------------------------------------------------------------------


def frames(result, name, count):
    """FILE has COUNT decoded pictures."""
    seen = int(stream_of(existing(result.folder, name), "video")["nb_read_frames"])
    if seen != int(count):
        raise Failure(f"{name} has {seen} frames, not {count}")


def numbers(result, name, expected, crop=""):
    """The pictures of FILE show these numbers: `0-63`, `0,24,48`, `63-0`, and ranges joined by commas.

    With a `+` at the end, the following numbers may be there, too."""
    wanted = []
    for part in expected.removesuffix("+").split(","):
        first, _, last = part.partition("-")
        first, last = int(first), int(last or first)
        wanted += list(range(first, last + 1) if first <= last else range(first, last - 1, -1))
    seen = numbers_in(existing(result.folder, name), crop)
    if expected.endswith("+"):
        further = len(seen) - len(wanted)
        wanted += range(wanted[-1] + 1, wanted[-1] + 1 + further)
    if seen != wanted:
        raise Failure(f"{name} shows the frames {seen}, not {expected}")


def shows_once(result, name, expected, crop=""):
    """FILE shows the numbers 0-LAST once each, one after the other. Pictures before and behind show none.

    A mixer on a busy machine may leave the clip out of a picture, and show it in the next one."""
    seen = numbers_in(existing(result.folder, name), crop)
    first, last = (int(part) for part in expected.split("-"))
    shown = [number for number in seen if number is not None]
    if shown != list(range(first, last + 1)):
        raise Failure(f"{name} shows the frames {shown}, not {expected}")
    if seen[0] is not None or seen[-1] is not None:
        raise Failure(f"{name} shows nothing but the clip before or behind the frames {expected}")


def steady(result, name, rate, tolerance="0.0015"):
    """Each picture of FILE comes 1/RATE s after the one before, more or less TOLERANCE seconds."""
    done = run("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
               "frame=best_effort_timestamp_time", "-of", "csv=p=0", str(existing(result.folder, name)))  # fmt: skip
    times = [float(word.strip(",")) for word in done.stdout.decode().split()]
    steps = [after - before for before, after in zip(times, times[1:])]
    wrong = [(at, round(step, 4)) for at, step in enumerate(steps) if abs(step - 1 / int(rate)) > float(tolerance)]
    if len(times) < int(rate) or wrong:
        raise Failure(f"{name} has {len(times)} pictures, and after these the step is wrong: {wrong[:10]}")


def fades(result, name, crop):
    """The part CROP (w:h:x:y) of the pictures of FILE goes from black to bright and back, without a jump."""
    done = run("ffmpeg", "-v", "error", "-i", str(existing(result.folder, name)), "-map", "0:v:0", "-vf",
               f"crop={crop},scale=1:1:flags=area", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt",
               "gray", "-")  # fmt: skip
    light = list(done.stdout)
    jumps = [(at, a, b) for at, (a, b) in enumerate(zip(light, light[1:])) if abs(a - b) > (max(light) - min(light)) / 4]
    if not light or jumps or max(light) < 80 or light[0] > 24 or light[-1] > 24:
        raise Failure(f"{name} does not fade, but jumps at {jumps[:4]}: {light}")


def samples(result, name, count, tolerance="0"):
    """FILE has COUNT samples of sound at 48 kHz, more or less TOLERANCE, and is not silent."""
    path = existing(result.folder, name)
    stream_of(path, "audio")
    done = run("ffmpeg", "-v", "info", "-nostats", "-i", str(path), "-map", "0:a:0", "-ar", str(RATE),
               "-ac", "1", "-af", "volumedetect", "-f", "s16le", "-")  # fmt: skip
    seen = len(done.stdout) // 2
    if abs(seen - int(count)) > int(tolerance):
        raise Failure(f"{name} has {seen} samples, not {count}")
    volume = re.search(r"mean_volume: (\S+) dB", done.stderr.decode(errors="replace"))
    if not volume or float(volume[1]) < SILENCE:
        raise Failure(f"{name} is silent")


def no_sound(result, name):
    """FILE has no sound."""
    kinds = [stream["codec_type"] for stream in streams_of(existing(result.folder, name))["streams"]]
    if "audio" in kinds:
        raise Failure(f"{name} has sound")


def size(result, name, expected):
    """The pictures of FILE have this size: 1280x720."""
    stream = stream_of(existing(result.folder, name), "video")
    seen = f"{stream['width']}x{stream['height']}"
    if seen != expected:
        raise Failure(f"{name} has pictures of {seen}, not {expected}")


def codecs(result, name, *expected):
    """The streams of FILE have these codecs, as FFmpeg names them."""
    seen = [stream.get("codec_name") for stream in streams_of(existing(result.folder, name))["streams"]]
    if sorted(seen) != sorted(expected):
        raise Failure(f"{name} has the codecs {seen}, not {list(expected)}")


def tag(result, name, key, expected):
    """FILE has a tag KEY that contains the text."""
    tags = streams_of(existing(result.folder, name))["format"].get("tags", {})
    if expected not in tags.get(key, ""):
        raise Failure(f"{name} has the tags {tags}")


def seconds(result, name, expected, tolerance="0.05"):
    """FILE lasts so many seconds."""
    seen = float(streams_of(existing(result.folder, name))["format"].get("duration", "nan"))
    if not abs(seen - float(expected)) <= float(tolerance):
        raise Failure(f"{name} lasts {seen} s, not {expected}")


def average_of(path, crop, frame):
    filters = f"select=eq(n\\,{frame}),crop={crop},scale=1:1:flags=area"
    done = run("ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v:0", "-vf", filters, "-frames:v", "1",
               "-f", "rawvideo", "-pix_fmt", "rgb24", "-")  # fmt: skip
    return tuple(done.stdout[:3])


def color(result, name, crop, expected, frame="0"):
    """The part CROP (w:h:x:y) of a frame has about this average colour: rrggbb."""
    seen = average_of(existing(result.folder, name), crop, int(frame))
    wanted = tuple(bytes.fromhex(expected))
    if len(seen) != 3 or max(abs(a - b) for a, b in zip(seen, wanted)) > 40:
        raise Failure(f"{name} has the colour {bytes(seen).hex()} in {crop}, not {expected}")


def differs(result, name, crop, first, second):
    """The part CROP of the frame FIRST differs from that of SECOND: something came or went there."""
    path = existing(result.folder, name)
    averages = [average_of(path, crop, int(frame)) for frame in (first, second)]
    if max(abs(a - b) for a, b in zip(*averages)) < 8:
        raise Failure(f"{name} is the same in {crop} of the frames {first} and {second}: {averages}")


def same(result, name, other):
    """FILE has the bytes of OTHER. `clip` is the file that the service has delivered."""
    wanted = result.clip if other == "clip" else existing(result.folder, other)
    seen = existing(result.folder, name).read_bytes()
    if seen != pathlib.Path(wanted).read_bytes():
        raise Failure(f"{name} has {len(seen)} bytes, which are not those of {other}")


def files(result, pattern, count):
    """COUNT files fit the pattern, and none is empty."""
    found = sorted(path for path in result.folder.glob(pattern) if path.is_file())
    if len(found) != int(count) or not all(path.stat().st_size for path in found):
        raise Failure(f"{len(found)} files fit {pattern}, not {count}: {[path.name for path in found]}")


def chunks(result, name, kind, count):
    """The RIFF file FILE has COUNT chunks of a kind. FFmpeg 5 cannot read an animated WebP."""
    data = existing(result.folder, name).read_bytes()
    at, seen = 12, 0
    while at + 8 <= len(data):
        seen += data[at : at + 4] == kind.encode()
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    if data[:4] != b"RIFF" or at != len(data) or seen != int(count):
        raise Failure(f"{name} has {seen} chunks {kind}, not {count}")


def contains(result, name, text):
    """The text FILE contains TEXT."""
    seen = existing(result.folder, name).read_text(errors="replace")
    if text not in seen:
        raise Failure(f"{name} does not contain '{text}': {seen[:400]}")


def prints(result, text):
    """The block has printed TEXT."""
    if text not in result.output:
        raise Failure(f"the block has not printed '{text}', but: {result.output[-800:]}")


def silent_about(result, text):
    """The block has not printed TEXT."""
    if text in result.output:
        raise Failure(f"the block has printed '{text}': {result.output[-800:]}")


def exits(result, code):
    """The block ends with this exit code. Without this check: 0."""


def charges(result, count):
    """The service has charged COUNT tasks. Without this check: at most one."""
    if result.charges != int(count):
        raise Failure(f"the service has charged {result.charges} tasks, not {count}")


def submits(result, *members):
    """A submission, or its `input`, has these members: NAME=JSON."""
    wanted = {name: json.loads(value) for name, _, value in (m.partition("=") for m in members)}
    for submission in result.bodies:
        body = submission | submission.get("input", {})
        if all(body.get(name) == value for name, value in wanted.items()):
            return
    raise Failure(f"no submission has {wanted}: {result.bodies}")


def shows(result, least):
    """The display has shown at least so many frames of the clip, in their order."""
    seen = result.shown
    distinct = [number for at, number in enumerate(seen) if at == 0 or number != seen[at - 1]]
    if len(distinct) < int(least) or distinct != sorted(distinct):
        raise Failure(f"the display has shown the frames {distinct}, not {least} or more in their order")


CHECKS = {
    function.__name__: function
    for function in (charges, chunks, codecs, color, contains, differs, exits, fades, files, frames, no_sound,
                     numbers, prints, same, samples, seconds, shows, shows_once, silent_about, size, steady, submits,
                     tag)
}  # fmt: skip
