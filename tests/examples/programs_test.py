#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compiles each C and C++ example outside the source tree, by the line that its comment gives. Runs the
programs that tests/elements/examples_test.cpp does not run: play.c, progress.py and batch.py."""

import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

import desk
import player_test


def compile_line(source):
    """Returns the line that compiles an example, from the comment at its begin."""
    comment = source.read_text().split("#include", 1)[0]
    return re.search(r"(?:cc|c\+\+) .*\$\(pkg-config .*\)", comment).group()


class ProgramsTest(unittest.TestCase):
    def begin(self, *arguments):
        self.folder = desk.temporary_folder(self)
        desk.require("ffmpeg")
        self.clip = desk.make_clip(self.folder / "clip.mp4")
        self.simulator = desk.Simulator(self.folder, "--clip", str(self.clip), *arguments)
        self.addCleanup(self.simulator.close)

    def start(self, *command, **variables):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env=self.simulator.environment(**variables))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def read_until(self, process, words):
        """Reads what a program prints until some words come. Returns all that was read."""
        lines = []
        for line in process.stdout:
            lines.append(line)
            if words in line:
                return "".join(lines)
        self.fail(f"the program did not say {words!r}: {lines}")

    def assert_has_the_clip(self, file):
        self.assertEqual(file.read_bytes(), self.clip.read_bytes())

    def test_each_example_compiles_outside_the_tree(self):
        desk.require("cc", "c++", "pkg-config")
        folder = desk.temporary_folder(self)
        # tests/av/installed.sh compiles transcode.c, which needs an installed libveo.
        sources = [path for path in desk.EXAMPLES.iterdir()
                   if path.suffix in (".c", ".cpp") and path.name != "transcode.c"]
        self.assertGreaterEqual(len(sources), 4)
        for source in sources:
            (folder / source.name).write_bytes(source.read_bytes())
            line = compile_line(source)
            self.assertIn(f" {source.name} ", line)
            with self.subTest(line):
                compiled = subprocess.run(line + " -Wall -Werror", shell=True, cwd=folder,
                                          capture_output=True, text=True)
                self.assertEqual((compiled.returncode, compiled.stderr), (0, ""))
                # The comment also says how the program is run, by the name that the line gives it.
                self.assertIn(f" ./{source.stem} ", source.read_text())
                self.assertTrue((folder / source.stem).exists())

    def test_a_flag_is_no_prompt(self):
        self.begin()
        programs = pathlib.Path(os.environ["VEO_EXAMPLE_PLAY"]).parent
        for command in ([programs / "play"], [programs / "ahead"], [programs / "film"],
                        [programs / "film", "film.mp4"], [desk.EXAMPLES / "progress.py"],
                        [programs / "live"], [desk.EXAMPLES / "live_fade.py"],
                        [desk.EXAMPLES / "live_by_hand.py"], [desk.EXAMPLES / "live_webrtc.py"],
                        [desk.EXAMPLES / "batch.py"], [desk.EXAMPLES / "batch.py", self.folder]):
            command = [str(word) for word in [*command, "--help"]]
            if command[0].endswith(".py"):
                command.insert(0, desk.PYTHON)
            with self.subTest(command):
                process = self.start(*command)
                self.assertIn("sage: ", process.communicate(timeout=30)[0])
        self.assertEqual(self.simulator.state["charges"], 0)

    def test_play_shows_the_pictures_with_their_sound(self):
        desk.require("Xvfb", "gst-inspect-1.0", elements=("ximagesink", "openalsink"))
        self.begin("--generation-time", "0s")
        screen = desk.Screen(self.folder)
        self.addCleanup(screen.close)
        speakers = desk.Speakers(self.folder)
        variables = {**screen.environment(), **speakers.environment()}
        variables["GST_PLUGIN_FEATURE_RANK"] += ",ximagesink:MAX"
        play = self.start(os.environ["VEO_EXAMPLE_PLAY"], "a dog \"in\" a park ! fakesink", **variables)

        def picture_is_shown():
            magenta, green = screen.find(player_test.is_magenta), screen.find(player_test.is_green)
            return len(magenta) > 100 and len(green) > 100 and max(magenta)[0] < min(green)[0]

        desk.wait_for(picture_is_shown, process=play)
        said = play.communicate(timeout=desk.PATIENCE)[0]
        self.assertEqual(play.returncode, 0, said)
        self.assertIn("Submitting, for 40 credits\n", said)
        self.assertAlmostEqual(speakers.find_tone(), 440, delta=10)
        self.assertEqual(self.simulator.state["tasks"][0]["prompt"], "a dog \"in\" a park ! fakesink")

    def check_interrupt(self, *command):
        """Interrupts a program that waits for the service."""
        program = self.start(*command)
        self.read_until(program, "Generating task")
        task = self.simulator.state["tasks"][0]["id"]
        began = time.monotonic()
        program.send_signal(signal.SIGINT)
        said = program.communicate(timeout=desk.PATIENCE)[0]
        self.assertEqual(program.returncode, 130, said)
        self.assertLess(time.monotonic() - began, 1)
        self.assertIn(f"Task {task} goes on.", said)
        self.assertEqual(self.simulator.state["charges"], 1)

    def test_play_ends_at_once(self):
        self.begin("--generation-time", "60s")
        self.check_interrupt(os.environ["VEO_EXAMPLE_PLAY"], "a dog")

    def test_play_tells_what_an_error_has_cost(self):
        self.begin("--fault", "task:failed")
        play = self.start(os.environ["VEO_EXAMPLE_PLAY"], "a dog")
        said = play.communicate(timeout=desk.PATIENCE)[0]
        self.assertEqual(play.returncode, 1)
        self.assertIn("[task-failed, charged: refunded]\n", said)

    def test_progress_saves_the_clip_and_ends_at_once(self):
        desk.require(python_modules=["import gi; gi.require_version('Gst', '1.0')"])
        self.begin("--generation-time", "2s")
        file = self.folder / "dog.mp4"
        command = (desk.PYTHON, desk.EXAMPLES / "progress.py", "a dog", file)
        self.check_interrupt(*command)
        again = self.start(*command)
        said = again.communicate(timeout=desk.PATIENCE)[0]
        self.assertEqual(again.returncode, 0, said)
        self.assertIn("Joining task", said)
        self.assert_has_the_clip(file)
        self.assertEqual(self.simulator.state["charges"], 1)

        again = self.start(desk.PYTHON, desk.EXAMPLES / "progress.py", "-", file)
        self.assertIn("[invalid-request, charged: no]\n", again.communicate(timeout=desk.PATIENCE)[0])
        self.assertEqual(again.returncode, 1)

    def test_batch_runs_all_at_once_and_continues(self):
        self.begin("--generation-time", "2s")
        out = self.folder / "out"
        path = os.environ["VEO_BUILD"] + "/tools/veo:" + os.environ["PATH"]
        command = (desk.PYTHON, desk.EXAMPLES / "batch.py", out, "a dog", "a cat", "-")
        batch = self.start(*command, PATH=path)

        def both_tasks_exist():
            return len(self.simulator.state["tasks"]) == 2

        desk.wait_for(both_tasks_exist, process=batch)
        began = time.monotonic()
        batch.send_signal(signal.SIGINT)
        said = batch.communicate(timeout=desk.PATIENCE)[0]
        self.assertEqual(batch.returncode, 130, said)
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual(list(out.iterdir()), [])

        batch = self.start(*command, PATH=path)
        said = batch.communicate(timeout=desk.PATIENCE)[0]
        self.assertEqual(batch.returncode, 1, said)
        self.assertIn("a dog: generate", said)
        self.assertIn(f"a cat: {out}/2.mp4\n", said)
        self.assertIn("-: prompt-says-nothing", said)
        self.assert_has_the_clip(out / "1.mp4")
        self.assert_has_the_clip(out / "2.mp4")
        self.assertEqual(self.simulator.state["charges"], 2)


if __name__ == "__main__":
    desk.run_tests()
