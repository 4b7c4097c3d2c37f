#!/usr/bin/python3
"""What `cmake --install` puts where, and that the image installs the packages which the program needs to run.

usage: install_test.py SOURCE_DIR BUILD_DIR
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = (pathlib.Path(sys.argv.pop(1)).resolve() for _ in range(2))
# In every Debian, since apt itself needs them.
ALWAYS_THERE = {"libc6", "libgcc-s1", "libstdc++6"}


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Install(unittest.TestCase):
    def test_what_is_installed(self):
        with tempfile.TemporaryDirectory() as prefix:
            output_of("cmake", "--install", str(BUILD), "--prefix", prefix)
            installed = {str(path.relative_to(prefix)) for path in pathlib.Path(prefix).rglob("*") if path.is_file()}
            self.assertEqual(installed, {"bin/mcgate", "share/man/man1/mcgate.1", "share/man/man5/mcgate.toml.5",
                                         "share/doc/mcgate/mcgate.toml.example"})
            self.assertRegex(output_of(f"{prefix}/bin/mcgate", "--version"), r"^mcgate \d+\.\d+\.\d+\n$")

    def test_the_image_has_what_the_program_needs(self):
        dockerfile = (SOURCE / "docker" / "Dockerfile").read_text()
        last_stage = dockerfile[dockerfile.rindex("\nFROM "):]
        listed = set(re.search(r"apt-get install -y --no-install-recommends ([^&]*)&&", last_stage)[1].replace("\\", " ").split())
        # Those it names itself: what they need in turn is apt's affair.
        named = re.findall(r"\(NEEDED\).*\[(.*)\]", output_of("readelf", "-d", str(BUILD / "mcgate")))
        self.assertIn("libssl.so.3", named)
        paths = dict(re.findall(r"^\s*(\S+) => (\S+)", output_of("ldd", str(BUILD / "mcgate")), re.MULTILINE))
        # By the end of its path, since dpkg may know it with or without the /usr before.
        ends = [f"*/{pathlib.Path(paths[name]).parent.name}/{name}" for name in named]
        needed = {line.split(":")[0] for line in output_of("dpkg-query", "-S", *ends).splitlines()}
        needed.add("libsasl2-modules")  # PLAIN and SCRAM, which libsasl2 loads by itself
        self.assertEqual(listed, needed - ALWAYS_THERE)


if __name__ == "__main__":
    unittest.main()
