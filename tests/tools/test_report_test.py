#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs scripts/test-report on the files that Meson 1.0 and GoogleTest 1.12 write, case by case."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import patience  # noqa: E402

GOOD = '<testcase name="good" status="run" classname="S"/>'
BAD = '<testcase name="bad" status="run" classname="S"><failure>x.cpp:6\nwhy</failure></testcase>'
SKIP = '<testcase name="skip" status="run" classname="S"><skipped>x.cpp:6\nno clips</skipped></testcase>'
DISABLED = '<testcase name="DISABLED_off" status="notrun" classname="S"/>'
DIED = "[ RUN      ] S.good\n[       OK ] S.good (0 ms)\n[ RUN      ] S.dies\n"


def xml(*cases):
    return f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>".encode()

TAP = """Running suite(s): s
ok 1 - ../s.cpp:general:test_good: Passed
not ok 2 - ../s.cpp:general:test_bad: got: x
expected: y
ok 3 - ../s.cpp:general:test_late: Passed
66%: Checks: 3, Failures: 1, Errors: 0
1..3
"""


class TestReport(unittest.TestCase):
    def check(self, records, files, last, named=(), status=0, protocol="gtest"):
        """records: {name: (result, exit status, output)}; files: {name: its XML}."""
        with tempfile.TemporaryDirectory() as folder:
            build = Path(folder)
            (build / "meson-logs").mkdir()
            (build / "meson-info").mkdir()
            tests = [{"name": n, "protocol": protocol, "cmd": [n]} for n in {*records, *files}]
            (build / "meson-info" / "intro-tests.json").write_text(json.dumps(tests))
            with (build / "meson-logs" / "testlog.json").open("w") as log:
                for name, (result, code, output) in records.items():
                    record = {"name": name, "result": result, "returncode": code, "stdout": output}
                    log.write(json.dumps(record) + "\n")
            for name, content in files.items():
                (build / f"{name}.xml").write_bytes(content)
            run = patience.run(
                [sys.argv[1], "--status", str(status), build], capture_output=True, text=True
            )
        self.assertEqual(run.stdout.splitlines()[-1], last, run.stderr)
        self.assertEqual(run.returncode, 0 if ", 0 failed" in last else 1)
        for text in named:
            self.assertIn(text, run.stdout)

    def test_cases_are_counted(self):
        self.check({"a": ("OK", 0, "")}, {"a": xml(GOOD, GOOD)}, "2 passed, 0 failed")

    def test_skips_are_named(self):
        named = ["SKIPPED  a: S.skip: no clips", "SKIPPED  a: S.DISABLED_off: disabled"]
        files = {"a": xml(GOOD, SKIP, DISABLED)}
        self.check({"a": ("OK", 0, "")}, files, "1 passed, 0 failed, 2 skipped", named)

    def test_failed_case_is_counted_once(self):
        named = ["FAILED   a: S.bad\n", "    why"]
        files = {"a": xml(GOOD, BAD)}
        self.check({"a": ("FAIL", 1, "")}, files, "1 passed, 1 failed", named, status=1)

    def test_crash(self):
        named = ["FAILED   a\n", "killed by SIGABRT in S.dies"]
        self.check({"a": ("FAIL", -6, DIED)}, {}, "0 passed, 1 failed", named, status=1)

    def test_timeout(self):
        named = ["timed out in S.dies"]
        self.check({"a": ("TIMEOUT", -15, DIED)}, {}, "0 passed, 1 failed", named, status=1)

    def test_failure_outside_the_cases(self):
        records = {"a": ("FAIL", 23, "a leak")}
        self.check(records, {"a": xml(GOOD)}, "1 passed, 1 failed", ["exit status 23"], status=1)

    def test_exit_before_the_results(self):
        self.check({"a": ("OK", 0, DIED)}, {}, "0 passed, 1 failed", ["exit status 0 in S.dies"])

    def test_programs_without_cases(self):
        records = {"a": ("OK", 0, ""), "b": ("FAIL", 1, ""), "c": ("SKIP", 77, "")}
        last = "1 passed, 1 failed, 1 skipped"
        self.check(records, {}, last, status=1, protocol="exitcode")

    def test_cases_of_tap(self):
        good = TAP.replace("not ok", "ok")
        self.check({"a": ("OK", 0, good)}, {}, "3 passed, 0 failed", protocol="tap")

    def test_failed_case_of_tap(self):
        named = ["FAILED   a: general.test_bad\n    got: x\n    expected: y\n2 passed"]
        records = {"a": ("ERROR", 1, TAP)}
        self.check(records, {}, "2 passed, 1 failed", named, status=1, protocol="tap")

    def test_skipped_case_of_tap(self):
        skips = TAP.replace("not ok", "ok").replace("test_late: Passed", "test_late: no display # SKIP")
        named = ["SKIPPED  a: general.test_late: no display\n"]
        last = "2 passed, 0 failed, 1 skipped"
        self.check({"a": ("OK", 0, skips)}, {}, last, named, protocol="tap")

    def test_tap_of_a_program_that_died(self):
        records = {"a": ("ERROR", -11, TAP.split("not ok")[0])}
        named = ["FAILED   a\n", "killed by SIGSEGV"]
        self.check(records, {}, "1 passed, 1 failed", named, status=1, protocol="tap")

    def test_tap_without_a_case(self):
        last = "0 passed, 1 failed"
        self.check({"a": ("SKIP", 0, "1..0\n")}, {}, last, protocol="tap")

    def test_xml_of_which_meson_dies(self):
        files = {"a": xml(GOOD), "b": xml(BAD).replace(b"why", b"why \xff")}
        named = ["FAILED   b: S.bad", "FAILED   meson test", "ended early"]
        self.check({"a": ("OK", 0, "")}, files, "1 passed, 2 failed", named, status=2)

    def test_nothing_ran(self):
        self.check({"a": ("OK", 0, "")}, {"a": xml()}, "0 passed, 1 failed", ["no test case ran"])

    def test_meson_failed_alone(self):
        records, files = {"a": ("OK", 0, "")}, {"a": xml(GOOD)}
        self.check(records, files, "1 passed, 1 failed", ["ended early, with status 1"], status=1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
