#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""recipes.py [OPTION…] [NAME…]: runs the code blocks of README.md and docs/ exactly as they are printed.

Each block runs against the simulator, in a folder of its own, with a ledger and a cache of its own. Then
other programs look at the result, as the marker of the block says (pages.py, checks.py). Without NAMEs,
all blocks run. In the long run, each block runs a second time, which must not cost anything.

The run has a network namespace of its own, so that the ports of the recipes are free and no request can
leave the machine. A machine without such namespaces skips the recipes with a peer.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import checks
import packages
import pages
import world

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Each block of these pages has a marker. Of the other pages of docs/, the blocks with a marker run.
STRICT = ["README.md", "docs/cookbook.md", "docs/live.md"]
PLAYER_SETTINGS = {
    ".config/mpv/mpv.conf": "vo=x11\nao=null\n",
    ".config/vlc/vlcrc": "vout=xcb_x11\naout=adummy\nosd=0\n",
}
IN_NAMESPACE = "VEO_TEST_RECIPES_NAMESPACE"
TIME_LIMIT = 120  # seconds for a block


class Result:
    """What is seen of one run of a block."""

    def __init__(self, folder, clip):
        self.folder, self.clip = folder, clip
        self.output, self.charges, self.bodies, self.shown = "", 0, [], []


class Kitchen:
    """Runs recipes, one after the other."""

    def __init__(self, recipes, arguments, folder):
        self.recipes, self.folder, self.again = recipes, folder, arguments.again
        self.installed, self.build = arguments.installed, arguments.build.resolve()
        self.environment = make_environment(arguments, folder)
        self.veo = shutil.which("veo", path=self.environment["PATH"])
        self.simulator_program = shutil.which("veo-simulator", path=self.environment["PATH"])
        if not self.veo or not self.simulator_program:
            sys.exit("recipes: veo and veo-simulator are not there; build them, or use --installed")
        self.shared = {}
        self.clip = self.simulator_for(world.FRAMES)[1]

    def simulator_for(self, count):
        """Returns a simulator that serves one clip of COUNT frames for each task, and this clip."""
        if count not in self.shared:
            folder = self.folder / f"clip-{count}"
            clip = world.make_clip(self.simulator_program, self.veo, self.environment, folder, count)
            options = ["--clip", str(clip), "--generation-time", "100ms"]
            self.shared[count] = world.Simulator(self.simulator_program, options, folder), clip
        return self.shared[count]

    def stop(self):
        for simulator, _ in self.shared.values():
            simulator.stop()

    def check_needs(self, recipe):
        for need in recipe.needs:
            name = need.removeprefix("gst:")
            if name != need:
                # Without a version, an element of another project must have GStreamer's version.
                command = ["gst-inspect-1.0", "--exists", "--atleast-version=0.0", name]
                found = subprocess.run(command, env=self.environment).returncode == 0
            else:
                found = shutil.which(name, path=self.environment["PATH"])
            if not found:
                raise world.Skip(f"{name} is not installed")
        if (recipe.peer or recipe.network) and os.environ.get(IN_NAMESPACE) != "yes":
            raise world.Skip("without a network namespace, the recipe's port may be in use")

    def cook(self, recipe):
        """Runs a recipe and its checks. Raises Failure or Skip."""
        self.check_needs(recipe)
        folder = self.folder / recipe.name
        # Players need to be told that there is neither a graphics processor nor a sound device.
        for place, text in PLAYER_SETTINGS.items():
            file = folder / "home" / place
            file.parent.mkdir(parents=True)
            file.write_text(text)
        for name in ("README.md", "data", "docs", "examples", "scripts"):
            (folder / name).symlink_to(ROOT / name)
        if not self.installed:
            (folder / "build").symlink_to(self.build)
        with_own = recipe.simulator or any(self.recipes[name].simulator for name in recipe.after)
        simulator, _ = self.simulator_for(world.SHOWN_FRAMES if recipe.display else world.FRAMES)
        if with_own:
            options = recipe.simulator or [o for name in recipe.after for o in self.recipes[name].simulator]
            log = self.folder / f"{recipe.name}-simulator"
            log.mkdir()
            defaults = [] if "--frames" in options or "--clip" in options else ["--frames", str(world.FRAMES)]
            if "--generation-time" not in options:
                defaults += ["--generation-time", "100ms"]
            simulator = world.Simulator(self.simulator_program, [*defaults, *options], log)
        try:
            self.serve(recipe, folder, simulator, again=False)
            if self.again and not recipe.once:
                self.serve(recipe, folder, simulator, again=True)
        finally:
            if with_own:
                simulator.stop()

    def serve(self, recipe, folder, simulator, again):
        result = Result(folder, self.clip)
        mark = simulator.mark()
        peer = world.PEERS[recipe.peer](self, folder) if recipe.peer else None
        display = world.Display() if recipe.display else None
        environment = dict(self.environment) | {
            "HOME": str(folder / "home"),
            "VEO_API_URL": simulator.api,
            "VEO_LEDGER": str(self.folder / f"{recipe.name}-ledger" / "ledger.db"),
            "VEO_CACHE_DIR": str(self.folder / f"{recipe.name}-cache"),
        }
        if display:
            environment["DISPLAY"] = display.name
        try:
            if peer:
                for name in ("received.ts", "received.flv"):
                    (folder / name).unlink(missing_ok=True)
                peer.start()
            self.run_script(recipe, folder, environment, result, simulator, again)
            if peer:
                peer.finish()
        finally:
            if peer:
                peer.stop()
            if display:
                display.stop()
                result.shown = display.numbers()
        result.charges = simulator.mark()[0] - mark[0]
        result.bodies = simulator.bodies_since(mark)
        if again and result.charges:
            raise checks.Failure(f"the second run of the block has charged {result.charges} tasks")
        for name, values in recipe.checks:
            # The second run submits nothing.
            if again and name in ("charges", "submits", "prints"):
                continue
            checks.CHECKS[name](result, *values)
        if not again and result.charges > 1 and not any(name == "charges" for name, _ in recipe.checks):
            raise checks.Failure(f"the service has charged {result.charges} tasks")

    def run_script(self, recipe, folder, environment, result, simulator, again):
        script = "".join(self.recipes[name].script for name in recipe.after) + recipe.script + recipe.then
        expected = next((int(values[0]) for name, values in recipe.checks if name == "exits"), 0)
        tasks = len(simulator.state()["tasks"])
        with (folder / "output.txt").open("w+", errors="replace") as output:
            # A session of its own: programs that the block leaves in the background end with it.
            command = ["bash", "-euo", "pipefail", "-c", script]
            if recipe.user and os.geteuid() == 0:
                command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]
            process = subprocess.Popen(
                command, cwd=folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
            late = False
            try:
                if recipe.interrupt:
                    # A run that plays what is paid has no new task.
                    simulator.wait_for_tasks(tasks if not again else -1, process)
                    if process.poll() is None:
                        time.sleep(recipe.interrupt)
                        os.killpg(process.pid, signal.SIGINT)
                process.wait(TIME_LIMIT)
            except subprocess.TimeoutExpired:
                late = True
            finally:
                world.end(process, group=True)
            output.seek(0)
            result.output = output.read()
        if late:
            raise checks.Failure(f"the block has not ended in {TIME_LIMIT} s: {result.output[-1500:]}")
        if process.returncode != expected:
            raise checks.Failure(f"the block has ended with {process.returncode}: {result.output[-1500:]}")


def make_environment(arguments, folder):
    """A user's environment, without the caller's key, proxy, display and settings."""
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    environment |= {
        "VEO_API_KEY": "sk-simulator",
        "VEO_POLL_INTERVAL": "100",
        "GST_REGISTRY": arguments.registry or str(folder / "registry.bin"),
        # Debian's dfbvideosink crashes where there is no display.
        "GST_PLUGIN_FEATURE_RANK": "dfbvideosink:NONE",
        "XDG_RUNTIME_DIR": str(folder / "runtime"),
    }
    (folder / "runtime").mkdir(mode=0o700)
    if not arguments.installed:
        build = arguments.build.resolve()
        environment |= {
            "GST_PLUGIN_PATH": str(build / "plugin"),
            "PKG_CONFIG_PATH": str(build / "meson-uninstalled"),
            # Meson's file for programs beside the build leaves the headers out.
            "C_INCLUDE_PATH": str(ROOT / "gst" / "veo" / "av" / "include"),
            "LD_LIBRARY_PATH": str(build / "gst" / "veo"),
        }
        tools = [build / "tools" / "veo", build / "tools" / "simulator"]
        environment["PATH"] = ":".join([*map(str, tools), environment["PATH"]])
    return environment


def enter_namespace():
    """Starts this program again in a network namespace of its own, if the machine has such namespaces."""
    if os.environ.get(IN_NAMESPACE):
        return
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    # `ip` brings loopback up; iproute2 is a package of the tests.
    prepare = [*unshare, "ip", "link", "set", "lo", "up"]
    works = shutil.which("unshare") and shutil.which("ip")
    works = works and subprocess.run(prepare, capture_output=True).returncode == 0
    os.environ[IN_NAMESPACE] = "yes" if works else "no"
    if works:
        # WebRTC leaves loopback out, so there is an address of another interface, if the kernel can make one.
        again = (
            "ip link set lo up; { ip link add out0 type veth peer name out1 && ip addr add 192.0.2.1/24 dev out0 &&"
            " ip link set out0 up && ip link set out1 up; } 2>/dev/null || true; exec \"$@\""
        )
        os.execvp(unshare[0], [*unshare, "sh", "-c", again, "sh", sys.executable, *sys.argv])


class Printer:
    """Prints a line for each recipe: for people, or as TAP."""

    def __init__(self, tap):
        self.tap, self.number, self.failed, self.skipped, self.passed = tap, 0, 0, 0, 0

    def say(self, recipe, began, failure=None, skip=None):
        self.number += 1
        self.failed += failure is not None
        self.skipped += skip is not None
        self.passed += failure is None and skip is None
        text = failure or skip or "works as printed"
        if self.tap:
            page = re.sub(r"\W", "_", pathlib.Path(recipe.page).stem)
            verdict = "not ok" if failure else "ok"
            mark = " # SKIP" if skip else ""
            print(f"{verdict} {self.number} - {recipe.place}:{page}:{recipe.name}: {text}{mark}", flush=True)
        else:
            verdict = "FAILED " if failure else "skipped" if skip else "ok     "
            print(f"{verdict}  {recipe.name} ({recipe.place}), {time.monotonic() - began:.1f} s"
                  + (f": {text}" if failure or skip else ""), flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="the recipes to run (default: all)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="the build directory")
    parser.add_argument("--installed", action="store_true", help="run the installed gst-veo")
    parser.add_argument("--quick", action="store_true", help="only the recipes with the word `quick`, once")
    parser.add_argument("--once", action="store_true", help="do not run a block a second time")
    parser.add_argument("--list", action="store_true", help="list the recipes, and run none")
    parser.add_argument("--tap", action="store_true", help="print TAP")
    parser.add_argument("--keep", metavar="FOLDER", type=pathlib.Path, help="keep all files in FOLDER")
    parser.add_argument("--registry", help="GStreamer's registry (default: a new one)")
    parser.add_argument("--pages", nargs="+", metavar="PAGE", help="read only these pages")
    arguments = parser.parse_args()
    arguments.again = not (arguments.quick or arguments.once)

    strict, others = arguments.pages or STRICT, []
    if not arguments.pages:
        found = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
        others = [name for name in found if name not in strict]
    recipes, mistakes = pages.read_pages(ROOT, strict, others, checks.CHECKS)
    unknown = [name for name in arguments.names if name not in recipes]
    if unknown:
        sys.exit(f"recipes: there is no recipe {', '.join(unknown)}")
    chosen = [recipe for name, recipe in recipes.items() if not arguments.names or name in arguments.names]
    if arguments.quick:
        chosen = [recipe for recipe in chosen if recipe.quick]
    if arguments.list:
        for recipe in chosen:
            print(f"{recipe.name:24} {recipe.place:28} {recipe.section}")
        return 0

    enter_namespace()
    printer = Printer(arguments.tap)
    if arguments.tap:
        print(f"1..{len(chosen) + len(mistakes)}")
    for mistake in mistakes:
        place, _, text = mistake.partition(": ")
        page, _, line = place.partition(":")
        printer.say(pages.Recipe(page, int(line or 0), "marker", "", ""), time.monotonic(), failure=text)

    made = tempfile.mkdtemp(prefix="veo-recipes-") if not arguments.keep else None
    folder = pathlib.Path(made or arguments.keep)
    folder.mkdir(parents=True, exist_ok=True)
    kitchen = None
    try:
        kitchen = Kitchen(recipes, arguments, folder)
        for recipe in chosen:
            began = time.monotonic()
            failure, skip = None, recipe.reason or None
            if not skip:
                try:
                    kitchen.cook(recipe)
                    packages.check(recipe, ROOT, kitchen.environment)
                except checks.Failure as error:
                    failure = str(error)
                except world.Skip as reason:
                    skip = str(reason)
            printer.say(recipe, began, failure, skip)
    finally:
        if kitchen:
            kitchen.stop()
        if made:
            shutil.rmtree(made, ignore_errors=True)
    if not arguments.tap:
        skipped = f", {printer.skipped} skipped" if printer.skipped else ""
        print(f"{printer.passed} passed, {printer.failed} failed{skipped}")
    return 1 if printer.failed or printer.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
