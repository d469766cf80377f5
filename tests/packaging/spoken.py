# SPDX-License-Identifier: Apache-2.0
"""What the programs' own --help says: verbs, options, alternatives and exit statuses."""
import re
import subprocess

OPTION = re.compile(r"(?<![a-z-])--[a-z][a-z-]*")


def ask(program, *arguments):
    done = subprocess.run([program, *arguments, "--help"], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def summaries(millwright):
    """Verb to summary."""
    return dict(re.findall(r"(?m)^  ([a-z][a-z-]*) +(.+)$", ask(millwright)))


def helps(program, *verb):
    """The whole help of a verb: also the one that it refers to, such as 'replay --trace x --help'."""
    text = ask(program, *verb)
    for more in re.findall(r"'([^']*?) --help'", text):
        text += ask(program, *more.split())
    return text


def named(text):
    """The lines of a help that name options: prose begins at column one."""
    return "\n".join(line for line in text.splitlines() if line.startswith("usage:") or line[:1].isspace())


def options(text):
    return set(OPTION.findall(named(text))) - {"--help"}


def usage(text):
    """The usage lines of a help, which may be several screens."""
    return "\n".join(re.findall(r"(?m)^usage:.*(?:\n +.*)*", text))


def alternatives(text):
    """Lower-case words of the usage between bars: double|single."""
    return {word for group in re.findall(r"[\w-]+(?:\|[\w-]+)+", usage(text))
            for word in group.split("|") if re.fullmatch(r"[a-z]+", word)}


def statuses(text):
    found = set()
    for part in re.findall(r"(?s)Exit status: (.*?)(?:\n\n|\Z)", text):
        found |= set(re.findall(r"(?:^|[ \n(])(0|6[4-9]|7[0-8]) [a-zA-Z]", part))
    return found
