# SPDX-License-Identifier: Apache-2.0
"""init against simulated buses, a serial one and TCP: answered on a terminal, by options, by a pipe
that ends; what it writes passes check, and millwrightd polls with it.

usage: init.py BIN_DIR
"""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

BIN = pathlib.Path(sys.argv[1]).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILES = ROOT / "fieldbus" / "profiles"
WAIT_S = 30
NOBODY = 65534

SCENARIO = """
version: 1
buses:
  - {{name: line, rtu: {tty}, turnaround: 3ms}}
  - {{name: plc, tcp: 0}}
machines: [{{name: pump, kind: pump}}, {{name: fan, kind: fan}}]
devices:
  - {{name: a, bus: line, unit: 1, map: qm30vt2, machine: pump}}
  - {{name: b, bus: line, unit: 80, map: wtvb01, machine: fan}}
  - name: c
    bus: plc
    unit: 7
    map: list
    machine: pump
    registers:
      - {{quantity: current, address: 100, kind: input, order: CDAB}}
      - {{quantity: winding_temp, address: 20}}
"""

# Where a daemon of a test may write; and that a fragment goes with what init writes.
FRAGMENT = """
gateway: {{spool: {folder}/spool, socket: {folder}/control}}
store: {{path: {folder}/db}}
"""


def check(condition, *words):
    if not condition:
        sys.exit(" ".join(map(str, ("failed:",) + words)))


def wait_until(ready, what):
    end = time.monotonic() + WAIT_S
    while not ready():
        check(time.monotonic() < end, what, "did not come up")
        time.sleep(0.01)


class World:
    """A running simulator with its serial line and its port, and a folder for what is written."""

    def __init__(self, folder):
        self.folder, self.tty = folder, folder / "tty"
        (folder / "hall.yaml").write_text(SCENARIO.format(tty=self.tty))
        ready = folder / "ready"
        self.process = subprocess.Popen([BIN / "millwright", "simulate", folder / "hall.yaml", "--ready-file", ready],
                                        stdout=subprocess.DEVNULL)
        wait_until(ready.exists, "the simulator")
        self.port = int(next(line.split()[-1] for line in ready.read_text().splitlines() if " tcp " in line))

    def fresh(self, name):
        """A folder of its own for one case, with nothing in it."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def plc(self):
        return f"127.0.0.1:{self.port}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=WAIT_S)


def command(folder, *arguments):
    return [str(a) for a in (BIN / "millwright", "init", "--profiles", PROFILES, "--socket", folder / "control",
                             "--output", folder / "millwright.yaml", *arguments)]


def call(folder, *arguments, status=0, words="", answers=None, **more):
    done = subprocess.run(command(folder, *arguments), capture_output=True, text=True, timeout=120, check=False,
                          input=answers if answers is not None else "", **more)
    check(done.returncode == status and words in done.stderr, arguments, "gave", done.returncode, done.stdout,
          done.stderr, "instead of", status, words)
    return done


class Dialogue:
    """A person at a terminal: waits for a question, then types."""

    def __init__(self, arguments):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave, preexec_fn=take_terminal)
        os.close(slave)
        self.text, self.seen = "", 0

    def read(self, until):
        end = time.monotonic() + WAIT_S
        while until not in self.text[self.seen:]:
            check(time.monotonic() < end, "no", until, "in", self.text)
            if not select.select([self.master], [], [], 1)[0]:
                continue
            try:
                more = os.read(self.master, 4096)
            except OSError:  # closed at the other end
                more = b""
            check(more, "ended without", repr(until), ":", self.text)
            self.text += more.decode().replace("\r\n", "\n")
        self.seen = self.text.index(until, self.seen) + len(until)

    def answer(self, question, words):
        self.read(question)
        self.read("> ")
        os.write(self.master, words.encode() + b"\n")

    def refused(self, question, words, rule):
        self.answer(question, words)
        self.read(rule)

    def finish(self):
        with contextlib.suppress(OSError):
            while more := os.read(self.master, 4096):
                self.text += more.decode().replace("\r\n", "\n")
        os.close(self.master)
        return self.process.wait(timeout=WAIT_S)


def passes_check(file):
    done = subprocess.run([BIN / "millwright", "check", file, "--profiles", PROFILES, "--json"], capture_output=True,
                          text=True, timeout=60, check=False)
    check(done.returncode == 0, done.stdout, done.stderr)
    return json.loads(done.stdout)


def runs(folder, devices):
    """millwrightd polls every device that the file names."""
    (folder / "conf.d").mkdir(exist_ok=True)
    (folder / "conf.d" / "test.yaml").write_text(FRAGMENT.format(folder=folder))
    (folder / "spool").mkdir(exist_ok=True)
    daemon = subprocess.Popen([BIN / "millwrightd", "--config", folder / "millwright.yaml", "--profiles", PROFILES],
                              stderr=subprocess.PIPE, text=True)

    def online():
        check(daemon.poll() is None, "millwrightd ended:", daemon.stderr.read() if daemon.poll() is not None else "")
        done = subprocess.run([BIN / "millwright", "status", "--json", "--socket", folder / "control"],
                              capture_output=True, text=True, timeout=60, check=False)
        found = json.loads(done.stdout)["devices"] if done.returncode == 0 else []
        return {d["name"] for d in found if d["health"] == "online" and d["replies"] > 0} == devices

    try:
        wait_until(online, f"devices {devices}")
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=WAIT_S)


def answered_at_a_terminal(world):
    folder = world.fresh("terminal")
    shutil.copy(ROOT / "config" / "millwright.yaml", folder)
    d = Dialogue(command(folder, "--timeout", "60ms"))
    d.read("it polls nothing")
    d.answer("Replace it", "")
    d.refused("Which bus", "/dev/no-such-port", "No such file")
    d.refused("Which bus", "99", "none of the ports")
    d.answer("Which bus", str(world.tty))
    d.refused("Baud rate", "19201x 8N1", "no value for --baud")
    d.refused("Baud rate", "19200 7N1", "19200 8E1")
    d.answer("Baud rate", "19200 8N1")
    d.refused("Which unit", "0-5", "1 to 247")
    d.answer("Which unit", "1-2,80")
    d.read("2 found")
    d.refused("Machine of unit 1", "pump/1", "'pump/1'")
    d.answer("Machine of unit 1", "pump-1 de")
    d.read("banner-qm30vt2")
    d.refused("Which of them", "9", "none of the profiles")
    d.answer("Which of them", "1")
    d.read("now: vel_rms_z")
    d.refused("Machine of unit 80", "pump-1 de", "has a device already")
    d.answer("Machine of unit 80", "pump-1 nde")
    d.refused("Which of them", "no-such-profile", "no installed profile")
    d.answer("Which of them", "witmotion-wtvb01-485")
    d.refused("Limits", "4.5", "HIGH,HIGH_HIGH")
    d.refused("Limits", "7.1,4.5", "HIGH,HIGH_HIGH")
    d.answer("Limits", "2.8,4.5")
    d.refused("Name of this gateway", "a b", "may hold")
    d.answer("Name of this gateway", "gw-1")
    d.answer("Name of the plant", "")
    d.refused("Broker", "host:port", "HOST[:PORT]")
    d.answer("Broker", "127.0.0.1:1")
    d.refused("TLS", "perhaps", "yes nor no")
    d.answer("TLS", "no")
    d.read("127.0.0.1 port 1: refused")
    d.answer("User", "")
    status = d.finish()
    check(status == 0 and "Written: " in d.text and "check --here" in d.text, status, d.text)
    summary = passes_check(folder / "millwright.yaml")
    check(summary["devices"] == 2 and summary["machines"] == 1, summary)
    text = (folder / "millwright.yaml").read_text()
    check("high: 2.8, high_high: 4.5" in text and "parity: none" in text and "stop_bits: 1" in text
          and "mqtt://127.0.0.1:1\"" in text and "gw-1" in text, text)
    check((folder / "millwright.yaml.old").read_bytes() == (ROOT / "config" / "millwright.yaml").read_bytes(), ".old")
    runs(folder, {"pump-1-de", "pump-1-nde"})


def answered_by_options(world):
    folder = world.fresh("options")
    done = call(folder, "--yes", "--bus", world.plc(), "--units", "6-8", "--machine", "7=press", "--point",
                "7 current input 100 float32 CDAB unit=A high=40", "--point", "7 vel holding 20 float32 unit=mm/s",
                "--machine", "9=absent", "--gateway", "gw", "--site", "works", "--broker", "mqtts://broker.example",
                "--ca-file", "/etc/ca.pem", "--user", "gw", "--password-file", "/etc/secret", "--limits", "7.1,11",
                umask=0o077)
    check("a unit that did not answer" in done.stderr and "install -m 600" in done.stderr, done.stderr)
    file = folder / "millwright.yaml"
    text = file.read_text()
    check(file.stat().st_mode & 0o777 == 0o644, "mode", oct(file.stat().st_mode))
    check("mqtts://broker.example:8883" in text and "/etc/secret" in text and "high: 40, delay" in text
          and "high: 7.1, high_high: 11, delay" in text, text)
    summary = passes_check(file)
    check(summary["points"] == 2 and summary["polled"] == 2, summary)
    shown = subprocess.run([BIN / "millwright", "config", "show", file, "--profiles", PROFILES], capture_output=True,
                           text=True, timeout=60, check=True).stdout
    check("press" in shown and "CDAB" in shown, shown)
    file.write_text(text.replace("mqtts://broker.example:8883", ""))
    runs(folder, {"press"})


def settings_are_found(world):
    folder = world.fresh("auto")
    call(folder, "--yes", "--bus", world.tty, "--units", "80", "--timeout", "40ms", "--broker", "none")
    check("wtvb01" in (folder / "millwright.yaml").read_text(), "not found")


def an_order_is_proposed_from_what_is_read(world):
    folder = world.fresh("order")
    answers = [world.plc(), "7", "press", "current input 100 float32 unit=A", "vel input 30101 float32",
               "current input 100 float32 DCBA unit=A", "current input 100 float32 CDAB unit=A", "", "gw", "", "none"]
    done = call(folder, answers="\n".join(answers) + "\n")
    check("no such address" in done.stderr and "30101 of a manual is 100 on the wire" in done.stderr and "current is now" in done.stderr and "is taken" in done.stderr,
          done.stderr)
    text = (folder / "millwright.yaml").read_text()
    check(text.count("order: CDAB") == 1 and "DCBA" not in text and "order: ABCD" not in text, text)


def an_input_that_ends_leaves_nothing(world):
    answers = [world.plc(), "7", "press", "current input 100 float32 CDAB unit=A", "", "gw", "site", "127.0.0.1", "no",
               "none"]
    for n in range(len(answers)):
        folder = world.fresh(f"ends-{n}")
        call(folder, answers="".join(a + "\n" for a in answers[:n]), status=66, words="nothing was written")
        check(list(folder.iterdir()) == [], n, list(folder.iterdir()))
    folder = world.fresh("ends-not")
    call(folder, answers="".join(a + "\n" for a in answers))
    check([f.name for f in folder.iterdir()] == ["millwright.yaml"], list(folder.iterdir()))
    call(world.fresh("ends-long"), answers="x" * 5000 + "\n", status=66, words="at most")


def ctrl_c_leaves_nothing(world):
    folder = world.fresh("interrupted")
    d = Dialogue(command(folder))
    d.answer("Which bus", world.plc())
    d.answer("Which unit", "7")
    d.read("Machine of unit 7")
    d.read("> ")
    os.write(d.master, b"\x03")
    check(d.finish() == -signal.SIGINT and list(folder.iterdir()) == [], d.text)
    d = Dialogue(command(folder, "--bus", str(world.tty), "--baud", "19200", "--parity", "N", "--units", "1-247",
                         "--timeout", "1s"))
    d.read("unit 1 answers")
    os.write(d.master, b"\x03")  # ends the search alone
    d.read("stopped: 1 found")
    d.read("Machine of unit 1")
    os.write(d.master, b"\x03")
    check(d.finish() == -signal.SIGINT and list(folder.iterdir()) == [], d.text)


def a_file_that_is_there_is_kept(world):
    folder = world.fresh("there")
    file = folder / "millwright.yaml"
    options = ("--bus", world.plc(), "--units", "7", "--point", "7 current input 100 float32 CDAB")
    file.write_text("# mine\n")
    file.chmod(0o640)
    call(folder, "--yes", *options, status=73, words="--force")
    call(folder, *options, answers="\n", status=73, words="Nothing was written")
    check(file.read_text() == "# mine\n" and len(list(folder.iterdir())) == 1, "it was touched")
    call(folder, *options, answers="yes\n" + "\n" * 9)
    check((folder / "millwright.yaml.old").read_text() == "# mine\n" and "press" not in file.read_text(), "not kept")
    check(file.stat().st_mode & 0o777 == 0o640, "its rights were changed")
    first = file.read_bytes()
    call(folder, "--yes", "--force", *options, "--machine", "7=press")
    check((folder / "millwright.yaml.old-2").read_bytes() == first and "press" in file.read_text(), "not kept")
    check((folder / "millwright.yaml.old").read_text() == "# mine\n", "an older one was replaced")
    call(folder / "nowhere", "--yes", *options, status=73, words="No such file")


def nobody_is_there(world):
    folder = world.fresh("nobody")
    rtu = ("--bus", world.tty, "--baud", "19200", "--parity", "N", "--units", "30-32", "--timeout", "30ms")
    call(folder, "--yes", *rtu, status=69, words="Nobody answered")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        call(folder, "--yes", "--bus", f"127.0.0.1:{closed.getsockname()[1]}", status=69, words="no connection")
    call(folder, *rtu, answers="", status=66, words="Once more")
    check(list(folder.iterdir()) == [], "something was written")


def one_device_under_all_addresses(world):
    """As many Modbus TCP devices do: it does not look at the unit."""
    def serve(server):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = server.accept()
                with peer:
                    while len(request := peer.recv(260)) >= 12:
                        count = request[11]
                        values = bytes([0, 42]) * count
                        peer.sendall(request[:4] + struct.pack(">H", 3 + len(values)) + request[6:8]
                                     + bytes([len(values)]) + values)

    folder = world.fresh("any-unit")
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        call(folder, "--yes", "--bus", f"127.0.0.1:{server.getsockname()[1]}", "--units", "1-5", "--profile", "1=0",
             "--point", "1 v holding 3 int16", words="as one device does")
        server.shutdown(socket.SHUT_RDWR)
    check(passes_check(folder / "millwright.yaml")["devices"] == 1, "more than one")


def what_does_not_go_together_is_refused(world):
    folder = world.fresh("conflict")
    (folder / "conf.d").mkdir()
    (folder / "conf.d" / "a.yaml").write_text("buses: [{name: bus-1, tcp: {host: 192.0.2.1}}]\n")
    call(folder, "--yes", "--bus", world.plc(), "--units", "7", status=78, words="bus-1")
    check([f.name for f in folder.iterdir()] == ["conf.d"], list(folder.iterdir()))


def goes_to_standard_output(world):
    folder = world.fresh("stdout")
    done = subprocess.run([BIN / "millwright", "init", "--yes", "--bus", world.plc(), "--units", "7", "--profiles",
                           PROFILES, "--output", "-"], capture_output=True, text=True, timeout=60, check=True)
    (folder / "x.yaml").write_text(done.stdout)
    summary = passes_check(folder / "x.yaml")
    check(summary["buses"] == 1 and summary["devices"] == 0 and "#  - name: unit-7" in done.stdout, done.stdout)


def bad_options(world):
    folder = world.fresh("bad")
    bus = ("--yes", "--bus", world.plc(), "--units", "7")
    for options, words in ((("--yes",), "--bus"), (("--yes", "--bus", "a b"), "neither"),
                           (("--yes", "--bus", "127.0.0.1:99999"), "HOST[:PORT]"),
                           ((*bus, "--framing", "odd"), "--framing"), ((*bus, "--timeout", "5"), "--timeout"),
                           (("--yes", "--bus", world.tty, "--baud", "7"), "--baud"),
                           (("--yes", "--bus", world.tty, "--parity", "X"), "--parity"),
                           (("--yes", "--bus", world.plc(), "--units", "x"), "no list of units"),
                           (("--machine", "pump"), "begins with UNIT"), (("--point", "7=x"), "begins with UNIT"),
                           ((*bus, "--machine", "7=a/b"), "'a/b'"), ((*bus, "--profile", "7=none-such"), "no installed"),
                           ((*bus, "--point", "7 vel input"), "NAME KIND ADDRESS TYPE"),
                           ((*bus, "--point", "7 vel input 500 int16"), "no such address"),
                           ((*bus, "--broker", "http://x"), "neither"), ((*bus, "--gateway", "a b"), "may hold"),
                           ((*bus, "--broker", "x", "--tls", "yes", "--ca-file", "ca.pem"), "absolute"),
                           ((*bus, "--point", "7 vel holding 20 float32 unit=mm/s", "--limits", "3"), "HIGH,HIGH_HIGH"),
                           ((*bus, "--output", folder / "conf.d" / "x.yaml"), "a whole configuration"),
                           (("nonsense",), "usage:"), (("--nonsense",), "usage:")):
        call(folder, *options, status=64, words=words)
    check(list(folder.iterdir()) == [], "something was written")


def no_permission(world):
    if os.geteuid() != 0:
        print("left out: only root can take away its own permission")
        return
    folder = world.fresh("mine")
    os.chmod(world.folder, 0o755)
    copy = folder / "millwright"
    shutil.copy(BIN / "millwright", copy)
    done = subprocess.run([copy, "init", "--yes", "--bus", world.plc(), "--output", folder / "millwright.yaml"],
                          capture_output=True, text=True, timeout=60, user=NOBODY, group=NOBODY, check=False)
    check(done.returncode == 77 and "sudo" in done.stderr and list(folder.iterdir()) == [copy], done)


CASES = (answered_at_a_terminal, answered_by_options, settings_are_found, an_order_is_proposed_from_what_is_read,
         an_input_that_ends_leaves_nothing, ctrl_c_leaves_nothing, a_file_that_is_there_is_kept, nobody_is_there,
         one_device_under_all_addresses, what_does_not_go_together_is_refused, goes_to_standard_output, bad_options,
         no_permission)


def main():
    with tempfile.TemporaryDirectory() as name:
        world = World(pathlib.Path(name))
        try:
            for case in CASES:
                case(world)
        finally:
            world.stop()
    print("ok")


main()
