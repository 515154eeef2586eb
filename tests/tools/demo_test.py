#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs scripts/demo with built programs, and then the lines that the demo prints, as a user does.

demo_test.py BUILD: the programs of the folder BUILD. Nothing is installed or built.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import patience  # noqa: E402

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/demo"
BUILD = Path(sys.argv.pop(1)).resolve()
PROMPT = "it's a \"dog\" & a $HOME; <b>"
PATIENCE = 60
FRAMES = 192  # the length of the simulator's clips


def environment(home):
    """The environment of a new terminal: nothing that the demo has exported."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "GST_REGISTRY": os.environ.get("GST_REGISTRY", str(home / "registry.bin")),
    }


def count_frames(clip):
    """Decodes the clip. Each frame becomes 16 bytes."""
    line = ["gst-launch-1.0", "-q", "filesrc", f"location={clip}", *"! decodebin ! videoconvert".split(),
            *"! videoscale ! video/x-raw,format=GRAY8,width=4,height=4 ! fdsink".split()]  # fmt: skip
    decoded = subprocess.run(line, capture_output=True, check=True, timeout=PATIENCE)
    return len(decoded.stdout) / 16


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.home = Path(cls.folder.name) / "a home"  # a path with a space
        cls.home.mkdir()
        cls.output = cls.home / "output"
        cls.first = cls.run_demo(PROMPT)
        # What is installed, by a user with an account, a budget, a proxy and a display.
        tools = cls.home / "tools"
        tools.mkdir()
        (tools / "veo-simulator").symlink_to(BUILD / "tools/simulator/veo-simulator")
        cls.second = cls.run_demo(
            PROMPT, source=["--installed"], PATH=f"{tools}:{os.environ['PATH']}",
            GST_PLUGIN_PATH=str(BUILD / "plugin"), VEO_API_KEY="sk-mine", VEO_MAX_CREDITS="1", VEO_API_URL="http://127.0.0.1:1/v1",
            http_proxy="http://127.0.0.1:1", DISPLAY=":99",
        )  # fmt: skip

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def run_demo(cls, *arguments, source=("--built", BUILD), **more):
        # The paths that the demo prints do not depend on the folder that it is called in.
        command = [SCRIPT, *source, "--output", cls.output.name, *arguments]
        variables = environment(cls.home) | more
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * PATIENCE,
                              cwd=cls.home, env=variables)  # fmt: skip

    def clip_of(self, run):
        return Path(re.search(r"^The clip: +(\S.*)$", run.stdout, re.MULTILINE)[1])

    def lines_of(self, run):
        """The printed lines: the simulator's, the export, the pipeline and the display's."""
        lines = re.findall(r"^  (\S.*)$", run.stdout, re.MULTILINE)
        self.assertEqual(len(lines), 4, run.stdout)
        return lines

    def test_a_run_counts_the_frames_of_its_clip(self):
        for run in (self.first, self.second):
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertRegex(run.stdout, rf"(?m)^{FRAMES} frames, first frame \d+ ms after completion .* 40 credits")
            self.assertEqual(count_frames(self.clip_of(run)), FRAMES)
            frame = self.clip_of(run).with_name("frame.png")
            self.assertIn(f"A frame of it:    {frame}\n", run.stdout)
            self.assertEqual(frame.read_bytes()[1:4], b"PNG")

    def test_a_second_run_keeps_the_clip_of_the_first(self):
        clips = sorted(self.output.glob("*/clip.mp4"))
        self.assertEqual(clips, sorted({self.clip_of(self.first), self.clip_of(self.second)}))
        self.assertEqual(len(clips), 2)

    def test_the_lines_by_hand_work_in_another_folder_and_another_shell(self):
        shell = "sh"  # it understands less than bash, which runs the demo
        with tempfile.TemporaryDirectory() as elsewhere:
            self.run_by_hand(shell, self.first, elsewhere)

    def run_by_hand(self, shell, run, elsewhere):
        start, export, pipeline, _ = self.lines_of(run)
        variables = environment(self.home)
        simulator = subprocess.Popen(
            [shell, "-c", f"exec {start}"], cwd=elsewhere, env=variables, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            api = json.loads(patience.read_line(simulator, PATIENCE))["api"]
            played = subprocess.run(
                [shell, "-c", f"{export}\n{pipeline}"], cwd=elsewhere, env=variables,
                capture_output=True, text=True, check=False, timeout=PATIENCE,
            )  # fmt: skip
            self.assertEqual(played.returncode, 0, played.stdout + played.stderr)
            self.assertIn("completed", played.stdout)
            with urllib.request.urlopen(api.removesuffix("/v1") + "/simulator/state", timeout=PATIENCE) as answer:
                tasks = json.load(answer)["tasks"]
            self.assertEqual([task["prompt"] for task in tasks], [PROMPT])
        finally:
            simulator.kill()
            patience.await_end(simulator)
            simulator.stdout.close()
        clip = self.clip_of(run).parent / "by-hand/clip.mp4"
        self.assertEqual(count_frames(clip), FRAMES)
        self.assertEqual(os.listdir(elsewhere), [])

    def test_the_line_for_a_display_plays_the_clip(self):
        line = self.lines_of(self.first)[3]
        self.assertTrue(line.endswith(" ! autovideosink"), line)
        self.assertIn("There is no display here", self.first.stdout)
        played = subprocess.run(
            ["bash", "-c", line.replace("autovideosink", "fakesink")], capture_output=True, text=True,
            env=environment(self.home), check=False, timeout=PATIENCE,
        )  # fmt: skip
        self.assertEqual(played.returncode, 0, played.stdout + played.stderr)

    def test_the_user_s_account_has_no_part(self):
        self.assertEqual(self.second.returncode, 0, self.second.stderr)
        self.assertNotIn("sk-mine", self.second.stdout + self.second.stderr)
        self.assertIn("To see the clip:", self.second.stdout)

    def test_each_phase_says_when_it_was(self):
        self.assertRegex(self.first.stderr, r"\[ +\d+ s\] Using the plugin and the simulator in " + str(BUILD))
        self.assertRegex(self.second.stderr, r"\[ +\d+ s\] Using the installed plugin and \S+ home/tools/veo-simulator")
        self.assertRegex(self.first.stderr, r"\[ +\d+ s\] \(generate\) Task \S+ is completed")

    def test_wrong_arguments_are_refused(self):
        before = sorted(self.output.iterdir())
        for arguments, words in [
            (["two", "words"], "quote a prompt"),
            (["--built"], "--built needs a folder"),
            (["--installed"], "exclude each other"),
            (["--fast"], "no option --fast"),
        ]:
            run = self.run_demo(*arguments)
            self.assertEqual(run.returncode, 2, arguments)
            self.assertIn(words, run.stderr)
        self.assertEqual(sorted(self.output.iterdir()), before)
        run = subprocess.run([SCRIPT, "--built", self.home, "x"], capture_output=True, text=True, check=False,
                             timeout=PATIENCE)  # fmt: skip
        self.assertEqual(run.returncode, 1)
        self.assertIn("contains no plugin/libgstveo.so", run.stderr)

    def test_what_is_not_installed_is_said(self):
        run = self.run_demo(source=["--installed"], PATH="/usr/bin:/bin", GST_PLUGIN_PATH="")
        self.assertEqual(run.returncode, 1, run.stdout)
        self.assertIn("is not installed", run.stderr)


if __name__ == "__main__":
    unittest.main()
