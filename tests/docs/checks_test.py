#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows that the markers and checks of the recipes refuse what is wrong."""
import pathlib
import subprocess
import tempfile
import unittest

import checks
import packages
import pages
import recipes as program


def page_of(text, strict=True):
    with tempfile.NamedTemporaryFile("w", suffix=".md") as file:
        file.write(text)
        file.flush()
        return pages.read_page(file.name, "page.md", checks.CHECKS, strict)


def block(marker, script="true"):
    return f"# A\n\n### B\n\n{marker}\n```sh\n{script}\n```\n"


class Pages(unittest.TestCase):
    def assert_refused(self, text, words):
        with self.assertRaises(pages.PageError) as caught:
            page_of(text)
        self.assertIn(words, str(caught.exception))

    def test_reads_a_marker(self):
        (recipe,) = page_of(
            block(
                "<!-- recipe: dog quick\n after a b\n simulator --frames 8\n interrupt 2.5\n"
                ' prints "two words"\n submits urls=["x"]\n then: true; echo "$ID" -->',
                "veo price\nveo credits",
            )
        )
        self.assertEqual(recipe.name, "dog")
        self.assertTrue(recipe.quick)
        self.assertEqual(recipe.script, "veo price\nveo credits\n")
        self.assertEqual(recipe.after, ["a", "b"])
        self.assertEqual(recipe.interrupt, 2.5)
        self.assertEqual(recipe.simulator, ["--frames", "8"])
        self.assertEqual(recipe.checks, [("prints", ["two words"]), ("submits", ['urls=["x"]'])])
        self.assertEqual(recipe.then, 'true; echo "$ID"\n')
        self.assertEqual((recipe.place, recipe.section), ("page.md:12", "B"))

    def test_takes_the_indent_of_a_list_from_a_block(self):
        (recipe,) = page_of("- A:\n\n  <!-- recipe: a\n  charges 0 -->\n  ```sh\n  one \\\n      two\n  ```\n")
        self.assertEqual(recipe.script, "one \\\n    two\n")

    def test_refuses_a_block_without_a_marker(self):
        self.assert_refused("text\n\n```sh\nveo price\n```\n", "page.md:3: a block of sh has no marker")

    def test_other_pages_may_have_blocks_without_a_marker(self):
        text = "```sh\nveo price\n```\n" + block("<!-- recipe: a\n charges 0 -->")
        self.assertEqual([recipe.name for recipe in page_of(text, strict=False)], ["a"])

    def test_a_marker_counts_for_one_block(self):
        self.assert_refused(block("<!-- recipe: a\n charges 0 -->") + "\n```sh\nfalse\n```\n", "no marker")

    def test_refuses_a_recipe_that_checks_nothing(self):
        self.assert_refused(block("<!-- recipe: a -->"), "checks nothing")

    def test_refuses_unknown_checks_and_words(self):
        self.assert_refused(block("<!-- recipe: a\n farmes dog.mp4 1 -->"), "'farmes' is not known")
        self.assert_refused(block("<!-- recipe: a fast\n charges 0 -->"), "'fast' is not known")

    def test_refuses_a_block_that_is_not_run_without_a_reason(self):
        self.assert_refused(block("<!-- recipe: a\n not run: -->"), "needs a reason")

    def test_refuses_a_marker_without_a_block(self):
        self.assert_refused("<!-- recipe: a\n charges 0 -->\ntext\n", "has no block")

    def test_other_languages_need_no_marker(self):
        self.assertEqual(page_of("```c\nint x;\n```\n\n```\nveo\n```\n"), [])


class Results(unittest.TestCase):
    """Each check passes on a film of FFmpeg's own, and fails where one thing is different."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        # Frame N shows N: the blocks are drawn by FFmpeg's expressions.
        luma = (
            "if(lt(Y\\,32)*lt(X\\,512)\\, 255*mod(floor(N/pow(2\\,15-floor(X/32)))\\,2)\\,"
            "if(lt(Y\\,32)*lt(X\\,544)\\, 255*mod(1+mod(N\\,2)+mod(floor(N/2)\\,2)+mod(floor(N/4)\\,2)\\,2)\\, 60))"
        )
        subprocess.run(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"nullsrc=s=1280x720:r=24,format=gray,geq=lum={luma}",
             "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-frames:v", "8", "-t", "0.3333333333",
             "-c:v", "ffv1", "-c:a", "flac", "-shortest", cls.folder / "film.mkv"],
            check=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        (cls.folder / "page.html").write_text("a dog")
        (cls.folder / "empty.txt").write_text("")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def setUp(self):
        self.result = program.Result(self.folder, self.folder / "page.html")

    def good(self, name, *arguments):
        checks.CHECKS[name](self.result, *arguments)

    def bad(self, name, *arguments):
        with self.assertRaises(checks.Failure):
            checks.CHECKS[name](self.result, *arguments)

    def test_frames(self):
        self.good("frames", "film.mkv", "8")
        self.bad("frames", "film.mkv", "9")
        self.bad("frames", "other.mkv", "8")

    def test_numbers(self):
        self.good("numbers", "film.mkv", "0-7")
        for wrong in ("0-6", "1-8", "7-0", "0-6,6", "0-7,8"):
            self.bad("numbers", "film.mkv", wrong)
        self.good("numbers", "film.mkv", "0-5+")
        for wrong in ("1-5+", "0-8+", "0,2+"):
            self.bad("numbers", "film.mkv", wrong)
        # Another part of the picture shows no number.
        self.bad("numbers", "film.mkv", "0-7", "crop=640:360:100:100")

    def make(self, name, source, filters):
        subprocess.run(["ffmpeg", "-v", "error", *source, "-vf", filters, "-c:v", "ffv1", self.folder / name],
                       check=True, stdin=subprocess.DEVNULL)  # fmt: skip

    def test_a_clip_between_other_pictures(self):
        film = ["-i", self.folder / "film.mkv"]
        self.make("between.mkv", film, "tpad=start=3:stop=3:color=black")
        self.good("shows_once", "between.mkv", "0-7")
        for wrong in ("0-6", "1-7", "0-8"):
            self.bad("shows_once", "between.mkv", wrong)
        # Nothing stands before and behind the clip; a picture comes twice; another picture is in its place.
        self.bad("shows_once", "film.mkv", "0-7")
        self.make("twice.mkv", film, "tpad=start=3:stop=3:color=black,loop=loop=1:size=1:start=5")
        self.bad("shows_once", "twice.mkv", "0-7")
        self.make("hole.mkv", film, "tpad=start=3:stop=3:color=black,drawbox=enable='eq(n,6)':t=fill:c=black")
        self.bad("shows_once", "hole.mkv", "0-7")

    def test_steps_of_time(self):
        black = ["-f", "lavfi", "-i", "color=black:size=64x64:rate=24:duration=2"]
        self.make("steady.mkv", black, "null")
        self.good("steady", "steady.mkv", "24")
        self.bad("steady", "steady.mkv", "25")
        self.make("gap.mkv", black, "select=not(eq(n\\,20)),setpts=PTS")
        self.bad("steady", "gap.mkv", "24")

    def test_fades(self):
        white = ["-f", "lavfi", "-i", "color=white:size=64x64:rate=24:duration=3"]
        self.make("fade.mkv", white, "fade=in:st=0.5:d=0.5,fade=out:st=1.5:d=0.5")
        self.good("fades", "fade.mkv", "32:32:0:0")
        self.make("jump.mkv", white, "fade=in:st=0.5:d=0.02,fade=out:st=1.5:d=0.5")
        self.bad("fades", "jump.mkv", "32:32:0:0")
        self.make("dark.mkv", white, "fade=in:st=4:d=0.5")
        self.bad("fades", "dark.mkv", "32:32:0:0")

    def test_samples(self):
        self.good("samples", "film.mkv", "16000", "16")
        self.bad("samples", "film.mkv", "16100", "16")

    def test_silence_is_no_sound(self):
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=48000", "-t", "0.5",
                        self.folder / "silent.flac"], check=True, stdin=subprocess.DEVNULL)  # fmt: skip
        self.bad("samples", "silent.flac", "24000", "100")

    def test_streams(self):
        self.good("size", "film.mkv", "1280x720")
        self.bad("size", "film.mkv", "720x1280")
        self.good("codecs", "film.mkv", "ffv1", "flac")
        self.bad("codecs", "film.mkv", "ffv1")
        self.bad("no_sound", "film.mkv")
        self.good("seconds", "film.mkv", "0.333")
        self.bad("seconds", "film.mkv", "0.5")

    def test_colors(self):
        self.good("color", "film.mkv", "100:100:600:300", "3c3c3c")
        self.bad("color", "film.mkv", "100:100:600:300", "ff3c3c")
        self.good("differs", "film.mkv", "32:32:480:0", "0", "1")
        self.bad("differs", "film.mkv", "32:32:480:300", "0", "1")

    def test_files(self):
        self.good("files", "*.html", "1")
        self.bad("files", "*.html", "2")
        self.bad("files", "*.txt", "1")  # The file is empty.
        self.good("same", "page.html", "clip")
        self.bad("same", "film.mkv", "clip")
        self.good("contains", "page.html", "dog")
        self.bad("contains", "page.html", "cat")

    def test_what_the_service_has_seen(self):
        self.result.charges = 2
        self.good("charges", "2")
        self.bad("charges", "1")
        self.result.bodies = [{"model": "veo-3", "input": {"seed": 1}}]
        self.good("submits", 'model="veo-3"', "seed=1")
        self.bad("submits", "seed=2")

    def test_what_the_display_has_shown(self):
        self.result.shown = [0, 0, 5, 9, 13]
        self.good("shows", "4")
        self.bad("shows", "5")
        self.result.shown = [0, 5, 3, 9]
        self.bad("shows", "3")


class Packages(unittest.TestCase):
    def test_finds_the_elements_of_a_line(self):
        line = "gst-launch-1.0 -q veosrc prompt=\"a ! b\" ! decodebin name=d  d. ! queue ! video/x-raw ! fakesink"
        self.assertEqual(
            set(packages.ELEMENT.findall(line)) - {"b"}, {"veosrc", "decodebin", "queue", "fakesink"}
        )

    def test_a_page_names_packages_for_all_recipes_or_for_one(self):
        text = "`for-all`\n\n### A\n\n`for-a`\n\n### B\n\n`for-b`\n\n```sh\n"
        with tempfile.NamedTemporaryFile("w", suffix=".md") as file:
            file.write(text)
            file.flush()
            self.assertEqual(packages.named_packages(file.name, 12), {"for-all", "for-b"})


if __name__ == "__main__":
    unittest.main()
