#!/usr/bin/python3
"""Holds the sources to what the folders promise each other.

usage: includes_test.py SOURCE_DIR BUILD_DIR

- Includes point one way: protocol <- conf <- auth <- proxy; tests may use all, nobody uses tests.
- Our own headers are included from the root and exist.
- protocol/ uses the standard library alone.
- Every header compiles alone.
- One source includes toml++, which takes seconds to compile and throws.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

SOURCE, BUILD = (pathlib.Path(arg).resolve() for arg in sys.argv[1:])
ORDER = ["protocol", "conf", "auth", "proxy"]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def sources(folder, pattern):
    return sorted((SOURCE / folder).rglob(pattern))


def includes(path):
    return INCLUDE.findall(path.read_text())


def direction_faults():
    for level, folder in enumerate(ORDER):
        for path in sources(folder, "*.[ch]pp"):
            for quote, name in includes(path):
                where = f"{path.relative_to(SOURCE)}: includes {name}"
                other = name.split("/")[0]
                if quote == "<":
                    # The standard library's headers have neither a suffix nor a folder.
                    if folder == "protocol" and not re.fullmatch(r"[a-z_]+", name):
                        yield f"{where}: protocol/ uses the standard library alone"
                elif other not in ORDER or not (SOURCE / name).is_file():
                    yield f"{where}: not one of our headers, named from the root"
                elif ORDER.index(other) > level:
                    yield f"{where}: {folder}/ may not use {other}/"


def toml_faults():
    users = [
        path.relative_to(SOURCE)
        for folder in ORDER + ["tests"]
        for path in sources(folder, "*.[ch]pp")
        for _, name in includes(path)
        if name.startswith("toml++/")
    ]
    if len(users) != 1 or users[0].suffix != ".cpp":
        yield f"toml++ is to be included by one source and no header, not by: {', '.join(map(str, users))}"


def compile_flags():
    """How the build compiles proxy/, which may use everything that any folder uses."""
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if path.parent == SOURCE / "proxy":
            words = shlex.split(entry["command"])
            if "ccache" in words[0]:
                words = words[1:]
            at = words.index("-o")
            del words[at : at + 2]
            at = words.index("-c")
            del words[at : at + 2]
            # Without optimisation glibc warns about _FORTIFY_SOURCE; nothing is generated here anyway.
            return [word for word in words if not word.startswith("-D_FORTIFY_SOURCE")]
    sys.exit("includes_test: the build compiles nothing in proxy/")


def alone_fault(header, flags):
    text = f'#include "{header.relative_to(SOURCE)}"\n'
    command = [*flags, "-O0", "-fsyntax-only", "-x", "c++", "-"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, cwd=SOURCE, check=False)
    if result.returncode:
        return f"{header.relative_to(SOURCE)}: does not compile alone:\n{result.stderr}"
    return None


def alone_faults():
    flags = compile_flags()
    headers = [path for folder in ORDER for path in sources(folder, "*.hpp")]
    if not headers:
        yield "no headers found"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(lambda header: alone_fault(header, flags), headers))


faults = [*direction_faults(), *toml_faults(), *alone_faults()]
print("\n".join(faults) or "includes are as they should be")
sys.exit(1 if faults else 0)
