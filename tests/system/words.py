# SPDX-License-Identifier: Apache-2.0
"""What the verbs refuse and how they say it: outputs that must not be replaced, inputs that would be
waited for, a spool with things that are no jobs, a silent or strange daemon, a full output.
Devices are made here, in a folder of our own; where that is not allowed they are left out."""
import json
import os
import pathlib
import random
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

MILLWRIGHT = pathlib.Path(sys.argv[1]) / "millwright"
TINY = pathlib.Path(__file__).resolve().parent.parent / "golden" / "tiny"
MODEL, ROWS = TINY / "per_channel.tflite", TINY / "per_channel.in.s8"
NOBODY = 65534


def call(*arguments, **more):
    more.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([MILLWRIGHT, *map(str, arguments)], stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False, **more)


def check(condition, *words):
    if not condition:
        sys.exit(" ".join(map(str, ("failed:",) + words)))


def expect(status, words, *arguments, **more):
    done = call(*arguments, **more)
    check(done.returncode == status and words in done.stderr, arguments, done.returncode,
          done.stderr, "instead of", status, words)
    return done


def write_table(path, n=300):
    rng = random.Random(5)
    lines = ["time;a;b"] + [f"2024-05-01 10:{i // 60:02}:{i % 60:02};{rng.gauss(5, 1):.4f};"
                            f"{rng.gauss(-2, 3):.4f}" for i in range(n)]
    path.write_text("\n".join(lines) + "\n")


def no_files(folder):
    """Paths to a pipe, a folder, a socket, a link to a pipe and, if allowed, a device."""
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(folder / "socket"))
    names = ["pipe", "folder", "link", "socket"]
    try:
        os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        names.append("null")
    except PermissionError:
        pass
    return [folder / name for name in names]


def what_is_no_file_is_never_replaced(folder):
    table, model = folder / "t.csv", folder / "m.tflite"
    write_table(table)
    expect(0, "", "train", "--csv", table, "--rows", "0:300", "--out", model, "--no-ae")
    (folder / "nowhere").symlink_to("nothing")
    for path in no_files(folder) + [folder / "nowhere"]:
        before = os.lstat(path)
        for verb in (("infer", MODEL, "--input", ROWS, "--output", path),
                     ("train", "--csv", table, "--rows", "0:300", "--no-ae", "--out", path),
                     ("replay", "--model", model, "--csv", table, "--out", path),
                     ("simulate", "--csv", table, "--tcp", "0", "--duration", "1s", "--ready-file",
                      path)):
            expect(73, "neither a regular file nor a link to one", *verb)
            now = os.lstat(path)
            check((before.st_ino, before.st_mode) == (now.st_ino, now.st_mode), path, "replaced")
    check(not list(folder.glob("*.part")), "a part is left over")


def a_link_is_followed(folder):
    (folder / "real").write_bytes(b"old")
    (folder / "link").symlink_to("real")
    expect(0, "", "infer", MODEL, "--input", ROWS, "--output", folder / "link")
    check((folder / "link").is_symlink(), "the link is gone")
    check((folder / "real").read_bytes() == (TINY / "per_channel.double.s8").read_bytes(), "bytes")
    check(sorted(p.name for p in folder.iterdir()) == ["link", "real"], "a part is left over")


def what_is_no_file_is_not_waited_for(folder):
    table, model = folder / "t.csv", folder / "m.tflite"
    write_table(table)
    expect(0, "", "train", "--csv", table, "--rows", "0:300", "--out", model, "--no-ae")
    for path in no_files(folder):
        for verb in (("model", "show", path),
                     ("infer", path, "--input", ROWS, "--output", folder / "y"),
                     ("infer", MODEL, "--input", path, "--output", folder / "y"),
                     ("train", "--csv", path, "--rows", "0:300", "--out", folder / "y"),
                     ("replay", "--model", path, "--csv", table, "--out", folder / "y"),
                     ("replay", "--model", model, "--csv", path, "--out", folder / "y")):
            expect(66, "is not a regular file", *verb)
    check(not (folder / "y").exists(), "an output was made")


def an_interrupted_infer_leaves_nothing(folder):
    big = folder / "big.s8"
    with open(big, "wb") as f:
        f.truncate(400_000_000)
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process = subprocess.Popen([MILLWRIGHT, "infer", MODEL, "--input", big, "--output",
                                    folder / "y"])
        until = time.monotonic() + 20
        while not list(folder.glob("*.part")) and time.monotonic() < until:
            time.sleep(0.005)
        process.send_signal(sign)
        check(process.wait(20) == -sign, sign, process.returncode)
        check([p.name for p in folder.iterdir()] == ["big.s8"], sorted(folder.iterdir()))


def a_spool_is_emptied_of_what_is_no_job(folder):
    write_table(folder / "good.csv")
    (folder / "good.job").write_text("csv=good.csv\nrows=0:300\nlevel_guard=on\n")
    os.mkfifo(folder / "pipe.job")
    (folder / "dir.job").mkdir()
    (folder / "link.job").symlink_to("/etc/hostname")
    (folder / "a b.job").write_text("csv=good.csv\n")
    (folder / ("x" * 33 + ".job")).write_text("csv=good.csv\n")
    (folder / "\x1b[2J.job").write_text("csv=good.csv\n")
    done = expect(65, "'a b.job' is refused: the name is not", "train", "--spool", folder)
    check("\x1b" not in done.stderr and len(done.stderr.splitlines()) == 6, done.stderr)
    check(done.stdout == "good: trained\n", done.stdout)
    check(not list(folder.glob("*.job")), "still there:", list(folder.glob("*.job")))
    names = {p.name for p in folder.iterdir()}
    check({"pipe.job.refused", "dir.job.refused", "link.job.refused", "refused-1.refused",
           "refused-2.refused", "refused-3.refused", "good.tflite", "good.report"} <= names, names)
    expect(0, "", "train", "--spool", folder)


def a_spool_that_cannot_be_written_says_why(folder):
    as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    try:
        call("--version", **as_nobody)
    except PermissionError:
        return  # we are not root, or nobody else may run the program here
    write_table(folder / "t.csv")
    (folder / "t.job").write_text("csv=t.csv\n")
    os.chmod(folder, 0o755)
    (folder / "open").mkdir()
    os.chmod(folder / "open", 0o777)
    expect(74, "Permission denied", "train", "--spool", folder, **as_nobody)
    os.chmod(folder / "t.csv", 0)
    out = folder / "open" / "y"
    for verb in (("train", "--csv", folder / "t.csv", "--rows", "0:300", "--out", out),
                 ("model", "show", folder / "t.csv"),
                 ("infer", MODEL, "--input", folder / "t.csv", "--output", out)):
        expect(66, "Permission denied", *verb, **as_nobody)


def words_of_train_and_replay(folder):
    table, model = folder / "t.csv", folder / "m.tflite"
    write_table(table)
    rest = ("--csv", table, "--out", model)
    expect(64, "--window 65 is not in 2 to 64", "train", *rest, "--rows", "0:300", "--window", "65")
    expect(64, "--rows 400:0 is not A:B", "train", *rest, "--rows", "400:0")
    expect(64, "--level-guard maybe is neither", "train", *rest, "--level-guard", "maybe")
    expect(65, "too few rows: 10, at least 79", "train", *rest, "--rows", "0:10")
    expect(65, "too few rows: 10, at least 32", "train", *rest, "--rows", "0:10", "--no-ae")
    expect(0, "", "train", *rest, "--rows", "0:79")
    expect(0, "", "train", *rest, "--rows", "0:32", "--no-ae")
    expect(64, "nothing to judge with", "train", *rest, "--rows", "0:300", "--no-ae",
           "--level-guard", "off")
    expect(64, "goes with no other option", "train", "--spool", folder, "--csv", table)
    expect(65, "there is no column 'zz'", "train", *rest, "--rows", "0:300", "--ignore", "zz")
    expect(65, "there is no column 'zz'", "replay", "--model", model, "--csv", table, "--out",
           folder / "v.csv", "--ignore", "zz")


class Daemon:
    """Answers each request with the same words, or with silence."""

    def __init__(self, folder, answer):
        self.path, self.answer, self.kept = str(folder / "control"), answer, []
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(5)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            peer = self.socket.accept()[0]
            if self.answer is None:
                self.kept.append(peer)
                continue
            peer.recv(1000)
            peer.sendall(self.answer.encode())
            peer.close()


STATUS = {
    "site": "s", "gateway": "g", "version": "1", "devices": [], "machines": [{"name": "pump"}],
    "broker": {"state": "down", "text": "not authorized", "dead_letters": 3},
    "store": {"well": True},
}


def a_strange_daemon_is_told(folder):
    began = time.monotonic()
    for verb in (("status",), ("ack", "pump")):
        expect(69, "gave no answer within 5 s", *verb, "--socket", Daemon(folder, None).path)
    check(9 < time.monotonic() - began < 20, "took", time.monotonic() - began)
    for answer in ("{}", "[]", "3", "{", json.dumps(STATUS | {"machines": {}}),
                   json.dumps(STATUS | {"devices": [1]}), json.dumps(STATUS | {"broker": "up"})):
        for verb in (("status",), ("status", "--json"), ("status", "pump"), ("ack", "pump")):
            done = expect(76, "not understood", *verb, "--socket", Daemon(folder, answer).path)
            check(done.stdout == "", done.stdout)
    for options in ((), ("--json",)):
        done = expect(66, "no machine 'zz'", "status", "zz", *options, "--socket",
                      Daemon(folder, json.dumps(STATUS)).path)
        check(done.stdout == "", done.stdout)


def status_says_why_the_broker_is_down(folder):
    done = expect(0, "", "status", "--socket", Daemon(folder, json.dumps(STATUS)).path)
    check("broker down: not authorized   " in done.stdout and "dead letters 3" in done.stdout,
          done.stdout)
    well = STATUS | {"broker": {"state": "up", "text": "Success", "dead_letters": 0}}
    done = expect(0, "", "status", "--socket", Daemon(folder, json.dumps(well)).path)
    check("broker up   " in done.stdout and "dead" not in done.stdout and "unheard" not in done.stdout, done.stdout)
    unheard = STATUS | {"broker": {"state": "up", "unheard": 2}}
    done = expect(0, "", "status", "--socket", Daemon(folder, json.dumps(unheard)).path)
    check("   unheard 2 (nobody subscribed)   " in done.stdout, done.stdout)


def a_full_output_is_no_success(folder):
    where = Daemon(folder, json.dumps(STATUS)).path
    for verb in (("--help",), ("--version",), ("model", "show", MODEL),
                 ("model", "show", MODEL, "--json"), ("status", "--socket", where),
                 ("status", "--watch", "--socket", where), ("train", "--help")):
        with open("/dev/full", "w") as full:
            expect(74, "standard output cannot be written", *verb, stdout=full)


for test in (what_is_no_file_is_never_replaced, a_link_is_followed,
             what_is_no_file_is_not_waited_for, an_interrupted_infer_leaves_nothing,
             a_spool_is_emptied_of_what_is_no_job, a_spool_that_cannot_be_written_says_why,
             words_of_train_and_replay, a_strange_daemon_is_told,
             status_says_why_the_broker_is_down, a_full_output_is_no_success):
    with tempfile.TemporaryDirectory() as temporary:
        test(pathlib.Path(temporary))
    print("ok", test.__name__)
