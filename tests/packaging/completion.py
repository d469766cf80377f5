# SPDX-License-Identifier: Apache-2.0
"""Completion in bash, and in zsh and fish where they are installed: every verb, every option of every
verb, the words of options that take one of a few, and the names that a running daemon knows.

usage: completion.py BIN_DIR
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import spoken

BIN = pathlib.Path(sys.argv[1]).resolve()
SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "cli" / "completion"
STATUS = """
BUS                           POLLS   LEFT OUT
hall-1                           12          0

DEVICE                   BUS          UNIT HEALTH
sensor-a                 hall-1          1 well
  refuses holding 1 to 2 (exception 2)

MACHINE                  ALARM            SEVERITY
pump-1                   normal           none
fan-2                    normal           none
"""
# Line by line: words so far, the last one being completed; then a tab and 'done'.
BASH = """
. "$1"
while IFS= read -r line; do
    IFS=$'\\037' read -r -a COMP_WORDS <<<"$line"
    [ "${line%$'\\037'}" = "$line" ] || COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    _millwright
    printf '%s\\n' "${COMPREPLY[@]}" "done"
done
"""
ZSH = """
compadd() { while [[ $1 == -* && $1 != -- ]]; do shift; done; [[ $1 == -- ]] && shift; print -rl -- ${(M)@:#$PREFIX*}; }
_files() { if [[ $1 == -/ ]]; then print -rl -- $PREFIX*(N/); else print -rl -- $PREFIX*(N); fi; }
_message() { }
_describe() { local -a list; list=(${(P)2} $@[3,-1]); print -rl -- ${(M)${list%%:*}:#$PREFIX*}; }
. $1
while IFS= read -r line; do
    words=("${(@ps:\\037:)line}")
    CURRENT=$#words PREFIX=$words[-1]
    _millwright
    print done
done
"""
FISH = """
source $argv[1]
while read -l line
    complete -C (string replace -a \\x1f ' ' -- $line) | string replace -r '\\t.*' ''
    echo done
end
"""


class Shell:
    def __init__(self, name, script, file):
        self.name, self.faults = name, []
        option = [] if name != "zsh" else ["-f"]
        folder = tempfile.mkdtemp()
        runner = pathlib.Path(folder) / "runner"
        runner.write_text(script)
        environment = {**os.environ, "HOME": folder, "PATH": f"{folder}:{os.environ['PATH']}"}
        for program in ("millwright", "millwrightd"):
            (pathlib.Path(folder) / program).symlink_to(BIN / program)
        self.folder = folder
        self.process = subprocess.Popen([name, *option, runner, SCRIPTS / file], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)

    def complete(self, *words):
        print("\037".join(words), file=self.process.stdin, flush=True)
        answers = []
        for line in self.process.stdout:
            if line == "done\n":
                return set(answers)
            answers.append(line.rstrip("\n"))
        sys.exit(f"{self.name}: ended at {words}")

    def expect(self, wanted, *words):
        got = self.complete(*words) - {""}
        if got != set(wanted):
            self.faults.append(f"{self.name}: {words}: lacks {sorted(set(wanted) - got)}, "
                               f"has {sorted(got - set(wanted))}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        shutil.rmtree(self.folder)
        return self.faults


def words_and_options(shell):
    verbs = spoken.summaries(BIN / "millwright")
    shell.expect(set(verbs) | {"--help", "--version"}, "millwright", "")
    shell.expect({"repaired", "replay"}, "millwright", "rep")
    for verb in verbs:
        text = spoken.helps(BIN / "millwright", verb)
        subs = [] if verb not in ("profile", "model") else ["show"]
        shell.expect(spoken.options(text) | {"--help"}, "millwright", verb, *subs, "--")
    shell.expect(spoken.options(spoken.helps(BIN / "millwrightd")) | {"--help"}, "millwrightd", "--")
    shell.expect({"list", "show", "check"}, "millwright", "profile", "")
    shell.expect({"double", "single"}, "millwright", "infer", "x", "--rounding", "")
    shell.expect({"daemon", "database", "disk"}, "millwright", "doctor", "--json", "--only", "d")
    shell.expect({"mbap"}, "millwright", "scan", "--json", "--framing", "m")


def files(shell):
    folder = pathlib.Path(shell.folder)
    (folder / "plant.yaml").touch()
    (folder / "plants").mkdir()
    for words in (("check", "pl"), ("scan", "--config", "pl"), ("profile", "check", "pl")):
        got = {word.rstrip("/") for word in shell.complete("millwright", *words)}
        if got != {"plant.yaml", "plants"}:
            shell.faults.append(f"{shell.name}: {words}: {got}")
    got = {word.rstrip("/") for word in shell.complete("millwright", "scan", "--profiles", "pl")}
    if got != {"plants"}:
        shell.faults.append(f"{shell.name}: --profiles: {got}")


def names(shell):
    """A daemon that is a script here: what matters is which names are taken from its answer."""
    program = pathlib.Path(shell.folder) / "millwright"
    program.unlink()
    program.write_text(f'#!/bin/sh\ncase "$*" in\nstatus) cat <<\'END\'\n{STATUS}END\n;;\n'
                       f'*) exec {BIN / "millwright"} "$@" ;;\nesac\n')
    program.chmod(0o755)
    shell.expect({"pump-1", "fan-2"}, "millwright", "learn", "")
    shell.expect({"pump-1", "fan-2"}, "millwright", "status", "")
    shell.expect({"pump-1", "fan-2", "sensor-a"}, "millwright", "ack", "")
    shell.expect({"hall-1"}, "millwright", "record", "h")


def run(name, script, file):
    if not shutil.which(name):
        print(f"{name} is not installed: its completion is not tried")
        return []
    shell = Shell(name, script, file)
    words_and_options(shell)
    files(shell)
    names(shell)
    return shell.close()


if __name__ == "__main__":
    wrong = (run("bash", BASH, "millwright.bash") + run("zsh", ZSH, "_millwright")
             + run("fish", FISH, "millwright.fish"))
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)
