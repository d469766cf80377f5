# SPDX-License-Identifier: Apache-2.0
"""What the uplink scripts share: a Mosquitto of their own, the driver, and the schemas."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

BIN = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "dev" / "bin"
DRIVER = BIN.parent / "tests" / "uplink-driver"
SCHEMAS = {}
for word in ("alert", "event", "state", "status"):
    SCHEMAS[word] = json.loads((ROOT / "docs" / f"millwright-{word}-1.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(SCHEMAS[word])
VALIDATORS = {word: jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
              for word, schema in SCHEMAS.items()}

if not DRIVER.exists():
    print(f"SKIP: {DRIVER} is not built")
    sys.exit(77)
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
if not MOSQUITTO:
    print("SKIP: mosquitto is not installed")
    sys.exit(77)


def check(message):
    """A message against its schema, and no field the schema does not know."""
    word = message.topic.rsplit("/", 1)[1]
    value = json.loads(message.payload)
    VALIDATORS[word].validate(value)
    assert set(value) <= set(SCHEMAS[word]["properties"]), value
    return value


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Mosquitto:
    """Started on a loopback port of its own; start() returns when it accepts."""

    def __init__(self, folder, settings="allow_anonymous true", tls=""):
        self.port = free_port()
        self.config = pathlib.Path(folder) / f"mosquitto-{self.port}.conf"
        self.config.write_text(f"listener {self.port} 127.0.0.1\n{tls}\npersistence false\n"
                               f"max_inflight_messages 0\nmax_queued_messages 0\n{settings}\n")
        self.log = open(self.config.with_suffix(".log"), "ab")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(self.config), "-v"],
                                        stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None, self.config.with_suffix(".log").read_text()
                assert time.monotonic() < deadline, "mosquitto does not listen"
                threading.Event().wait(0.01)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Driver:
    """The uplink-driver; its lines are read as they come."""

    def __init__(self, **options):
        args = [str(DRIVER)]
        for name, value in options.items():
            args += ["--" + name.replace("_", "-"), str(value)]
        # Paho would take a proxy from these; millwrightd forgets them.
        environment = {k: v for k, v in os.environ.items() if not k.endswith("_proxy")}
        self.process = subprocess.Popen(args, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=sys.stderr)
        self.lines, self.lock, self.ended = [], threading.Condition(), False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        for line in self.process.stdout:
            with self.lock:
                self.lines.append(line.decode().rstrip("\n"))
                self.lock.notify_all()
        with self.lock:
            self.ended = True
            self.lock.notify_all()

    def wait_for(self, condition, timeout=60):
        """Until condition(lines) holds; its value. Fails loudly where it never does."""
        with self.lock:
            self.lock.wait_for(lambda: condition(self.lines) or self.ended, timeout)
            value = condition(self.lines)
        assert value, "the driver said: " + "\n".join(self.lines[-20:])
        return value

    def wait_line(self, start, timeout=60):
        return self.wait_for(lambda lines: next((x for x in lines if x.startswith(start)), None),
                             timeout)

    def count(self, start):
        with self.lock:
            return sum(x.startswith(start) for x in self.lines)

    def say(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def finish(self, timeout=60):
        """Its figures, after it ended by itself or by quit."""
        self.wait_for(lambda lines: lines and lines[-1].startswith("{"), timeout)
        assert self.process.wait(20) == 0
        self.process.stdin.close()
        return json.loads(self.lines[-1])

    def quit(self):
        self.say("quit")
        return self.finish()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


class Folder:
    """A temporary folder, gone afterwards."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="mw-uplink-")
        os.chmod(self.path, 0o755)  # mosquitto started by root reads its files as another user
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def run_all(tests, cases=()):
    """Those named on the command line; by default those that are no case of its own (mw_case)."""
    named = {test.__name__: test for test in [*tests, *cases]}
    for test in [named[name] for name in sys.argv[2:]] or tests:
        begin = time.monotonic()
        test()
        print(f"ok {test.__name__} {time.monotonic() - begin:.1f} s", flush=True)
