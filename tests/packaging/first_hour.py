# SPDX-License-Identifier: Apache-2.0
"""docs/FIRST-HOUR.md followed to the letter, in a Debian 12 that is booted in a container with nothing of
ours but the package, by a user with sudo: the commands of its sh blocks are run, the answers of its dialogue
are typed at a terminal, and what the dialogue shows must be what is seen (numbers aside). The sensor is
strange_sensor.py. The first alert must be the true one, and must come after the fault.

usage: first_hour.py PROGRAMS [MILLWRIGHT.deb]   PROGRAMS is not used; without a package, it is built
       first_hour.py --inside TUTORIAL           in the container: follows the tutorial

Needs root, mmdebstrap and systemd-nspawn, and Debian's packages in reach: skipped without. The container's
tree is kept in build/packages/chroots.
"""
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent / "../.."
PACKAGES = ("systemd,systemd-sysv,dbus,udev,sudo,iproute2,man-db,mosquitto,mosquitto-clients,"
            "python3,python3-pymodbus,python3-serial,python3-serial-asyncio")
SENSOR, UNIT_PORT = "192.0.2.17", "502"
WELL_S = 180       # of the sensor's machine, from the boot on
MAX_MINUTES, MAX_COMMANDS = 15, 6
MAX_STEP_S = 600   # of one command
MAX_ANSWER_S = 60  # until a question of a dialogue is there
BOOT_S = 1200

FOLLOW = """\
#!/bin/sh
exec >/trial.log 2>&1
set -eu
ip address add 192.0.2.17/32 dev lo
useradd --create-home --groups sudo --shell /bin/bash integrator
echo 'integrator ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/integrator
cp /millwright_*.deb /home/integrator
systemd-run --quiet --unit=sensor python3 -B /strange_sensor.py SENSOR PORT WELL /run/fault
systemd-run --quiet --unit=all sh -c 'exec mosquitto_sub -F "%U %t %p" -t "millwright/v1/#" >/run/all'
cd /home/integrator
runuser -u integrator -- env HOME=/home/integrator LANG=C.UTF-8 python3 -B /first_hour.py --inside /FIRST-HOUR.md
"""
UNIT = """\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=-/bin/sh /follow
ExecStopPost=/bin/sh -c 'echo "$EXIT_CODE $EXIT_STATUS" >/status'
ExecStopPost=/bin/sh -c 'journalctl --no-pager -o cat -u "sensor*" -u all -u millwrightd -u mosquitto >/journal'
ExecStopPost=systemctl --no-block poweroff
TimeoutStartSec=1200
"""


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def check(condition, *words):
    if not condition:
        sys.exit(" ".join(map(str, ("failed:",) + words)))


# ---- in the container ----

def blocks(text):
    """(what, lines) of each fenced block."""
    return [(what, body.splitlines()) for what, body in re.findall(r"(?ms)^```(\w+)\n(.*?)^```$", text)]


def steps(text):
    """Each command with the dialogue that belongs to it, or None."""
    found = []
    for what, lines in blocks(text):
        if what == "sh":
            found += [[line, None] for line in lines if line.strip()]
        elif what == "dialogue":
            found[-1][1] = lines
    return found


def shape(text):
    """Numbers aside, and whatever the terminal shows in passing."""
    text = re.sub(r"[^\n]*\r\x1b\[K", "", text)
    return re.sub(r"[ \t]+", " ", re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "#", text))


class Terminal:
    def __init__(self, command):
        self.text = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvp("/bin/bash", ["/bin/bash", "-c", command])

    def read(self, until_s):
        if not select.select([self.master], [], [], max(0, until_s - time.monotonic()))[0]:
            check(time.monotonic() < until_s, "no more than this came:", self.text)
        try:
            more = os.read(self.master, 65536)
        except OSError:
            more = b""
        self.text = (self.text + more.decode(errors="replace")).replace("\r\n", "\n")
        return bool(more)

    def wait_for(self, question, seen):
        end = time.monotonic() + MAX_ANSWER_S
        while shape(question) not in shape(self.text[seen:]):
            check(self.read(end), "ended without", repr(question), "but with", self.text[seen:])
        return len(self.text)

    def type(self, words):
        os.write(self.master, words.encode() + b"\n")

    def finish(self):
        end = time.monotonic() + MAX_STEP_S
        while self.read(end):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def converse(terminal, lines):
    """Types the answers; then every line of the dialogue must have been seen, in its order."""
    seen = 0
    for line in lines:
        question = re.match(r"(.*?) >(?: (.*))?$", line)
        if question:
            seen = terminal.wait_for(question.group(1) + " >", seen)
            terminal.type(question.group(2) or "")
    status = terminal.finish()
    rest = shape(terminal.text)
    for line in lines:
        wanted = shape(line).rstrip()
        check(wanted in rest, "the tutorial shows", repr(line), "but seen was\n", terminal.text)
        rest = rest[rest.index(wanted) + len(wanted):]
    return status


def follow(tutorial):
    began, out = time.monotonic(), ""
    commands = steps(pathlib.Path(tutorial).read_text())
    for command, dialogue in commands:
        print(f"$ {command}", flush=True)
        terminal = Terminal(command)
        status = converse(terminal, dialogue) if dialogue else terminal.finish()
        out = terminal.text
        print(f"{out}\n[{time.monotonic() - began:.0f} s, exit status {status}]", flush=True)
        check(status == 0, command, "failed")
    judge(out)
    minutes = (time.monotonic() - began) / 60
    print(f"commands {len(commands)}, minutes {minutes:.1f}")
    check(len(commands) <= MAX_COMMANDS and minutes <= MAX_MINUTES, "too many or too long")
    claims()
    print("the first alert was true")


def judge(out):
    """The last command waited for the first alert."""
    first = json.loads(out)
    fault = float(pathlib.Path("/run/fault").read_text()) if pathlib.Path("/run/fault").exists() else None
    check(fault, "an alert before the fault:", first)
    check(first["event"] == "raised" and first["class"] == "machine" and first["detector"] == "limit"
          and first["condition"] == "high" and first["machine"] == "pump-1" and first["point"] == "pump-1.vel_rms",
          "not the true one:", first)
    check(fault <= first["ts_ms"] / 1000 <= fault + 60, "at", first["ts_ms"] / 1000, "with the fault at", fault)
    alerts = [line for line in pathlib.Path("/run/all").read_text().splitlines() if "/alert " in line]
    check(len(alerts) == 1, "more than one alert:", alerts)
    print(f"fault at {fault:.1f}, alert measured {first['ts_ms'] / 1000 - fault:.1f} s after it")


def alerts():
    lines = pathlib.Path("/run/all").read_text().splitlines()
    return [json.loads(line.split(" ", 2)[2]) for line in lines if "/alert " in line]


def await_alert(seconds, **wanted):
    end = time.monotonic() + seconds
    while not any(wanted.items() <= alert.items() for alert in alerts()):
        check(time.monotonic() < end, "no alert", wanted, "within", seconds, "s, but", alerts())
        time.sleep(0.2)
    print(f"{wanted}: after {seconds - (end - time.monotonic()):.0f} s")


def claims():
    """What else the tutorial says of the day: the sensor's plug pulled, and its machine well again."""
    subprocess.run(["sudo", "systemctl", "stop", "sensor"], check=True, timeout=60)
    await_alert(60, **{"event": "raised", "class": "device"})
    subprocess.run(["sudo", "systemd-run", "--quiet", "--unit=sensor-again", "python3", "-B", "/strange_sensor.py", SENSOR,
                    UNIT_PORT, "3600", "/run/fault"], check=True, timeout=60)
    await_alert(60, **{"event": "cleared", "class": "device"})
    await_alert(60, **{"event": "cleared", "class": "machine"})


# ---- outside ----

def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def package():
    if len(sys.argv) > 2:
        return pathlib.Path(sys.argv[2])
    arch = run("dpkg", "--print-architecture").strip()
    run(SOURCE / "debian/build-all", arch, cwd=SOURCE, env={**os.environ, "NOCHECK": "yes"}, timeout=3600)
    return next((SOURCE / f"build/packages/bookworm/{arch}").glob(f"millwright_*_{arch}.deb"))


def make_root(root, deb):
    """Debian with a broker, sudo and what the package depends on, since the container has no network."""
    depends = run("dpkg-deb", "-f", deb, "Depends").strip()
    tarball = SOURCE / "build/packages/chroots/bookworm-first-hour.tar"
    wanted = tarball.with_suffix(".txt")
    if not tarball.exists() or wanted.read_text() != PACKAGES + depends:
        tarball.parent.mkdir(parents=True, exist_ok=True)
        part = tarball.with_suffix(".part.tar")
        done = subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=apt", f"--include={PACKAGES}", "--customize-hook=chroot \"$1\" apt-get"
             f" satisfy -y -qq --no-install-recommends '{depends}'", "bookworm", part,
             f"deb {os.environ.get('MIRROR', 'http://deb.debian.org/debian')} bookworm main"],
            capture_output=True, text=True, check=False, timeout=1800)
        if done.returncode:
            skip("mmdebstrap: " + done.stderr.strip().splitlines()[-1])
        part.rename(tarball)
        wanted.write_text(PACKAGES + depends)
    run("tar", "-C", root, "-xf", tarball)
    shutil.copy(deb, root)


def configure(root):
    here = pathlib.Path(__file__).resolve().parent
    for file in (here / "first_hour.py", here / "strange_sensor.py", SOURCE / "docs/FIRST-HOUR.md"):
        shutil.copy(file, root)
    script = FOLLOW.replace("SENSOR", SENSOR).replace("PORT", UNIT_PORT).replace("WELL", str(WELL_S))
    (root / "follow").write_text(script)
    (root / "etc/hostname").write_text("gateway\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 gateway\n")
    units = root / "etc/systemd/system"
    (units / "follow.service").write_text(UNIT)
    (units / "default.target.wants").mkdir(exist_ok=True)
    (units / "default.target.wants/follow.service").symlink_to("../follow.service")
    with contextlib.suppress(FileNotFoundError):
        (units / "default.target").unlink()
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")


def main():
    if os.geteuid() != 0:
        skip("root is needed to boot a container")
    for program in ("mmdebstrap", "systemd-nspawn"):
        if not shutil.which(program):
            skip(program + " is not installed")
    deb = package()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "root"
        root.mkdir()
        make_root(root, deb)
        configure(root)
        done = subprocess.run(["systemd-nspawn", "-q", "-D", root, "--boot", "--register=no", "--keep-unit",
                               "--private-network"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=BOOT_S)
        if not (root / "status").exists():
            skip("systemd-nspawn does not boot here: " + (done.stderr or done.stdout).strip()[-300:])
        log = (root / "trial.log").read_text()
        print(log)
        if "the first alert was true" not in log:
            print((root / "journal").read_text())
        check((root / "status").read_text() == "exited 0\n" and "the first alert was true" in log, "see above")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        follow(sys.argv[2])
    else:
        main()
