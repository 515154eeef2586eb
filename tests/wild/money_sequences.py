# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random lives of a ledger. Each sequence has a simulator, a ledger on a small disk of its own, and two
prompts. Its steps run `veo generate` for one of the prompts while something goes wrong:

  lock       another program holds a write lock on the ledger
  full       the ledger's disk has 40 to 240 KiB left
  file-size  RLIMIT_FSIZE
  stop       SIGSTOP, for longer than the deadline of a submission in the long version
  kill       SIGKILL
  clock      the wall clock jumps by a day or ten years, either way
  chdir      the ledger's path is relative, and the application changes its directory meanwhile
  answer     the service's answer is late, lost or cut

or, between two runs:

  older      the ledger is replaced by an older copy of its main file
  wal        the file -wal is removed
  cache      the cache is removed

At the end nothing goes wrong any more, and each prompt is run again. Then these must hold:

  - The service has charged each prompt once, at most.
  - A task id that a run has told, and that was charged, is not lost: the last run plays that task.
    If the user lost a part of the ledger (older, wal), the last run may refuse to submit instead,
    and the task plays by its id.
  - Each run ended with a clip or with an error, whose exit code is the right one.

A sequence is repeated by its seed.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import world

DISK_KIB = 2048
LIBRARY = world.BUILD / "gst/veo/libveo-1.0.so.0"
# An application of the C API that changes its directory as soon as the submission has begun. It
# prints the events that `veo --json` prints.
CHANGE_DIRECTORY = """
import ctypes, json, os, sys
veo = ctypes.CDLL(os.environ["VEO_LIBRARY"])
class Error(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in ("code", "message", "task_id", "charged")]
veo.veo_stream_new.restype = ctypes.c_void_p
veo.veo_stream_error.restype = ctypes.POINTER(Error)
veo.veo_stream_task_id.restype = ctypes.c_char_p
stream, io = ctypes.c_void_p(veo.veo_stream_new()), ctypes.c_void_p()
@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int)
def on_progress(opaque, phase, task, percent):
    os.chdir("/")
veo.veo_stream_set_progress(stream, on_progress, None)
veo.veo_stream_set(stream, b"prompt", sys.argv[1].encode())
failed = veo.veo_stream_open(stream, ctypes.byref(io)) < 0
event = {"event": "done", "task-id": veo.veo_stream_task_id(stream).decode()}
if failed:
    error = veo.veo_stream_error(stream).contents
    event = {"event": "error", "code": error.code.decode(), "message": error.message.decode()}
print(json.dumps(event), flush=True)
veo.veo_stream_free(stream)
"""
JUMPS = ["+1d", "-1d", "+3652d", "-3652d"]


class Sequence:
    def __init__(self, seed, folder, clip, is_long):
        self.seed, self.random = seed, random.Random(seed)
        self.folder, self.clip, self.is_long = Path(folder), clip, is_long
        self.prompts = [f"a dog, {seed}", f"a cat, {seed}"]
        self.story, self.told, self.has_lost_records = [], {p: set() for p in self.prompts}, False
        self.copies = 0

    # --- the sequence ---

    def play(self):
        disk = self.folder / "state"
        disk.mkdir()
        world.patience.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k,mode=700", "veo", disk], check=True
        )
        try:
            with world.Simulator("--clip", self.clip, "--generation-time", "1s") as simulator:
                self.simulator = simulator
                self.home = world.Home(self.folder, simulator.api)
                steps = self.random.randint(3, 8)
                for _ in range(steps):
                    self.random.choice(self.steps)(self)
                return self.judge()
        finally:
            world.patience.run(["umount", "-l", disk], check=True)

    def fail(self, what):
        raise AssertionError(f"seed {self.seed}: {what}. Story: " + " | ".join(self.story))

    def start(self, prompt, **more):
        return self.home.start(
            "generate", prompt, "-o", self.folder / "out.mp4", "--json", "--retries=2", **more,
        )  # fmt: skip

    def end(self, run, prompt, what):
        ended = run.wait()
        self.told[prompt] |= ended.told
        self.story.append(f"{what}: {prompt.split(',')[0]}: {ended}")
        if flaw := ended.flaw():
            self.fail(flaw)
        return ended

    def judge(self):
        self.simulator.set_faults()
        lost = " after a loss of records" if self.has_lost_records else ""
        ends = []
        for prompt in self.prompts:
            ended = self.end(self.start(prompt), prompt, "at last")
            tasks = self.simulator.tasks_of(prompt)
            if len(tasks) > 1:
                self.fail(f"{prompt} is charged {len(tasks)} times{lost}")
            charged = {task["id"] for task in tasks}
            told = self.told[prompt] & charged
            code = ended.last("error").get("code", "played")
            ends.append(code)
            if code == "played":
                if ended.last("done").get("task-id") not in charged:
                    self.fail("another task was played")
                if (self.folder / "out.mp4").read_bytes() != self.clip.read_bytes():
                    self.fail("the clip has other bytes")
            elif code == "ledger" and self.has_lost_records:
                pass
            elif code == "submit-unknown" and not told:
                pass
            else:
                self.fail(f"the last run ended with {code}")
            for task in told:
                played = self.home.run("download", task, "-o", self.folder / "by-id.mp4")
                if played.code != 0:
                    self.fail(f"task {task} does not play by its id: {played}")
        story = ", ".join(step.split(":")[0] for step in self.story)
        return self.simulator.state()["charges"], f"{', '.join(ends)} ({story})"

    # --- what goes wrong ---

    def step_plain(self):
        prompt = self.random.choice(self.prompts)
        self.end(self.start(prompt), prompt, "plain")

    def step_lock(self):
        if not self.home.ledger.exists():
            return self.step_plain()
        prompt = self.random.choice(self.prompts)
        seconds = self.random.choice([1, 3, 6, 12] + ([30, 60] if self.is_long else []))
        late = self.random.random() < 0.7
        self.simulator.set_faults(*(["submit:delay=700ms"] if late else []))
        posted = self.simulator.state()["submissions"]
        run = self.start(prompt)
        if late:  # the lock comes while the answer is on its way
            self.simulator.await_submissions(posted + 1, run)
        with world.foreign_lock(self.home.ledger):
            time.sleep(seconds)  # the time itself is what the step is about
        self.end(run, prompt, f"a lock for {seconds} s")
        self.simulator.set_faults()

    def step_full(self):
        prompt = self.random.choice(self.prompts)
        left = self.random.randint(40, 240)
        ballast = self.home.ledger.parent / "ballast"
        info = os.statvfs(ballast.parent)
        size = info.f_bavail * info.f_frsize - left * 1024
        if size > 0:
            with open(ballast, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        self.end(self.start(prompt), prompt, f"{left} KiB left")
        with contextlib.suppress(FileNotFoundError):
            ballast.unlink()

    def step_file_size(self):
        prompt = self.random.choice(self.prompts)
        limit = self.random.choice([0, 4096, 16384, 65536, 100_000, 200_000])
        setup = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        self.end(self.start(prompt, setup=setup), prompt, f"RLIMIT_FSIZE {limit}")

    def step_stop(self):
        prompt = self.random.choice(self.prompts)
        seconds = self.random.choice([1, 2] + ([65] if self.is_long else []))
        self.simulator.set_faults("submit:delay=500ms")
        posted = self.simulator.state()["submissions"]
        run = self.start(prompt)
        self.simulator.await_submissions(posted + 1, run)
        run.send(signal.SIGSTOP)
        time.sleep(seconds)  # the time itself is what the step is about
        run.send(signal.SIGCONT)
        self.end(run, prompt, f"stopped for {seconds} s")
        self.simulator.set_faults()

    def step_kill(self):
        prompt = self.random.choice(self.prompts)
        run = self.start(prompt)
        killer = threading.Timer(self.random.random() * 0.4, lambda: run.send(signal.SIGKILL))
        killer.start()
        self.end(run, prompt, "killed")
        killer.cancel()

    def step_clock(self):
        prompt = self.random.choice(self.prompts)
        jump = self.random.choice(JUMPS)
        environment = world.fake_clock(jump)
        self.end(self.start(prompt, environment=environment), prompt, f"the clock {jump}")

    def step_chdir(self):
        prompt = self.random.choice(self.prompts)
        environment = {
            "VEO_LEDGER": "state/ledger.db", "VEO_CACHE_DIR": "cache", "VEO_LIBRARY": str(LIBRARY),
        }  # fmt: skip
        run = world.Run(
            ["-c", CHANGE_DIRECTORY, prompt], self.home.environment | environment,
            program=sys.executable, directory=self.folder,
        )  # fmt: skip
        self.end(run, prompt, "the directory is changed")

    def step_answer(self):
        prompt = self.random.choice(self.prompts)
        fault = self.random.choice(["lost-answer*1", "half-answer*1", "delay=2s*1", "status=500*1"])
        self.simulator.set_faults("submit:" + fault)
        self.end(self.start(prompt), prompt, fault)
        self.simulator.set_faults()

    def step_older(self):
        ledger = self.home.ledger
        copies = self.folder / "copies"
        copies.mkdir(exist_ok=True)
        if self.copies and self.random.random() < 0.5:
            copy = copies / str(self.random.randrange(self.copies))
            for companion in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{ledger}{companion}").unlink()
            shutil.copy(copy, ledger)
            self.has_lost_records = True
            self.story.append("an older copy is restored")
        elif ledger.exists():
            shutil.copy(ledger, copies / str(self.copies))
            self.copies += 1
            self.story.append("the ledger is copied")

    def step_wal(self):
        for companion in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.home.ledger}{companion}").unlink()
                self.has_lost_records = True
        self.story.append("-wal is removed")

    def step_cache(self):
        shutil.rmtree(self.home.cache, ignore_errors=True)
        self.story.append("the cache is removed")

    steps = [
        step_plain, step_lock, step_lock, step_full, step_full, step_file_size, step_stop,
        step_kill, step_clock, step_chdir, step_answer, step_older, step_older, step_wal, step_cache,
    ]  # fmt: skip


def play(seed, clip, is_long, has_namespaces):
    """Plays one sequence. Returns the charges and how its prompts ended."""
    if not has_namespaces:
        raise world.Skipped("this machine allows no new mount namespace")
    world.find_faketime()
    with tempfile.TemporaryDirectory(prefix="veo-wild-", ignore_cleanup_errors=True) as folder:
        return Sequence(seed, folder, clip, is_long).play()
