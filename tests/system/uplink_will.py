# SPDX-License-Identifier: Apache-2.0
"""What the plant sees of a gateway that dies, falls silent, leaves, or meets its double."""
import os
import sys
import time

from uplink_bench import Driver, Folder, Mosquitto, check, run_all
from mqtt_peer import CONTENT_TYPE, FORMAT, Subscriber

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../simulator")]
sys.dont_write_bytecode = True
from plant import Cable  # noqa: E402

STATUS = "millwright/v1/plant1/gw-01/status"


def statuses(messages):
    return [m for m in messages if m.topic == STATUS]


def the_will_tells_a_killed_gateway(version=5):
    with Folder() as folder:
        broker = Mosquitto(folder)
        watcher = Subscriber(broker.port)
        delay = {"will_delay_s": 2} if version == 5 else {}
        driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", version=version, hold=1, **delay)
        assert watcher.wait_for(lambda ms: len(ms) >= 4)
        begin = time.monotonic()
        driver.kill()
        assert watcher.wait_for(lambda ms: len(statuses(ms)) == 2)
        assert version != 5 or time.monotonic() - begin > 1, "the Will was not delayed"  # whole seconds of the broker
        online, offline = statuses(watcher.messages)
        assert check(online)["state"] == "online" and check(offline)["state"] == "offline"
        if version == 5:
            assert offline.properties[CONTENT_TYPE] == "application/json"
            assert offline.properties[FORMAT] == 1
        late = Subscriber(broker.port)  # who comes later is told the same, and every machine
        assert late.wait_for(lambda ms: len(ms) >= 4)
        assert all(m.retain for m in late.messages)
        assert check(statuses(late.messages)[0])["state"] == "offline"
        assert len([check(m) for m in late.messages if m.topic.endswith("/state")]) == 3
        broker.stop()


def the_will_tells_a_killed_gateway_with_3_1_1():
    the_will_tells_a_killed_gateway(4)


def a_silent_gateway_is_told_after_one_and_a_half_keep_alives_and_the_delay():
    """Its bytes vanish, and nobody closes the connection; the broker is reachable for the subscriber."""
    keepalive_s, delay_s = 2, 2
    brokers_own_s = 7  # Mosquitto 2.0 looks for silent connections every five seconds, and counts whole ones
    with Folder() as folder:
        broker = Mosquitto(folder)
        cable = Cable(broker.port)
        watcher = Subscriber(broker.port)
        driver = Driver(uri=f"mqtt://127.0.0.1:{cable.port}", keepalive_s=keepalive_s, will_delay_s=delay_s, hold=1)
        assert watcher.wait_for(lambda ms: len(ms) >= 4)
        begin = time.monotonic()
        cable.half_open(Cable.UP, Cable.DOWN)
        assert watcher.wait_for(lambda ms: len(statuses(ms)) == 2)
        took_s = time.monotonic() - begin
        print(f"offline after {took_s:.1f} s")
        assert check(statuses(watcher.messages)[-1])["state"] == "offline"
        assert took_s <= 1.5 * keepalive_s + delay_s + brokers_own_s, took_s
        cable.mend()
        assert watcher.wait_for(lambda ms: check(statuses(ms)[-1])["state"] == "online")
        driver.quit()
        broker.stop()


def a_gateway_that_is_back_within_the_delay_was_never_long_offline():
    """With a clean start the broker ends the old session, and says so, in the moment the gateway is back."""
    with Folder() as folder:
        broker = Mosquitto(folder)
        cable = Cable(broker.port)
        watcher = Subscriber(broker.port)
        driver = Driver(uri=f"mqtt://127.0.0.1:{cable.port}", will_delay_s=60, hold=1)
        assert watcher.wait_for(lambda ms: len(ms) >= 4)
        cable.cut()
        driver.wait_line("lost ")
        assert len(statuses(watcher.messages)) == 1, "offline was told at once"
        cable.mend()
        assert watcher.wait_for(lambda ms: len(statuses(ms)) > 1 and check(statuses(ms)[-1])["state"] == "online")
        assert [check(m)["state"] for m in statuses(watcher.messages)][1:-1] in ([], ["offline"])
        driver.quit()
        broker.stop()


def a_gateway_that_leaves_sends_no_will():
    with Folder() as folder:
        broker = Mosquitto(folder)
        watcher = Subscriber(broker.port)
        driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", hold=1)
        assert watcher.wait_for(lambda ms: len(ms) >= 4)
        driver.quit()
        # A second one is seen after whatever the first one would have left.
        second = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", hold=1)
        assert watcher.wait_for(lambda ms: len(ms) >= 8)
        assert [check(m)["state"] for m in statuses(watcher.messages)] == ["online", "online"]
        second.quit()
        broker.stop()


def a_double_takes_the_connection_over():
    with Folder() as folder:
        broker = Mosquitto(folder)
        first = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", client_id="same", hold=1)
        first.wait_line("up ")
        second = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", client_id="same", hold=1)
        second.wait_line("up ")
        first.wait_line("lost ")
        first.kill()
        second.quit()
        broker.stop()


run_all([a_gateway_that_leaves_sends_no_will, a_gateway_that_is_back_within_the_delay_was_never_long_offline],
        cases=[a_silent_gateway_is_told_after_one_and_a_half_keep_alives_and_the_delay,
               the_will_tells_a_killed_gateway, the_will_tells_a_killed_gateway_with_3_1_1,
               a_double_takes_the_connection_over])
