# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the wild tests share: the built programs, a simulator, a user's home, and a run of `veo`.

The programs are those of a build directory: `VEO_BUILD`, else `build` in the source tree.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
import patience  # noqa: E402

BUILD = Path(os.environ.get("VEO_BUILD", ROOT / "build")).resolve()
VEO = BUILD / "tools/veo/veo"
SIMULATOR = BUILD / "tools/simulator/veo-simulator"

# A task id as the simulator makes it.
TASK_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")

EXIT_CODES = {
    "invalid-request": 2, "model-not-found": 2,
    "missing-api-key": 3, "invalid-api-key": 3, "ip-not-allowed": 3,
    "insufficient-credits": 4, "spend-limit-exceeded": 4, "budget-exceeded": 4,
    "task-not-found": 5,
    "rate-limit-exceeded": 6, "timeout": 6,
    "task-failed": 7, "upstream-error": 7,
    "submit-unknown": 8,
    "internal-error": 9, "network": 9, "tls": 9, "bad-response": 9, "cache": 9, "ledger": 9,
    "bad-media": 9,
}  # fmt: skip


class Skipped(Exception):
    """This machine cannot make the environment; the text says why."""


def need(*programs):
    """Skips the test if one of the programs is not installed."""
    for program in programs:
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            raise Skipped(f"{program} is not installed")


def find_faketime():
    """The library that fakes the wall clock. Skips the test without it."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise Skipped("faketime is not installed")
    return str(found[0])


def fake_clock(jump):
    """The environment of a process whose wall clock is wrong by `jump`, such as +1d."""
    return {
        "LD_PRELOAD": find_faketime(),
        "FAKETIME": jump,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def enter_namespaces():
    """Runs this program again in mount and network namespaces of its own, as their root. Returns
    whether it is in them."""
    if os.environ.get("VEO_WILD_INSIDE"):
        patience.run(["ip", "link", "set", "lo", "up"], check=True)
        return True
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--mount", "--net", "--kill-child"]
    if patience.run([*command, "true"], capture_output=True).returncode != 0:
        return False
    os.environ["VEO_WILD_INSIDE"] = "user" if user else "root"
    os.execvp(command[0], [*command, sys.executable, *sys.argv])


def clean_environment():
    """The caller's environment without its account, key, proxy and time zone."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VEO_", "XDG_"))
        and not name.lower().endswith("_proxy")
        and name not in ("CREDENTIALS_DIRECTORY", "SSL_CERT_FILE")
    }


class Simulator:
    """A running veo-simulator."""

    def __init__(self, *arguments, prefix=()):
        self.process = subprocess.Popen(
            [*prefix, SIMULATOR, *arguments], stdout=subprocess.PIPE, text=True
        )
        line = patience.read_line(self.process)
        if not line:
            raise RuntimeError("veo-simulator did not start")
        ready = json.loads(line)
        self.api, self.files = ready["api"], ready["files"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        patience.await_end(self.process)
        self.process.stdout.close()

    def _ask(self, path, body=None):
        request = urllib.request.Request(
            self.api.removesuffix("/v1") + path, body, method="PUT" if body else "GET"
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return answer.read()

    def state(self):
        return json.loads(self._ask("/simulator/state"))

    def await_submissions(self, count, run):
        """Waits until so many submissions have come. A run that has ended sends no more."""
        patience.await_condition(
            f"{count} submissions",
            lambda: self.state()["submissions"] >= count or run.process.poll() is not None,
        )

    def set_faults(self, *faults):
        self._ask("/simulator/faults", json.dumps(faults).encode())

    def tasks_of(self, prompt):
        return [task for task in self.state()["tasks"] if task["prompt"] == prompt]


class Ended:
    """How one run of `veo` ended."""

    def __init__(self, code, output, errors, *, was_killed, has_exit_codes):
        self.code, self.errors, self.was_killed = code, errors, was_killed
        self.has_exit_codes = has_exit_codes
        self.events = []
        for line in output.splitlines():
            try:
                self.events.append(json.loads(line))
            except ValueError:
                pass  # the last line of a process that was killed
        self.told = set(TASK_ID.findall(output + errors))

    def last(self, kind):
        return next((e for e in reversed(self.events) if e.get("event") == kind), {})

    def __str__(self):
        error = self.last("error")
        end = f"exit {self.code} {error.get('code', '')} {error.get('message', '')}".rstrip()
        return f"{'killed' if self.was_killed else end}; stderr: {self.errors.strip()[-600:]}"

    def flaw(self):
        """What is wrong with this end whatever the request: None, or a text."""
        if self.was_killed:
            return None
        if self.code < 0:
            return f"ended by {signal.Signals(-self.code).name}"
        error = self.last("error")
        if self.code in (0, 130) and not error:
            return None
        if not error:
            return "a failure without an error event"
        if self.has_exit_codes and EXIT_CODES.get(error["code"]) != self.code:
            return f"exit code {self.code} with the error {error['code']}"
        if not error["message"]:
            return "an error without a message"
        return None


class Run:
    """A running `veo`. A run that hangs is killed after `limit` seconds and counts as a failure."""

    def __init__(self, arguments, environment, *, program=VEO, prefix=(), directory=None, limit=300,
                 setup=None):
        self.program, self.is_killed, self.is_hung = program, False, False
        self.process = subprocess.Popen(
            [*prefix, program, *arguments],
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            preexec_fn=setup,
        )
        self.texts = [[], []]
        pipes = (self.process.stdout, self.process.stderr)
        self.readers = [
            threading.Thread(target=text.extend, args=(pipe,))
            for text, pipe in zip(self.texts, pipes)
        ]
        for reader in self.readers:
            reader.start()
        self.limit = limit
        self.watchdog = threading.Timer(limit, self._on_hang)
        self.watchdog.start()

    def _on_hang(self):
        self.is_hung = True
        self.process.kill()

    def send(self, number):
        self.is_killed = self.is_killed or number == signal.SIGKILL
        self.process.send_signal(number)

    def wait(self):
        # The watchdog kills the process before this wait ends.
        code = patience.await_end(self.process, self.limit + patience.SECONDS)
        self.watchdog.cancel()
        for reader in self.readers:
            reader.join(patience.SECONDS)
            if reader.is_alive():
                raise patience.OutOfPatience(
                    f"the end of the output of {self.process.args}; another process holds it",
                    patience.SECONDS,
                )
        self.process.stdout.close()
        self.process.stderr.close()
        output, errors = ("".join(text) for text in self.texts)
        if self.is_hung:
            raise AssertionError(f"veo hung; it said {output} {errors}")
        return Ended(
            code, output, errors,
            was_killed=self.is_killed and code == -signal.SIGKILL,
            has_exit_codes=self.program == VEO,
        )  # fmt: skip


class Home:
    """A user's ledger and cache."""

    def __init__(self, folder, api, key="sk-wild"):
        self.folder = Path(folder)
        self.ledger = self.folder / "state/ledger.db"
        self.cache = self.folder / "cache"
        self.environment = clean_environment() | {
            "HOME": str(self.folder),
            "VEO_API_URL": api,
            "VEO_API_KEY": key,
            "VEO_LEDGER": str(self.ledger),
            "VEO_CACHE_DIR": str(self.cache),
        }

    def start(self, *arguments, **more):
        environment = self.environment | more.pop("environment", {})
        return Run([str(a) for a in arguments], environment, **more)

    def run(self, *arguments, **more):
        return self.start(*arguments, **more).wait()


def make_clip(folder):
    """Makes a small clip in the simulator's layout, so that no test waits for an encoder."""
    clip = Path(folder) / "small.mp4"
    with Simulator("--frames", "64", "--generation-time", "0s") as simulator:
        home = Home(Path(folder) / "clip-home", simulator.api)
        ended = home.run("generate", "a small clip", "-o", clip, "--json")
        if ended.code != 0:
            raise RuntimeError(f"the clip could not be made: {ended}")
    return clip


@contextlib.contextmanager
def foreign_lock(ledger):
    """Another program holds a write lock on the ledger."""
    program = (
        "import sqlite3, sys\n"
        "ledger = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n"
        "ledger.execute('BEGIN IMMEDIATE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, ledger],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    patience.read_line(holder)
    try:
        yield
    finally:
        holder.stdin.close()
        patience.await_end(holder)
        holder.stdout.close()
