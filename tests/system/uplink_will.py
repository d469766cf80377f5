# SPDX-License-Identifier: Apache-2.0
"""What the plant sees of a gateway that dies, leaves, or meets its double."""
from uplink_bench import Driver, Folder, Mosquitto, check, run_all
from mqtt_peer import CONTENT_TYPE, FORMAT, Subscriber

STATUS = "millwright/v1/plant1/gw-01/status"


def statuses(messages):
    return [m for m in messages if m.topic == STATUS]


def the_will_tells_a_killed_gateway(version=5):
    with Folder() as folder:
        broker = Mosquitto(folder)
        watcher = Subscriber(broker.port)
        driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", version=version, hold=1)
        assert watcher.wait_for(lambda ms: len(ms) >= 4)
        driver.kill()
        assert watcher.wait_for(lambda ms: len(statuses(ms)) == 2)
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


run_all([a_gateway_that_leaves_sends_no_will],
        cases=[the_will_tells_a_killed_gateway, the_will_tells_a_killed_gateway_with_3_1_1,
               a_double_takes_the_connection_over])
