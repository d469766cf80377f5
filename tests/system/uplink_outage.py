# SPDX-License-Identifier: Apache-2.0
"""Alerts through a broker that dies in the middle, three times: each arrives, at least once, whole,
in order, and at most a window's worth arrives twice."""
import collections
import signal

from uplink_bench import Driver, Folder, Mosquitto, check, run_all
from mqtt_peer import CONTENT_TYPE, EXPIRY, FORMAT, Subscriber

N_ALERTS = 1000
WINDOW = 16


def last(lines, word):
    return max((int(x.split()[1]) for x in lines if x.startswith(word)), default=0)


def in_flight(lines):
    """On the present connection; acknowledgements of the one before may still come in."""
    begin = max(i for i, x in enumerate(lines) if x.startswith("up "))

    def numbers(word):
        return {x.split()[1] for x in lines[begin:] if x.startswith(word)}

    return len(numbers("pub ") - numbers("ack "))


def interrupt(broker, driver, after):
    """Lets the broker stop hearing until a whole window is in flight, then kills it. The driver
    stands still until broker and subscriber are back, so that nothing passes unseen."""
    driver.wait_for(lambda lines: last(lines, "ack ") >= after)
    broker.signal(signal.SIGSTOP)
    driver.wait_for(lambda lines: in_flight(lines) == WINDOW)
    assert last(driver.lines, "ack ") < N_ALERTS
    driver.process.send_signal(signal.SIGSTOP)
    broker.kill()
    broker.start()
    subscriber = Subscriber(broker.port)
    driver.process.send_signal(signal.SIGCONT)
    return subscriber


def through_three_kills(version):
    with Folder() as folder:
        broker = Mosquitto(folder)
        subscribers = [Subscriber(broker.port)]
        driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", version=version, push=N_ALERTS,
                        pace_us=1000)
        for after in (200, 450, 700):
            subscribers.append(interrupt(broker, driver, after))
        figures = driver.finish()
        subscribers[-1].wait_for(lambda ms: any(m.topic.endswith("/alert") and
                                                m.payload.find(b'"id":"gw-01/1000"') > 0
                                                for m in ms))
        broker.stop()
    messages = [m for s in subscribers for m in s.messages]
    return figures, messages


def judge(version):
    figures, messages = through_three_kills(version)
    alerts = [check(m) for m in messages if m.topic.endswith("/alert")]
    seen = collections.Counter(a["id"] for a in alerts)
    assert set(seen) == {f"gw-01/{i}" for i in range(1, N_ALERTS + 1)}, "something is missing"
    repeats = sum(seen.values()) - N_ALERTS
    assert repeats <= 3 * WINDOW, repeats
    firsts = list(dict.fromkeys(a["seq"] for a in alerts))
    assert firsts == sorted(firsts), "first deliveries are out of order"
    assert not alerts[0]["replayed"] and alerts[-1]["replayed"]
    others = [check(m) for m in messages if not m.topic.endswith("/alert")]
    assert len([s for s in others if s.get("state") == "online"]) == 4  # announced after each dial
    assert figures["left"] == 0 and figures["connects"] == 4 and figures["dropped_events"] == 0
    assert figures["published"] <= N_ALERTS + 3 * WINDOW, figures
    print(f"version {version}: {repeats} repeats seen, {figures}")
    return messages


def an_outage_loses_nothing_with_mqtt_5():
    for m in judge(5):
        alert = m.topic.endswith("/alert")
        assert m.properties[CONTENT_TYPE] == "application/json" and m.properties[FORMAT] == 1
        assert (EXPIRY in m.properties) == alert
        assert not alert or 604700 < m.properties[EXPIRY] <= 604800


def an_outage_loses_nothing_with_mqtt_3_1_1():
    judge(4)


def a_backlog_drains_fast():
    with Folder() as folder:
        broker = Mosquitto(folder, settings="allow_anonymous true\nlog_type error")
        subscriber = Subscriber(broker.port, "+/+/+/+/+/alert")
        driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", push=20000, quiet=1)
        figures = driver.finish()
        subscriber.wait_for(lambda ms: len(ms) >= 20000)
        broker.stop()
    assert figures["left"] == 0 and len(subscriber.messages) == 20000
    print(f"20000 alerts in {figures['seconds']} s: {20000 / figures['seconds']:.0f} a second")
    assert 20000 / figures["seconds"] > 500  # the library's own full window: 21 to 42


run_all([an_outage_loses_nothing_with_mqtt_5, an_outage_loses_nothing_with_mqtt_3_1_1,
         a_backlog_drains_fast])
