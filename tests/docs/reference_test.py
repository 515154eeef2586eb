#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""reference_test.py VEO GST_INSPECT: the reference (docs/reference) has all that the code has, and no more.

The test finds what the code has by another way than scripts/docs: from `gst-inspect-1.0`, from `--help`, and
from the sources. The environment leads gst-inspect-1.0 to the plugin.
"""
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VEO, GST_INSPECT = sys.argv[1:3]

sys.path.insert(0, str(ROOT / "scripts"))
from reference_of_elements import NEWER_PROPERTIES  # noqa: E402


def read(*path: str) -> str:
    return (ROOT.joinpath(*path)).read_text(encoding="utf-8")


def read_sources(*folders: str, but: tuple = ()) -> str:
    text = ""
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in (".cpp", ".h", ".def", ".c") and file.name not in but:
                text += re.sub(r"^\s*//.*$", "", file.read_text(encoding="utf-8"), flags=re.M)
    return text


def run(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return result.stdout


def section(text: str, heading: str, level: int = 2) -> str:
    """Returns the text below a heading, up to the next heading of its level or above."""
    begin = re.search(rf"^{'#' * level} {re.escape(heading)}$", text, re.M)
    if begin is None:
        raise AssertionError(f"there is no heading {heading}")
    rest = text[begin.end() :]
    end = re.search(rf"^#{{1,{level}}} ", rest, re.M)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """Returns the cells of all rows of tables. The heads and the lines below them are left out."""
    lines = text.splitlines()
    found = []
    for line, after in zip(lines, lines[1:] + [""]):
        if line.startswith("|") and not line.startswith("|---") and not after.startswith("|---"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found.append([cell.strip().replace("\\|", "|") for cell in cells])
    return found


def names(text: str) -> list[str]:
    return [row[0].strip("`") for row in rows(text)]


class Elements(unittest.TestCase):
    """gst-inspect-1.0 and reference/elements.md."""

    PAGE = read("docs", "reference", "elements.md")

    def inspect(self, element: str) -> str:
        return run(GST_INSPECT, "--no-colors", element)

    def test_properties(self):
        for element in ("veosrc", "veoextend", "veolivesrc"):
            printed = self.inspect(element).split("Element Properties:\n")[1]
            printed = re.split(r"\n(?=\S)", printed)[0]
            found = {}
            for block in re.split(r"^  (?=[a-z][a-z-]* *: )", printed, flags=re.M)[1:]:
                found[block.split(":")[0].strip()] = block
            part = section(self.PAGE, element)
            table = {row[0].strip("`"): row for row in rows(section(part, "Properties", 4))}
            table = {name: row for name, row in table.items() if len(row) == 6}
            inherited = re.findall(
                r"`([^`]+)`", re.search(r"^From GStreamer's .*? has (.*)$", part, re.M)[1]
            )
            known = {*table, *inherited} | (found.keys() & NEWER_PROPERTIES)
            self.assertEqual(found.keys(), known, element)
            self.assertGreater(len(table), 30)
            for name, row in table.items():
                with self.subTest(element=element, property=name):
                    self.check_property(found[name], row)

    def check_property(self, block: str, row: list[str]):
        _, kind, standard, access, meaning, since = row
        flags = re.search(r"flags: (.*)", block)[1]
        self.assertEqual("readable" in flags, "read" in access)
        self.assertEqual("writable" in flags, "write" in access)
        self.assertRegex(since, r"^\d+\.\d+$")
        blurb = block.split(":", 1)[1].split("\n")[0].strip()
        blurb = re.sub(r" \[.*\]$", "", blurb) if kind.startswith(("int", "uint")) else blurb
        self.assertEqual(meaning.replace("&lt;", "<").replace("\\", ""), blurb + ".")
        if "Enum" in block:
            nicks = re.findall(r"^ +\(\d+\): (\S+) +- ", block, re.M)
            self.assertEqual(kind, "enum: " + ", ".join(f"`{nick}`" for nick in nicks))
            self.assertEqual(standard, f"`{re.search(r'Default: .*?, .(.*?).$', block, re.M)[1]}`")
        elif "Boolean" in block:
            self.assertEqual((kind, standard), ("boolean", f"`{re.search(r'Default: (.*)', block)[1]}`"))
        elif "Integer." in block:
            self.assertEqual(standard, f"`{re.search(r'Default: (-?[0-9]+)', block)[1]}`")
            self.assertTrue(kind.startswith("uint" if "Unsigned" in block else "int"), kind)
        elif "String." in block:
            self.assertEqual((kind, standard), ("string", ""))

    def test_signals(self):
        for element in ("veosrc", "veoextend", "veolivesrc"):
            printed = self.inspect(element)
            found = []
            for title in ("Element Signals:", "Element Actions:"):
                if title in printed:
                    part = re.split(r"\n(?=\S)", printed.split(title + "\n")[1])[0]
                    found += re.findall(r"^  \"([a-z-]+)\"", part, re.M)
                    found += re.findall(r"-> [\w \*]+ : g_signal_emit_by_name \(\w+, \"([a-z-]+)\"", part)
            part = section(self.PAGE, element)
            listed = names(section(part, "Action signals", 4)) if "Action signals" in part else []
            self.assertEqual(sorted(set(found)), sorted(listed), element)

    def test_pads(self):
        for element in ("veosrc", "veoextend", "veolivesrc"):
            printed = self.inspect(element).split("Pad Templates:\n")[1].split("\n\nElement has")[0]
            found = []
            for block in re.split(r"^  (?=S\w+ template)", printed, flags=re.M)[1:]:
                name = re.search(r"'(.*)'", block)[1]
                fields = re.findall(r"^ +(\w+): (\S+)$", block.split("Capabilities:")[1], re.M)
                caps = re.search(r"^ +(\w+/[\w-]+)$", block, re.M)[1]
                caps += "".join(f", {field}={value}" for field, value in fields)
                found.append([f"`{name}`", block.split()[0].lower(), "always", f"`{caps}`"])
            table = rows(section(section(self.PAGE, element), "Pads", 4))
            self.assertEqual(sorted(found), sorted(table), element)

    def test_structures(self):
        """Each field of each structure that the plugin makes, with its type."""
        code = read_sources("plugin")
        constants = dict(re.findall(r"const char\* (\w+) = (\"[^\"]+\");", code))
        found = set()
        for made in re.finditer(r"gst_structure_new\(\s*([\w\"-]+),(.*?)nullptr\)", code, re.S):
            name = constants.get(made[1], made[1]).strip('"')
            for field, kind in re.findall(r"\"([a-z-]+)\",\s*(G_TYPE_\w+)", made[2]):
                found.add((name, field, kind[len("G_TYPE_") :].lower()))
        for field, kind in re.findall(r"gst_structure_set\([^;]*?\"([a-z-]+)\", (G_TYPE_\w+)", code):
            found.add(("", field, kind[len("G_TYPE_") :].lower()))
        for field in re.findall(r"gst_structure_take_value\(\w+, \"([a-z-]+)\"", code):
            found.add(("", field, "list"))
        listed = set()
        part = section(self.PAGE, "Messages and events")
        for title, body in re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", part, re.M | re.S):
            for row in rows(body):
                listed.add((title.split()[-1], row[0].strip("`"), row[1]))
        self.assertGreater(len(found), 25)
        for name, field, kind in found:
            # A field that is set later is a field of some structure with this type.
            fits = [row for row in listed if row[1:] == (field, kind) and name in ("", row[0])]
            self.assertTrue(fits, f"{name or 'a structure'} has the field {field} ({kind})")
        for name, field, kind in listed:
            fits = [row for row in found if row[1:] == (field, kind) and row[0] in ("", name)]
            self.assertTrue(fits, f"no code sets the field {field} ({kind}) of {name}")


class Command(unittest.TestCase):
    """`veo --help`, and reference/veo.md."""

    PAGE = read("docs", "reference", "veo.md")

    def test_flags(self):
        printed = run(VEO, "--help")
        commands = re.findall(r"^  ([a-z]+)  ", printed.split("Subcommands:\n")[1].split("\n\n")[0], re.M)
        listed = re.findall(r"^## (.*)$", self.PAGE, re.M)
        self.assertEqual(sorted(commands), sorted(listed))
        for command in commands:
            printed = run(VEO, command, "--help")
            found = set()
            for line in re.findall(r"^  (-\S+)", printed, re.M):
                found |= set(line.split(","))
            examples = set(re.findall(r"^  (-\S+)", "\n".join(printed.split("Examples:")[1:]), re.M))
            table = set()
            for name in re.findall(r"^\| (`-.*?`) \|", section(self.PAGE, command), re.M):
                table |= set(re.findall(r"`([^`]+)`", name))
            self.assertEqual(found - examples, table, command)
            self.assertIn("--help", table)

    def test_top_level_flags(self):
        for flag in re.findall(r"(--[a-z]+)", run(VEO, "--help").split("Subcommands:")[0]):
            self.assertIn(flag, self.PAGE)

    def test_exit_codes(self):
        printed = " ".join(run(VEO, "--help").split("Exit codes:")[1].split("See veo(1)")[0].split())
        found = re.findall(r"(?:^|, )(\d+) ", printed)
        page = read("docs", "reference", "errors.md")
        self.assertEqual(found, names(section(page, "Exit codes")))

    def test_error_codes(self):
        code = read("gst", "veo", "core", "include", "veo", "core", "error_codes.def")
        found = sorted(re.findall(r"\.nick = \"(.*?)\"", code))
        page = read("docs", "reference", "errors.md")
        self.assertGreater(len(found), 15)
        self.assertEqual(found, sorted(names(section(page, "Error codes"))))
        advice = section(read("docs", "troubleshooting.md"), "By error code")
        self.assertEqual(found, sorted(names(advice)))

    def test_json_events(self):
        """Each object that the code makes with a member `event`, and each member of it."""
        page = section(read("docs", "reference", "json.md"), "Events")
        listed = {}
        for event, body in re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", page, re.M | re.S):
            listed[event] = set(names(body))
        code = read_sources("tools/veo", but=("event_table.cpp", "event_table.h"))
        made = {}
        for place in re.finditer(r"\{\"event\", \"([a-z-]+)\"\}", code):
            end, depth = place.end(), 1
            while depth > 0:
                depth += {"{": 1, "}": -1}.get(code[end], 0)
                end += 1
            members = re.findall(r"\{\"([a-z0-9-]+)\",", code[place.end() : end])
            made.setdefault(place[1], set()).update(members)
            # Members that are set below the literal, up to the end of the function.
            rest = re.split(r"^(?:\}|  \})$", code[end:], maxsplit=1, flags=re.M)[0]
            variable = re.search(r"(\w+)\s*(?:=\s*)?\{$", code[: place.start()])
            if variable and f"{variable[1]}[" in rest:
                members = re.findall(rf"{variable[1]}\[\"([a-z0-9-]+)\"\]", rest)
                made[place[1]].update(members)
        # Two events are made member by member.
        self.assertEqual(re.findall(r"(\w+)\[\"event\"\] = \"(\w+)\"", code), [("entry", "line"), ("event", "error")])
        batch = read("tools", "veo", "batch.cpp")
        made["line"] = set(re.findall(r"entry\[\"([a-z0-9-]+)\"\]", batch)) - {"event"}
        for literal in re.findall(r"json entry\{(.*?)\};", batch, re.S):
            made["line"] |= set(re.findall(r"\{\"([a-z0-9-]+)\",", literal))
        display = read("tools", "veo", "display.cpp")
        body = display[display.index("void Display::failed(") :].split("\n}\n")[0]
        made["error"] = set(re.findall(r"event\[\"([a-z0-9-]+)\"\]", body)) - {"event"}
        body = display[display.index("json to_json(const Error& error)") :].split("\n}\n")[0]
        of_error = set(re.findall(r"\{\"([a-z0-9-]+)\",", body))
        self.assertIn("charged", of_error)
        made["error"] |= of_error
        for event in ("line", "shot", "status"):
            made[event] |= {f"error.{member}" for member in of_error}
        self.assertGreater(len(made), 15)
        self.assertEqual(sorted(made), sorted(listed))
        for event, members in made.items():
            self.assertLessEqual(members, listed[event], event)
        for event, members in listed.items():
            for member in members:
                self.assertIn(f'"{member.split(".")[-1]}"', code, f"{event}: {member}")


class Simulator(unittest.TestCase):
    """The code of the simulator, and reference/veo-simulator.md."""

    def test_flags(self):
        found = set(re.findall(r"\"(--[a-z-]+)\"", read("tools", "simulator", "options.cpp")))
        listed = set(re.findall(r"`(--[a-z-]+)`", read("docs", "reference", "veo-simulator.md")))
        self.assertGreater(len(found), 20)
        self.assertEqual(found | {"--help", "--fault"}, listed)


class Environment(unittest.TestCase):
    """The variables in the code, and reference/environment.md."""

    LISTED = set(names(read("docs", "reference", "environment.md")))

    def test_variables_of_the_code(self):
        code = read_sources("gst", "plugin", "tools/veo", but=("environment_table.h",))
        texts = " ".join(re.findall(r"\"((?:[^\"\\\n]|\\.)*)\"", code))
        ours = set(re.findall(r"\bVEO_[A-Z_]*[A-Z]\b", texts))
        self.assertGreater(len(ours), 12)
        self.assertLessEqual(ours, self.LISTED)
        for name in self.LISTED:
            self.assertIn(f'"{name}"', code, "no code reads it")

    def test_variables_of_the_pages(self):
        """A page names no variable that no code reads."""
        for page in sorted((ROOT / "docs").rglob("*.md")):
            for name in re.findall(r"\bVEO_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")):
                if not name.startswith(("VEO_GUARDED", "VEO_TEST_")):
                    self.assertIn(name, self.LISTED, page.name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
