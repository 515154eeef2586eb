#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints by how many dB the error of a film's sound is below the sound, at each join.

Joins clips with `veo join`, and decodes the film and each clip with FFmpeg. The sound outside of 1,024
samples on each side of a join must be the clips' own, bit for bit, and the error inside at least 20 dB
below the sound. Exits with 1 if it is not.

The clips are real ones (of the folder VEO_TEST_CLIPS, if it is set), speech by espeak-ng, and signals by
FFmpeg. The table has, in dB and of the worst join and channel: the error in the 2,048 samples around the
join; in the 1,024 samples before and after the join, unless they are silent; the error in such silent
samples; and the error in the film's first 1,024 samples.
"""
import argparse
import array
import math
import os
import subprocess
import sys
import tempfile

FRAME = 1024
RATE = 48000
LEAST = 20  # dB
CHANNELS = 2
TEXTS = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps until the sun goes down.",
    "Nobody expected so many people to come. They talked and talked, stopping only to eat a pear.",
]


def run(*command, binary=False):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=not binary).stdout


def ffmpeg(*arguments, binary=False):
    return run("ffmpeg", "-v", "error", "-y", *arguments, binary=binary)


def decode(path):
    """Returns the samples of a file as FFmpeg decodes them: floats, the channels interleaved."""
    return ffmpeg("-i", path, "-map", "0:a:0", "-f", "f32le", "-ac", str(CHANNELS), "-", binary=True)


def make_clip(folder, name, source, seconds=8, noise=False):
    """Makes a clip with FFmpeg's own AAC. With `noise`, a decoder makes up parts of the sound."""
    path = os.path.join(folder, name + ".mp4")
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=24:duration={seconds}", *source,
           "-map", "0:v", "-map", "1:a", "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast",
           "-pix_fmt", "yuv420p", "-af", "apad", "-c:a", "aac", "-b:a", "128k", "-ar", str(RATE),
           "-ac", str(CHANNELS), "-aac_pns", "1" if noise else "0", path)
    return path


def lavfi(filters):
    return ["-f", "lavfi", "-i", filters]


def make_clips(folder):
    clips = {}
    for i, text in enumerate(TEXTS):
        wav = os.path.join(folder, f"speech{i}.wav")
        run("espeak-ng", "-v", "en+f2" if i else "en", "-s", "160", "-w", wav, text)
        clips[f"speech{i}"] = make_clip(folder, f"speech{i}", ["-i", wav], 8 / 3)
    clips["sine440"] = make_clip(folder, "sine440", lavfi(f"sine=frequency=440:sample_rate={RATE}"), 8 / 3)
    clips["sine3000"] = make_clip(folder, "sine3000", lavfi(f"sine=frequency=3000:sample_rate={RATE}"), 8 / 3)
    chord = "+".join(f"0.08*sin(2*PI*{f}*t)" for f in (220, 277, 330, 880, 1760, 5000))
    clips["chord"] = make_clip(folder, "chord", lavfi(f"aevalsrc='{chord}|{chord}':s={RATE}"), 8 / 3)
    click = "0.8*exp(-900*mod(t+0.03,0.0917))*cos(8000*t)"
    clips["clicks"] = make_clip(folder, "clicks", lavfi(f"aevalsrc='{click}|{click}':s={RATE}"), 8 / 3)
    clips["noise"] = make_clip(folder, "noise", lavfi(f"anoisesrc=r={RATE}:a=0.2:seed=1"), 8 / 3)
    clips["odd"] = make_clip(folder, "odd", lavfi(f"sine=frequency=700:sample_rate={RATE}"), 47 / 24)
    clips["silence"] = make_clip(folder, "silence", lavfi(f"anullsrc=r={RATE}"), 8 / 3)
    folder_of_real = os.environ.get("VEO_TEST_CLIPS", "")
    for name in ("veo31-dialogue", "veo30-dialogue"):
        path = os.path.join(folder_of_real, name + ".mp4")
        if folder_of_real and os.path.exists(path):
            clips[name] = path
    return clips


def floats(samples, begin, count):
    width = 4 * CHANNELS
    return array.array("f", samples[begin * width:(begin + count) * width])


def decibels(power, error):
    if error == 0:
        return math.inf
    return 10 * math.log10(power / error) if power > 0 else -math.inf


def measure(own, film, own_at, film_at):
    """Returns the powers of the sound and of the error in a slot, for each channel."""
    a = floats(own, own_at, FRAME)
    b = floats(film, film_at, FRAME)
    powers, errors = [], []
    for channel in range(CHANNELS):
        x, y = a[channel::CHANNELS], b[channel::CHANNELS]
        powers.append(sum(p * p for p in x))
        errors.append(sum((p - q) ** 2 for p, q in zip(x, y)))
    return powers, errors


class Figures:
    """The worst figures of some joins."""

    def __init__(self):
        self.joins = self.before = self.after = math.inf
        self.noise = 0.0  # power of the error in slots that are silent

    def add(self, before, after):
        for channel in range(CHANNELS):
            slots = [(side[0][channel], side[1][channel]) for side in (before, after)]
            both = [sum(values) for values in zip(*slots)]
            self.joins = min(self.joins, decibels(*both))
            for name, (power, error) in zip(("before", "after"), slots):
                if power > 0:
                    setattr(self, name, min(getattr(self, name), decibels(power, error)))
                else:
                    self.noise = max(self.noise, error / FRAME)

    def show(self):
        noise = f"{10 * math.log10(self.noise):.0f} dBFS" if self.noise > 0 else "none"
        return " | ".join([show(self.joins), show(self.before), show(self.after), noise])


class Table:
    def __init__(self, veo, folder, options):
        self.veo, self.folder, self.options = veo, folder, options
        self.failures = 0
        self.decoded = {}

    def own(self, path):
        """Returns a clip's samples, and the length of its pictures in samples."""
        if path not in self.decoded:
            frames = run("ffprobe", "-v", "error", "-select_streams", "v", "-count_packets",
                         "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path)
            self.decoded[path] = decode(path), int(frames.strip().strip(",")) * RATE // 24
        return self.decoded[path]

    def add(self, name, paths):
        film_path = os.path.join(self.folder, "film.mp4")
        run(self.veo, "join", *self.options, *paths, "-o", film_path)
        film = decode(film_path)
        width = 4 * CHANNELS
        wrong, sides = [], []
        at = 0
        for i, path in enumerate(paths):
            own, length = self.own(path)
            # The clip's slots in the film: the place is right within half a slot.
            start = round(at / FRAME) * FRAME
            at += length
            end = round(at / FRAME) * FRAME
            sides.append((measure(own, film, 0, start),
                          measure(own, film, end - start - FRAME, end - FRAME)))
            if (film[(start + FRAME) * width:(end - FRAME) * width]
                    != own[FRAME * width:(end - start - FRAME) * width]):
                wrong.append(f"clip {i} differs outside of the join")
        if len(film) // width != end:
            wrong.append(f"{len(film) // width} samples, not {end}")
        figures = Figures()
        for (_, last), (first, _) in zip(sides, sides[1:]):
            figures.add(last, first)
        if figures.joins < LEAST:
            wrong.append(f"less than {LEAST} dB")
        self.failures += bool(wrong)
        start = min(decibels(power, error) for power, error in zip(*sides[0][0]))
        print(f"| {name} | {len(paths) - 1} | {figures.show()} | {show(start)} | "
              f"{'; '.join(wrong) or 'yes'} |", flush=True)


def show(value):
    return "exact" if value == math.inf else f"{value:.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--veo", default=os.environ.get("VEO_COMMAND", "veo"), help="the command veo")
    parser.add_argument("--fragmented", action="store_true",
                        help="give `veo join` the flag --fragmented")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = make_clips(folder)
        table = Table(options.veo, folder, ["--fragmented"] if options.fragmented else [])
        print("| clips | joins | error at a join | before | after | in silence | film's start | all else "
              "and the length are exact |")
        print("|---|---|---|---|---|---|---|---|")
        if "veo31-dialogue" in clips and "veo30-dialogue" in clips:
            a, b = clips["veo31-dialogue"], clips["veo30-dialogue"]
            table.add("Veo 3.1, Veo 3.0", [a, b])
            table.add("Veo 3.0, Veo 3.1", [b, a])
            table.add("Veo 3.1 twice", [a, a])
            table.add("Veo 3.0 twice", [b, b])
            table.add("Veo, 20 joins", ([a, b] * 11)[:21])
        pairs = [("speech0", "speech1"), ("speech1", "speech0"), ("sine440", "sine3000"),
                 ("sine440", "sine440"), ("chord", "clicks"), ("clicks", "chord"), ("clicks", "clicks"),
                 ("noise", "noise"), ("speech0", "sine440"), ("noise", "silence"), ("silence", "noise")]
        for a, b in pairs:
            table.add(f"{a}, {b}", [clips[a], clips[b]])
        table.add("speech, 20 joins", [clips["speech0"], clips["speech1"]] * 10 + [clips["speech0"]])
        table.add("sine of 47 frames, 20 joins", [clips["odd"]] * 21)
    return 1 if table.failures else 0


if __name__ == "__main__":
    sys.exit(main())
