# SPDX-License-Identifier: Apache-2.0
"""What the gateway says of itself, by the real daemon through a real broker: a corrupt database put
aside, messages given up for want of room, certificates that end; and a broker that is not there.

    events.py PROGRAMS [FUNCTION…]
"""
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import jsonschema

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../support"), os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import accepts, free_port, wait_until  # noqa: E402
from wave_plant import PROFILES, WavePlant  # noqa: E402

SCHEMA = json.load(open(os.path.join(here, "../../docs/millwright-event-1.schema.json")))
@contextlib.contextmanager
def a_plant(half_wave=0):
    """A field that raises or clears an alarm every half_wave rows of 20 ms; 0: never."""
    with tempfile.TemporaryDirectory() as folder:
        plant = WavePlant(sys.argv[1], folder)
        try:
            plant.start_field(half_wave)
            yield plant
        finally:
            plant.close()


def events(messages, kind):
    found = [m[3] for m in list(messages.received) if m[1] == "millwright/v1/test/gw/event"]
    for event in found:
        jsonschema.Draft7Validator(SCHEMA).validate(event)
        assert set(event) <= set(SCHEMA["properties"]), event
    return [event for event in found if event["event"] == kind]


def log_of(plant):
    return open(plant.path("millwrightd.log")).read()


def highest_seq(plant):
    db = sqlite3.connect(f"file:{plant.path('store.db')}?mode=ro", uri=True)
    highest = db.execute("SELECT value FROM counter WHERE name = 'next_seq'").fetchone()[0] - 1
    db.close()
    return highest


def a_corrupt_database_is_put_aside_and_told_once():
    with a_plant(half_wave=25) as plant:
        plant.start_broker()
        messages = plant.subscribe()
        plant.configure(f"mqtt://127.0.0.1:{plant.cable.port}")
        plant.start_gateway(PROFILES)
        wait_until(lambda: messages.alerts(), 20, "an alert")
        assert plant.stop_gateway() == 0
        size = os.path.getsize(plant.path("store.db"))
        with open(plant.path("store.db"), "r+b") as f:
            f.write(b"no database header")
        before = max(a["seq"] for a in messages.alerts())
        plant.start_gateway(PROFILES)
        event, = wait_until(lambda: events(messages, "store_quarantined"), 20, "the event")
        assert re.fullmatch(r"store\.db\.corrupt-\d+", event["file"]) and event["bytes"] == size, event
        assert os.path.getsize(plant.path(event["file"])) == size
        assert event["severity"] == "warning" and event["seq"] > before
        assert event["file"] in event["message"] and "corrupt" in log_of(plant)
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) > n, 20, "alerts go on")
        assert plant.stop_gateway() == 0
        plant.start_gateway(PROFILES)
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) > n, 20, "alerts go on")
        assert plant.stop_gateway() == 0
        assert len(events(messages, "store_quarantined")) == 1, "told again after another start"


def spoil_wal(path, how, where):
    size = os.path.getsize(path)
    if how == "cut":
        os.truncate(path, int(size * where))
    elif how == "gone":
        os.unlink(path)
    else:
        with open(path, "r+b") as f:
            f.seek(int(size * where))
            f.write(b"\xff\xa5\x00 no frame of a log")


def content(message):
    """What may not differ between repeats of one id."""
    return {k: v for k, v in message.items() if k not in ("published_ts_ms", "replayed", "clock_synced")}


def a_log_that_is_cut_or_damaged_is_told_and_no_number_is_given_again():
    with a_plant(half_wave=5) as plant:
        plant.start_broker()
        messages = plant.subscribe()
        plant.configure_cable()
        plant.start_gateway(PROFILES)
        log = plant.path("store.db-wal")
        for how, where in (("cut", 0.9), ("damaged", 0.8), ("cut", 0.5), ("damaged", 0.2), ("gone", 0)):
            n = len(messages.alerts())
            wait_until(lambda: len(messages.alerts()) >= n + 12, 30, "alerts")
            plant.stop_gateway(signal.SIGKILL)
            highest, told = max(a["seq"] for a in messages.alerts()), len(events(messages, "store_rewound"))
            size = os.path.getsize(log)
            spoil_wal(log, how, where)
            plant.start_gateway(PROFILES)
            event = wait_until(lambda: {e["id"]: e for e in events(messages, "store_rewound")[told:]}, 20, "the event")
            event, = event.values()
            assert event["first_seq"] <= event["last_seq"] < event["seq"] and event["seq"] > highest, (event, highest)
            assert event["last_seq"] >= highest, (event, highest)
            assert event["wal_bytes"] == {"cut": int(size * where), "damaged": size, "gone": 0}[how], (how, event)
            assert f"messages {event['first_seq']} to {event['last_seq']} are gone" in log_of(plant)
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) > n, 20, "alerts go on")
        assert plant.stop_gateway() == 0
        told = len(events(messages, "store_rewound"))
        plant.start_gateway(PROFILES)
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) > n, 20, "alerts go on")
        assert plant.stop_gateway() == 0
        assert len(events(messages, "store_rewound")) == told, "told again after another start"
        first, raised = {}, {}
        for message in messages.alerts() + events(messages, "store_rewound"):
            known = first.setdefault(message["id"], message)
            assert content(known) == content(message), f"one id, two contents: {known}, {message}"
        for alert in first.values():
            if alert["event"] == "raised":
                assert raised.setdefault(alert["alarm_id"], alert["id"]) == alert["id"], "an alarm_id of two alarms"
        print(f"{len(first)} messages, {len(raised)} alarms")


def what_is_given_up_is_told_and_adds_up():
    with a_plant(half_wave=2) as plant:
        plant.start_broker()
        messages = plant.subscribe()
        plant.configure(f"mqtt://127.0.0.1:{plant.cable.port}", store=", outbox_size: 64KiB, max_size: 4MiB")
        plant.cable.cut()
        plant.start_gateway(PROFILES)
        polls = plant.status()["polls"]
        wait_until(lambda: plant.status()["store"]["outbox_dropped"] >= 50, 60, "overflow")
        assert plant.status()["polls"] > polls, "polling goes on"
        plant.cable.mend()
        wait_until(lambda: events(messages, "outbox_gap"), 70, "a gap record")
        plant.field.terminate()
        wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 30, "an empty outbox")
        dropped = plant.status()["store"]["outbox_dropped"]
        assert plant.stop_gateway() == 0
        highest = highest_seq(plant)
        wait_until(lambda: highest in {m[3].get("seq") for m in list(messages.received)}, 10, "the newest")
        gaps = {g["seq"]: g for g in events(messages, "outbox_gap")}.values()
        arrived = {a["seq"] for a in messages.alerts()} | {g["seq"] for g in gaps}
        missing = set(range(1, highest + 1)) - arrived
        # One that was in flight when it was given up may have arrived all the same.
        assert sum(g["count"] for g in gaps) == dropped, (dropped, list(gaps))
        assert dropped - 16 <= len(missing) <= dropped, (dropped, len(missing), list(gaps))
        assert max(g["count_ever"] for g in gaps) == dropped
        for g in gaps:
            assert g["reason"] == "outbox_full" and g["from_ms"] <= g["to_ms"] <= g["published_ts_ms"]
            assert g["count"] == g["count_info"] + g["count_warning"] + g["count_critical"]
        assert all(any(g["first_seq"] <= seq <= g["last_seq"] for g in gaps) for seq in missing)
        assert log_of(plant).count("the outbox is full") >= 1
        print(f"{len(missing)} of {highest} given up, told by {len(gaps)} gap records")


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates(folder, authority_days, client_days):
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", str(authority_days),
            "-subj", "/CN=ca")
    for name, days in (("broker", 365), ("client", client_days)):
        with open(f"{folder}/{name}.ext", "w") as f:
            f.write("subjectAltName=DNS:localhost\n")
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", str(days), "-extfile", f"{name}.ext")
    os.chmod(f"{folder}/client.key", 0o600)


def start_tls_broker(plant):
    """One listener with TLS and a client's certificate, one without for the subscriber."""
    secure = free_port()
    plant.broker_port = free_port()
    with open(plant.path("mosquitto.conf"), "w") as f:
        f.write(f"per_listener_settings false\nallow_anonymous true\npersistence false\n"
                f"listener {plant.broker_port} 127.0.0.1\nlistener {secure} 127.0.0.1\n"
                f"cafile {plant.folder}/ca.pem\ncertfile {plant.folder}/broker.pem\nkeyfile {plant.folder}/broker.key\n"
                "require_certificate true\n" + ("user root\n" if os.getuid() == 0 else ""))
    plant.start(["mosquitto", "-c", plant.path("mosquitto.conf")], "mosquitto.log")
    wait_until(lambda: accepts(plant.broker_port) and accepts(secure), 10, "mosquitto")
    return secure


def certificates_that_end_are_told_once_for_each_threshold():
    with a_plant(half_wave=25) as plant:
        make_certificates(plant.folder, authority_days=20, client_days=5)
        secure = start_tls_broker(plant)
        messages = plant.subscribe()
        plant.configure(f"mqtts://localhost:{secure}",
                  f", ca_file: {plant.folder}/ca.pem, cert_file: {plant.folder}/client.pem, "
                  f"key_file: {plant.folder}/client.key")
        shim = os.path.abspath(os.path.join(sys.argv[1], "../tests/fake_clock.so"))

        def set_clock(days, confirmed=1):
            with open(plant.path("clock.new"), "w") as f:
                f.write(f"{int(days * 86400 * 10**6)} {confirmed}\n")
            os.rename(plant.path("clock.new"), plant.path("clock"))

        def start():
            plant.start_gateway(PROFILES, LD_PRELOAD=shim, FAKE_CLOCK=plant.path("clock"),
                                ASAN_OPTIONS="verify_asan_link_order=0")

        def told():
            found = {e["id"]: (e["certificate"], e["days"]) for e in events(messages, "certificate_expires")}
            return sorted(found.values())
        set_clock(0, confirmed=0)
        start()
        wait_until(lambda: plant.status()["broker"]["client_certificate"], 20, "the dates")
        if plant.status()["clock_synced"]:
            print("skipped: this build's sanitizer does not let the clock be replaced")
            sys.exit(77)
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) > n, 20, "alerts")
        assert told() == [], "with a clock that nobody vouches for"
        set_clock(0)
        wait_until(lambda: len(told()) == 2, 20, "two events")
        assert told() == [("authority", 30), ("client", 7)], told()
        broker = plant.status()["broker"]
        assert broker["client_certificate"]["days_left"] in (4, 5), broker
        assert broker["authority_certificate"]["days_left"] in (19, 20), broker
        assert plant.stop_gateway() == 0
        start()  # another start tells nothing again; time does
        n = len(messages.alerts())
        wait_until(lambda: len(messages.alerts()) > n + 3, 20, "alerts")
        assert len(told()) == 2
        set_clock(4.5)
        wait_until(lambda: ("client", 1) in told(), 20, "one day left")
        set_clock(14)
        wait_until(lambda: len(told()) == 5, 20, "the client's has expired, the authority's has a week")
        assert told() == [("authority", 7), ("authority", 30), ("client", 0), ("client", 1), ("client", 7)], told()
        one = [e for e in events(messages, "certificate_expires") if e["days"] <= 1]
        assert all(e["severity"] == "critical" and e["file"].endswith("client.pem") for e in one)
        log = log_of(plant)
        assert log.count("expires within") == 4 and log.count("has expired") == 1, log[-2000:]
        assert plant.stop_gateway() == 0


def a_broker_that_is_not_there_is_dialled_with_pauses_and_told_once():
    with a_plant(half_wave=25) as plant:
        plant.configure(f"mqtt://127.0.0.1:{free_port()}")
        plant.start_gateway(PROFILES)
        polls = plant.status()["polls"]
        begin = time.monotonic()
        wait_until(lambda: plant.status()["broker"]["refused"] >= 3, 60, "three dials")
        assert time.monotonic() - begin > 2, "two pauses of a second or more"
        assert plant.status()["polls"] > polls + 50
        assert plant.status()["store"]["outbox_waiting"] > 1
        assert log_of(plant).count("broker: not connected") == 1, log_of(plant)
        assert plant.stop_gateway() == 0


def what_is_beyond_the_brokers_packet_limit_is_a_dead_letter():
    with a_plant(half_wave=10) as plant:
        plant.start_broker("max_packet_size 600")
        messages = plant.subscribe()
        plant.configure_cable()
        plant.start_gateway(PROFILES)
        wait_until(lambda: plant.status()["broker"]["dead_letters"] >= 5, 30, "dead letters")
        status = plant.status()
        assert status["broker"]["connects"] == 1 and status["broker"]["state"] == "up", status["broker"]
        assert messages.newest("/gw/status")["state"] == "online"
        assert "an alert was refused for good and put aside" in log_of(plant)
        assert plant.stop_gateway() == 0
        assert not [m for m in messages.alerts() if len(json.dumps(m, separators=(",", ":"))) > 600]
        db = sqlite3.connect(f"file:{plant.path('store.db')}?mode=ro", uri=True)
        reasons = db.execute("SELECT DISTINCT reason FROM dead_letter").fetchall()
        n_left = db.execute("SELECT count(*) FROM outbox").fetchone()[0]
        db.close()
        assert reasons == [(0x95,)], reasons
        print(f"{status['broker']['dead_letters']} dead letters, {n_left} left")


def that_nobody_subscribed_is_told_once_for_each_connection():
    words = "broker: nobody is subscribed to an alert or event it was sent; "
    with a_plant(half_wave=3) as plant:
        plant.start_broker()
        plant.configure(f"mqtt://127.0.0.1:{plant.cable.port}")
        plant.start_gateway(PROFILES)
        for n in (1, 2):
            before = plant.status()["broker"]["unheard"]
            wait_until(lambda: plant.status()["broker"]["unheard"] >= before + 20, 30, "alerts that nobody hears")
            assert log_of(plant).count(words) == n, log_of(plant)
            told = int(re.findall(words + r"(\d+) unheard since the start", log_of(plant))[-1])
            assert before < told <= plant.status()["broker"]["unheard"], (before, told)
            done = subprocess.run([os.path.join(sys.argv[1], "millwright"), "status", "--socket", plant.path("control")],
                                  capture_output=True, text=True, timeout=20)
            assert re.search(r" unheard \d+ \(nobody subscribed\) ", done.stdout), done.stdout + done.stderr
            plant.cable.cut()
            wait_until(lambda: plant.status()["broker"]["state"] == "down", 20, "the connection's end")
            plant.cable.mend()
        wait_until(lambda: plant.status()["broker"]["state"] == "up", 60, "the connection")
        messages = plant.subscribe()
        wait_until(lambda: messages.alerts(), 20, "an alert")
        seen = []
        for _ in range(2):  # figures are a second old at most: the first ones may be of before
            n = plant.status()["broker"]["delivered"]
            wait_until(lambda: plant.status()["broker"]["delivered"] >= n + 20, 20, "alerts that are heard")
            seen.append(plant.status()["broker"]["unheard"])
        assert seen[0] == seen[1], seen
        assert plant.stop_gateway() == 0


def a_live_alarm_overtakes_other_machines_backlog():
    n = 12000
    with a_plant(half_wave=3) as plant:
        fill = os.path.join(sys.argv[1], "../tests/bench-fill-outbox")
        subprocess.run([fill, plant.path("store.db"), str(n)], check=True, stdout=subprocess.DEVNULL, timeout=300)
        plant.start_broker()
        with open(plant.path("mosquitto2.conf"), "w") as f:  # its own queue must not be what is judged
            port = free_port()
            f.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n"
                    "max_queued_messages 0\n" + ("user root\n" if os.getuid() == 0 else ""))
        plant.start(["mosquitto", "-c", plant.path("mosquitto2.conf")], "mosquitto2.log")
        wait_until(lambda: accepts(port), 10, "mosquitto")
        plant.broker_port = port
        messages = plant.subscribe()
        plant.configure(f"mqtt://127.0.0.1:{port}")
        plant.start_gateway(PROFILES)
        wait_until(lambda: len(messages.received) >= n and plant.status()["store"]["outbox_waiting"] < 16, 60,
                   "the backlog")
        plant.field.terminate()
        wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 30, "an empty outbox")
        assert plant.stop_gateway() == 0
        highest = highest_seq(plant)
        wait_until(lambda: any(a["seq"] == highest for a in messages.alerts()[-50:]), 20, "the newest")
        alerts = messages.alerts()
        last = max(i for i, a in enumerate(alerts) if a["seq"] <= n)
        ahead = [a for a in alerts[:last] if a.get("machine") == "pump"]
        assert len(ahead) >= 5, f"{len(ahead)} live alarms came during the drain"
        assert not any(a["replayed"] for a in ahead[2:])
        seen = {}
        for a in alerts:
            subject = a.get("machine") or a["device"]
            assert a["seq"] > seen.get(subject, 0), f"{subject} out of order at {a['seq']}"
            seen[subject] = a["seq"]
        assert {a["seq"] for a in alerts} >= set(range(1, n + 1))
        print(f"{len(ahead)} live alarms came ahead of {n} that waited")


def the_same_is_said_with_3_1_1():
    said = {}
    for version in ("5", "3.1.1"):
        with a_plant(half_wave=25) as plant:
            plant.start_broker()
            messages = plant.subscribe()
            plant.configure(f"mqtt://127.0.0.1:{plant.cable.port}", mqtt=f', version: "{version}"')
            plant.start_gateway(PROFILES)
            wait_until(lambda: len(messages.alerts()) >= 2 and messages.newest("/pump/state") and
                       messages.newest("/gw/status"), 20, "all topics")
            assert plant.stop_gateway() == 0
            said[version] = {(topic, tuple(payload)) for _, topic, _, payload in list(messages.received)
                             if payload.get("state") != "offline"}
    assert {topic for topic, _ in said["5"]} == {topic for topic, _ in said["3.1.1"]}
    for topic, _ in said["5"]:
        with_5, with_311 = ({fields for t, fields in said[v] if t == topic} for v in ("5", "3.1.1"))
        assert with_5 & with_311, (topic, with_5, with_311)


def retained_states_are_repeated():
    with a_plant() as plant:
        plant.start_broker()
        messages = plant.subscribe()
        plant.configure(f"mqtt://127.0.0.1:{plant.cable.port}", mqtt=", heartbeat: 10s")
        plant.start_gateway(PROFILES)

        def times(topic_end):
            return [m[0] for m in list(messages.received) if m[1].endswith(topic_end)]
        wait_until(lambda: times("/pump/state"), 20, "a state")
        wait_until(lambda: times("/pump/state")[-1] - times("/pump/state")[0] > 9 and
                   times("/gw/status")[-1] - times("/gw/status")[0] > 9, 30, "both again")
        assert plant.stop_gateway() == 0
        assert messages.newest("/gw/status")["state"] == "offline" or \
            wait_until(lambda: messages.newest("/gw/status")["state"] == "offline", 10, "the last word")


def main():
    for name in sys.argv[2:] or ["the_same_is_said_with_3_1_1", "retained_states_are_repeated"]:
        globals()[name]()
        print("ok", name, flush=True)


main()
