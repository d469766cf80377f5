# SPDX-License-Identifier: Apache-2.0
"""Kills the daemon at random moments while the broker's cable is up, down, flapping or half-open: every
stored alert arrives at least once, repeats stay within the window and one group commit, no episode is
raised twice. Seeded; the seed is printed. MW_KILLS and MW_SEED set the number and the seed."""
import json
import os
import random
import signal
import sqlite3
import struct
import sys
import tempfile
import time

import jsonschema

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../support"), os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import Cable, wait_until  # noqa: E402
from wave_plant import PROFILES, WavePlant  # noqa: E402

KILLS = int(os.environ.get("MW_KILLS", "50"))
SEED = int(os.environ.get("MW_SEED", "1"))
WINDOW = 16   # messages in flight
HALF_WAVE = 8  # rows: an alarm is raised or cleared this often
# A group commit holds the acknowledgements of at most 0.2 s (STORE_GROUP_US) or 128 messages; the commit
# itself takes a while on a busy disk.
OPEN_S, GROUP_MAX = 0.5, 128

class Link:
    """The cable's condition, drawn anew now and then; counts the connections that may have ended by it."""

    CONDITIONS = ("up", "down", "flapping", "half-open", "deaf")

    def __init__(self, cable, rng):
        self.cable, self.rng, self.condition = cable, rng, "up"
        self.interruptions, self.seen = 1, {"up": 0}

    def draw(self):
        """Up half of the time: a kill needs messages in flight to be of interest."""
        drawn = self.rng.choice(self.CONDITIONS) if self.rng.random() < 0.6 else "up"
        if drawn == self.condition:
            return
        self.condition = drawn
        self.interruptions += 1
        self.cable.mend()
        if drawn == "down":
            self.cable.cut()
        elif drawn == "half-open":
            self.cable.half_open(Cable.UP, Cable.DOWN)
        elif drawn == "deaf":  # alerts arrive, their acknowledgements do not
            self.cable.half_open(Cable.DOWN)

    def hold(self, seconds):
        """The moment of the kill is the test's subject, so time passes here; flapping uses it."""
        self.seen[self.condition] = self.seen.get(self.condition, 0) + 1
        end = time.monotonic() + seconds
        while self.condition == "flapping" and (left := end - time.monotonic()) > 0:
            self.cable.cut() if self.cable.whole else self.cable.mend()
            self.interruptions += 1
            time.sleep(min(left, self.rng.uniform(0.02, 0.3)))
        time.sleep(max(0, end - time.monotonic()))


def stored_alerts(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    # An encoded alert: ten one-byte fields, then seq (base/alert.c).
    seqs = [struct.unpack_from("<Q", row[0], 10)[0]
            for row in db.execute("SELECT bytes FROM alert ORDER BY id")]
    waiting = {row[0] for row in db.execute("SELECT seq FROM outbox")}
    db.close()
    # What still waits in the outbox is kept, not lost: it will be sent after the next start.
    return [seq for seq in seqs if seq not in waiting]


def validate(messages):
    """Every message a subscriber saw is what the published schemas promise."""
    schemas = {}
    for kind in ("alert", "event", "state", "status"):
        with open(os.path.join(here, f"../../docs/millwright-{kind}-1.schema.json")) as f:
            schemas[kind] = jsonschema.Draft7Validator(json.load(f))
    seen = dict.fromkeys(schemas, 0)
    for _, topic, _, payload in messages:
        kind = topic.rsplit("/", 1)[1]
        schemas[kind].validate(payload)
        seen[kind] += 1
    print(f"valid messages: {seen}")
    assert all(n > 0 for kind, n in seen.items() if kind != "event"), "a kind of message was never seen"


def repeats_of_each_resumption(received):
    """received: (time, alert). A connection sends in the order of seq, so every step back is where one
    resumed. For each: how many of the messages after it had been seen before, and how many may have:
    the window, and what was acknowledged within the group that was open, which is no more than what
    had arrived within OPEN_S before the connection ended."""
    seen, resumptions, allowed, times, previous = set(), [0], [0], [], -1
    for at, alert in received:
        if alert["seq"] <= previous:
            resumptions.append(0)
            recent = sum(t > times[-1] - OPEN_S for t in times[-GROUP_MAX:])
            allowed.append(WINDOW + recent)
        resumptions[-1] += alert["id"] in seen
        seen.add(alert["id"])
        times.append(at)
        previous = alert["seq"]
    return resumptions, allowed


def check(received, seqs, interruptions, kills):
    alerts = [alert for _, alert in received]
    ids = [a["id"] for a in alerts]
    first = {}
    for alert in alerts:
        first.setdefault(alert["id"], alert)
    lost = [seq for seq in seqs if f"gw/{seq}" not in first]
    repeats, allowed = repeats_of_each_resumption(received)
    raised = [a["alarm_id"] for a in first.values() if a["event"] == "raised"]
    cleared = [a["alarm_id"] for a in first.values() if a["event"] == "cleared"]
    different = [a["id"] for a in alerts if a["alarm_id"] != first[a["id"]]["alarm_id"]]
    print(f"stored {len(seqs)}, received {len(ids)}, distinct {len(first)}, lost {len(lost)}, "
          f"repeats {sum(repeats)} in {interruptions} interruptions, at most {max(repeats)} after one, "
          f"episodes {len(set(raised))}")
    assert len(seqs) > kills, "too few alarms to prove anything"
    assert not lost, f"lost: {lost[:10]}"
    assert not different, f"one id, two contents: {different[:5]}"
    over = [pair for pair in zip(repeats, allowed) if pair[0] > pair[1]]
    assert not over, f"more repeats after one interruption than the contract allows: {over}"
    assert len(repeats) - 1 <= interruptions, "repeats without an interruption"
    assert len(raised) == len(set(raised)), "an episode was raised twice"
    assert len(cleared) == len(set(cleared)), "an episode was cleared twice"
    order = [a["seq"] for a in first.values()]
    assert order == sorted(order), "first deliveries are out of order"
    state = None
    for alert in first.values():
        if alert["class"] == "machine" and alert["event"] in ("raised", "cleared"):
            assert alert["event"] != state, f"two times {state} in a row at {alert['id']}"
            state = alert["event"]


def tell(kills):
    if kills % 500 == 0:
        print(f"{kills} kills", flush=True)


def main():
    rng = random.Random(SEED)
    print(f"seed {SEED}, {KILLS} kills")
    with tempfile.TemporaryDirectory() as folder:
        plant = WavePlant(sys.argv[1], folder)
        try:
            plant.start_field(HALF_WAVE)
            plant.start_broker()
            messages = plant.subscribe()
            plant.configure_cable()
            link = Link(plant.cable, rng)
            for kill in range(KILLS):
                plant.start_gateway(PROFILES, wait=kill % 3 == 0)
                link.hold(rng.uniform(0.05, 1.2))
                if rng.random() < 0.6:
                    link.draw()
                    link.hold(rng.uniform(0.0, 0.3))
                assert plant.gateway.poll() is None, open(plant.path("millwrightd.log")).read()[-2000:]
                plant.stop_gateway(signal.SIGKILL)
                link.interruptions += 1
                tell(kill + 1)
            print(f"killed with the cable {link.seen}")
            plant.cable.mend()
            plant.start_gateway(PROFILES)
            plant.field.terminate()
            wait_until(lambda: plant.status()["broker"]["state"] == "up", 90, "broker")
            wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 60, "empty outbox")
            assert plant.stop_gateway() == 0
            seqs = stored_alerts(plant.path("store.db"))
            wait_until(lambda: seqs[-1] <= max((a["seq"] for a in messages.alerts()), default=0),
                       10, "last alert")
            received = [(m[0], m[3]) for m in messages.received if m[1].endswith("/alert")]
            check(received, seqs, link.interruptions, KILLS)
            validate(messages.received)
        finally:
            plant.close()


if __name__ == "__main__":
    main()
