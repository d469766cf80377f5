# SPDX-License-Identifier: Apache-2.0
"""What a gateway takes and leaves alone: with history off no block reaches the database and learning
is refused in words, alarms are raised all the same; where file descriptors are too few for the
buses the start fails and says so."""
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import Plant, wait_until  # noqa: E402

PROFILES = os.path.join(here, "../../fieldbus/profiles")
CONFIG = """
version: 1
gateway: {{name: gw, site: test, spool: {folder}/spool, socket: {folder}/control}}
buses:
  - {{name: field, tcp: {{host: 127.0.0.1, port: {field}}}, timeout: 1s}}
{more}
devices:
  - name: sensor
    bus: field
    unit: 1
    points: [{{name: a, address: 0, type: float32}}, {{name: b, address: 2, type: float32}}]
machines:
  - name: pump
    device: sensor
    period: 20ms
    channels: [{{point: a, limits: {{high: 60, delay: 0s}}}}, {{point: b}}]
store: {{path: {folder}/store.db, history: {history}, block: 1s}}
"""


def write_rows(path):
    with open(path, "w") as f:
        f.write("datetime;a;b\n")
        for row in range(30000):
            f.write(f"2026-01-01 00:00:00;{50 + 20 * (row >= 200) + row % 7};{row % 11}\n")


def rows(plant, table):
    with sqlite3.connect(f"file:{plant.path('store.db')}?mode=ro", uri=True) as db:
        return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def run(programs, folder, history):
    plant = Plant(programs, folder)
    try:
        write_rows(plant.path("rows.csv"))
        where = plant.simulate("--csv", plant.path("rows.csv"), "--tcp", "0")
        plant.write_config(CONFIG.format(folder=folder, field=next(iter(where.values())), more="",
                                         history=history))
        plant.start_gateway(PROFILES)

        def is_alarmed():
            pump = plant.status()["machines"][0]
            return pump["alarm"] == "active_unacked" and pump["frames"] > 300
        wait_until(is_alarmed, 60, "an alarm of the limit")
        learn = None
        if history == "off":
            learn = plant.millwright("learn", "pump", "--socket", plant.socket, timeout=60)
        plant.stop_gateway()
        return learn, rows(plant, "block"), rows(plant, "alert")
    finally:
        plant.close()


def too_few_descriptors(programs, folder):
    more = "\n".join(f"  - {{name: b{i}, tcp: {{host: 127.0.0.1, port: 9}}}}" for i in range(200))
    path = os.path.join(folder, "many.yaml")
    with open(path, "w") as f:
        f.write(CONFIG.format(folder=folder, field=9, more=more, history="off"))
    done = subprocess.run([os.path.join(programs, "millwrightd"), "--config", path, "--profiles", PROFILES],
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78, (done.returncode, done.stderr)
    assert "201 buses need 329 file descriptors and 256 are allowed" in done.stderr, done.stderr


def main():
    programs = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        learn, n_blocks, n_alerts = run(programs, folder, "off")
        assert learn.returncode == 78 and "store.history is off" in learn.stderr, learn
        assert n_blocks == 0 and n_alerts > 0, (n_blocks, n_alerts)
    with tempfile.TemporaryDirectory() as folder:
        _, n_blocks, n_alerts = run(programs, folder, "90d")
        assert n_blocks > 0 and n_alerts > 0, (n_blocks, n_alerts)
    with tempfile.TemporaryDirectory() as folder:
        too_few_descriptors(programs, folder)
    print("no history: no blocks, no learning, alarms all the same; too few descriptors: a clear word")


main()
