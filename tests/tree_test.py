#!/usr/bin/python3
"""Holds the documents to the tree they speak of.

usage: tree_test.py SOURCE_DIR

- Links in Markdown lead to files, and to headings that are there.
- A path in `code` in Markdown, or in a man page, that begins with one of our folders exists.
- Nothing in the tree is empty, no text ends without a newline, no script has lost its executable bit.
"""

import os
import pathlib
import re
import sys

SOURCE = pathlib.Path(sys.argv[1]).resolve()
SKIPPED = {".git", "build", "__pycache__"}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
OUR_PATH = re.compile(r"(?:\./)?((?:protocol|conf|auth|proxy|tests|docker|docs|\.ci)/[\w./-]*)")
MAN_FORMAT = re.compile(r"\\f[BIRP]|\\&")


def tree():
    for folder, folders, files in os.walk(SOURCE):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(files):
            yield pathlib.Path(folder, name)


def anchors(path):
    """The headings of a document, as links name them."""
    text = FENCE.sub("", path.read_text())
    for heading in re.findall(r"^#+\s+(.*?)\s*$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link_faults(path, text):
    for target in LINK.findall(text):
        if re.match(r"(https?|mailto):", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        if not file.exists():
            yield f"{path.relative_to(SOURCE)}: links to {target}, which is not there"
        elif anchor and anchor not in anchors(file):
            yield f"{path.relative_to(SOURCE)}: links to {target}, which has no such heading"


def path_faults(path, words):
    for word in words:
        match = OUR_PATH.fullmatch(word)
        if match and not (SOURCE / match[1]).exists():
            yield f"{path.relative_to(SOURCE)}: speaks of {word}, which is not there"


def document_faults(path):
    text = path.read_text()
    if path.suffix == ".md":
        text = FENCE.sub("", text)
        yield from link_faults(path, text)
        yield from path_faults(path, CODE.findall(text))
    else:
        yield from path_faults(path, MAN_FORMAT.sub("", text).split())


def file_faults(path):
    content = path.read_bytes()
    name = path.relative_to(SOURCE)
    if not content and "corpus" not in name.parts:
        yield f"{name}: is empty"
    if content.startswith(b"#!") and not os.access(path, os.X_OK):
        yield f"{name}: is a script, but not executable"
    is_text = path.suffix in {".cpp", ".hpp", ".cmake", ".md", ".py", ".toml", ".txt"} or content.startswith(b"#!")
    if is_text and content and not content.endswith(b"\n"):
        yield f"{name}: does not end with a newline"


faults = []
for path in tree():
    faults += file_faults(path)
    if path.suffix == ".md" or re.fullmatch(r"\.[1-8]", path.suffix):
        faults += document_faults(path)
print("\n".join(faults) or "the documents and the tree agree")
sys.exit(1 if faults else 0)
