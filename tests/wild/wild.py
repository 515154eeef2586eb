#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs other people's environments and random lives of a ledger, and prints a table.

The program runs in network and mount namespaces of its own. What needs them is skipped where a
machine allows none. scripts/wild builds and installs what it needs.
"""

import argparse
import os
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import money_sequences
import world
from environments import ENVIRONMENTS, Lab


class Table:
    """Counts and prints the rows as they come."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, name, done, run):
        charges, result = "", ""
        try:
            charges, result = run()
            self.passed += 1
        except world.Skipped as reason:
            result = f"SKIPPED  {reason}"
            self.skipped += 1
        except Exception as failure:
            result = f"FAILED   {failure}"
            self.failed += 1
        print(name)
        print(f"  done:    {done}")
        if charges != "":
            print(f"  charged: {charges}")
        print(f"  result:  {result}", flush=True)

    def print_count(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}")


def run_environment(name, folder, clip, is_long, has_namespaces):
    folder = folder / name
    folder.mkdir(mode=0o711)
    lab = Lab(folder, clip, is_long, has_namespaces)
    with lab.stack:
        return ENVIRONMENTS[name](lab)


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/wild",
        description="Runs veo in other people's environments, and through random lives of a ledger.",
    )
    parser.add_argument("--list", action="store_true", help="only name the environments")
    parser.add_argument("--long", action="store_true", help="also what takes minutes")
    parser.add_argument("--sequences", type=int, help="how many random lives (default 6)")
    parser.add_argument("--seed", type=int, help="the first one's seed; the others follow")
    parser.add_argument("--jobs", type=int, default=6, help="how many run at once (default 6)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these environments")
    options = parser.parse_args()
    if options.list:
        for name, function in ENVIRONMENTS.items():
            print(f"{name:34} {function.__doc__}")
        return 0
    if unknown := set(options.names) - set(ENVIRONMENTS):
        parser.error(f"there is no environment {', '.join(sorted(unknown))}: see --list")
    # Names alone, or a number of sequences alone, mean nothing but these.
    names = options.names or ([] if options.sequences else list(ENVIRONMENTS))
    sequences = options.sequences if options.sequences is not None else 0 if options.names else 6
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)

    has_namespaces = world.enter_namespaces()
    table = Table()
    with tempfile.TemporaryDirectory(prefix="veo-wild-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)  # for the environments with another user
        clip = world.make_clip(folder)
        with ThreadPoolExecutor(options.jobs) as pool:
            running = {}
            for name in names:
                future = pool.submit(
                    run_environment, name, Path(folder), clip, options.long, has_namespaces
                )
                running[future] = (name, ENVIRONMENTS[name].__doc__)
            for seed in range(first, first + sequences):
                future = pool.submit(money_sequences.play, seed, clip, options.long, has_namespaces)
                running[future] = (f"life {seed}", f"a random life: --sequences 1 --seed {seed}")
            for future in as_completed(running):
                table.add(*running[future], future.result)
    table.print_count()
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
