#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each wait of tests/support/patience.py ends, and says what it waited for."""

import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import patience  # noqa: E402


class Patience(unittest.TestCase):
    def start(self, line):
        process = subprocess.Popen(["sh", "-c", line], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, patience.SECONDS)
        self.addCleanup(process.kill)
        return process

    def test_a_condition_ends_the_wait(self):
        values = iter([0, "", "here"])
        self.assertEqual(patience.await_condition("a value", lambda: next(values)), "here")

    def test_a_condition_that_never_comes_is_named(self):
        with self.assertRaisesRegex(AssertionError, r"waited 0\.1 s in vain: nginx serves"):
            patience.await_condition("nginx serves", lambda: False, 0.1)

    def test_a_silent_process_is_named(self):
        with self.assertRaisesRegex(AssertionError, r"waited 0\.1 s in vain: a line of .*sleep 60"):
            patience.read_line(self.start("exec sleep 60"), 0.1)

    def test_a_line_is_read(self):
        self.assertEqual(patience.read_line(self.start("echo here")), "here\n")
        self.assertEqual(patience.read_line(self.start("exit 3")), "")

    def test_a_process_that_does_not_end_is_killed_and_named(self):
        self.assertEqual(patience.await_end(self.start("exit 3")), 3)
        process = self.start("exec sleep 60")
        with self.assertRaisesRegex(AssertionError, r"waited 0\.1 s in vain: the end of .*sleep 60"):
            patience.await_end(process, 0.1)
        self.assertLess(process.returncode, 0)

    def test_a_command_has_an_end(self):
        with self.assertRaises(subprocess.TimeoutExpired):
            patience.run(["sleep", "60"], timeout=0.1)
        self.assertEqual(patience.run(["true"]).returncode, 0)


if __name__ == "__main__":
    unittest.main()
