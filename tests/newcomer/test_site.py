"""The site: it is built without a warning, reads as on a code host, and works in a browser without network."""

import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from tests.chromium import NEEDS_BROWSER, browse
from tests.needs import MKDOCS

ROOT = Path(__file__).parents[2]
FRONT = {"README.md": "index.html", "CHANGELOG.md": "changelog.html"}
PAGES = [*FRONT, *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]
SHAPES = ("h1", "h2", "h3", "h4", "li", "tr", "td", "pre", "code", "img", "strong", "em")
"""What a page must have as often here as where CommonMark with tables is read, as on code hosts."""

pytestmark = MKDOCS


class Reader(HTMLParser):
    """What stands in a page: tags in its article, links, and the names that links can point at."""

    def __init__(self, html: str, article: bool = True) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.names: set[str] = set()
        self._inside = not article
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        here = {name: value or "" for name, value in attrs}
        self._inside |= tag == "article"
        self.tags[tag] += self._inside
        self.names |= {here[key] for key in ("id", "name") if key in here}
        if tag == "a" and "href" in here:
            self.links.append(here["href"])
        elif tag in ("link", "script", "img") and here.get("rel") != "canonical":
            self.loads += [here[key] for key in ("href", "src") if key in here]

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "article"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_pages_have_the_same_parts_here_and_on_a_code_host(site: Path) -> None:
    common_mark = MarkdownIt("commonmark").enable("table")
    for page in PAGES:
        shown = FRONT.get(page) or page.removeprefix("docs/").replace(".md", ".html")
        here = Reader((site / shown).read_text(encoding="utf-8")).tags
        there = Reader(common_mark.render((ROOT / page).read_text(encoding="utf-8")), article=False).tags
        differ = {tag: (here[tag], there[tag]) for tag in SHAPES if here[tag] != there[tag]}
        assert not differ, (
            f"{page}: put an empty line before each list and table, and four blanks before an inner list"
        )


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = {path: Reader(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > len(PAGES)
    for path, page in pages.items():
        if path.name in (
            "404.html",
            "walker-experiments.html",
        ):  # addressed from a server's root; has no link
            continue
        assert not [address for address in page.loads if re.match(r"https?:|//", address)], path
        for link in {*page.links, *page.loads}:
            if re.match(r"[a-z]+:", link):
                continue
            target, _, name = unquote(link).partition("#")
            file = (path.parent / target).resolve() if target else path
            assert file.is_file(), f"{path.relative_to(site)}: {link}"
            assert not name or file not in pages or name in pages[file].names, (
                f"{path.relative_to(site)}: {link}"
            )


@NEEDS_BROWSER
def test_a_browser_shows_pages_and_searches_from_a_disk_without_network(site: Path) -> None:
    drawn = "document.readyState === 'complete' && !!document.querySelector('.md-content h1')"
    with browse() as page:
        page.open(site / "tutorials" / "first-walk.html", 420, ready=drawn)
        page.open(site / "index.html", 1400, ready=drawn)
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        page.evaluate("document.querySelector('.md-search__input').focus()")
        page.wait("document.querySelector('.md-search-result__meta').innerText.startsWith('Type')")
        page.write("curiosity")
        page.wait("document.querySelectorAll('.md-search-result__item').length > 2")
        found = page.evaluate("document.querySelector('.md-search-result__item a').href")
        assert Path(unquote(found.removeprefix("file://")).partition("?")[0].partition("#")[0]).is_file()
        assert not [
            request for request in page.requests if not request.startswith(("file:", "data:", "blob:"))
        ]
        assert page.complaints == []
