#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Uses examples/player.py as a person does: by keys and clicks, and by looking at the screen."""

import os
import signal
import subprocess
import time
import unittest

import desk


def is_red(red, green, blue):
    """The Cancel button, while it can be clicked."""
    return red > 140 and green < 60 and blue < 70


def is_blue(red, green, blue):
    """The button that pays, while it can be clicked, and the bar."""
    return red < 60 and 60 < green < 110 and blue > 130


def is_magenta(red, green, blue):
    return red > 200 and green < 60 and blue > 200


def is_green(red, green, blue):
    return red < 60 and green > 200 and blue < 60


def is_pink(red, green, blue):
    """The headline of an error."""
    return red > 200 and 100 < green < 150 and 100 < blue < 150


class PlayerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        desk.require("Xvfb", "xdotool", "ffmpeg", "gst-inspect-1.0", elements=("gtksink", "openalsink"),
                     python_modules=["import gi; gi.require_version('Gtk', '3.0'); from gi.repository import Gtk"])

    def begin(self, *arguments):
        self.folder = desk.temporary_folder(self)
        self.clip = desk.make_clip(self.folder / "clip.mp4")
        self.screen = desk.Screen(self.folder)
        self.addCleanup(self.screen.close)
        self.simulator = desk.Simulator(self.folder, "--clip", str(self.clip), *arguments)
        self.addCleanup(self.simulator.close)
        self.speakers = desk.Speakers(self.folder)
        self.player = subprocess.Popen(
            [desk.PYTHON, str(desk.EXAMPLES / "player.py")],
            env=self.simulator.environment(**self.screen.environment(), **self.speakers.environment()))
        self.addCleanup(self.end_player)
        self.screen.focus("Veo player", self.player)

    def save_picture(self, name):
        """Leaves a picture for people."""
        self.screen.save(os.path.join(os.environ["VEO_TEST_OUTPUT"], f"player-{name}.png"))

    def end_player(self):
        self.save_picture("end-of-" + self.id().rsplit(".test_", 1)[-1])
        self.player.send_signal(signal.SIGTERM)
        self.assertEqual(self.player.wait(desk.PATIENCE), 0)

    def wait_for(self, what):
        return desk.wait_for(what, process=self.player)

    # --- What is on the screen ---

    def cancel_can_be_clicked(self):
        points = self.screen.find(is_red)
        return len(points) > 30 and points

    def price_is_shown(self):
        return len([point for point in self.screen.find(is_blue) if point[1] < 60 and point[0] > 500]) > 100

    def nothing_runs(self):
        return not self.cancel_can_be_clicked() and self.price_is_shown()

    def bar(self):
        """Returns the columns of the bar that are filled."""
        return {x for x, y in self.screen.find(is_blue, step=2) if y > 560}

    def picture_is_shown(self):
        magenta, green = self.screen.find(is_magenta), self.screen.find(is_green)
        return len(magenta) > 1000 and len(green) > 1000 and (magenta, green)

    def task_exists(self):
        return self.simulator.state["tasks"]

    # --- The tests ---

    def test_shows_the_price_the_wait_and_the_video_with_its_sound(self):
        self.begin("--generation-time", "3s")
        self.assertFalse(self.price_is_shown())
        self.screen.do("type", "--delay", 5, "a dog in a park")
        self.wait_for(self.price_is_shown)
        self.assertEqual(self.simulator.state["submissions"], 0, "the price is shown before it is paid")
        self.screen.do("key", "Return")
        self.wait_for(self.cancel_can_be_clicked)
        first = self.wait_for(self.bar)

        def bar_has_moved():
            return self.bar() not in (first, set())

        self.wait_for(bar_has_moved)
        self.assertNotIn("completed", [task["status"] for task in self.simulator.state["tasks"]],
                         "the bar moves during the wait")
        magenta, green = self.wait_for(self.picture_is_shown)
        self.assertLess(max(x for x, _ in magenta), min(x for x, _ in green))
        # The picture has the shape of the clip.
        wide, high = [{point[axis] for point in magenta + green} for axis in (0, 1)]
        self.assertAlmostEqual((max(wide) - min(wide)) / (max(high) - min(high)), 16 / 9, delta=0.05)
        self.wait_for(self.nothing_runs)
        self.assertTrue(self.picture_is_shown(), "the last picture stays")
        self.assertGreater(max(self.bar()) - min(self.bar()), 600, "the bar is full")
        self.assertAlmostEqual(self.speakers.find_tone(), 440, delta=10)
        self.assertEqual(self.simulator.state["charges"], 1)

    def test_cancel_ends_the_wait_at_once_and_the_task_is_found_again(self):
        self.begin("--generation-time", "3s")
        self.screen.do("type", "--delay", 5, "a dog in a park")
        self.wait_for(self.price_is_shown)
        self.screen.do("key", "Return")
        self.wait_for(self.task_exists)
        red = self.wait_for(self.cancel_can_be_clicked)
        self.screen.do("mousemove", *red[len(red) // 2], "click", 1)
        clicked = time.monotonic()
        self.wait_for(self.nothing_runs)
        self.assertLess(time.monotonic() - clicked, 1)
        self.assertIn(self.simulator.state["tasks"][0]["status"], ("pending", "processing"))

        self.screen.do("key", "Return")
        self.wait_for(self.picture_is_shown)
        self.screen.do("key", "Escape")
        self.wait_for(self.nothing_runs)
        self.assertEqual(self.simulator.state["charges"], 1)

    def test_shows_an_error_and_goes_on(self):
        self.begin("--generation-time", "0s", "--fault", "submit:error=insufficient_credits*1")
        self.screen.do("type", "--delay", 5, "a dog")
        self.wait_for(self.price_is_shown)
        self.screen.do("key", "Return")

        def error_is_shown():
            return len(self.screen.find(is_pink, step=1)) > 50

        self.wait_for(error_is_shown)
        self.save_picture("error")
        self.assertEqual(self.simulator.state["charges"], 0)
        self.wait_for(self.nothing_runs)
        self.screen.do("key", "Return")
        self.wait_for(self.picture_is_shown)
        self.assertFalse(error_is_shown())
        self.assertEqual(self.simulator.state["charges"], 1)


if __name__ == "__main__":
    desk.run_tests()
