#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks each link of README.md, CONTRIBUTING.md, CHANGELOG.md and docs/: the file is there, and so is the
heading. The test uses no network, so it does not open links to other hosts. It also checks that the
navigation of the site (mkdocs.yml) has each page once."""
import pathlib
import re
import sys
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")


def find_pages() -> list[pathlib.Path]:
    return [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
        (ROOT / "docs").rglob("*.md")
    )


def read(page: pathlib.Path) -> str:
    """Returns the text without blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def plain(heading: str) -> str:
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[`*]", "", heading).replace("\\", "")


def slug_of_site(heading: str) -> str:
    """As Python-Markdown makes the anchor of a heading."""
    text = unicodedata.normalize("NFKD", plain(heading)).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower())


def slug_of_forge(heading: str) -> str:
    """As the web pages of Git forges make it."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain(heading)).strip().lower())


def find_anchors(page: pathlib.Path) -> set[str]:
    """Returns the anchors that are the same on the site and on a forge. A heading that stands twice has no
    anchor of its own."""
    headings = HEADING.findall(read(page))
    both = [slug_of_site(heading) for heading in headings]
    forge = {slug_of_forge(heading) for heading in headings}
    return {slug for slug in both if both.count(slug) == 1 and slug in forge}


def check_link(page: pathlib.Path, link: str) -> str:
    """Returns what is wrong; empty: nothing."""
    if re.match(r"(https|http|mailto):", link):
        return ""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return f"there is no {path}"
    if ROOT not in target.parents:
        return f"{path} is outside the project"
    if anchor and target.suffix == ".md" and anchor not in find_anchors(target):
        return f"{target.relative_to(ROOT)} has no single heading #{anchor}"
    return ""


def check_navigation() -> list[str]:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r": (\S+\.md)$", text[text.index("\nnav:") :], re.MULTILINE)
    pages = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    pages += ["CONTRIBUTING.md", "CHANGELOG.md"]
    faults = [f"mkdocs.yml: the navigation lacks {page}" for page in pages if page not in listed]
    faults += [f"mkdocs.yml: there is no page {page}" for page in listed if page not in pages]
    return faults + [f"mkdocs.yml: {page} twice" for page in set(listed) if listed.count(page) > 1]


def main() -> int:
    count, faults = 0, check_navigation()
    for page in find_pages():
        for link in LINK.findall(re.sub(r"(?<!\[)`[^`\n]+`(?!\])", "", read(page))):
            count += 1
            if fault := check_link(page, link):
                faults.append(f"{page.relative_to(ROOT)}: ({link}): {fault}")
    print("\n".join(faults))
    print(f"{count} links in {len(find_pages())} pages, {len(faults)} faults")
    return 1 if faults or count < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
