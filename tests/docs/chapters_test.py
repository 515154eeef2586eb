#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""chapters_test.py VEO SIMULATOR: runs each shell block of the chapters against the simulator, in a folder and
a home of its own. A block passes if it ends with 0 and the files that it names are there. The test only
replaces what needs a screen, a speaker or a person: the sinks, the players, and the task id."""
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VEO, SIMULATOR = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CHAPTERS = ["index", "first-clip", "play", "save", "pictures", "films", "batch"]
PATIENCE = 120
# A block that another program or person must be there for, and the reason.
LEFT_OUT = {
    "veo-simulator --port 8123": "it runs until Ctrl-C, and the test has a simulator",
}


def find_blocks(page: str) -> list[str]:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```sh\n(.*?)^\1```$", text, re.M | re.S)
    return ["\n".join(line[len(indent) :] for line in body.splitlines()) for indent, body in blocks]


def make_runnable(block: str, task: str, api: str) -> str:
    block = re.sub(r"\bauto(video|audio)sink\b", "fakesink", block)
    block = re.sub(r"\bID\b", task, block)
    block = block.replace("http://127.0.0.1:8123/v1", api)
    block = re.sub(r"^veo play (\S+)", r"veo play \1 --player='cat >/dev/null'", block, flags=re.M)
    block = block.replace("gst-play-1.0 ", "gst-play-1.0 --videosink=fakesink --audiosink=fakesink ")
    # The files of `veo join`.
    return block.replace("veo join a.mp4 b.mp4", "cp dog.mp4 a.mp4; cp dog.mp4 b.mp4; veo join a.mp4 b.mp4")


def find_files(block: str) -> list[str]:
    """Returns the names of the files that the block writes."""
    found = re.findall(r"-o (\w+\.\w+)|[^c]location=(\w+\.\w+)|ffmpeg -i - (\S+)", block)
    return [name for names in found for name in names if name]


def start_simulator(folder: pathlib.Path) -> tuple[subprocess.Popen, str]:
    command = [SIMULATOR, "--frames", "24", "--generation-time", "100ms"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    if not select.select([process.stdout], [], [], PATIENCE)[0]:
        raise SystemExit(f"the simulator has not printed its address within {PATIENCE} s")
    return process, json.loads(process.stdout.readline())["api"]


def make_environment(folder: pathlib.Path, api: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VEO_")}
    catalog = json.loads((ROOT / "data" / "catalog.json").read_text(encoding="utf-8"))
    catalog["extend_credits"] = 40
    (folder / "catalog.json").write_text(json.dumps(catalog), encoding="utf-8")
    return kept | {
        "HOME": str(folder),
        "PATH": f"{VEO.parent}:{SIMULATOR.parent}:{os.environ['PATH']}",
        "VEO_API_KEY": "sk-simulator",
        "VEO_API_URL": api,
        "VEO_CACHE_DIR": str(folder / "cache"),
        "VEO_CATALOG": str(folder / "catalog.json"),
        "VEO_LEDGER": str(folder / "ledger" / "ledger.db"),
    }


def run_block(block: str, folder: pathlib.Path, environment: dict[str, str]) -> str:
    """Runs the block. Returns what is wrong; empty: nothing."""
    needed = {"ffmpeg", "jq"} & set(re.findall(r"\b(ffmpeg|jq)\b", block))
    if missing := sorted(name for name in needed if shutil.which(name) is None):
        return f"SKIPPED: {', '.join(missing)} is not installed"
    for name in find_files(block):
        (folder / name).unlink(missing_ok=True)
    result = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", block],
        cwd=folder,
        env=environment,
        input="sk-simulator\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if result.returncode:
        return f"it ends with {result.returncode}: {(result.stdout + result.stderr)[-1500:]}"
    if re.search(r"^(ERROR|WARNING: erroneous)", result.stdout + result.stderr, re.M):
        return f"it reports an error: {(result.stdout + result.stderr)[-1500:]}"
    for name in find_files(block):
        if not (folder / name).is_file() or (folder / name).stat().st_size < 1000:
            return f"it has not made {name}"
    return ""


def main() -> int:
    passed, faults, skipped = 0, [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        simulator, api = start_simulator(folder)
        try:
            environment = make_environment(folder, api)
            first = [VEO, "generate", "the first task", "-o", "first.mp4", "--json"]
            made = subprocess.run(first, cwd=folder, env=environment, capture_output=True, text=True, check=True)
            task = json.loads(made.stdout.splitlines()[-1])["task-id"]
            for page in CHAPTERS:
                for block in find_blocks(page):
                    if block in LEFT_OUT:
                        continue
                    fault = run_block(make_runnable(block, task, api), folder, environment)
                    if fault.startswith("SKIPPED"):
                        skipped.append(f"docs/{page}.md: {fault}:\n{block}\n")
                    elif fault:
                        faults.append(f"docs/{page}.md: {fault}\nThe block:\n{block}\n")
                    else:
                        passed += 1
        finally:
            simulator.terminate()
            simulator.wait(PATIENCE)
    print("\n".join(skipped + faults))
    print(f"{passed} blocks ran, {len(faults)} failed, {len(skipped)} were skipped")
    return 1 if faults or passed < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
