"""What the guides in docs/ show is what happens: each of their files is written, each of their commands run in a shell, and
what they print compared.

    ```toml NAME       is written to the file NAME; json too
    ```console         lines after "$ " are run; those below, up to the next, are what it prints, standard error after
                       standard output; "..." is any lines
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import harness

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```(toml|json|console) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(block):
    """(command, lines expected) of a console block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def pattern(expected):
    lines = [".*\n" if line == "..." else re.escape(line + "\n") for line in expected.splitlines()]
    return re.compile("".join(lines), re.DOTALL)


@harness.needs_mcgate
class Guides(unittest.TestCase):
    def play(self, name):
        """Plays a guide in a directory of its own; how many commands it had."""
        played = 0
        with tempfile.TemporaryDirectory() as directory:
            os.symlink(os.path.abspath(harness.MCGATE), os.path.join(directory, "mcgate"))
            environment = os.environ | {"PATH": f"{directory}:{os.environ['PATH']}"}
            for kind, file, text in BLOCK.findall((DOCS / name).read_text(encoding="utf-8")):
                if kind in ("toml", "json") and file:
                    pathlib.Path(directory, file).write_text(text, encoding="utf-8")
                if kind != "console":
                    continue
                for command, expected in commands(text):
                    with self.subTest(guide=name, command=command):
                        ran = subprocess.run(["bash", "-c", command], cwd=directory, env=environment, text=True,
                                             stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
                        said = ran.stdout + ran.stderr
                        self.assertTrue(pattern(expected).fullmatch(said), f"expected:\n{expected}\nsaid:\n{said}")
                        played += 1
        return played

    def test_policy(self):
        self.assertGreater(self.play("policy.md"), 15)

    def test_migration(self):
        self.assertGreater(self.play("migration.md"), 8)


if __name__ == "__main__":
    unittest.main()
