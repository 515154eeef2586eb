# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds the code blocks of a page, and what their markers say.

A marker is an HTML comment in front of a block of `sh`. Readers of the page do not see the marker:

    <!-- recipe: NAME [quick]
         LINE
         … -->

`quick` puts the recipe into the default test. Each LINE is one of these:

    after NAME…          the blocks NAME run first, in the same shell
    needs WORD…          without the program WORD, or the element `gst:WORD`, the recipe is skipped
    simulator OPTION…    the recipe has a simulator of its own, with these options
    peer NAME            the peer NAME (world.py) runs beside the recipe
    display              the recipe has an X server
    network              the block listens at a port of its own, so it needs a network namespace
    user                 the block does not run as root
    once                 the block is not run a second time
    interrupt SECONDS    Ctrl-C comes so long after the service has completed its last task. A live pipeline
                         has no end of its own
    then: LINE           a line of the shell that runs behind the block
    not run: REASON      the block cannot run here. This line stands alone
    CHECK ARGUMENT…      a check of the result (checks.py)
"""
import dataclasses
import pathlib
import re
import shlex

MARKER = re.compile(r"<!--\s*recipe:\s*(.*?)-->", re.DOTALL)
NAME = re.compile(r"^[a-z][a-z0-9_]*$")
SHELLS = ("sh", "bash", "shell")


class PageError(Exception):
    """A page breaks a rule for markers."""


@dataclasses.dataclass
class Recipe:
    page: str
    line: int
    name: str
    script: str
    section: str
    quick: bool = False
    display: bool = False
    once: bool = False
    network: bool = False
    user: bool = False
    interrupt: float = 0
    peer: str = ""
    reason: str = ""
    then: str = ""
    after: list = dataclasses.field(default_factory=list)
    needs: list = dataclasses.field(default_factory=list)
    simulator: list = dataclasses.field(default_factory=list)
    checks: list = dataclasses.field(default_factory=list)

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def read_marker(recipe, text, known_checks):
    first, *lines = [line.strip() for line in text.strip().splitlines()]
    recipe.name, *words = first.split()
    if not NAME.match(recipe.name):
        raise PageError(f"{recipe.place}: a name has only a-z, 0-9 and _, unlike '{recipe.name}'")
    for word in words:
        if word != "quick":
            raise PageError(f"{recipe.place}: the word '{word}' is not known")
        recipe.quick = True
    for line in filter(None, lines):
        if line.startswith("not run:"):
            recipe.reason = line.removeprefix("not run:").strip()
            if not recipe.reason:
                raise PageError(f"{recipe.place}: `not run` needs a reason")
            continue
        if line.startswith("then:"):
            recipe.then += line.removeprefix("then:").strip() + "\n"
            continue
        word, *arguments = shlex.split(line)
        if word in ("display", "network", "once", "user"):
            setattr(recipe, word, True)
        elif word in ("after", "needs", "simulator"):
            getattr(recipe, word).extend(arguments)
        elif word == "interrupt":
            recipe.interrupt = float(arguments[0])
        elif word == "peer":
            recipe.peer = arguments[0]
        elif word in known_checks:
            # The JSON of `submits` keeps its quotes.
            recipe.checks.append((word, line.split()[1:] if word == "submits" else arguments))
        else:
            raise PageError(f"{recipe.place}: the check '{word}' is not known")
    if recipe.reason and recipe.checks:
        raise PageError(f"{recipe.place}: a block that is not run has no checks")
    if not recipe.reason and not recipe.checks:
        raise PageError(f"{recipe.place}: the recipe '{recipe.name}' checks nothing")


def read_page(path, name, known_checks, strict=True):
    """Returns the recipes of a page in their order. In a strict page, each block needs a marker."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    recipes = []
    outside = []  # the text since the last block
    section = ""
    at = 0
    while at < len(lines):
        fence = re.match(r"^(\s*)```(\w*)", lines[at])
        if not fence:
            if lines[at].startswith("#"):
                section = lines[at].lstrip("#").strip()
            outside.append(lines[at])
            at += 1
            continue
        begin = at + 1
        at = begin
        while at < len(lines) and not re.match(r"^\s*```\s*$", lines[at]):
            at += 1
        body = [line.removeprefix(fence[1]) for line in lines[begin:at]]
        at += 1
        markers = MARKER.findall("\n".join(outside))
        outside = []
        if len(markers) > 1:
            raise PageError(f"{name}:{begin}: a block has {len(markers)} markers")
        if fence[2] not in SHELLS:
            if markers:
                raise PageError(f"{name}:{begin}: a marker stands before a block that is no `sh`")
            continue
        if not markers and not strict:
            continue
        if not markers:
            raise PageError(f"{name}:{begin}: a block of sh has no marker `<!-- recipe: NAME … -->`")
        recipe = Recipe(name, begin, "", "\n".join(body) + "\n", section)
        read_marker(recipe, markers[0], known_checks)
        recipes.append(recipe)
    if MARKER.search("\n".join(outside)):
        raise PageError(f"{name}: a marker has no block")
    return recipes


def read_pages(root, strict, others, known_checks):
    """Returns the recipes of all pages by name, and the texts of all broken rules."""
    recipes, mistakes = {}, []
    for name in [*strict, *others]:
        try:
            found = read_page(pathlib.Path(root) / name, name, known_checks, name in strict)
        except PageError as error:
            mistakes.append(str(error))
            continue
        for recipe in found:
            if recipe.name in recipes:
                mistakes.append(f"{recipe.place}: {recipes[recipe.name].place} has this name, too")
            recipes[recipe.name] = recipe
    for recipe in recipes.values():
        for other in recipe.after:
            if other not in recipes or recipes[other].reason:
                mistakes.append(f"{recipe.place}: there is no '{other}' that could run first")
    return recipes, mistakes
