# SPDX-License-Identifier: Apache-2.0
"""A machine's life with people: learned on the spot, alarmed, acknowledged, the daemon restarted in
between, repaired. Nothing is forgotten, nothing is said twice; the Will tells a killed gateway."""
import os
import random
import signal
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import Plant, wait_until  # noqa: E402

PROFILES = os.path.join(here, "../../fieldbus/profiles")
FAULT_ROW = 900
CONFIG = """
version: 1
gateway: {{name: gw, site: test, spool: {folder}/spool, socket: {folder}/control}}
buses:
  - {{name: field, tcp: {{host: 127.0.0.1, port: {field}}}, timeout: 1s}}
devices:
  - name: sensor
    bus: field
    unit: 1
    points:
{points}
machines:
  - name: pump
    device: sensor
    period: 20ms
    channels:
{channels}
    model: {{learn_rows: 400}}
    trend: {{enabled: false}}
mqtt: {{uri: "mqtt://127.0.0.1:{broker}", client_id: commission, keepalive: 5s}}
store: {{path: {folder}/store.db}}
"""


def write_rows(path):
    """Five channels that follow a load; from FAULT_ROW on, c2 is elsewhere and stays there."""
    rng, load = random.Random(5), 0.0
    with open(path, "w") as f:
        f.write("datetime;" + ";".join(f"c{i}" for i in range(5)) + "\n")
        for row in range(30000):
            load = 0.95 * load + rng.gauss(0, 0.3)
            values = [0.6 * load + rng.gauss(0, 0.5) for _ in range(5)]
            values[2] += 2.0 if row >= FAULT_ROW else 0.0
            f.write("2026-01-01 00:00:00;" + ";".join(f"{v:.5f}" for v in values) + "\n")


def start(plant):
    write_rows(plant.path("rows.csv"))
    where = plant.simulate("--csv", plant.path("rows.csv"), "--tcp", "0")
    plant.start_broker()
    plant.subscribe()
    plant.write_config(CONFIG.format(
        folder=plant.folder, field=next(iter(where.values())), broker=plant.cable.port,
        points="\n".join(f"      - {{name: c{i}, address: {2 * i}, type: float32}}" for i in range(5)),
        channels="\n".join(f"      - {{point: c{i}}}" for i in range(5))))
    plant.start_trainer()
    plant.start_gateway(PROFILES)


def ask(plant, *words, expect=0):
    answer = plant.millwright(*words, "--socket", plant.socket, timeout=200)
    assert answer.returncode == expect, f"{words}: {answer.returncode} {answer.stdout}{answer.stderr}"
    return answer.stdout + answer.stderr


def machine(plant):
    return plant.status()["machines"][0]


def events(plant):
    first = {}
    for alert in plant.messages.alerts():
        first.setdefault(alert["id"], alert)
    return [a["event"] for a in first.values()]


def life(plant):
    assert "the model is at work" in ask(plant, "learn", "pump")
    assert machine(plant)["model"], "no model after learning"
    wait_until(lambda: "raised" in events(plant), 120, "the alarm")
    alert = plant.messages.alerts()[0]
    assert alert["detector"] == "model" and alert["point"] == "sensor.c2", alert
    ask(plant, "ack", "pump")
    wait_until(lambda: events(plant) == ["raised", "acknowledged"], 20, "the acknowledgement")

    assert plant.stop_gateway() == 0
    wait_until(lambda: plant.messages.newest("/status")["state"] == "offline", 10, "the good-bye")
    plant.start_gateway(PROFILES)
    before = machine(plant)
    assert before["alarm"] == "active_acked", before
    wait_until(lambda: machine(plant)["windows"] > 50, 60, "windows after the restart")
    assert events(plant) == ["raised", "acknowledged"], plant.messages.alerts()
    assert machine(plant)["model"] == before["model"] != ""

    ask(plant, "repaired", "pump")
    wait_until(lambda: events(plant) == ["raised", "acknowledged", "cleared"], 30, "the end")
    wait_until(lambda: plant.messages.newest("/pump/state")["state"] == "normal", 10, "the state")


def wrong_words(plant):
    assert "no such machine" in ask(plant, "learn", "pimp", expect=66)
    ask(plant, "ack", "pimp", expect=66)
    ask(plant, "repaired", "pimp", expect=66)
    ask(plant, "status", "pimp", expect=66)
    second = plant.start([os.path.join(plant.programs, "millwrightd"), "--config",
                          plant.path("millwright.yaml"), "--profiles", PROFILES], "second.log")
    assert second.wait(20) == 75, second.returncode
    assert "another millwrightd" in open(plant.path("second.log")).read()
    assert machine(plant)["name"] == "pump", "the first daemon suffered from the second"


def main():
    with tempfile.TemporaryDirectory() as folder:
        plant = Plant(sys.argv[1], folder)
        try:
            start(plant)
            wrong_words(plant)
            life(plant)
            wait_until(lambda: plant.messages.newest("/status")["state"] in ("online", "degraded"), 20,
                       "being online")
            plant.stop_gateway(signal.SIGKILL)
            wait_until(lambda: plant.messages.newest("/status")["state"] == "offline", 20, "the Will")
            print("learned, alarmed, acknowledged, restarted, repaired, killed:", events(plant))
        except BaseException:
            print(open(plant.path("millwrightd.log")).read()[-3000:])
            raise
        finally:
            plant.close()


main()
