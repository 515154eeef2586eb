#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark `throughput` ends: as root, whose nginx has a worker of another user, and if nginx fails.

throughput_test.py THROUGHPUT CLIP: the program, and a clip that stands in for a real one.
"""

import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import patience  # noqa: E402

THROUGHPUT, CLIP = sys.argv.pop(1), sys.argv.pop(1)
TOOLS = os.environ["PATH"] + ":/usr/sbin:/sbin"


class Throughput(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()  # only its owner can enter the folder
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "clips").mkdir()
        shutil.copy(CLIP, self.folder / "clips/veo31-dialogue.mp4")

    def measure(self, path):
        return patience.run(
            [THROUGHPUT, "--runs", "1", "--size", "4", "--directory", self.folder],
            env=os.environ | {"VEO_TEST_CLIPS": str(self.folder / "clips"), "PATH": path},
            capture_output=True, text=True,
        )  # fmt: skip

    def test_all_are_measured(self):
        for program in ("nginx", "curl"):
            if shutil.which(program, path=TOOLS) is None:
                self.skipTest(f"{program} is not installed")
        ended = self.measure(TOOLS)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        for name in ("souphttpsrc, 1 MiB", "curl", "veosrc, nothing kept", "veosrc, in the cache"):
            self.assertRegex(ended.stdout, rf"(?m)^  {name} +\d+\.\d\d GiB/s")

    def test_an_nginx_that_fails_is_named(self):
        (self.folder / "nginx").write_text("#!/bin/sh\nexit 3\n")
        (self.folder / "nginx").chmod(0o755)
        ended = self.measure(f"{self.folder}:{TOOLS}")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("throughput: nginx has ended", ended.stderr)


if __name__ == "__main__":
    unittest.main()
