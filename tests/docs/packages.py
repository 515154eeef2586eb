# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that the page names the Debian package of each element in a recipe.

A page names packages in `code`. Packages that the page names before its first recipe count for all
recipes of the page; others count for the recipes of their section (a heading of level 3).
"""
import functools
import pathlib
import re
import shutil
import subprocess

import checks

ELEMENT = re.compile(r"(?:(?:^|\s)!\s*|gst-launch-1\.0(?:\s+-\w+)*\s+|\.\s+!\s+)([a-z][a-z0-9_]*)(?=\s|$)")


@functools.cache
def read_packages(registry, path):
    """Returns the Debian package of each element of GStreamer's own plugins."""
    if not shutil.which("dpkg-query"):
        return {}
    search = ["dpkg-query", "-S", "*/gstreamer-1.0/libgst*.so"]
    owners = {}
    for line in subprocess.run(search, capture_output=True, text=True).stdout.splitlines():
        owner, _, file = line.partition(": ")
        owners[pathlib.Path(file).stem.removeprefix("libgst")] = owner.split(":")[0]
    listing = subprocess.run(
        ["gst-inspect-1.0"], capture_output=True, text=True, env={"GST_REGISTRY": registry, "PATH": path}
    ).stdout
    elements = re.findall(r"^(\w+):  (\w+): ", listing, re.MULTILINE)
    return {element: owners[plugin] for plugin, element in elements if plugin in owners}


def named_packages(path, line):
    """Returns the words in `code` that count for the block at LINE."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()[: line - 1]
    start = max((at for at, text in enumerate(lines) if text.startswith("### ")), default=0)
    first = next((at for at, text in enumerate(lines) if text.startswith("### ")), len(lines))
    text = "\n".join(lines[:first] + lines[start:])
    return set(re.findall(r"`([a-z0-9][a-z0-9.+-]+)`", text))


def check(recipe, root, environment):
    """Raises Failure if the cookbook does not name the package of an element."""
    if not recipe.page.endswith("cookbook.md"):
        return
    named = named_packages(root / recipe.page, recipe.line)
    known = read_packages(environment["GST_REGISTRY"], environment["PATH"])
    for element in sorted(set(ELEMENT.findall(recipe.script.replace("\\\n", " ")))):
        package = known.get(element)
        if package and package not in named:
            raise checks.Failure(f"the page does not name {package}, which has the element {element}")
