# SPDX-License-Identifier: Apache-2.0
"""millwright doctor beside a healthy gateway (TLS broker, TCP and serial field, running daemon), where all must be
ok and nobody may be disturbed; then one fault at a time, which must give its own line with its own remedy.

    doctor.py PROGRAMS [FUNCTION…]
"""
import contextlib
import fcntl
import getpass
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import jsonschema

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import Plant, accepts, free_port, wait_until  # noqa: E402

PROGRAMS = os.path.abspath(sys.argv[1])
DOCTOR = os.path.join(PROGRAMS, "millwright")
SHIM = os.path.abspath(os.path.join(PROGRAMS, "../tests/fake_clock.so"))
PROFILES = os.path.join(here, "../../fieldbus/profiles")
SCHEMA = json.load(open(os.path.join(here, "../../docs/millwright-doctor-1.schema.json")))
ROOT = os.getuid() == 0
ME = getpass.getuser()
SLOW = 10 if os.environ.get("MW_EMULATED") else 1
CONFIG = """
version: 1
gateway: {{name: gw, site: test, spool: {folder}/spool, socket: {folder}/control}}
buses:
  - {{name: hall, tcp: {{host: {host}, port: {tcp}}}, timeout: 1s}}
  - {{name: line, rtu: {{device: {device}, baud: 115200, parity: none}}}}
devices:
  - {{name: near, bus: hall, unit: 1, points: [{{name: wave, address: 0, type: float32}}]}}
  - {{name: far, bus: line, unit: 1, points: [{{name: wave, address: 0, type: float32}}]}}
machines:
  - name: pump
    device: near
    period: 100ms
    channels: [{{point: wave, stuck: never, limits: {{high: 10}}}}]
  - name: fan
    device: far
    period: 100ms
    channels: [{{point: wave, stuck: never, limits: {{high: 10}}}}]
{machine}
mqtt:
  uri: {uri}
  client_id: gw-own
  username: gw
  password_file: {folder}/password
{mqtt}
store: {{path: {data}/store.db, max_size: {max_size}}}
"""


# ---- a plant, and what is different in it ----

def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def make_authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            f"{name}.key", "-out", f"{name}.pem", "-days", "400", "-subj", f"/CN={name}")


def make_certificate(folder, name, authority="ca", days=400, names="DNS:localhost,IP:127.0.0.1"):
    with open(os.path.join(folder, f"{name}.ext"), "w") as f:
        f.write(f"subjectAltName={names}\n")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/CN={name}")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", str(days), "-extfile", f"{name}.ext")
    os.chmod(os.path.join(folder, f"{name}.key"), 0o600)


def start_broker(plant, certificate="broker", name="mosquitto", more="require_certificate true"):
    """With TLS, a client certificate and a password asked for; returns its port."""
    port, folder = free_port(), plant.folder
    with open(plant.path(f"{name}.conf"), "w") as f:
        f.write(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {folder}/users\npersistence false\n"
                f"certfile {folder}/{certificate}.pem\nkeyfile {folder}/{certificate}.key\ncafile {folder}/ca.pem\n"
                f"{more}\n" + ("user root\n" if ROOT else ""))
    plant.start(["mosquitto", "-v", "-c", plant.path(f"{name}.conf")], f"{name}.log")
    wait_until(lambda: accepts(port), 10, "mosquitto")
    return port


def write(path, text, mode):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


TLS = "  ca_file: {folder}/ca.pem\n  cert_file: {folder}/gateway.pem\n  key_file: {folder}/gateway.key"


def configure(plant, **different):
    values = {"folder": plant.folder, "data": plant.folder, "host": "127.0.0.1", "tcp": plant.tcp, "max_size": "8MiB",
              "device": plant.device, "uri": f"mqtts://localhost:{plant.broker}", "mqtt": TLS, "machine": "", **different}
    values["mqtt"] = values["mqtt"].format(folder=plant.folder)
    plant.write_config(CONFIG.format(**values))


@contextlib.contextmanager
def a_plant():
    with tempfile.TemporaryDirectory() as folder:
        plant = Plant(PROGRAMS, folder)
        try:
            os.chmod(folder, 0o755)
            for name in ("ca", "other"):
                make_authority(folder, name)
            for name in ("broker", "gateway"):
                make_certificate(folder, name)
            write(plant.path("password"), "right one\n", 0o600)
            write(plant.path("users"), "", 0o600)
            subprocess.run(["mosquitto_passwd", "-b", plant.path("users"), "gw", "right one"], check=True,
                           capture_output=True, timeout=60)
            with open(plant.path("wave.csv"), "w") as f:
                f.write("datetime;wave\n")
                f.writelines(f"2026-01-01 00:00:00;{row % 7 / 10}\n" for row in range(1000))
            csv = ("--csv", plant.path("wave.csv"), "--loop", "yes")
            plant.tcp = next(iter(plant.simulate(*csv, "--tcp", "0").values()))
            plant.simulate(*csv, "--rtu", plant.path("tty"))
            plant.device = plant.path("tty")
            plant.broker = start_broker(plant)
            configure(plant)
            yield plant
        except BaseException:
            log = plant.path("millwrightd.log")
            print(open(log).read()[-2000:] if os.path.exists(log) else "no daemon's log")
            raise
        finally:
            plant.close()


def examine(plant, *arguments, user=ME, clock="0 1", as_user=None):
    """The report as JSON, held against its schema and its own exit status."""
    write(plant.path("clock"), clock + "\n", 0o644)
    command = [DOCTOR, "doctor", "--json", "--config", plant.path("millwright.yaml"), "--profiles", PROFILES, *arguments]
    if user:
        command += ["--user", user]
    if as_user:
        command = ["setpriv", "--reuid", as_user, "--regid", "nogroup", "--clear-groups", *command]
    environment = {**os.environ, "LD_PRELOAD": SHIM, "FAKE_CLOCK": plant.path("clock"),
                   "ASAN_OPTIONS": "verify_asan_link_order=0", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=plant.folder)
    assert done.returncode in (0, 1, 2), (done.returncode, done.stderr)
    report = json.loads(done.stdout)
    jsonschema.Draft7Validator(SCHEMA).validate(report)
    assert set(report) == set(SCHEMA["properties"]), report
    assert done.returncode == ["ok", "warning", "fault"].index(report["verdict"]), (done.returncode, done.stderr)
    for verdict, n in report["counts"].items():
        assert n == sum(f["verdict"] == verdict for f in report["findings"])
    return report


def findings(report, *verdicts):
    return [f for f in report["findings"] if f["verdict"] in verdicts]


def is_of_the_computer(finding):
    """What the computer that tests may have wrong in truth: a busy disk, a tmpfs, its battery clock, no time to poll."""
    return finding["verdict"] == "warning" and (
        (finding["check"], finding["subject"]) in {("disk", "fsync"), ("disk", "filesystem"), ("clock", "rtc")}
        or "cannot keep up" in finding["text"])


def all_well(report):
    return not [f for f in findings(report, "warning", "fault") if not is_of_the_computer(f)]


def expect(report, verdict, check, subject, text, remedy):
    """The one finding that is wrong, and its remedy; nothing else is wrong."""
    wrong = [f for f in findings(report, "warning", "fault")
             if (f["check"], f["subject"]) == (check, subject) or not is_of_the_computer(f)]
    found = [f for f in wrong if (f["verdict"], f["check"], f["subject"]) == (verdict, check, subject)]
    assert len(found) == 1 and len(wrong) == 1, json.dumps(wrong, indent=1)
    assert text in found[0]["text"] and remedy in found[0]["remedy"], found[0]
    return found[0]


def look(plant, only, *expected, **options):
    return expect(examine(plant, "--only", only, **options), *expected)


def files_of(folder):
    """What a look must not change: each file's bytes and time."""
    result = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            result[name] = (os.stat(path).st_mtime_ns, hashlib.sha256(open(path, "rb").read()).hexdigest())
    return result


# ---- healthy ----

def a_healthy_gateway_is_all_ok_and_not_disturbed():
    with a_plant() as plant:
        plant.start_gateway(PROFILES)
        wait_until(lambda: plant.status()["broker"]["state"] == "up", 30, "the broker")
        wait_until(lambda: all(d["health"] == "online" for d in plant.status()["devices"]), 30, "the devices")
        names = set(os.listdir(plant.folder))
        for _ in range(3):
            report = examine(plant, user=None)
            assert all_well(report) and not findings(report, "skipped"), \
                json.dumps(findings(report, "warning", "fault", "skipped"), indent=1)
        assert report["user"] == ME
        assert {f["check"] for f in report["findings"]} == set(
            SCHEMA["properties"]["findings"]["items"]["properties"]["check"]["enum"])
        assert set(os.listdir(plant.folder)) <= names | {"clock"}, "something was left behind"
        said = {(f["check"], f["subject"]): f["text"] for f in report["findings"]}
        assert "the daemon has it" in said["serial", "line"] and "by the daemon" in said["tcp", "hall"], said
        assert re.search(r"[1-9]\d* polls within", said["daemon", "hall"]), said
        assert "the daemon has it open" in said["database", ""], said
        assert re.search(r"accepted as gw-own-doctor-\d+", said["broker", "MQTT"]), said
        broker = plant.status()["broker"]
        assert broker["connects"] == 1 and broker["lost"] == 0 and broker["state"] == "up", broker
        log = open(plant.path("mosquitto.log")).read()
        assert len(re.findall(r"as gw-own-doctor-\d+ ", log)) == 3 and log.count(" as gw-own ") == 1, log[-2000:]
        assert not re.search(r"(Received PUBLISH|Will message).*gw-own-doctor", log), "the doctor published"
        plain = subprocess.run([DOCTOR, "doctor", "--config", plant.path("millwright.yaml"), "--profiles", PROFILES,
                                "--only", "tcp,engine"], capture_output=True, text=True, timeout=60)
        assert plain.returncode == 0 and re.search(r"(?m)^ok       tcp hall: 127", plain.stdout), plain
        assert plain.stdout.endswith("2 ok, 0 warnings, 0 faults, 0 skipped\n"), plain.stdout
        if ROOT:
            as_an_ordinary_user(plant)
        assert plant.stop_gateway() == 0


def as_an_ordinary_user(plant):
    """It says what it cannot see, and of nothing that it is wrong; a daemon that it may not ask is left alone."""
    connections = plant.status()["broker"]["connects"]
    report = examine(plant, user=None, as_user="nobody")
    # The library of the false clock may lie where nobody can read: then the clock is the computer's.
    wrong = [f for f in findings(report, "warning", "fault") if f["check"] != "clock" and not is_of_the_computer(f)]
    assert report["user"] == ME and not wrong, json.dumps(report, indent=1)
    skipped = {(f["check"], f["subject"]): f["text"] for f in findings(report, "skipped")}
    assert set(skipped) == {("certificates", "key_file"), ("tcp", "hall"), ("disk", "fsync"), ("database", ""),
                            ("broker", "TLS"), ("daemon", "")}, skipped
    assert "has it open" in skipped["database", ""] and "may not be asked" in skipped["tcp", "hall"], skipped
    assert plant.status()["broker"]["connects"] == connections


def without_a_configuration_it_tells_of_the_computer():
    done = subprocess.run([DOCTOR, "doctor", "--json", "--only", "configuration,engine,versions"], capture_output=True,
                          text=True, timeout=60)
    report = json.loads(done.stdout)
    jsonschema.Draft7Validator(SCHEMA).validate(report)
    if report["config"] is None:
        assert findings(report, "skipped")[0]["check"] == "configuration", report
    assert {f["subject"] for f in report["findings"] if f["check"] == "versions"} == {
        "millwright", "kernel", "libmodbus", "Paho", "SQLite", "OpenSSL", "libcyaml"}
    for arguments in (["--only", "disk,tooth"], ["x"], ["--user", "nobody-of-this-name"]):
        assert subprocess.run([DOCTOR, "doctor", *arguments], capture_output=True, timeout=60).returncode == 64
    missing = subprocess.run([DOCTOR, "doctor", "--config", "/nowhere/x.yaml", "--only", "configuration,disk"],
                             capture_output=True, text=True, timeout=60)
    assert missing.returncode == 2 and "fault    configuration: /nowhere/x.yaml" in missing.stdout, missing
    assert "skipped  disk: needs a configuration that loads" in missing.stdout, missing


# ---- one fault at a time ----

def faults_of_the_configuration():
    with a_plant() as plant:
        text = open(plant.path("millwright.yaml")).read()
        line = text[:text.index("baud")].count("\n") + 1
        plant.write_config(text.replace("115200", "115201"))
        look(plant, "configuration", "fault", "configuration", "buses[1].rtu.baud", f"millwright.yaml:{line}:", "edit ")
        write(plant.path("bad.tflite"), "no model", 0o644)
        configure(plant, machine="    model: {file: %s}" % plant.path("bad.tflite"))
        look(plant, "configuration,models", "warning", "models", "machines[1].model.file", "is no model",
             "millwright learn MACHINE")


def faults_of_the_wires():
    with a_plant() as plant:
        report = examine(plant, "--only", "serial,tcp")  # nobody polls: port and device are tried
        assert report["verdict"] == "ok" and "takes connections" in report["findings"][1]["text"], report
        if ROOT:
            os.chmod(os.path.realpath(plant.device), 0o600)
            look(plant, "serial", "fault", "serial", "line", "user nobody may not use", "chmod 0660", user="nobody")
        with open(plant.device, "r+b", buffering=0) as tty:
            fcntl.flock(tty, fcntl.LOCK_EX)
            look(plant, "serial", "fault", "serial", "line", f"(process {os.getpid()})", f"ps -fp {os.getpid()}")
        configure(plant, device=plant.path("none"))
        look(plant, "serial", "fault", "serial", "line", "does not exist", "ls -l /dev/serial/by-id")
        configure(plant, device=plant.path("wave.csv"))
        look(plant, "serial", "fault", "serial", "line", "is no serial port", "rtu.device of bus line")
        configure(plant, tcp=free_port())
        look(plant, "tcp", "fault", "tcp", "hall", "connection refused", "tcp.port of bus hall")
        configure(plant, host="nowhere.invalid")
        look(plant, "tcp", "fault", "tcp", "hall", "no address for the name", "getent hosts nowhere.invalid")


def faults_of_clock():
    with a_plant() as plant:
        if "asan" in PROGRAMS or "tsan" in PROGRAMS:
            print("the clock is not replaced in a sanitized build")
            return
        look(plant, "clock", "warning", "clock", "", "not synchronised", "timedatectl set-ntp true", clock="0 0")
        look(plant, "clock", "fault", "clock", "", "year 1970", "/etc/systemd/timesyncd.conf",
             clock=f"{-time.time_ns() // 1000 + 10**9} 0")


def faults_of_secrets_and_certificates():
    with a_plant() as plant:
        both = "secrets,certificates"
        assert examine(plant, "--only", both)["verdict"] == "ok"
        os.chmod(plant.path("password"), 0o644)
        look(plant, both, "fault", "secrets", "password_file", "read by others", "chmod 0600 ")
        os.chmod(plant.path("password"), 0o600)
        write(plant.path("password"), "one\ntwo\n", 0o600)
        look(plant, both, "fault", "secrets", "password_file", "must hold one line", "printf ")
        os.unlink(plant.path("password"))
        look(plant, both, "fault", "secrets", "password_file", "does not exist", "install -m 0600")
        write(plant.path("password"), "right one\n", 0o600)
        if ROOT:
            wrong = findings(examine(plant, "--only", both, user="nobody"), "fault")
            assert {f["subject"] for f in wrong} == {"password_file", "key_file"}, wrong
            assert all("user nobody may not read" in f["text"] and "chown nobody" in f["remedy"] for f in wrong), wrong
        make_certificate(plant.folder, "soon", days=6)
        for days, verdict, words in ((29, "warning", "within 30 days"), (6, "warning", "within 7 days"),
                                     (1, "fault", "within 1 day"), (-1, "fault", "ended 1 day")):
            make_certificate(plant.folder, "soon", days=days)
            configure(plant, mqtt=TLS.replace("gateway", "soon"))
            look(plant, both, verdict, "certificates", "cert_file", words, "systemctl reload millwrightd")
        configure(plant, mqtt=TLS.replace("gateway.key", "broker.key"))
        look(plant, both, "fault", "certificates", "key_file", "is not the key of", "openssl pkey -pubout")
        openssl(plant.folder, "pkey", "-in", "gateway.key", "-aes256", "-passout", "pass:x", "-out", "locked.key")
        os.chmod(plant.path("locked.key"), 0o600)
        configure(plant, mqtt=TLS.replace("gateway.key", "locked.key"))
        look(plant, both, "fault", "certificates", "key_file", "without a passphrase", "openssl pkey -in")
        configure(plant, mqtt=TLS.replace("ca.pem", "password"))
        look(plant, both, "fault", "certificates", "ca_file", "holds no certificate", "openssl x509")


def faults_of_the_broker():
    with a_plant() as plant:
        assert examine(plant, "--only", "broker")["verdict"] == "ok"
        write(plant.path("password"), "wrong one\n", 0o600)
        look(plant, "broker", "fault", "broker", "MQTT", "not authorized", "mqtt.password_file")
        write(plant.path("password"), "right one\n", 0o600)
        configure(plant, uri=f"mqtts://localhost:{free_port()}")
        look(plant, "broker", "fault", "broker", "connection", "Connection refused", "the port in mqtt.uri")
        configure(plant, uri="mqtts://broker.invalid")
        look(plant, "broker", "fault", "broker", "name", "no address for broker.invalid", "getent hosts broker.invalid")
        configure(plant, mqtt=TLS.replace("ca.pem", "other.pem"))
        look(plant, "broker", "fault", "broker", "TLS", "not signed by", "mqtt.ca_file must hold")
        configure(plant, mqtt="  ca_file: {folder}/ca.pem")
        look(plant, "broker", "fault", "broker", "TLS", "wants a certificate", "mqtt.cert_file")
        make_certificate(plant.folder, "stranger", authority="other")
        configure(plant, mqtt=TLS.replace("gateway", "stranger"))
        look(plant, "broker", "fault", "broker", "TLS", "does not accept", "openssl verify")
        configure(plant, mqtt=TLS.replace("gateway.key", "broker.key"))
        look(plant, "broker", "fault", "broker", "TLS", "own files cannot be used", "see certificates")
        for name, days, names, words, remedy in (
                ("expired", -1, "DNS:localhost", "has expired", "a new certificate at the broker"),
                ("elsewhere", 400, "DNS:elsewhere.example", "for another name", "elsewhere.example"),
                ("ending", 20, "DNS:localhost", "good for 19 days", "before it ends")):
            make_certificate(plant.folder, name, days=days, names=names)
            port = start_broker(plant, certificate=name, name=name)
            configure(plant, uri=f"mqtts://localhost:{port}")
            look(plant, "broker", "warning" if name == "ending" else "fault", "broker", "TLS", words, remedy)
        port = start_broker(plant, name="picky", more="require_certificate true\nclientid_prefixes other")
        configure(plant, uri=f"mqtts://localhost:{port}")
        look(plant, "broker", "fault", "broker", "MQTT", "not authorized", "its rules for client id gw-own-doctor-")
        with socket.create_server(("127.0.0.1", 0)) as plain:  # says its own words, as an HTTP server would
            threading.Thread(target=lambda: plain.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                             daemon=True).start()
            configure(plant, uri=f"mqtts://localhost:{plain.getsockname()[1]}")
            look(plant, "broker", "fault", "broker", "TLS", "speaks no TLS", "the broker's TLS listener")


def what_is_silent_costs_a_bounded_time():
    """A broker that takes the connection and says nothing: with TLS, and in the clear."""
    with a_plant() as plant, socket.create_server(("127.0.0.1", 0)) as deaf:
        uri = f"://127.0.0.1:{deaf.getsockname()[1]}"
        seen = {}

        def wait(name, scheme, mqtt):
            text = open(plant.path("millwright.yaml")).read()
            file = plant.path(f"{name}.yaml")
            write(file, re.sub(r"uri: .*", f"uri: {scheme}{uri}", text if mqtt else
                               re.sub(r" +(ca|cert|key)_file: .*\n", "", text)), 0o644)
            began = time.monotonic()
            seen[name] = subprocess.run([DOCTOR, "doctor", "--json", "--only", "broker", "--config", file, "--profiles",
                                         PROFILES], capture_output=True, text=True, timeout=60), time.monotonic() - began

        waits = [threading.Thread(target=wait, args=a) for a in (("tls", "mqtts", True), ("clear", "mqtt", False))]
        for thread in waits:
            thread.start()
        for thread in waits:
            thread.join()
        for name, words, least, most in (("tls", "does not answer", 9, 13), ("clear", "no answer within 15 s", 14, 19)):
            done, took = seen[name]
            assert done.returncode == 2, done
            finding, = findings(json.loads(done.stdout), "fault")
            assert words in finding["text"] and least < took < most * SLOW, (finding, took)


# ---- store ----

def fill_database(plant):
    """A database as a daemon leaves it."""
    plant.start_gateway(PROFILES)
    wait_until(lambda: plant.status()["polls"] > 5, 20, "polls")


def faults_of_the_database():
    with a_plant() as plant:
        data, only = plant.path("data"), "disk,database"
        os.mkdir(data)
        configure(plant, data=data)
        report = examine(plant, "--only", only)
        assert all_well(report) and not os.listdir(data), (report, os.listdir(data))
        fill_database(plant)
        plant.stop_gateway(signal.SIGKILL)
        assert os.path.getsize(f"{data}/store.db-wal") > 0, "a WAL was to be left"
        before = files_of(data)
        report = examine(plant, "--only", only)
        whole, = [f for f in report["findings"] if f["check"] == "database"]
        assert all_well(report) and ", whole" in whole["text"], report
        assert files_of(data) == before, "the look has changed something"
        plant.start_gateway(PROFILES)
        assert plant.stop_gateway() == 0
        before = files_of(data)
        whole, = [f for f in examine(plant, "--only", only)["findings"] if f["check"] == "database"]
        assert ", whole" in whole["text"] and files_of(data) == before, whole
        shutil.copy(f"{data}/store.db", plant.path("good.db"))

        os.unlink(f"{data}/store.db-reserve")
        look(plant, only, "warning", "database", "reserve", "store.db-reserve is missing", "df -h")
        write(f"{data}/store.db-reserve", "x", 0o600)
        write(f"{data}/store.db.corrupt-1700000000", "x", 0o600)
        look(plant, only, "warning", "database", "put aside", "store.db.corrupt-1700000000", "rm ")
        os.unlink(f"{data}/store.db.corrupt-1700000000")
        db = sqlite3.connect(f"{data}/store.db")
        db.execute("PRAGMA user_version = 99")
        db.close()
        look(plant, only, "fault", "database", "", "schema 99", "install the newer release again")
        with open(plant.path("good.db"), "rb") as good, open(f"{data}/store.db", "wb") as bad:
            image = bytearray(good.read())
            image[4096 * 3:4096 * 5] = b"\x55" * 8192
            bad.write(image)
        look(plant, only, "fault", "database", "", "is corrupt: ", "systemctl restart millwrightd")
        write(f"{data}/store.db", "no database at all, but more than a hundred bytes of text" * 3, 0o600)
        look(plant, only, "fault", "database", "", "is corrupt: no database", "systemctl restart millwrightd")
        db = sqlite3.connect(f"{data}/other.db")
        db.executescript("CREATE TABLE x (y); PRAGMA application_id = 7")
        db.close()
        os.replace(f"{data}/other.db", f"{data}/store.db")
        look(plant, only, "fault", "database", "", "of another program", "another store.path")


def faults_of_the_disk():
    with a_plant() as plant:
        configure(plant, data=plant.path("none"))
        look(plant, "disk", "fault", "disk", "", "does not exist", "install -d")
        configure(plant, max_size="64GiB")
        if os.statvfs(plant.folder).f_bavail * os.statvfs(plant.folder).f_frsize < 64 << 30:
            look(plant, "disk", "warning", "disk", "room", "store.max_size is 65", "make room in")
        disk = plant.path("disk")
        os.mkdir(disk)
        if not ROOT or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3M", "tmpfs", disk],
                                      capture_output=True).returncode != 0:
            print("a tmpfs cannot be mounted here: a full disk is not tried")
            return
        try:
            with open(f"{disk}/filler", "wb") as f, contextlib.suppress(OSError):
                while f.write(bytes(65536)):
                    f.flush()
            configure(plant, data=disk)
            report = examine(plant, "--only", "disk")
            wrong = {(f["verdict"], f["subject"]): f for f in findings(report, "warning", "fault")}
            assert set(wrong) == {("warning", "filesystem"), ("fault", "room"), ("fault", "fsync")}, wrong
            assert "is memory" in wrong["warning", "filesystem"]["text"]
            assert "is full: 0 KiB" in wrong["fault", "room"]["text"]
            assert "No space left" in wrong["fault", "fsync"]["text"]
            assert os.listdir(disk) == ["filler"], "something was left behind"
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True, timeout=60)
            wrong = findings(examine(plant, "--only", "disk"), "fault")
            assert len(wrong) == 1 and "read-only" in wrong[0]["text"] and "remount,rw" in wrong[0]["remedy"], wrong
        finally:
            subprocess.run(["umount", "-l", disk], timeout=60)
        if ROOT:
            configure(plant)
            wrong = findings(examine(plant, "--only", "disk", user="nobody"), "fault")
            assert "user nobody may not write" in wrong[0]["text"] and "chown -R nobody" in wrong[0]["remedy"], wrong


# ---- daemon ----

class OtherDaemon(threading.Thread):
    """Answers 'status' with what a true daemon has said, but for what is different; its polls go on, or do not."""

    def __init__(self, path, answer, polls=True):
        super().__init__(daemon=True)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        self.answer, self.polls = answer, polls
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.server.accept()
                with peer, contextlib.suppress(OSError):
                    peer.recv(100)
                    for bus in self.answer["buses"]:
                        bus["slots_run"] += self.polls
                    peer.sendall(json.dumps(self.answer).encode())


def faults_of_the_daemon():
    with a_plant() as plant:
        look(plant, "daemon", "fault", "daemon", "", "does not run", "systemctl enable --now millwrightd")
        plant.start_gateway(PROFILES)
        wait_until(lambda: plant.status()["broker"]["state"] == "up", 30, "the broker")
        wait_until(lambda: all(d["health"] == "online" for d in plant.status()["devices"]), 30, "the devices")
        plant.field.terminate()
        wait_until(lambda: any(d["health"] == "offline" for d in plant.status()["devices"]), 60, "an offline device")
        finding = look(plant, "daemon", "fault", "daemon", "line", "1 of 1 devices do not answer: far", "MW_DEVICE=far")
        assert "millwright scan line" in finding["remedy"]
        answer = plant.status()
        assert plant.stop_gateway() == 0
        os.path.exists(plant.socket) and os.unlink(plant.socket)
        for device in answer["devices"]:
            device["health"] = "online"
        others = ((lambda a: a.update(version="0.0.1"), "warning", "version", "the daemon that runs is 0.0.1",
                   "systemctl restart millwrightd"),
                  (lambda a: a["store"].update(well=False, text="disk full"), "fault", "store", "disk full", "see disk"),
                  (lambda a: a["broker"].update(state="down", text="TLS: bad"), "fault", "broker", "down: TLS: bad",
                   "see broker"),
                  (lambda a: a["buses"][0].update(overloaded=True), "warning", "hall", "cannot keep up",
                   "millwright plan"),
                  (lambda a: a["config"].update(file="/etc/hostname"), "warning", "configuration", "another file",
                   "--config /etc/hostname"))
        for change, verdict, subject, text, remedy in others:
            other = json.loads(json.dumps(answer))
            change(other)
            server = OtherDaemon(plant.socket, other)
            wrong = findings(examine(plant, "--only", "daemon"), "warning", "fault")
            server.server.close()
            os.unlink(plant.socket)
            assert len(wrong) == 1 and (wrong[0]["verdict"], wrong[0]["subject"]) == (verdict, subject), wrong
            assert text in wrong[0]["text"] and remedy in wrong[0]["remedy"], wrong
        server = OtherDaemon(plant.socket, answer, polls=False)
        wrong = findings(examine(plant, "--only", "daemon"), "fault")
        assert {f["subject"] for f in wrong} == {"hall", "line"} and "no poll for" in wrong[0]["text"], wrong
        assert "MW_BUS=hall" in wrong[0]["remedy"], wrong
        server.server.close()


def main():
    functions = [f for name, f in list(globals().items()) if name.startswith(("a_healthy", "without_", "faults_", "what_is"))]
    wanted = sys.argv[2:]
    for function in functions:
        if not wanted or function.__name__ in wanted:
            began = time.monotonic()
            function()
            print(f"{function.__name__}: {time.monotonic() - began:.1f} s", flush=True)


main()
