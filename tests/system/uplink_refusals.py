# SPDX-License-Identifier: Apache-2.0
"""Brokers that refuse, repeat, stall and fall silent, each a script."""
import json
import socket
import struct
import threading
import time

from uplink_bench import Driver, check, free_port, run_all
from mqtt_peer import (CONNACK, DISCONNECT, PINGREQ, PINGRESP, PUBACK, PUBLISH, RECEIVE_MAXIMUM, FakeBroker, decode_publish,
                       packet, read_packet)


def seq_of(message):
    return json.loads(message.payload)["seq"] if message.topic.endswith("/alert") else 0


class Script:
    """Accepts, and answers every alert as answer(seq, times) says: a reason, or None for silence."""

    def __init__(self, answer, receive_maximum=None, state_reason=0):
        self.answer, self.receive_maximum, self.state_reason = answer, receive_maximum, state_reason
        self.times, self.order, self.in_flight, self.most = {}, [], 0, 0
        self.wills = []

    def __call__(self, connection, number):
        self.wills.append(connection.will)
        connection.accept(receive_maximum=self.receive_maximum)
        while True:
            m = connection.next_publish()
            check(m)
            assert m.qos == 1 and not m.dup
            seq = seq_of(m)
            if seq:
                self.times[seq] = self.times.get(seq, 0) + 1
                self.order.append(seq)
            reason = self.answer(seq, self.times.get(seq, 0)) if seq else self.state_reason
            if reason is not None:
                connection.puback(m.packet_id, reason)


def drive(script, **options):
    broker = FakeBroker(script)
    figures = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", **options).finish()
    broker.close()
    assert not broker.errors, broker.errors
    assert figures["left"] == 0 and figures["dropped_events"] == 0, figures
    return figures


def what_is_refused_for_now_is_kept_and_sent_again():
    for reason in (0x97, 0x83, 0x80):
        script = Script(lambda seq, times: reason if seq == 5 and times == 1 else 0)
        figures = drive(script, push=30)
        assert figures["dead_letters"] == 0 and figures["delivered"] == 30
        assert script.times[5] == 2 and sum(script.times.values()) == 31
        firsts = [s for s in dict.fromkeys(script.order)]
        assert firsts == sorted(firsts), firsts


def what_is_refused_for_good_is_a_dead_letter_after_three_tries():
    for reason in (0x87, 0x90, 0x95, 0x99):
        script = Script(lambda seq, times: reason if seq == 5 else 0)
        broker = FakeBroker(script)
        driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", push=30)
        assert driver.wait_line("dead ") == f"dead 5 0x{reason:02x}"
        figures = driver.finish()
        assert figures["delivered"] == 29 and figures["dead_letters"] == 1
        assert script.times[5] == 3 and sum(script.times.values()) == 32
        broker.close()


def repeated_and_unknown_acknowledgements_do_no_harm():
    def script(connection, number):
        connection.accept()
        while True:
            m = connection.next_publish()
            connection.puback(m.packet_id)
            connection.puback(m.packet_id)
            connection.puback(60000)
    figures = drive(script, push=500)
    assert figures["delivered"] == 500 and figures["published"] == 500


def a_receive_maximum_of_one_still_drains():
    for receive_maximum in (1, 2, 5):
        script = Script(lambda seq, times: 0, receive_maximum)
        figures = drive(script, push=500)
        assert figures["published"] == 500
        rate = 500 / figures["seconds"]
        print(f"receive maximum {receive_maximum}: {rate:.0f} a second")
        assert rate > 100


def a_broker_that_wants_faster_pings_gets_them():
    """What it asks for is kept for the next connection; a slower pace than the own one is no reason for anything."""
    asked, pinged = [], threading.Event()

    def script(connection, number):
        asked.append(connection.keepalive)
        connection.accept(server_keep_alive={1: 1, 2: 60}.get(number))
        connection.sock.settimeout(30)
        while True:
            kind, flags, body = read_packet(connection.sock) or (None, 0, b"")
            if kind is None or kind == DISCONNECT:
                return
            if kind == PUBLISH:
                connection.puback(decode_publish(flags, body, True).packet_id)
            if kind == PINGREQ:
                connection.sock.sendall(packet(PINGRESP, 0, b""))
                pinged.set()
    broker = FakeBroker(script)
    driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", keepalive_s=600, hold=1)
    line = driver.wait_line("refused ")
    assert "the broker wants a keep-alive of 1 s, connecting again with it" in line, line
    driver.wait_line("up ")
    assert pinged.wait(30), "a quiet connection is not pinged"
    assert asked == [600, 1], asked
    figures = driver.quit()
    assert figures["refused"] == 1 and figures["lost"] == 0, figures
    broker.close()


def the_window_is_never_exceeded():
    """Silent until nothing more comes; then it answers all and says how many there were."""
    for receive_maximum, window in ((None, 16), (65535, 16), (10, 9), (3, 2)):
        most = []

        def script(connection, number):
            connection.accept(receive_maximum=receive_maximum)
            waiting = []
            for _ in range(4):  # status and states
                connection.puback(connection.next_publish().packet_id)
            connection.sock.settimeout(0.3)
            while True:
                try:
                    waiting.append(connection.next_publish().packet_id)
                except EOFError:
                    if not waiting:
                        return
                    most.append(len(waiting))
                    for packet_id in waiting:
                        connection.puback(packet_id)
                    waiting = []
        figures = drive(script, push=window * 3)
        assert most[0] == window and max(most) == window, most
        assert figures["published"] == window * 3


def acknowledgements_that_are_lost_cost_one_window():
    """The broker takes a whole window and is reset before it answers: case by case the same seq
    again, as new messages, and once."""
    script = Script(lambda seq, times: 0)

    def break_first(connection, number):
        if number > 1:
            return script(connection, number)
        connection.accept()
        while len(script.order) < 16:
            m = connection.next_publish()
            if seq_of(m):
                script.times[seq_of(m)] = 1
                script.order.append(seq_of(m))
            else:
                connection.puback(m.packet_id)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    figures = drive(break_first, push=40)
    assert script.order == list(range(1, 17)) + list(range(1, 41)), script.order
    assert figures["published"] == 56 and figures["delivered"] == 40


def a_silent_broker_is_hung_up_on():
    silent = []

    def answer(seq, times):
        if seq == 20 and not silent:
            silent.append(time.monotonic())
        return 0 if not silent or times > 1 or seq > 40 else None
    script = Script(answer)
    broker = FakeBroker(script)
    driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", push=40, keepalive_s=600,
                    ack_timeout_ms=1500)
    driver.wait_line("hang-up")
    waited = time.monotonic() - silent[0]
    figures = driver.finish()
    broker.close()
    assert 1.4 < waited < 4, waited
    assert figures["hang_ups"] >= 1 and figures["left"] == 0
    # Each of the window is sent again once for each connection, and none beyond it.
    assert sum(script.times.values()) - 40 <= 16 * figures["hang_ups"], script.times


def a_broker_that_says_good_bye_is_heard():
    """What the library had accepted and not yet written it may write on the next connection, on top
    of what the link sends again: that is acknowledged late, once, and is a repeat like others."""
    script = Script(lambda seq, times: 0)

    def leave_first(connection, number):
        if number > 1:
            return script(connection, number)
        connection.accept()
        connection.next_publish()
        connection.disconnect(0x8b)
        while True:  # till the client hangs up: closing now would reset what it has not read
            connection.next_publish()
    broker = FakeBroker(leave_first)
    driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", push=20)
    assert "0x8b server shutting down" in driver.wait_line("lost ")
    figures = driver.finish()
    assert figures["left"] == 0 and figures["lost"] == 1 and figures["dead_letters"] == 0
    assert set(script.times) == set(range(1, 21)), script.times
    assert sum(script.times.values()) <= 20 + 16 and driver.count("twice ") == 0
    broker.close()


def a_refused_connection_is_tried_again():
    def script(connection, number):
        assert connection.protocol == "MQTT"  # never the 3.1 of a forgotten version
        if number == 1:
            connection.accept(reason=0x88 if connection.v5 else 3)
            return
        connection.accept()
        while True:
            connection.puback(connection.next_publish().packet_id)
    for version in (5, 4):
        broker = FakeBroker(script)
        driver = Driver(uri=f"mqtt://127.0.0.1:{broker.port}", push=20, version=version)
        assert "server unavailable" in driver.wait_line("refused ")
        figures = driver.finish()
        assert figures["delivered"] == 20 and figures["refused"] == 1 and broker.count == 2
        assert not broker.errors, broker.errors
        broker.close()


def a_connection_that_breaks_is_dialled_with_the_same_version():
    for version in (5, 4):
        seen = []

        def script(connection, number):
            seen.append((connection.protocol, connection.version, connection.flags >> 1 & 1))
            connection.accept()
            if number == 1:
                connection.next_publish()
                return
            while True:
                connection.puback(connection.next_publish().packet_id)
        figures = drive(script, push=20, version=version)
        assert seen == [("MQTT", version, 1)] * 2, seen
        assert figures["lost"] == 1


def no_broker_at_all_is_dialled_with_pauses():
    driver = Driver(uri=f"mqtt://127.0.0.1:{free_port()}", push=1)
    begin = time.monotonic()
    driver.wait_for(lambda lines: sum(x.startswith("refused ") for x in lines) >= 3)
    assert time.monotonic() - begin > 2  # two pauses of a second or more
    figures = driver.quit()
    assert figures["left"] == 1 and figures["refused"] >= 3


def a_message_that_nobody_heard_is_delivered():
    """0x10, no matching subscribers, is no refusal. Paho 1.3.12 and 1.3.14 do not hand it on: it is overheard. Status and
    states, of which the driver makes four, get it too and are not counted."""
    for unheard in (range(1, 31), range(1, 31, 2), ()):
        script = Script(lambda seq, times: 0x10 if seq in unheard else 0, state_reason=0x10)
        figures = drive(script, push=30)
        assert figures["delivered"] == 30 and figures["failed"] == 0 and figures["unheard"] == len(unheard), figures


def reasons_are_overheard_between_other_packets_in_any_pieces():
    """Byte by byte and all at once, from the answer to CONNECT on; to the next connection as well, where this one ends in
    the middle of a packet."""
    looks_like_one = b"\0\1t\0" + b"\x40\3\0\1\x10" * 40
    noise = packet(PINGRESP, 0, b"") + packet(PUBLISH, 0, looks_like_one)

    def script(connection, number):
        def say(data):
            for piece in (data[i:i + 1] for i in range(len(data))) if number == 1 else [data]:
                connection.sock.sendall(piece)
        n_alerts = 0
        say(packet(CONNACK, 0, b"\0\0\3" + bytes([RECEIVE_MAXIMUM, 0, 20])) + noise)
        while True:
            m = connection.next_publish()
            seq = seq_of(m)
            n_alerts += seq > 0
            reason, text = seq % 3 and 0x10, seq % 2 and bytes([5, 31, 0, 2]) + b"no"
            answer = struct.pack(">H", m.packet_id)
            if reason or text:
                answer += bytes([reason]) + (text or b"")
            answer = packet(PUBACK, 0, answer)
            if number == 1 and n_alerts == 20:
                return say(noise + answer[:-1])
            say(noise + answer + noise)
    figures = drive(script, push=60)
    # Of the 20 that were not answered in full or at all, none was heard of before the end.
    assert figures["lost"] == 1 and figures["delivered"] == 60 and figures["unheard"] == 40, figures


def a_stream_that_is_no_mqtt_is_no_reason_for_harm():
    """The packet length of five bytes ends the connection, by Paho's own judgement or the keep-alive's; the next one is
    listened to again."""
    def script(connection, number):
        connection.accept()
        while True:
            m = connection.next_publish()
            if number == 1 and seq_of(m) == 10:
                connection.sock.sendall(b"\xd0\xff\xff\xff\xff\x7f")
                return
            connection.puback(m.packet_id, 0x10)
    figures = drive(script, push=30)
    assert figures["delivered"] == 30 and figures["unheard"] == 30, figures


def there_are_no_reasons_with_3_1_1():
    def script(connection, number):
        connection.accept()
        while True:
            connection.sock.sendall(packet(PUBACK, 0, struct.pack(">H", connection.next_publish().packet_id)))
    figures = drive(script, push=30, version=4)
    assert figures["delivered"] == 30 and figures["unheard"] == 0, figures


run_all([a_connection_that_breaks_is_dialled_with_the_same_version, a_refused_connection_is_tried_again,
         no_broker_at_all_is_dialled_with_pauses, reasons_are_overheard_between_other_packets_in_any_pieces,
         a_stream_that_is_no_mqtt_is_no_reason_for_harm, there_are_no_reasons_with_3_1_1],
        cases=[what_is_refused_for_now_is_kept_and_sent_again,
               what_is_refused_for_good_is_a_dead_letter_after_three_tries,
               repeated_and_unknown_acknowledgements_do_no_harm, a_receive_maximum_of_one_still_drains,
               a_broker_that_wants_faster_pings_gets_them,
               the_window_is_never_exceeded, acknowledgements_that_are_lost_cost_one_window,
               a_silent_broker_is_hung_up_on, a_broker_that_says_good_bye_is_heard,
               a_message_that_nobody_heard_is_delivered])
