#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# man_page.py VERSION SIMULATOR: prints the man page of veo-simulator. The options and the faults come
# from the output of `veo-simulator --help`, so that the page cannot differ from the program.
import re
import subprocess
import sys

version, simulator = sys.argv[1:]
help_text = subprocess.run([simulator, "--help"], check=True, capture_output=True, text=True).stdout
options_text, faults_text = help_text.split("\nFaults: ", 1)


def roff(text):
    """Escapes the text, so that roff finds no request and no special character in it."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def entry(term, description):
    return f".TP\n\\fB{roff(term)}\\fR\n{roff(description)}\n"


def read_options():
    """An option is a line that begins with two spaces. Its help is behind the option, or below it."""
    entries = []
    for line in options_text.partition("Options:\n")[2].splitlines():
        found = re.match(r"^  (-\S.*?)(?:  +(\S.*))?$", line)
        if found:
            entries.append([found[1], [found[2] or ""]])
        elif line.strip():
            entries[-1][1].append(line.strip())
    return [entry(term, " ".join(words).strip()) for term, words in entries]


def read_faults():
    """Returns the grammar of a fault, and the entries of the effects."""
    head, effects = [], []
    for line in faults_text.splitlines():
        if re.match(r"^  [a-z0-9-]+(\[?=\S+)?$", line):
            effects.append([line.strip(), []])
        elif effects and line.strip():
            effects[-1][1].append(line.strip())
        elif line.strip():
            head.append(line.strip())
    return head, [entry(term, " ".join(words)) for term, words in effects]


grammar, effects = read_faults()
print(f'''.TH VEO\\-SIMULATOR 1 "2026-11-26" "gst\\-veo {version}" "User Commands"
.SH NAME
veo\\-simulator \\- stand\\-in for the video service Veo 3.1
.SH SYNOPSIS
.B veo\\-simulator
.RI [ option ...]
.SH DESCRIPTION
The simulator answers as the video service Veo 3.1 does, and serves the files of its tasks.
The simulator needs no key of the service, no money and no network.
It makes clips with sound that show the prompt and the task id.
.PP
When the simulator is ready, it prints one line of JSON with the addresses of the API and of the files.
Set
.B VEO_API_URL
to the address of the API, and
.B VEO_API_KEY
to a key that begins with sk\\-. The simulator runs until SIGINT or SIGTERM ends it.
.SH OPTIONS
{"".join(read_options())}.SH FAULTS
.B \\-\\-fault
takes
{roff(grammar[0])}
.PP
.nf
{roff(chr(10).join(grammar[1:]))}
.fi
{"".join(effects)}.SH EXAMPLES
Play a clip without a key:
.PP
.RS 4
.nf
veo\\-simulator \\-\\-port 8123 &
export VEO_API_URL=http://127.0.0.1:8123/v1 VEO_API_KEY=sk\\-simulator
gst\\-launch\\-1.0 veosrc prompt="a dog in a park" ! decodebin ! videoconvert ! autovideosink
.fi
.RE
.SH SEE ALSO
.BR veo (1),
.BR gst\\-launch\\-1.0 (1)''')
