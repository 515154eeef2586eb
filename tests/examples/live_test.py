#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Uses examples/live.cpp as a person does: types into a terminal, and looks at the window."""

import os
import pty
import signal
import subprocess
import termios
import threading
import unittest

import desk
import player_test


class LiveTest(unittest.TestCase):
    def begin(self, *arguments, words=()):
        desk.require("Xvfb", "ffmpeg", "gst-inspect-1.0", elements=("ximagesink", "openalsink"))
        self.folder = desk.temporary_folder(self)
        self.clip = desk.make_clip(self.folder / "clip.mp4")
        self.screen = desk.Screen(self.folder)
        self.addCleanup(self.screen.close)
        self.simulator = desk.Simulator(self.folder, "--clip", str(self.clip), *arguments)
        self.addCleanup(self.simulator.close)
        variables = {**self.screen.environment(), **desk.Speakers(self.folder).environment()}
        variables["GST_PLUGIN_FEATURE_RANK"] += ",ximagesink:MAX"
        ours, its = pty.openpty()
        attributes = termios.tcgetattr(its)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(its, termios.TCSANOW, attributes)
        self.live = subprocess.Popen([os.environ["VEO_EXAMPLE_LIVE"], *words], stdin=its, stdout=its, stderr=its,
                                     env=self.simulator.environment(**variables), start_new_session=True)
        os.close(its)
        self.terminal, self.said = os.fdopen(ours, "r+b", buffering=0), ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.addCleanup(self.end)

    def read(self):
        # Linux answers with EIO when the program has closed the terminal.
        try:
            while data := os.read(self.terminal.fileno(), 4096):
                self.said += data.decode(errors="replace").replace("\r\n", "\n")
        except OSError:
            pass

    def end(self):
        if self.live.poll() is None:
            self.live.kill()
        self.live.wait()
        self.reader.join()
        self.terminal.close()

    def type(self, text):
        self.terminal.write(text.encode() + b"\n")

    def wait_for_words(self, words, times=1):
        def words_are_said():
            return self.said.count(words) >= times

        try:
            desk.wait_for(words_are_said, process=self.live)
        except AssertionError as error:
            raise AssertionError(f"{words!r} was not said {times} times: {self.said}") from error

    def clip_is_shown(self):
        magenta, green = self.screen.find(player_test.is_magenta), self.screen.find(player_test.is_green)
        return len(magenta) > 100 and len(green) > 100 and max(magenta)[0] < min(green)[0]

    def clip_is_gone(self):
        return not self.screen.find(player_test.is_magenta)

    def assert_ends(self):
        self.assertEqual(self.live.wait(desk.PATIENCE), 0, self.said)

    def test_plays_what_is_typed_and_ends_at_quit(self):
        self.begin("--generation-time", "1s")
        self.wait_for_words("plays: filler")
        self.assertEqual(self.simulator.state["submissions"], 0, "nothing was asked for")
        self.type("a \"dog\" in a park ! fakesink")
        self.wait_for_words("plays: task")
        desk.wait_for(self.clip_is_shown, process=self.live)
        self.wait_for_words("plays: filler", 2)
        desk.wait_for(self.clip_is_gone, process=self.live)
        self.assertEqual([task["prompt"] for task in self.simulator.state["tasks"]],
                         ["a \"dog\" in a park ! fakesink"])
        self.type("/slip")
        self.wait_for_words("there is no /slip")
        self.type("/quit")
        self.assert_ends()
        self.assertEqual(self.simulator.state["charges"], 1, "a word with a mistake is no prompt")

    def test_repeats_and_skips(self):
        self.begin("--generation-time", "0s", words=["a dog"])
        self.type("/repeat")
        self.wait_for_words("repeat is on")
        self.wait_for_words("plays: task", 2)
        desk.wait_for(self.clip_is_shown, process=self.live)
        self.type("/repeat")
        self.wait_for_words("repeat is off")
        self.type("/skip")
        self.wait_for_words("plays: filler", 2)
        desk.wait_for(self.clip_is_gone, process=self.live)
        self.live.send_signal(signal.SIGINT)
        self.assert_ends()
        self.assertEqual(self.simulator.state["charges"], 1, "a repetition costs nothing")

    def test_goes_on_after_a_failure_and_tells_what_it_has_cost(self):
        self.begin("--generation-time", "0s", "--fault", "task:failed*1")
        self.type("a dog")
        self.wait_for_words("[task-failed, charged: refunded]")
        self.type("a cat")
        desk.wait_for(self.clip_is_shown, process=self.live)
        # Ctrl-D
        self.terminal.write(b"\x04")
        self.assert_ends()


if __name__ == "__main__":
    desk.run_tests()
