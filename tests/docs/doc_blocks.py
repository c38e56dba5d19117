"""Reads what the pages of docs/ mark for the tests: blocks to run, files to write, outputs to compare."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
RELATIVE, ABSOLUTE = 0.02, 0.01

_BLOCK = re.compile(
    r"^(?P<indent> *)<!-- (?P<kind>run|output|file|start)(?:: (?P<name>[\w./-]+))? -->\n"
    r"(?:(?P=indent)```(?P<language>\w+)\n(?P<text>.*?)\n(?P=indent)```$)?",
    re.MULTILINE | re.DOTALL,
)
_FENCE = re.compile(r"^( *)```\w*\n.*?\n\1```$", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"^( *)```bash\n(.*?)\n\1```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_PART = re.compile(r"(\.\.\.|\d+\.\d+|\s+)")


@dataclass(frozen=True)
class Block:
    """kind: run, output, file or start; name: of the file, the start, or the exit code that a run ends with."""

    kind: str
    name: str
    language: str
    text: str


def blocks(markdown: str) -> list[Block]:
    """Every marked block of a page, in order."""
    return [
        Block(m["kind"], m["name"] or "", m["language"] or "", dedent(m["text"] or ""))
        for m in _BLOCK.finditer(markdown)
    ]


def shell_lines(text: str) -> Iterator[tuple[dict[str, str], list[str]]]:
    """(environment, words) of every command of a block; comments are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        given = {}
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            given[name] = value
        if words:
            yield given, words


def all_commands(markdown: str) -> list[list[str]]:
    """The words after `clay-eval` of every command in a page: shell blocks and inline code."""
    found = [words for _, text in _SHELL.findall(markdown) for _, words in shell_lines(dedent(text))]
    found += [code.split() for code in inline_code(markdown)]
    return [words[1:] for words in found if words[:1] == ["clay-eval"] and len(words) > 1]


def inline_code(markdown: str) -> list[str]:
    """Everything in single backticks, outside of fenced blocks."""
    return _INLINE.findall(_FENCE.sub("", markdown))


def mismatch(expected: str, found: str) -> str | None:
    """Why `found` is not what a page shows, or None where it is.

    `...` stands for anything; white space is white space; numbers with a decimal point may differ by 2 %.
    """
    numbers = []
    pattern = ""
    for part in _PART.split(expected.strip()):
        if part == "...":
            pattern += ".*?"
        elif part.strip() == "" and part:
            pattern += r"\s+"
        elif re.fullmatch(r"\d+\.\d+", part):
            numbers.append(float(part))
            pattern += r"(\d+\.\d+)"
        else:
            pattern += re.escape(part)
    match = re.fullmatch(pattern.replace(r"\s+.*?\s+", r"\s+(?:.*?\s+)?"), found.strip(), re.DOTALL)
    if match is None:
        return f"the page shows\n{expected}\nand this came out\n{found}"
    for shown, came in zip(numbers, map(float, match.groups()), strict=True):
        if abs(shown - came) > RELATIVE * abs(shown) + ABSOLUTE:
            return f"the page shows {shown}, and {came} came out:\n{found}"
    return None
