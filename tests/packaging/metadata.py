# SPDX-License-Identifier: Apache-2.0
"""debian/ agrees with the rest: one version, every build dependency known to ./test and the other way
round, and a conffile that polls nothing.

usage: metadata.py BIN_DIR
"""
import pathlib
import re
import subprocess
import sys

BIN = pathlib.Path(sys.argv[1]).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]


def read(name):
    return (ROOT / name).read_text()


def version():
    project = re.search(r"project\(millwright VERSION ([\d.]+)", read("CMakeLists.txt")).group(1)
    package = re.match(r"millwright \(([\d.]+)\S*\) ", read("debian/changelog")).group(1)
    said = subprocess.run([BIN / "millwright", "--version"], capture_output=True, text=True, timeout=60, check=True)
    if not said.stdout.split()[1] == project == package:
        return [f"versions differ: {said.stdout.strip()}, CMakeLists.txt {project}, debian/changelog {package}"]
    return []


def dependencies():
    """Libraries: cmake/debian.sh and debian/control name the same."""
    control = re.search(r"(?ms)^Build-Depends:(.*?)^\S", read("debian/control")).group(1)
    package = set(re.findall(r"(?:^|,)\s*(lib\S+-dev)", control))
    build = set(re.findall(r"lib\S+-dev", re.search(r'BUILD_PACKAGES="(.*?)"', read("cmake/debian.sh"), re.S).group(1)))
    build -= {"libc6-dev"}
    if package != build or len(build) < 5:
        return [f"debian/control and cmake/debian.sh: {sorted(package ^ build)}"]
    return []


def conffile():
    """As installed the daemon's own check is content and nothing is polled."""
    done = subprocess.run([BIN / "millwright", "check", ROOT / "config" / "millwright.yaml", "--here", "--json"],
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0 or not re.search(r'"polled": ?0\b', done.stdout):
        return [f"config/millwright.yaml: exit status {done.returncode}, {done.stdout}{done.stderr}"]
    return []


if __name__ == "__main__":
    wrong = version() + dependencies() + conffile()
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)
