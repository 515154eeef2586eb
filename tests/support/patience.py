# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waits of the tests in Python. Each wait has an end, and then says what it waited for."""

import selectors
import subprocess
import time

SECONDS = 120  # longer than anything takes that the tests wait for


class OutOfPatience(AssertionError):
    def __init__(self, what, seconds):
        super().__init__(f"waited {seconds:g} s in vain: {what}")


def await_condition(what, is_so, seconds=SECONDS):
    """Waits until is_so() is true, and returns its value. Polls, because nothing signals these events."""
    end = time.monotonic() + seconds
    while not (value := is_so()):
        if time.monotonic() > end:
            raise OutOfPatience(what, seconds)
        time.sleep(0.02)
    return value


def read_line(process, seconds=SECONDS):
    """Reads the next line that the process prints. Returns an empty text if the process has ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            raise OutOfPatience(f"a line of {process.args}", seconds)
    return process.stdout.readline()


def await_end(process, seconds=SECONDS):
    """Waits for the end of the process and returns its exit code. A process that does not end is killed."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(SECONDS)
        raise OutOfPatience(f"the end of {process.args}", seconds) from None


def run(command, **more):
    """subprocess.run, with an end."""
    return subprocess.run(command, **{"timeout": SECONDS, "check": False} | more)
