#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each script of the project explains itself, and refuses an option that it does not have. The scripts run in
a folder of their own, without the tools that install packages or build: neither may be tried first."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [ROOT / ".ci/run"] + sorted(
    path for path in (ROOT / "scripts").iterdir() if path.is_file() and os.access(path, os.X_OK)
)


class Scripts(unittest.TestCase):
    def run_script(self, script, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            tools = Path(folder) / "tools"
            tools.mkdir()
            for name in ("apt-get", "sudo", "meson", "ninja", "dpkg-query"):
                (tools / name).write_text(f"#!/bin/sh\necho '{name} is called' >&2\nexit 99\n")
                (tools / name).chmod(0o755)
            ended = subprocess.run(
                [script, *arguments], capture_output=True, text=True, check=False, timeout=30, cwd=folder,
                env={"PATH": f"{tools}:{os.environ['PATH']}", "HOME": folder, "LANG": "C.UTF-8"},
            )  # fmt: skip
            self.assertEqual(os.listdir(folder), ["tools"])
        self.assertNotIn("is called", ended.stderr)
        return ended

    def test_help_is_help(self):
        self.assertIn(ROOT / "scripts/demo", SCRIPTS)
        for script in SCRIPTS:
            with self.subTest(script=script.name):
                ended = self.run_script(script, "--help")
                self.assertEqual(ended.returncode, 0, ended.stderr)
                self.assertEqual(ended.stderr, "")
                self.assertIn(str(script.relative_to(ROOT)), ended.stdout)
                self.assertNotIn("set -euo", ended.stdout)

    def test_an_unknown_option_is_refused(self):
        for script in SCRIPTS:
            with self.subTest(script=script.name):
                ended = self.run_script(script, "--no-such-option", "name")
                self.assertEqual(ended.returncode, 2, ended.stdout + ended.stderr)
                self.assertIn("--no-such-option", ended.stderr)
                self.assertEqual(ended.stdout, "")


if __name__ == "__main__":
    unittest.main()
