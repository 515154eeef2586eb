#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the files of examples/ that other programs read: the unit of systemd, the crontab and the Makefile.
Runs their lines as systemd, cron and make do."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import textwrap
import time
import unittest

import desk

UNIT = desk.EXAMPLES / "systemd" / "veo-transcoder.service"


class PageTest(unittest.TestCase):
    """Compares docs/cookbook-programs.md with the files that it quotes."""

    PAGE = desk.SOURCE / "docs" / "cookbook-programs.md"

    def test_each_quotation_is_in_its_file(self):
        quotations = re.findall(r"From\s\[(\S+)\]\(\S+\):\n\n```\w+\n(.*?)```", self.PAGE.read_text(), re.DOTALL)
        self.assertGreaterEqual(len(quotations), 5)
        for name, quotation in quotations:
            with self.subTest(name):
                text = textwrap.dedent(quotation)
                lines = (desk.SOURCE / name).read_text().splitlines(keepends=True)
                length = len(text.splitlines())
                self.assertIn(text, {textwrap.dedent("".join(lines[at:at + length])) for at in range(len(lines))})

    def test_each_example_is_on_the_page(self):
        page = self.PAGE.read_text()
        named = set(re.findall(r"\]\(\.\./(examples/\S+)\)", page))
        files = {str(path.relative_to(desk.SOURCE)) for path in desk.EXAMPLES.rglob("*")
                 if path.is_file() and path.name != "meson.build"}
        self.assertEqual(named, files)
        # Each line that compiles an example is the one of its comment. The page names the file from the top folder.
        for path in files:
            for line in re.findall(r"(?:cc|c\+\+) .*\$\(pkg-config .*\)", (desk.SOURCE / path).read_text()):
                if path not in ("examples/embed.cpp", "examples/film.cpp"):
                    line = re.sub(r"(?<=\s)(\w+\.(?:c|cpp))(?=\s)", r"examples/\1", line)
                    self.assertIn("\n" + line + "\n", page)


class FilesTest(unittest.TestCase):
    def setUp(self):
        self.folder = desk.temporary_folder(self)

    def begin(self, *arguments):
        desk.require("ffmpeg", "ffprobe")
        clip = desk.make_clip(self.folder / "clip.mp4")
        self.simulator = desk.Simulator(self.folder, "--clip", str(clip), *arguments)
        self.addCleanup(self.simulator.close)

    def environment(self, **more):
        """Returns the few variables that a service has, and those that point to the simulator."""
        path = os.environ["VEO_BUILD"] + "/tools/veo:/usr/bin:/bin"
        kept = {name: os.environ[name] for name in ("GST_PLUGIN_PATH", "GST_REGISTRY", "HOME")}
        return {**kept, "PATH": path, "VEO_API_URL": self.simulator.api, "VEO_POLL_INTERVAL": "20", **more}

    def own_files(self):
        """Returns the variables that keep the ledger and the cache away from the user's own."""
        return {"VEO_LEDGER": str(self.folder / "state" / "ledger.db"), "VEO_CACHE_DIR": str(self.folder / "cache")}

    # --- systemd ---

    def unit(self):
        """Returns the settings of the unit, each with a list of its values."""
        settings = {}
        for line in UNIT.read_text().splitlines():
            if "=" in line and not line.startswith("#"):
                key, value = line.split("=", 1)
                settings.setdefault(key, []).append(value)
        return settings

    def test_systemd_accepts_the_unit_and_finds_it_closed(self):
        desk.require("systemd-analyze")
        root = self.folder / "root"
        program = root / "usr/local/bin/veo-transcoder"
        program.parent.mkdir(parents=True)
        shutil.copy(desk.EXAMPLES / "transcoder.py", program)
        program.chmod(0o755)
        units = root / "etc/systemd/system"
        units.mkdir(parents=True)
        shutil.copy(UNIT, units)
        for name in ("multi-user.target", "network-online.target", "sysinit.target", "basic.target",
                     "shutdown.target"):
            (units / name).write_text("[Unit]\nDescription=for the test\n")
        verified = subprocess.run(["systemd-analyze", "verify", "--man=no", f"--root={root}", UNIT.name],
                                  capture_output=True, text=True)
        if "Failed to" in verified.stderr and "initialize" in verified.stderr:
            self.skipTest(verified.stderr.strip())
        self.assertEqual((verified.returncode, verified.stderr), (0, ""))
        # The exposure is 0 to 10; systemd-analyze counts the threshold in tenths.
        closed = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=15", UNIT],
                                capture_output=True, text=True)
        self.assertEqual(closed.returncode, 0, closed.stdout[-200:])

    def test_the_line_of_the_unit_makes_a_video(self):
        desk.require("gst-inspect-1.0", python_modules=["import gi; gi.require_version('Gst', '1.0')"])
        self.begin("--generation-time", "0s")
        unit = self.unit()
        places = {"%S": self.folder / "lib", "%C": self.folder / "cache", "%%": "%"}

        def expand(text):
            return re.sub("%.", lambda found: str(places[found.group()]), text)

        for specifier, setting in (("%S", "StateDirectory"), ("%C", "CacheDirectory")):
            folder = places[specifier] / unit[setting][0]
            folder.mkdir(parents=True)
            folder.chmod(int(unit[setting + "Mode"][0], 8))
        name, _ = unit["LoadCredential"][0].split(":")
        credentials = self.folder / "credentials"
        credentials.mkdir()
        (credentials / name).write_text("sk-simulator\n")
        (credentials / name).chmod(0o400)
        variables = dict(word.split("=", 1) for line in unit["Environment"] for word in shlex.split(expand(line)))
        command = shlex.split(expand(unit["ExecStart"][0]))
        self.assertEqual(command[0], "/usr/local/bin/veo-transcoder")
        service = subprocess.Popen(
            [desk.PYTHON, desk.EXAMPLES / "transcoder.py", *command[1:]], stdout=subprocess.PIPE, text=True,
            env=self.environment(CREDENTIALS_DIRECTORY=str(credentials), **variables))
        self.addCleanup(service.stdout.close)
        self.addCleanup(service.wait)
        self.addCleanup(service.kill)
        state = places["%S"] / "veo"
        desk.wait_for(lambda: (state / "jobs").is_dir(), process=service)
        (state / "jobs" / "dog.json").write_text(json.dumps({"prompt": "a dog"}))
        events = []
        for line in service.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] in ("done", "error"):
                break
        self.assertEqual(events[-1]["event"], "done", events)
        self.assertTrue((state / "videos" / "dog.webm").exists())
        self.assertTrue((state / "ledger.db").exists())
        service.send_signal(signal.SIGTERM)
        self.assertEqual(service.wait(desk.PATIENCE), int(unit["SuccessExitStatus"][0]))
        # The budget of the unit holds.
        self.assertEqual(self.simulator.state["charges"], 1)

    # --- cron ---

    def test_cron_makes_one_video_a_day(self):
        self.begin("--generation-time", "1s")
        home = self.folder / "home"
        (home / "mornings").mkdir(parents=True)
        (home / ".config").mkdir()
        key = home / ".config" / "veo-api-key"
        key.write_text("sk-simulator\n")
        key.chmod(0o600)
        variables, commands = {}, []
        for line in (desk.EXAMPLES / "cron" / "veo").read_text().splitlines():
            if re.match(r"[A-Z_]+=", line):
                name, value = line.split("=", 1)
                variables[name] = value.replace("/home/maker", str(home))
            elif line and not line.startswith("#"):
                *_when, user, command = line.split(None, 6)[-7:]
                self.assertEqual((user, len(_when)), ("maker", 5))
                # cron makes a new line of a percent sign without a backslash.
                self.assertNotRegex(command, r"(?<!\\)%")
                commands.append(command.replace("\\%", "%"))
        self.assertEqual(len(commands), 1)
        del variables["PATH"]
        environment = self.environment(**variables, HOME=str(home), LOGNAME="maker", SHELL="/bin/sh")
        for _ in range(2):  # Two runs at the same time, and two runs later.
            runs = [subprocess.Popen(["/bin/sh", "-c", commands[0]], cwd=home, env=environment, text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
            for run in runs:
                self.assertEqual((run.communicate(timeout=desk.PATIENCE)[0], run.returncode), ("", 0))
        [video] = (home / "mornings").iterdir()
        self.assertEqual(video.name, time.strftime("%Y-%m-%d.mp4"))
        self.assertEqual(video.read_bytes(), (self.folder / "clip.mp4").read_bytes())
        self.assertEqual(self.simulator.state["charges"], 1)

    # --- make ---

    def make(self, *arguments):
        ended = subprocess.run(
            ["make", "-s", "-f", desk.EXAMPLES / "make" / "Makefile", *arguments], cwd=self.folder, text=True,
            env=self.environment(VEO_API_KEY="sk-simulator", **self.own_files()), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=desk.PATIENCE)
        return ended.returncode, ended.stdout

    def test_make_pays_for_each_prompt_once(self):
        desk.require("make")
        self.begin("--generation-time", "0s")
        (self.folder / "dog.prompt").write_text("a dog with \"quotes\" and a $sign\n")
        (self.folder / "cat.prompt").write_text("-cat\n")
        self.assertEqual(self.make("-j4"), (0, ""))
        for name in ("dog", "cat"):
            codecs = subprocess.run(
                ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0",
                 self.folder / f"{name}.webm"], capture_output=True, text=True, check=True).stdout
            self.assertEqual(codecs.split(), ["vp9", "opus"])
        self.assertEqual({task["prompt"] for task in self.simulator.state["tasks"]},
                         {"a dog with \"quotes\" and a $sign", "-cat"})
        (self.folder / "dog.mp4").unlink()
        os.utime(self.folder / "cat.prompt")
        self.assertEqual(self.make(), (0, ""))
        self.assertTrue((self.folder / "dog.mp4").exists())
        self.assertEqual(self.simulator.state["charges"], 2)
        # A limit that is too low leaves no file.
        (self.folder / "bird.prompt").write_text("a bird\n")
        code, said = self.make("CREDITS=10")
        self.assertEqual(code, 2)
        self.assertIn("max-credits is 10", said)
        self.assertFalse((self.folder / "bird.mp4").exists())


if __name__ == "__main__":
    desk.run_tests()
