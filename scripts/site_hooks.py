# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hooks of MkDocs, for mkdocs.yml. CONTRIBUTING.md and CHANGELOG.md become pages of the site. A link to
another file outside docs/ becomes its name, because the site has no source files. A link whose text is the
name of a page (`[money.md](money.md)`) gets the page's title as its text."""
import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ["CONTRIBUTING.md", "CHANGELOG.md"]
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def find_titles(nav: list) -> dict[str, str]:
    titles = {}
    for entry in nav:
        for title, target in entry.items():
            titles.update(find_titles(target) if isinstance(target, list) else {target: title})
    return titles


def on_files(files, config):
    for page in PAGES:
        files.append(File(page, str(ROOT), config["site_dir"], config["use_directory_urls"]))
    return files


def on_page_markdown(markdown, page, config, files):
    is_of_root = page.file.src_uri in PAGES
    titles = find_titles(config["nav"])
    folder = "" if is_of_root else posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def rewrite(link: re.Match) -> str:
        path, mark, anchor = link[2].partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return link[0]
        target = posixpath.normpath(posixpath.join(folder, path))
        if target == "README.md":
            target = "docs/index.md"
        if target in PAGES:
            source = target
        elif target.startswith("docs/"):
            source = target[len("docs/") :]
        else:
            return link[1]
        here = posixpath.dirname(page.file.src_uri)
        is_name = re.fullmatch(r"[\w/.-]+\.md", link[1])
        text = titles.get(source, link[1]) if is_name else link[1]
        return f"[{text}]({posixpath.relpath(source, here or '.')}{mark}{anchor})"

    # Links in code stay.
    parts = re.split(r"(^ *```.*?^ *```$|`[^`\n]+`(?!\]))", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if i % 2 else LINK.sub(rewrite, part) for i, part in enumerate(parts))
