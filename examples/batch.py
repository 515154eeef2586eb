#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Generates several videos at once with asyncio. Needs neither GStreamer nor a binding: the program
starts `veo generate --json` for each prompt, and reads its events.

  python3 examples/batch.py OUT "a dog in a park" "a cat on a roof"

Shows how a program follows several videos, limits how many run at a time, and cancels all of them by
Ctrl-C. The same line again continues, and pays for nothing twice. For a list in a file, `veo batch` does
all of this.

Debian packages: veo python3
"""

import asyncio
import json
import pathlib
import signal
import sys

AT_A_TIME = 4


async def generate(prompt, file, limit):
    """Generates one video. Returns the event `done` or `error`. If the caller cancels this coroutine,
    the command ends too, and its task goes on at the service."""
    async with limit:
        # The command gets a session of its own, so that Ctrl-C on the terminal reaches this program alone.
        command = await asyncio.create_subprocess_exec(
            "veo", "generate", "--json", "--max-credits", "100", "-o", file, "--", prompt,
            stdout=asyncio.subprocess.PIPE, start_new_session=True)
        last = {"event": "error", "message": "The command veo has ended without a word."}
        try:
            async for line in command.stdout:
                event = json.loads(line)
                if event["event"] == "progress":
                    percent = "" if event["percent"] is None else f", {event['percent']} %"
                    print(f"{prompt}: {event['phase']}{percent}", flush=True)
                elif event["event"] in ("done", "error"):
                    last = event
        finally:
            if command.returncode is None:
                try:
                    command.send_signal(signal.SIGINT)
                except ProcessLookupError:
                    pass  # it has ended by itself
            # The command waits for the answer to a submission that has left, for 5 s at most.
            await command.wait()
        return last


async def main(folder, prompts):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    limit = asyncio.Semaphore(AT_A_TIME)
    everything = asyncio.gather(
        *(generate(prompt, folder / f"{number}.mp4", limit) for number, prompt in enumerate(prompts, 1)))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, everything.cancel)
    try:
        results = await everything
    except asyncio.CancelledError:
        # gather() does not wait for what it has cancelled.
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()),
                             return_exceptions=True)
        print("Cancelled. The tasks go on, and the same line finds them again.", file=sys.stderr)
        return 130
    for prompt, result in zip(prompts, results):
        print(f"{prompt}: {result.get('file') or result['message']}")
    return 0 if all(result["event"] == "done" for result in results) else 1


if __name__ == "__main__":
    if len(sys.argv) < 3 or any(argument.startswith("--") for argument in sys.argv[1:]):
        sys.exit(f"Usage: {sys.argv[0]} FOLDER PROMPT…")
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2:])))
