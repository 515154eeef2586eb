#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds the site in strict mode, and reads its pages: each page of docs/ is there, no page loads anything
from another host, and each link within the site leads to a page and a place that is there. The test is
skipped (77) without MkDocs, which `scripts/install-dependencies docs` installs."""
import html.parser
import pathlib
import posixpath
import re
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("link", "href"), ("source", "src")}


class Page(html.parser.HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.links, self.loads, self.ids, self.marks, self.depth = [], [], set(), [], 0
        self.feed(text)

    def handle_data(self, text):
        # What Python-Markdown has not understood stands in the page as it is.
        if self.depth == 0:
            self.marks += re.findall(r".*(?:```|\\\||\]\(|^\s*\|[ -]|^- ).*", text, re.M)

    def handle_endtag(self, tag):
        self.depth -= tag in ("pre", "script")

    def handle_starttag(self, tag, attrs):
        self.depth += tag in ("pre", "script")
        for name, value in attrs:
            if name == "id":
                self.ids.add(value)
            elif (tag, name) in LOADED:
                self.loads.append(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)


def check_link(site: dict, name: str, link: str) -> str:
    parts = urllib.parse.urlsplit(link)
    if parts.scheme:
        return ""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), parts.path)) if parts.path else name
    target = "index.html" if target == "." else target
    if target not in site:
        return f"{name}: {link}: there is no page {target}"
    anchor = urllib.parse.unquote(parts.fragment)
    if anchor and anchor not in site[target].ids:
        return f"{name}: {link}: {target} has no #{anchor}"
    return ""


def main() -> int:
    if subprocess.run(["/usr/bin/python3", "-c", "import mkdocs"], capture_output=True).returncode:
        print("SKIPPED: MkDocs is not installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        command = ["/usr/bin/python3", "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
        built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        if built.returncode:
            print(built.stdout + built.stderr)
            return 1
        files = pathlib.Path(folder)
        site = {
            str(file.relative_to(files)): Page(file.read_text(encoding="utf-8"))
            for file in files.rglob("*.html")
        }
        styles = {file: file.read_text(encoding="utf-8") for file in files.rglob("*.css")}
    faults = []
    for page in (ROOT / "docs").rglob("*.md"):
        name = str(page.relative_to(ROOT / "docs").with_suffix(".html"))
        if name not in site:
            faults.append(f"the site lacks {name}")
    for name, page in site.items():
        if name == "404.html":
            continue
        faults += [f"{name} loads {url}" for url in page.loads if urllib.parse.urlsplit(url).netloc]
        faults += [f"{name}: the page shows marks of Markdown: {mark}" for mark in page.marks]
        faults += filter(None, (check_link(site, name, link) for link in page.links))
    faults += [f"{file.name} loads from another host" for file, css in styles.items() if "url(http" in css]
    print("\n".join(faults))
    print(f"{len(site)} pages, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
