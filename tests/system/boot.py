#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The unit as it is installed, under the systemd of a Debian 12 that is booted in a container:
a serial bus (a pseudo-terminal), Modbus TCP and a password from LoadCredential=, the daemon
sandboxed by the unit and by itself. Asks systemd that it is active and what it runs as, and the
broker for an alert.

usage: boot.py PROGRAMS [ROOT]   PROGRAMS is not used; ROOT: a folder kept from run to run

Needs root, mmdebstrap and systemd-nspawn, and Debian's packages in reach: skipped without.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PACKAGES = ("systemd,systemd-sysv,dbus,mosquitto,mosquitto-clients,libmodbus5,libpaho-mqtt1.3,"
            "libsqlite3-0,libcyaml1,libsystemd0,libjansson4,libseccomp2")
BOOT_S = 180
SOURCE = pathlib.Path(__file__).resolve().parents[2]

USER = "[Service]\nLoadCredential=mqtt:/etc/millwright/secret\n"

# Runs in the container once it is up; what it finds is in /result when the container is down.
CHECK = """\
#!/bin/sh
exec >/result 2>&1
mosquitto_passwd -b -c /etc/mosquitto/passwords gateway secret
chown mosquitto /etc/mosquitto/passwords
printf 'listener 1883 127.0.0.1\\nallow_anonymous false\\npassword_file /etc/mosquitto/passwords\\n' \\
    >/etc/mosquitto/conf.d/here.conf
systemctl restart mosquitto
systemd-run --quiet --unit=hall -p User=millwright -p Group=dialout -p RuntimeDirectory=hall \\
    -p WorkingDirectory=/run/hall millwright simulate /hall.yaml --speed 60
timeout 90 mosquitto_sub -h 127.0.0.1 -u gateway -P secret -t 'millwright/v1/+/+/+/alert' -C 1 >/alert &
systemctl start millwrightd
wait
for i in $(seq 100); do # until figures have been gathered, at most 20 s
    millwright status --json --socket /run/millwright/control | grep -q '"replies": *[1-9]' && break
    sleep 0.2
done
echo "active $(systemctl is-active millwrightd)"
pid=$(systemctl show millwrightd -p MainPID --value)
sed -n 's/:\\t/ /;/^Uid\\|^CapEff\\|^NoNewPrivs\\|^Seccomp/p' /proc/$pid/status
echo "policy $(cut -d ' ' -f 41 /proc/$pid/stat)"
echo "restarts $(systemctl show millwrightd -p NRestarts --value)"
millwright status --json --socket /run/millwright/control >/status.json
systemctl stop millwrightd
echo "result $(systemctl show millwrightd -p Result --value)"
journalctl -b -u millwrightd -u mosquitto -u hall --no-pager -o cat
"""

UNIT = """\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh /check
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=default.target
"""


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def make_root(root):
    if (root / "etc/debian_version").exists():
        return
    done = subprocess.run(["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", root],
                          capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        skip("mmdebstrap: " + done.stderr.strip().splitlines()[-1])


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def install(build, root):
    """Paths are compiled in: a build of its own, for /usr and /etc."""
    run("cmake", "-S", SOURCE, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_INSTALL_PREFIX=/usr", "-DCMAKE_INSTALL_SYSCONFDIR=/etc")
    run("cmake", "--build", build, "-j2", timeout=1200)
    run("cmake", "--install", build, env={**os.environ, "DESTDIR": str(root)})


def write(root, path, text, mode=0o644):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def configure(root):
    scenarios = SOURCE / "simulator/scenarios"
    write(root, "hall.yaml", (scenarios / "hall.yaml").read_text())
    plant = (scenarios / "hall-millwright.yaml").read_text()
    plant = plant.replace("/run/field.rtu", "/run/hall/field.rtu").replace("high: 90, high_high: 110",
                                                                          "high: 1, high_high: 110")
    plant = plant.replace('uri: "mqtt://127.0.0.1:1883"', 'uri: "mqtt://127.0.0.1:1883", username: gateway, '
                          "password_file: /run/credentials/millwrightd.service/mqtt")
    write(root, "etc/millwright/millwright.yaml", plant)
    write(root, "etc/millwright/secret", "secret\n", 0o600)
    write(root, "etc/systemd/system/millwrightd.service.d/broker.conf", USER)
    write(root, "check", CHECK)
    write(root, "etc/systemd/system/check.service", UNIT)
    wanted = root / "etc/systemd/system/default.target.wants"
    wanted.mkdir(exist_ok=True)
    (wanted / "check.service").unlink(missing_ok=True)
    (wanted / "check.service").symlink_to("../check.service")


def boot(root):
    for name in ("result", "alert", "status.json"):
        (root / name).unlink(missing_ok=True)
    shutil.rmtree(root / "var/lib/millwright", ignore_errors=True)
    done = subprocess.run(["systemd-nspawn", "-q", "-D", root, "--boot", "--register=no", "--keep-unit"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=BOOT_S)
    if not (root / "result").exists():
        skip("systemd-nspawn does not boot here: " + (done.stderr or done.stdout).strip()[-300:])
    return (root / "result").read_text()


def judge(root, result):
    found = dict(line.split(None, 1) for line in result.splitlines()[:10] if " " in line)
    print(result)
    alert = json.loads((root / "alert").read_text())
    assert alert["event"] == "raised", alert
    status = json.loads((root / "status.json").read_text())
    assert status["buses"] and all(bus["replies"] > 0 for bus in status["buses"]), status["buses"]
    assert found["active"] == "active" and found["restarts"] == "0" and found["result"] == "success", found
    assert found["NoNewPrivs"] == "1" and int(found["CapEff"], 16) == 0, found
    assert found["Uid"].split()[0] != "0" and found["Seccomp"] == "2", found
    assert "without the sandbox" not in result
    assert found["policy"] == "2", "not SCHED_RR"


def main():
    if os.geteuid() != 0:
        skip("root is needed to boot a container")
    for program in ("mmdebstrap", "systemd-nspawn"):
        if not shutil.which(program):
            skip(program + " is not installed")
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else folder + "/root")
        make_root(root)
        install(pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else folder + "/build"), root)
        configure(root)
        judge(root, boot(root))


if __name__ == "__main__":
    main()
