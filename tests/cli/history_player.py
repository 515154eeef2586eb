#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays the videos of a page of `veo history --html` in Chromium, as a user does.

This program sends real clicks and keys to the browser, over the browser's debugging pipe, and looks
at what plays. Writes what it has seen as JSON. The clips must be those of the simulator, which have
the number of each frame in its pixels.

    history_player.py page.html lost.html

lost.html is the same page, whose first video is not where the page says.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from os import close, fdopen, pipe

# Runs in the page. The page's Content-Security-Policy does not bind the debugger.
PROBE = r"""
(() => {
  const links = () => [...document.querySelectorAll("a.play")];
  const video_of = (i) => links()[i].closest(".clip").querySelector("video");
  const todo_of = (i) => links()[i].closest(".clip").querySelector(".todo");
  // The simulator writes the number of a frame as 16 blocks of 32 x 32 pixels, and a block that
  // makes the number of white blocks odd.
  const read_number = (video) => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(video, 0, 0);
    const bits = [];
    for (let i = 0; i < 17; ++i) {
      bits.push(context.getImageData(32 * i + 16, 16, 1, 1).data[1] > 127 ? 1 : 0);
    }
    if (bits.reduce((a, b) => a + b) % 2 !== 1) return null;
    return bits.slice(0, 16).reduce((a, b) => 2 * a + b);
  };
  // The number in the next frame that is shown.
  const next_frame = (video) => new Promise((done) => video.requestVideoFrameCallback(
    () => done(read_number(video))));
  window.probe = {
    names: () => links().map((link) => link.ariaLabel),
    videos: () => document.querySelectorAll("video").length,
    // The middle of the picture.
    place: (i) => {
      links()[i].scrollIntoView({block: "center", behavior: "instant"});
      const box = links()[i].getBoundingClientRect();
      return {x: box.x + box.width / 2, y: box.y + box.height / 2};
    },
    focus: (i) => links()[i].focus(),
    // A slow machine may ask later than the video ends, so the video begins again.
    time: (i) => {
      const video = video_of(i);
      if (video) video.loop = true;
      return video?.currentTime ?? 0;
    },
    state: (i) => {
      const video = video_of(i);
      return {
        name: video?.ariaLabel, paused: video?.paused, controls: video?.controls,
        has_focus: document.activeElement === video, picture: links()[i].hidden ? "hidden" : "shown",
        todo: todo_of(i).hidden ? "" : todo_of(i).innerText
      };
    },
    // A video that plays may be at its next frame before a slow page reads the pixels. So only the
    // frames of a paused video are read.
    seek: async (i, time) => {
      const video = video_of(i);
      video.pause();
      const shown = next_frame(video);
      video.currentTime = time;
      return await shown;
    },
    playing: () => [...document.querySelectorAll("video")].filter((v) => !v.paused).length,
  };
})()
"""


class Browser:
    """A tab of a Chromium without a window."""

    def __init__(self, profile, size=(1200, 900), dark=False):
        theirs_in, self.out = pipe()
        self.back, theirs_out = pipe()
        line = (
            "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
            f"--user-data-dir={profile} --allow-file-access-from-files --remote-debugging-pipe "
            f"--window-size={size[0]},{size[1]} 3<&{theirs_in} 4>&{theirs_out}"
        )
        self.process = subprocess.Popen(
            ["bash", "-c", line], pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL
        )
        close(theirs_in)
        close(theirs_out)
        self.writer = fdopen(self.out, "wb", buffering=0)
        self.reader = fdopen(self.back, "rb")
        self.events = []
        self.count = 0
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        scheme = "dark" if dark else "light"
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def read(self):
        text = b""
        while not text.endswith(b"\0"):
            byte = self.reader.read1(1 << 20) if not text else self.reader.read(1)
            if not byte:
                raise RuntimeError("the browser has ended")
            text += byte
        return [json.loads(part) for part in text.split(b"\0") if part]

    def call(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.writer.write(json.dumps(message).encode() + b"\0")
        while True:
            for answer in self.read():
                if answer.get("id") != self.count:
                    self.events.append(answer)
                    continue
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                found = answer["result"]
                break
            else:
                continue
            return found

    def open(self, path, has_script=True):
        self.call("Emulation.setScriptExecutionDisabled", value=not has_script)
        self.events.clear()
        self.call("Page.navigate", url=pathlib.Path(path).absolute().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events += self.read()
        self.call("Runtime.evaluate", expression=PROBE)

    def ask(self, expression):
        result = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def click(self, x, y):
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    def press(self, key, code, number, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=code,
                windowsVirtualKeyCode=number,
                **({"text": text} if text and kind == "keyDown" else {}),
            )

    def wait_for(self, expression, seconds=20):
        """Waits until the expression is true. The browser tells, so the wait asks again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.ask(expression):
                return True
        return False

    def requests(self):
        return [
            event["params"]["request"]["url"].split(",")[0]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def complaints(self):
        return [
            event["params"]["entry"]["text"]
            for event in self.events
            if event.get("method") == "Log.entryAdded"
        ]

    def end(self):
        self.call("Page.close")
        self.process.terminate()
        self.process.wait()


def start(browser, i, by_key):
    place = browser.ask(f"probe.place({i})")
    if by_key:
        browser.ask(f"probe.focus({i})")
        browser.press("Enter", "Enter", 13, "\r")
    else:
        browser.click(place["x"], place["y"])


def look(browser):
    """Plays each video, by turns with the mouse and with the keyboard."""
    names = browser.ask("probe.names()")
    seen = {
        "names": names,
        # Nothing plays and nothing is read before the user asks for it.
        "videos_before": browser.ask("probe.videos()"),
        "requests_before": browser.requests(),
        "played": [],
    }
    for i in range(len(names)):
        start(browser, i, by_key=i % 2 == 1)
        one = {"moves": browser.wait_for(f"probe.time({i}) > 0.1")}
        one.update(browser.ask(f"probe.state({i})"))
        one["playing"] = browser.ask("probe.playing()")
        if one["moves"]:
            one["first"] = browser.ask(f"probe.seek({i}, 0)")
            one["tenth"] = browser.ask(f"probe.seek({i}, 10.5 / 24)")
        seen["played"].append(one)
    seen["requests"] = browser.requests()
    seen["complaints"] = browser.complaints()
    return seen


def look_at_lost(browser):
    """Plays the first video, whose file is gone."""
    start(browser, 0, by_key=False)
    told = browser.wait_for("probe.state(0).todo !== ''")
    return {"told": told, "videos": browser.ask("probe.videos()"), **browser.ask("probe.state(0)")}


def look_without_script(browser):
    """Clicks the first picture. Without a script, the browser opens the video itself."""
    start(browser, 0, by_key=False)
    opened = browser.wait_for(
        "location.href.endsWith('.mp4') && document.querySelector('video')?.currentTime > 0.1"
    )
    return {"opened": opened, "url": browser.ask("location.href")}


def main(page, lost):
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(profile)
        browser.open(page)
        seen = {"play": look(browser)}
        browser.open(lost)
        seen["lost"] = look_at_lost(browser)
        browser.open(page, has_script=False)
        seen["no-script"] = look_without_script(browser)
        browser.end()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
