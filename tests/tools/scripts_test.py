#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each script of the project explains itself, and refuses an option that it does not have. The scripts run in
a folder of their own, without the tools that install packages or build: neither may be tried first."""

import os
import pty
import subprocess
import tempfile
import termios
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


class Progress(unittest.TestCase):
    """The progress that scripts/lib.sh shows."""

    def run_lines(self, lines, stderr):
        program = f"source '{ROOT}/scripts/lib.sh'; veo_progress_interval=1; {lines}"
        return subprocess.run(["bash", "-c", program], stderr=stderr, check=False, timeout=60)

    def test_a_silent_program_is_not_silent(self):
        with tempfile.TemporaryFile() as file:
            self.run_lines("{ echo first; sleep 3.5; } | veo_show_progress Phase", file)
            file.seek(0)
            lines = file.read().decode().splitlines()
        self.assertGreaterEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line, r"^\[ *\d+ s\] Phase: first$")

    def test_a_terminal_has_one_line(self):
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 40))
        try:
            self.run_lines("printf '%s\\n' one two two-and-a-very-long-text-for-a-terminal-of-forty | veo_show_progress Phase", theirs)
        finally:
            os.close(theirs)
        shown = b""
        with open(ours, "rb", buffering=0) as terminal:
            try:
                while part := terminal.read(65536):
                    shown += part
            except OSError:  # the terminal has no writer any more, and all is read
                pass
        shown = shown.decode()
        self.assertNotIn("\n", shown)
        parts = shown.split("\r\x1b[K")
        self.assertEqual([part.split("] ")[-1] for part in parts[1:3]], ["Phase: one", "Phase: two"])
        self.assertEqual(max(map(len, parts)), 39)
        self.assertEqual(parts[-1], "")

    def test_what_failed_is_printed(self):
        with tempfile.TemporaryFile() as file:
            ended = self.run_lines("veo_run_quietly Phase bash -c 'echo quiet; echo FAILED: x; echo why; exit 7'", file)
            file.seek(0)
            self.assertEqual(file.read().decode(), "FAILED: x\nwhy\n")
        self.assertEqual(ended.returncode, 7)


if __name__ == "__main__":
    unittest.main()
