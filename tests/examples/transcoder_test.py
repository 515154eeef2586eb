#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs examples/transcoder.py, kills it, and counts what was paid."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
import unittest

import desk


def probe(file):
    """Returns the codecs of a file with their numbers of packets after decoding."""
    said = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,nb_read_frames",
         "-of", "csv=p=0", file], capture_output=True, text=True, check=True).stdout
    return dict(line.split(",") for line in said.split())


def colours(file):
    """Returns the colours in the middle of the left and of the right half of a file's last frame."""
    picture = subprocess.run(
        ["ffmpeg", "-v", "error", "-sseof", "-0.5", "-i", file, "-update", "1", "-f", "rawvideo", "-pix_fmt",
         "rgb24", "-vf", "format=gbrp,scale=2:1:flags=area", "-"], capture_output=True, check=True).stdout
    return tuple(picture[-6:-3]), tuple(picture[-3:])


class Transcoder:
    def __init__(self, test, *arguments, **variables):
        self.process = subprocess.Popen(
            [desk.PYTHON, str(desk.EXAMPLES / "transcoder.py"), str(test.out), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=test.simulator.environment(**variables))
        test.addCleanup(self.end)
        self.events = []
        self.queue = queue.Queue()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.queue.put(json.loads(line))
        self.queue.put(None)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()

    def send(self, *jobs):
        for job in jobs:
            self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()

    def wait_for(self, **members):
        """Reads events until one has these members, and returns it."""
        while True:
            event = self.queue.get(timeout=desk.PATIENCE)
            assert event is not None, f"no event has {members}: {self.events}"
            self.events.append(event)
            if all(event.get(key.replace("_", "-")) == value for key, value in members.items()):
                return event

    def wait_for_exit(self):
        self.process.stdin.close()
        while (event := self.queue.get(timeout=desk.PATIENCE)) is not None:
            self.events.append(event)
        return self.process.wait(desk.PATIENCE)


class TranscoderTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        desk.require("ffmpeg", "ffprobe", "gst-inspect-1.0", elements=("x264enc", "vp9enc", "avenc_aac"),
                     python_modules=["import gi; gi.require_version('Gst', '1.0')"])

    def begin(self, *arguments):
        self.folder = desk.temporary_folder(self)
        self.out = self.folder / "out"
        self.jobs = self.folder / "jobs"
        clip = desk.make_clip(self.folder / "clip.mp4")
        self.simulator = desk.Simulator(self.folder, "--clip", str(clip), *arguments)
        self.addCleanup(self.simulator.close)

    def check(self, name, codecs):
        file = self.out / name
        self.assertEqual(probe(file).keys(), set(codecs))
        self.assertEqual(probe(file)[codecs[0]], "48")
        left, right = colours(file)
        for expected, seen in zip((255, 0, 255, 0, 255, 0), left + right):
            self.assertAlmostEqual(expected, seen, delta=30)

    def test_writes_webm_and_mp4_and_tells_the_progress(self):
        self.begin("--generation-time", "0s", "--bandwidth", "20k")
        transcoder = Transcoder(self)
        transcoder.send({"id": "dog", "prompt": "a dog"}, {"id": "cat", "prompt": "a cat", "format": "mp4"})
        self.assertEqual(transcoder.wait_for_exit(), 0)
        self.check("dog.webm", ("vp9", "opus"))
        self.check("cat.mp4", ("h264", "aac"))
        self.assertEqual({path.name for path in self.out.iterdir()}, {"dog.webm", "cat.mp4", ".lock"})
        phases = {event["phase"] for event in transcoder.events
                  if event["event"] == "progress" and event["job"] == "dog"}
        self.assertEqual(phases, {"submit", "generate", "download", "encode"})
        tasks = {task["prompt"]: task["id"] for task in self.simulator.state["tasks"]}
        done = {event["job"]: event for event in transcoder.events if event["event"] == "done"}
        self.assertEqual(done["dog"]["task-id"], tasks["a dog"])
        self.assertEqual(done["cat"]["bytes"], (self.out / "cat.mp4").stat().st_size)
        self.assertEqual(self.simulator.state["charges"], 2)

    def test_pays_nothing_after_a_crash(self):
        # The download stops in the middle, so that the service is killed while it encodes.
        self.begin("--generation-time", "1s", "--fault", "file:stall=28000")
        job = {"id": "dog", "prompt": "a dog"}
        for moment in ({"event": "task", "status": "pending"}, {"phase": "encode"}):
            transcoder = Transcoder(self)
            transcoder.send(job)
            transcoder.wait_for(**moment)
            transcoder.process.kill()
            transcoder.end()
            self.assertFalse((self.out / "dog.webm").exists())
        self.simulator.clear_faults()
        for _ in range(2):
            transcoder = Transcoder(self)
            transcoder.send(job)
            self.assertEqual(transcoder.wait_for_exit(), 0)
            self.check("dog.webm", ("vp9", "opus"))
            self.assertEqual({path.name for path in self.out.iterdir()}, {"dog.webm", ".lock"})
        self.assertEqual([event["event"] for event in transcoder.events], ["done"], "the file is here")
        self.assertEqual(self.simulator.state["charges"], 1)

    def test_watches_a_folder_and_ends_at_once(self):
        self.begin("--generation-time", "4s")
        self.jobs.mkdir()
        (self.jobs / "dog.json").write_text('{"prompt": "a dog"}')
        transcoder = Transcoder(self, "--watch", self.jobs)
        transcoder.wait_for(job="dog", status="pending")
        (self.jobs / ".cat.new").write_text('{"prompt": "a cat", "format": "mp4"}')
        (self.jobs / ".cat.new").rename(self.jobs / "cat.json")
        cat = transcoder.wait_for(job="cat", status="pending")
        second = subprocess.run([desk.PYTHON, str(desk.EXAMPLES / "transcoder.py"), str(self.out)],
                                capture_output=True, text=True, timeout=desk.PATIENCE)
        self.assertEqual((second.returncode, second.stdout), (1, ""))
        self.assertIn("Another transcoder", second.stderr)

        began = time.monotonic()
        (self.jobs / "cat.json").unlink()
        gone = transcoder.wait_for(event="cancelled")
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual((gone["job"], gone["task-id"]), ("cat", cat["task-id"]))

        began = time.monotonic()
        transcoder.process.send_signal(signal.SIGTERM)
        self.assertEqual(transcoder.wait_for_exit(), 130)
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual(transcoder.events[-1]["event"], "interrupted")

        # The folder says what is to be made, and nothing that was paid is paid again.
        (self.jobs / "cat.json").write_text('{"prompt": "a cat", "format": "mp4"}')
        transcoder = Transcoder(self, "--watch", self.jobs)
        transcoder.wait_for(event="done")
        transcoder.wait_for(event="done")
        self.check("dog.webm", ("vp9", "opus"))
        self.check("cat.mp4", ("h264", "aac"))
        self.assertEqual(self.simulator.state["charges"], 2)

    def test_refuses_what_a_job_must_not_say(self):
        self.begin("--generation-time", "30s")
        transcoder = Transcoder(self, "--max-credits", 40)
        refused = [{"id": "url", "prompt": "a", "api-url": "https://thief.example/v1"},
                   {"id": "../up", "prompt": "a"}, {"id": "mode", "prompt": "a", "mode": "qualty"},
                   {"id": "format", "prompt": "a", "format": "exe"}, ["list"], {"prompt": "no id"},
                   {"id": "formats", "prompt": "a", "format": []}, {"id": "nul", "prompt": "a\0b"},
                   {"id": "number", "prompt": 7}, {"id": "words", "prompt": ["a"]},
                   {"id": "seed", "prompt": "a", "seed": 10000.9}, {"id": "take", "prompt": "a", "take": True}]
        transcoder.send(*refused)
        for _ in refused:
            error = transcoder.wait_for(event="error")
            self.assertEqual((error["code"], error["charged"]), ("invalid-request", "no"), error)
        transcoder.process.stdin.write("[" * 100_000 + "\n")
        transcoder.wait_for(event="error", code="invalid-request")
        transcoder.send({"cancel": ["list"]}, {"id": "dear", "prompt": "a", "mode": "quality"})
        error = transcoder.wait_for(event="error", job="dear")
        self.assertEqual((error["code"], error["charged"], error["paid"]), ("budget-exceeded", "no", False))
        self.assertEqual(self.simulator.state["submissions"], 0)

        transcoder.send({"id": "long", "prompt": "a dog"})
        transcoder.wait_for(job="long", status="pending")
        transcoder.send({"cancel": "long"})
        transcoder.wait_for(event="cancelled", job="long")
        self.assertEqual(transcoder.wait_for_exit(), 1)
        self.assertEqual([path.name for path in self.out.iterdir()], [".lock"])

    def test_a_bad_job_file_does_not_stop_the_others(self):
        self.begin()
        jobs = self.folder / "jobs"
        jobs.mkdir()
        (jobs / "a.json").write_text("[" * 100_000)
        (jobs / "b.json").write_text('{"prompt": "a", "format": []}')
        os.mkfifo(jobs / "c.json")
        (jobs / "d.json").write_text('{"prompt": "a dog"}')
        transcoder = Transcoder(self, "--watch", jobs)
        for name in "abc":
            transcoder.wait_for(event="error", job=name, code="invalid-request")
        transcoder.wait_for(event="done", job="d")
        transcoder.process.send_signal(signal.SIGTERM)
        self.assertEqual(transcoder.wait_for_exit(), 130)
        self.assertEqual(self.simulator.state["charges"], 1)

    def test_a_lost_part_file_is_told(self):
        self.begin("--generation-time", "2s")
        transcoder = Transcoder(self)
        transcoder.send({"id": "lost", "prompt": "a dog"})
        transcoder.wait_for(job="lost", status="pending")
        (self.out / ".lost.webm.part").unlink()
        self.assertEqual(transcoder.wait_for(event="error", job="lost")["code"], "file")
        self.assertEqual(transcoder.wait_for_exit(), 1)


if __name__ == "__main__":
    desk.run_tests()
