# SPDX-License-Identifier: Apache-2.0
"""A plant in a temporary folder: real broker, cable to it that can be cut, simulated field, gateway.

Used by ./demo and by the system tests. Standard library only; every wait is bounded.
"""
import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, seconds, what):
    """Polls condition until it is true; an error names what was waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {seconds} s")


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
        return True
    except OSError:
        return False


class Cable(threading.Thread):
    """A TCP relay on loopback: the cable between gateway and broker. cut() pulls it, half_open() loses
    what is sent without a word to either side, mend() plugs it in again."""

    UP, DOWN = "up", "down"

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target, self.port, self.whole = target, 0, True
        self.lost = frozenset()  # directions, of UP (to the broker) and DOWN
        self.ready = threading.Event()
        self.writers = set()
        self.start()
        if not self.ready.wait(10):
            raise TimeoutError("the relay did not start")

    def run(self):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.relay, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()

    async def pump(self, reader, writer, direction):
        try:
            while data := await reader.read(65536):
                if direction in self.lost:
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    async def relay(self, reader, writer):
        if not self.whole:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, up_writer}
        self.writers |= pair
        await asyncio.gather(self.pump(reader, up_writer, self.UP),
                             self.pump(up_reader, writer, self.DOWN))
        self.writers -= pair

    def _cut(self):
        for writer in list(self.writers):
            writer.transport.abort()

    def cut(self):
        self.whole = False
        self.loop.call_soon_threadsafe(self._cut)

    def half_open(self, *directions):
        """Bytes of these directions vanish from now on, on old and on new connections."""
        self.whole, self.lost = True, frozenset(directions)

    def mend(self):
        """What lost bytes cannot go on: its peers reset it."""
        if self.lost:
            self.loop.call_soon_threadsafe(self._cut)
        self.whole, self.lost = True, frozenset()


class Messages(threading.Thread):
    """What a subscriber of the whole tree receives, in order: (unix time, topic, retained, JSON)."""

    def __init__(self, port, on_message=None):
        super().__init__(daemon=True)
        self.received, self.on_message = [], on_message
        self.process = subprocess.Popen(
            ["mosquitto_sub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", str(port), "-q", "1",
             "-t", "millwright/#", "-F", "%t\t%r\t%p"], stdout=subprocess.PIPE, text=True)
        self.start()

    def run(self):
        for line in self.process.stdout:
            topic, retained, payload = line.rstrip("\n").split("\t", 2)
            message = (time.time(), topic, retained == "1", json.loads(payload) if payload else None)
            self.received.append(message)
            if self.on_message:
                self.on_message(message)

    def alerts(self):
        return [m[3] for m in list(self.received) if m[1].endswith("/alert")]

    def newest(self, topic_end):
        found = [m[3] for m in list(self.received) if m[1].endswith(topic_end)]
        return found[-1] if found else None


class Plant:
    def __init__(self, programs, folder):
        self.programs, self.folder = os.path.abspath(programs), folder
        self.processes = []
        self.gateway = None
        self.spool = os.path.join(folder, "spool")
        self.socket = os.path.join(folder, "control")
        self.stopping = threading.Event()

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, command, log, **environment):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                   env={**os.environ, **environment}, stderr=open(self.path(log), "ab"), cwd=self.folder)
        self.processes.append(process)
        return process

    def start_broker(self, settings=""):
        self.broker_port = free_port()
        with open(self.path("mosquitto.conf"), "w") as f:
            f.write(f"listener {self.broker_port} 127.0.0.1\nallow_anonymous true\n"
                    f"persistence false\n{settings}\n" + ("user root\n" if os.getuid() == 0 else ""))
        self.broker = self.start(["mosquitto", "-c", self.path("mosquitto.conf")], "mosquitto.log")
        wait_until(lambda: accepts(self.broker_port), 10, "mosquitto")
        self.cable = Cable(self.broker_port)

    def subscribe(self, on_message=None):
        self.messages = Messages(self.broker_port, on_message)
        self.processes.append(self.messages.process)
        return self.messages

    def simulate(self, *arguments):
        """Starts 'millwright simulate' and returns its listening lines: {bus: where}."""
        ready = self.path("ready")
        if os.path.exists(ready):
            os.unlink(ready)
        self.field = self.start([os.path.join(self.programs, "millwright"), "simulate",
                                 "--ready-file", ready, *arguments], "simulate.log")
        wait_until(lambda: self.field.poll() is not None or os.path.exists(ready), 20, "simulator")
        if self.field.poll() is not None:
            raise RuntimeError("the simulator ended: " + open(self.path("simulate.log")).read())
        return {w[1]: w[-1] for w in (line.split() for line in open(ready)) if w}

    def write_config(self, text):
        with open(self.path("millwright.yaml"), "w") as f:
            f.write(text)

    def start_gateway(self, profiles, wait=True, **environment):
        self.gateway = self.start([os.path.join(self.programs, "millwrightd"),
                                   "--config", self.path("millwright.yaml"),
                                   "--profiles", profiles], "millwrightd.log",
                                  http_proxy="http://127.0.0.1:9",  # nobody may listen to it
                                  **environment)
        if wait:
            wait_until(lambda: self.gateway.poll() is not None or self.status(quiet=True), 30,
                       "millwrightd")
            if self.gateway.poll() is not None:
                raise RuntimeError("millwrightd ended: " + open(self.path("millwrightd.log")).read())

    def millwright(self, *arguments, timeout=120):
        return subprocess.run([os.path.join(self.programs, "millwright"), *arguments],
                              capture_output=True, text=True, timeout=timeout, cwd=self.folder)

    def status(self, quiet=False):
        answer = self.millwright("status", "--json", "--socket", self.socket)
        if answer.returncode != 0:
            if quiet:
                return None
            raise RuntimeError("status: " + answer.stderr)
        return json.loads(answer.stdout)

    def start_trainer(self):
        """What millwright-train.path does under systemd: training starts when a job appears."""
        def watch():
            while not self.stopping.wait(0.1):
                if os.path.isdir(self.spool) and any(n.endswith(".job") for n in os.listdir(self.spool)):
                    with open(self.path("train.log"), "ab") as log:
                        subprocess.run([os.path.join(self.programs, "millwright"), "train",
                                        "--spool", self.spool], stdout=log, stderr=log, timeout=600)
        threading.Thread(target=watch, daemon=True).start()

    def stop_gateway(self, with_signal=signal.SIGTERM):
        self.gateway.send_signal(with_signal)
        status = self.gateway.wait(30)
        self.processes.remove(self.gateway)
        return status

    def close(self):
        self.stopping.set()
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
