#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the steps of examples/container/Containerfile without a container engine, and then the image.

  tests/examples/container_check.py [PACKAGES [SIMULATOR]]

PACKAGES is the folder of the packages (packages/debian-12), and SIMULATOR the program veo-simulator
(build/tools/simulator/veo-simulator). The script needs root and a network, because the steps install
packages, and takes some minutes. Therefore it is not one of the tests of scripts/test.

scripts/clean-debian takes the place of the base image. Each run of the "container" has a root file system
that is read-only, the user of the image, and the volumes /data and /out.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import desk

CONTAINERFILE = desk.EXAMPLES / "container" / "Containerfile"
MINUTES = 20


def read_instructions():
    """Returns the instructions, each as its word and the text behind it."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [line.split(None, 1) for line in joined.splitlines() if line.strip()]


class Image:
    def __init__(self, folder, packages):
        self.kept = folder / "image"
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        steps, base = ["set -e"], None
        for word, text in read_instructions():
            if word == "FROM":
                base = re.fullmatch(r"debian:(\d+)-slim", text).group(1)
            elif word == "COPY":
                *sources, target = text.split()
                steps += [f"mkdir -p {target}", *(f"cp /context/{source} {target}" for source in sources)]
            elif word == "RUN":
                steps.append(text)
            elif word == "ENV":
                self.environment.update(part.split("=", 1) for part in shlex.split(text))
            elif word == "VOLUME":
                self.volumes = text.split()
            elif word == "WORKDIR":
                self.folder = text
            elif word == "USER":
                self.user = text
            elif word == "ENTRYPOINT":
                self.entry = shlex.split(text.strip("[]").replace(",", " "))
            else:
                sys.exit(f"container_check: the instruction {word} is not known here")
        self.base = base
        self.run_clean(["--bind", f"{packages}:/context/packages/debian-12"], "\n".join(steps))

    def run_clean(self, binds, script):
        return subprocess.run(
            [desk.SOURCE / "scripts/clean-debian", self.base, "--keep", self.kept, *binds, "--", "bash", "-c", script],
            check=True, timeout=60 * MINUTES, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def run(self, words, binds, **variables):
        """Runs the image with the arguments `words`, as `podman run --read-only` does. Returns the exit code
        and what was printed."""
        environment = [f"{name}={value}" for name, value in {**self.environment, **variables}.items()]
        command = shlex.join(["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups",
                              "--inh-caps=-all", "--no-new-privs", "env", "-i", *environment, *self.entry, *words])
        script = f"mount -o remount,ro / && cd {self.folder} && {command}; echo exit $?"
        *said, code = self.run_clean(sum((["--bind", bind] for bind in binds), []), script).splitlines()
        return int(code.split()[1]), "\n".join(said)


def main(packages="packages/debian-12", simulator="build/tools/simulator/veo-simulator"):
    os.environ["VEO_SIMULATOR"] = str(pathlib.Path(simulator).resolve())
    packages = pathlib.Path(packages).resolve()
    if os.geteuid() != 0:
        sys.exit("container_check: only root can mount the folders")
    if not list(packages.glob("veo_*.deb")):
        sys.exit(f"container_check: {packages} has no packages; run scripts/package 12")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        clip = desk.make_clip(folder / "clip.mp4")
        service = desk.Simulator(folder, "--clip", str(clip), "--generation-time", "0s")
        try:
            check(folder, Image(folder, packages), service, clip.read_bytes())
        finally:
            service.close()
    print("container_check: all is well")


def check(folder, image, service, clip):
    binds = []
    # A new volume gets the owner and the mode of the folder in the image.
    for volume in image.volumes:
        owner = image.run_clean([], f"stat -c '%u %g %a' {volume}").split()
        (folder / volume[1:]).mkdir()
        os.chown(folder / volume[1:], int(owner[0]), int(owner[1]))
        (folder / volume[1:]).chmod(int(owner[2], 8))
        binds.append(f"{folder}{volume}:{volume}")
    secret = folder / "secrets" / "veo-api-key"
    secret.parent.mkdir()
    secret.write_text("sk-simulator\n")
    secret.chmod(0o400)
    os.chown(secret, 1000, 1000)
    secrets = f"{secret.parent}:/run/secrets"
    words = ["generate", "a dog in a park", "-o", "dog.mp4"]

    def run(*words, binds=(*binds, secrets), code=0):
        ended, said = image.run(words, binds, VEO_API_URL=service.api)
        print(said)
        assert ended == code, f"{words}: exit code {ended}"
        return said

    run(*words)
    assert (folder / "out" / "dog.mp4").read_bytes() == clip
    (folder / "out" / "dog.mp4").unlink()
    run(*words)
    assert (folder / "out" / "dog.mp4").read_bytes() == clip
    assert service.state["charges"] == 1, "another container with the same volume pays nothing"
    said = run("generate", "a cat", "-o", "cat.mp4", binds=(secrets, binds[1]), code=9)
    assert "Read-only file system" in said and "Nothing was sent" in said
    assert service.state["charges"] == 1, "without the volume nothing is paid"


if __name__ == "__main__":
    main(*sys.argv[1:])
