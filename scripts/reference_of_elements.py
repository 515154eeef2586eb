# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables of the elements in docs/reference/elements.md: scripts/docs writes them."""
import os
import pathlib
import re
import tempfile

# What an element posts and sends: each structure with its name, its place, and its fields. The C++
# code makes the structures; tests/docs/reference_test.py compares this table with that code.
STRUCTURES = [
    (
        "Message veo-task",
        "veo-task",
        "An element message, at each change of the task, and when its file is in the cache.",
        [
            ("task-id", "string", "the task; empty until it is known"),
            ("status", "string", "`pending`, `processing`, `completed` or `failed`"),
            ("mode", "string", "the mode that the request asks for"),
            ("resolution", "string", "the resolution that the request asks for"),
            ("credits", "uint", "the price by the catalog; without this field: not known"),
            ("reused", "boolean", "the task existed before, so that this run pays nothing"),
            (
                "file",
                "string",
                "the video's file in the cache, bit for bit as the service delivered it, with its "
                "C2PA manifest; without this field: the cache does not have it",
            ),
        ],
    ),
    (
        "Message veo-join",
        "veo-join",
        "An element message of `veoextend`: how the continuation was joined.",
        [
            ("join", "string", "`append` or `replace`"),
            ("task-id", "string", "the continuation"),
            ("frames", "uint64", "the frames in the continuation's file"),
            ("contained-steps", "uint", "how many earlier steps that file contains"),
        ],
    ),
    (
        "Message veo-live",
        "veo-live",
        "An element message of `veolivesrc`, each time that a clip begins, and when filler begins.",
        [
            ("state", "string", "`filler` or `playing`: what the pads show from now on"),
            ("task-id", "string", "the task of the clip; empty with `filler`"),
            ("running-time", "uint64", "of the first frame of the new state, in nanoseconds"),
            ("repeat", "boolean", "the clip is a repetition"),
        ],
    ),
    (
        "Details veo-error",
        "veo-error",
        "The details of each ERROR and of a WARNING that is an error "
        "(`gst_message_parse_error_details()`).",
        [
            ("code", "string", "the [error code](errors.md)"),
            ("http-status", "uint", "the status of the service's answer; 0: there was none"),
            ("type", "string", "the service's type of the error"),
            ("service-code", "string", "the service's code"),
            ("service-message", "string", "the service's text"),
            ("task-id", "string", "the task; empty: there is none"),
            ("charged", "string", "`no`, `refunded` or `unknown`: are the credits gone?"),
            ("paid", "boolean", "the task is paid, and its video can still be had"),
        ],
    ),
    (
        "Message PROGRESS",
        "GstMessageProgress",
        "Its codes are `submit`, `generate` and `download`. Each code goes through start, continue, and "
        "complete, error or canceled. gst-veo adds one field to GStreamer's own.",
        [("percent", "int", "how much of the phase is done")],
    ),
    (
        "Message BUFFERING",
        "GstMessageBuffering",
        "From `veoextend` with `join=append`: 0 % if the film has run out before the continuation is there, so "
        "that the application pauses the pipeline, and 100 % when the film goes on or ends early "
        "([more](../veoextend.md#play-a-film-while-it-is-made)). gst-veo adds no field to GStreamer's own.",
        [],
    ),
    (
        "Event veo-task",
        "veo-task",
        "Goes downstream, sticky ahead of the first buffer. `veoextend` also sends it out of band, "
        "ahead of the bytes. `veoextend` accepts the event from any element, and refuses it as a whole "
        "if a field has another type.",
        [
            ("task-id", "string", "the task; empty until it is known"),
            ("status", "string", "`pending`, `processing`, `completed` or `failed`"),
            ("upstream-task-id", "string", "another id that the service has for the task, if any"),
            ("step", "uint", "the step of the film, 2 for the first extension; without it: 1"),
            ("steps", "list", "the tasks of the film in their order, as soon as they are known"),
        ],
    ),
    (
        "Event veo-ended",
        "veo-ended",
        "Goes downstream ahead of EOS if the application ended the stream. `veoextend` then ends its film, and "
        "submits nothing. The event has no fields.",
        [],
    ),
    (
        "Structure step",
        "step",
        "An item of the list `steps`.",
        [
            ("task-id", "string", "the task"),
            ("first", "uint", "the index (from 0) of the step with which the task's file begins"),
            ("frames", "uint64", "the frames of the task's file; 0: not known"),
        ],
    ),
    (
        "Structure veo-stats",
        "veo-stats",
        "The value of the property `stats`.",
        [
            ("polls", "uint", "how often the service was asked for the task"),
            ("requests", "uint", "all requests to the service and to the file host"),
            ("retries", "uint", "requests that were repeated"),
            ("bytes", "uint64", "the bytes of the clip that are here"),
            ("credits", "uint", "the price by the catalog; 0: not known"),
            ("reused", "boolean", "the task existed before"),
            ("submit-time", "uint64", "the time of the submission, in nanoseconds"),
            ("generate-time", "uint64", "the time of the generation, in nanoseconds"),
        ],
    ),
]

SIGNALS = {
    "prepare": "Submits the request without playing it, in any state, and returns at once. `FALSE`: the "
    "properties cannot be used, and a WARNING says why.",
    "request": "Asks for one more clip with the properties as they are. `FALSE`: the properties cannot be used, "
    "and a WARNING says why.",
    "skip": "Ends the clip that plays. The next clip follows if it is ready, and filler otherwise.",
    "flush-requests": "Drops the requests that are not submitted yet.",
    "abandon": "Ends the wait for the task at once. A stream that plays ends with EOS. A task that the "
    "service has accepted stays in the ledger.",
}
# The version of what has no row in the table of options.
SINCE = {"status": "0.1", "stats": "0.1", "uri": "0.1"}
SINCE |= dict.fromkeys(
    ["audio-caps", "filler", "filler-location", "pending-requests", "repeat", "video-caps"], "0.1"
)

TYPES = {
    "gboolean": "boolean",
    "gchararray": "string",
    "gint": "int",
    "guint": "uint",
    "GstCaps": "caps",
    "GstStructure": "structure",
    "GstValueArray": "array of strings",
}


def make_structures() -> str:
    text = ""
    for title, _, meaning, fields in STRUCTURES:
        text += f"### {title}\n\n{meaning}\n\n"
        if not fields:
            continue
        text += "| field | type | meaning |\n|---|---|---|\n"
        for name, kind, what in fields:
            text += f"| `{name}` | {kind} | {what} |\n"
        text += "\n"
    return text[:-1]


def load_plugin(folder: str):
    """Returns the namespaces Gst and GObject, with the plugin of the folder alone."""
    os.environ["GST_PLUGIN_SYSTEM_PATH_1_0"] = ""
    os.environ["GST_PLUGIN_PATH_1_0"] = folder
    os.environ["GST_REGISTRY_1_0"] = str(pathlib.Path(tempfile.mkdtemp()) / "registry.bin")
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import GObject, Gst

    if not Gst.is_initialized():
        Gst.init(None)
    return Gst, GObject


# Properties of GStreamer's base classes that GStreamer 1.22 does not have. The page is the same with
# each release.
NEWER_PROPERTIES = {"automatic-eos"}  # GstBaseSrc, since 1.24


def cell(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("|", "\\|")


def describe_value(spec, GObject) -> tuple[str, str]:
    """Returns the type with its values, and the default."""
    kind = spec.value_type
    if kind.is_a(GObject.TYPE_ENUM):
        nicks = [value.value_nick for value in list_enum_values(spec, GObject).values()]
        return "enum: " + ", ".join(f"`{nick}`" for nick in nicks), f"`{nicks[0]}`"
    name = TYPES.get(kind.name, kind.name)
    if name == "boolean":
        return name, "`true`" if spec.default_value else "`false`"
    if name in ("int", "uint"):
        return name, f"`{spec.default_value}`"
    return name, ""


def list_enum_values(spec, GObject) -> dict:
    """Returns the values of an enum property by their numbers, in order."""
    found = getattr(spec.enum_class, "__enum_values__", None)
    if found is None:  # PyGObject 3.50 (Debian 13) gives out GLib's own class
        numbers = range(spec.enum_class.minimum, spec.enum_class.maximum + 1)
        found = {number: GObject.enum_get_value(spec.enum_class, number) for number in numbers}
    return {number: found[number] for number in sorted(found) if found[number] is not None}


def describe_access(spec, Gst, GObject) -> str:
    flags = int(spec.flags)
    readable = flags & int(GObject.ParamFlags.READABLE)
    writable = flags & int(GObject.ParamFlags.WRITABLE)
    access = "read, write" if readable and writable else "read" if readable else "write"
    return access


def make_element(name: str, plugin: str, options: str) -> str:
    Gst, GObject = load_plugin(plugin)
    element = Gst.ElementFactory.make(name)
    if element is None:
        raise SystemExit(f"docs: {plugin} has no element {name}")
    since = dict(SINCE)
    for row in options.splitlines()[2:]:
        columns = re.split(r"(?<!\\)\|", row)
        since[columns[1].strip(" `")] = columns[-2].strip()

    text = "#### Pads\n\n| pad | direction | presence | caps |\n|---|---|---|---|\n"
    for template in element.get_pad_template_list():
        caps = template.get_caps().to_string().replace("(string)", "")
        text += (
            f"| `{template.name_template}` | {template.direction.value_nick} "
            f"| {template.presence.value_nick} | `{caps}` |\n"
        )

    own, inherited = [], []
    for spec in GObject.list_properties(element.__gtype__):
        if spec.name in NEWER_PROPERTIES:
            continue
        (own if spec.owner_type == element.__gtype__ else inherited).append(spec)
    text += "\n#### Properties\n\n| property | type | default | access | meaning | since |\n"
    text += "|---|---|---|---|---|---|\n"
    for spec in sorted(own, key=lambda spec: spec.name):
        kind, standard = describe_value(spec, GObject)
        meaning = cell(spec.blurb)
        bounds = re.search(r" \[([^]]*)\]$", meaning)
        if bounds and kind in ("int", "uint"):
            meaning, kind = meaning[: bounds.start()], f"{kind}, {bounds[1]}"
        text += (
            f"| `{spec.name}` | {kind} | {standard} | {describe_access(spec, Gst, GObject)} "
            f"| {meaning}. | {since[spec.name]} |\n"
        )
    names = ", ".join(f"`{spec.name}`" for spec in sorted(inherited, key=lambda spec: spec.name))
    text += f"\nFrom GStreamer's base classes `{name}` has {names}.\n"

    signals = GObject.signal_list_names(element.__gtype__)
    if signals:
        text += "\n#### Action signals\n\n| signal | returns | what it does |\n|---|---|---|\n"
        for signal in sorted(signals):
            query = GObject.signal_query(signal, element.__gtype__)
            returns = TYPES.get(query.return_type.name, "nothing") if query.return_type else "nothing"
            text += f"| `{signal}` | {returns} | {SIGNALS[signal]} |\n"
    return text
