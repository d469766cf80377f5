# SPDX-License-Identifier: Apache-2.0
"""What systemd sees: READY after the start, WATCHDOG while every stage lives (when one hangs: unit/daemon/worker),
STOPPING and exit status 0 on SIGTERM; no port is open; and the units are well-formed and well sandboxed."""
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True

UNITS = os.path.join(here, "../../systemd")
CONFIG = """
version: 1
gateway: {{name: gw, spool: {folder}/spool, socket: {folder}/control}}
buses: []
store: {{path: {folder}/store.db}}
"""


def listens_to_the_control_socket_alone(pid, control):
    """No network port is open, neither TCP nor UDP, and only owner and group get at the control socket."""
    links = (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    own = {link[len("socket:["):-1] for link in links if link.startswith("socket:[")}
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        if os.path.exists(f"/proc/{pid}/net/{protocol}"):
            with open(f"/proc/{pid}/net/{protocol}") as table:
                ports = [line.split()[1] for line in list(table)[1:] if line.split()[9] in own]
            assert not ports, (protocol, ports)
    with open(f"/proc/{pid}/net/unix") as table:  # flag 0x10000: it listens
        rows = [line.split() for line in list(table)[1:]]
        listening = [row[-1] for row in rows if row[6] in own and row[3] == "00010000"]
    assert listening == [control], listening
    assert stat.S_IMODE(os.stat(control).st_mode) == 0o660, oct(os.stat(control).st_mode)
    print("listens to its control socket alone, mode 0660")


def who_sends_nonsense_is_hung_up_on(control):
    """More at once than have a place: each line that does not end costs its sender the connection, and nobody else."""
    def connect():
        client = socket.socket(socket.AF_UNIX)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 20, 0))  # a full queue is waited for
        client.connect(control)
        client.settimeout(20)
        return client

    for _ in range(3):
        crowd = [connect() for _ in range(12)]
        for client in crowd:
            try:
                client.sendall(b"\xff" * 65536)
                assert client.recv(1) == b""
            except (BrokenPipeError, ConnectionResetError):
                pass
            client.close()
    with connect() as client:
        client.sendall(b"status\n")
        assert client.makefile().readline().startswith("{")
    print("36 senders of nonsense are hung up on, status answers")


def notifications(folder, programs):
    with open(f"{folder}/millwright.yaml", "w") as f:
        f.write(CONFIG.format(folder=folder))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as box:
        box.bind(f"{folder}/notify")
        box.settimeout(30)
        daemon = subprocess.Popen(
            [os.path.join(programs, "millwrightd"), "--config", f"{folder}/millwright.yaml"],
            env={**os.environ, "NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "400000"})
        seen = []

        def wait_for(word, count=1):
            while sum(word in s for s in seen) < count:
                seen.append(box.recv(4096).decode())

        try:
            wait_for("READY=1")
            assert not any("WATCHDOG" in s for s in seen[:1]), seen
            listens_to_the_control_socket_alone(daemon.pid, f"{folder}/control")
            who_sends_nonsense_is_hung_up_on(f"{folder}/control")
            wait_for("WATCHDOG=1", 5)
            daemon.send_signal(signal.SIGHUP)
            wait_for("WATCHDOG=1", 8)
            daemon.send_signal(signal.SIGTERM)
            wait_for("STOPPING=1")
            assert daemon.wait(20) == 0, daemon.returncode
        finally:
            daemon.kill()
            daemon.wait()
    print("READY, 8 WATCHDOG, STOPPING, exit 0")


def unit_text(name):
    with open(os.path.join(UNITS, name)) as f:
        return f.read().replace("@MW_SBINDIR@/millwrightd", "/bin/true").replace(
            "@MW_BINDIR@/millwright", "/bin/true").replace(
                "@MW_CONFDIR@", "/etc/millwright")


def units(folder):
    if not shutil.which("systemd-analyze"):
        print("systemd-analyze is not here: the units are not judged")
        return
    for name, limit in (("millwrightd.service", 1.2), ("millwright-train.service", 1.2)):
        with open(f"{folder}/{name}", "w") as f:
            f.write(re.sub(r"^Documentation=.*\n", "", unit_text(name + ".in"), flags=re.M))
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"{folder}/{name}"],
                              capture_output=True, text=True)
        level = float(re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout).group(1))
        print(f"{name}: exposure {level}")
        assert level <= limit, done.stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        notifications(folder, os.path.abspath(sys.argv[1]))
        units(folder)


main()
