"""A page as a test reads it: what it says, which numbers it marks, and what it would fetch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

EMPTY = {"meta", "img", "br", "link"}
UNREAD = {"style", "script"}


class Page(HTMLParser):
    """Parses a page when it is made."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.marked: list[tuple[float, str]] = []
        """Numbers, each with how it is written."""
        self.said: list[str] = []
        """Texts outside of these."""
        self.fetched: list[str] = []
        """Addresses of what a browser fetches to show the page."""
        self.pictures_without_words: list[str] = []
        self._open: list[tuple[str, str | None]] = []
        self.feed(text)
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in EMPTY:
            self._open.append((tag, dict(attrs).get("data-value")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "src" in given or tag == "link":
            self.fetched.append(given.get("src") or given.get("href") or "")
        words = {"img": "alt", "svg": "aria-label"}.get(tag)
        if words and not given.get(words):
            self.pictures_without_words.append(str(given))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not data.strip() or any(tag in UNREAD for tag, _ in self._open):
            return
        value = self._open[-1][1]
        if value is None:
            self.said.append(data)
        else:
            self.marked.append((float(value), data))


def numbers_in(value: Any) -> Iterator[float]:
    """All numbers in what was read from JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


def strings_in(value: Any) -> Iterator[str]:
    """All strings in what was read from JSON, keys too."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, str):
        yield value


def loose_numbers(page: Page, said: Any) -> list[str]:
    """Numbers that the page says outside of marks, and that no string of `said` has."""
    known = {number for text in strings_in(said) for number in re.findall(r"\d[\d.,]*", text)}
    known |= {f"{number:g}" for number in numbers_in(said)} | {repr(number) for number in numbers_in(said)}
    return [
        number
        for text in page.said
        for number in re.findall(r"\d[\d.,]*", text)
        if number not in known and number.rstrip(".,") not in known
    ]
