# SPDX-License-Identifier: Apache-2.0
"""A board that boots in 1970 raises alarms while the broker is away; then its clock is set. What is delivered later
carries the true time to within 100 ms and says that it is late. Then the confirmed clock jumps by two hours
to and fro: no reconnect, no alert out of order, none taken for late."""
import os
import sqlite3
import struct
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../support"), os.path.join(here, "../../simulator")]
sys.dont_write_bytecode = True
from plant import wait_until  # noqa: E402
from wave_plant import PROFILES, WavePlant  # noqa: E402

HALF_WAVE = 25  # rows of 20 ms: an alarm is raised or cleared this often
TWO_HOURS = 7200 * 10**6
TOLERANCE_US = 100000

class FakeClock:
    """What the daemon's wall clock shows, against the true one."""

    def __init__(self, path):
        self.path = path

    def set(self, offset_us, confirmed):
        with open(self.path + ".new", "w") as f:
            f.write(f"{offset_us} {int(confirmed)}\n")
        os.rename(self.path + ".new", self.path)


def true_offset_us():
    """UTC minus monotonic time of this computer."""
    return (time.clock_gettime_ns(time.CLOCK_REALTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)) // 1000


def stored_mono(path):
    """The monotonic time of each stored alert, by seq: its stamp without the offset it was made with."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    # An encoded alert: ten one-byte fields, seq, number, then the stamp (base/alert.c).
    rows = [struct.unpack_from("<QIq", row[0], 10) + row[1:] for row in db.execute(
        "SELECT a.bytes, t.offset_us FROM alert a JOIN timebase t ON t.id = a.timebase")]
    blocks = db.execute("SELECT count(*), sum(timebase IS NOT NULL), min(first_us), sum(shift_us <> 0)"
                        " FROM block").fetchone()
    db.close()
    return {seq: at_us - offset_us for seq, _, at_us, offset_us in rows}, blocks


def check_times(alerts, mono_of, clock_error_us):
    for alert in alerts:
        truth_us = mono_of[alert["seq"]] + true_offset_us() + clock_error_us
        off_us = alert["ts_ms"] * 1000 - truth_us
        assert abs(off_us) <= TOLERANCE_US, f"{alert['id']} is {off_us / 1e6:.3f} s off"


def since(messages, n):
    return messages.alerts()[n:]


def main():
    programs = sys.argv[1]
    shim = os.path.abspath(os.path.join(programs, "../tests/fake_clock.so"))
    with tempfile.TemporaryDirectory() as folder:
        plant = WavePlant(programs, folder)
        clock = FakeClock(plant.path("clock"))
        try:
            plant.start_field(HALF_WAVE)
            plant.start_broker()
            messages = plant.subscribe()
            plant.configure_cable(store=", block: 1s")
            plant.cable.cut()
            clock.set(-time.time_ns() // 1000 + 60 * 10**6, False)  # a minute after the epoch
            plant.start_gateway(PROFILES, LD_PRELOAD=shim, FAKE_CLOCK=plant.path("clock"),
                                ASAN_OPTIONS="verify_asan_link_order=0")
            if plant.status()["ts_ms"] > 10**12:
                print("skipped: this build's sanitizer does not let the clock be replaced")
                sys.exit(77)
            wait_until(lambda: plant.status()["store"]["outbox_waiting"] >= 4, 20, "alerts in 1970")
            assert not plant.status()["clock_synced"]

            clock.set(0, True)
            wait_until(lambda: plant.status()["clock_synced"], 10, "the clock")
            plant.cable.mend()
            wait_until(lambda: plant.status()["broker"]["state"] == "up", 90, "broker")
            wait_until(lambda: plant.status()["store"]["outbox_waiting"] == 0, 20, "empty outbox")
            late = [a for a in messages.alerts() if a["replayed"]]
            assert len(late) >= 4 and all(a["clock_synced"] for a in late), late[:1]
            n_set = len(messages.alerts())
            dials = plant.status()["broker"]["connects"]

            steps = []
            for offset_us in (-TWO_HOURS, 0, TWO_HOURS, 0):
                before = plant.status()["ts_ms"]
                clock.set(offset_us, True)
                wait_until(lambda: abs(plant.status()["ts_ms"] - before) > 3600 * 1000, 10, "the step")
                seen_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                n = len(messages.alerts())
                wait_until(lambda: len(messages.alerts()) >= n + 6, 30, "alerts after the step")
                steps.append((offset_us, seen_us, since(messages, n)[:6]))
            status = plant.status()
            assert status["broker"]["connects"] == dials, "the clock's step cost a connection"
            log = open(plant.path("millwrightd.log")).read()
            assert log.count("clock confirmed") == 1 and log.count("clock stepped by") == 4, log[-2000:]
            assert plant.stop_gateway() == 0
            mono_of, blocks = stored_mono(plant.path("store.db"))
            check_times(messages.alerts()[:n_set], mono_of, 0)
            for offset_us, seen_us, alerts in steps:
                # One that was raised before the step may arrive after it.
                after = [a for a in alerts if mono_of[a["seq"]] > seen_us]
                assert len(after) >= 3, "too few alerts after the step"
                check_times(after, mono_of, offset_us)
                assert not any(a["replayed"] for a in alerts), "a live alert was called late"
            order = [a["seq"] for a in messages.alerts()]
            assert order == sorted(set(order)), "out of order, or twice"
            n_blocks, n_unconfirmed, first_us, n_moved = blocks
            assert n_blocks > 5 and n_unconfirmed == 0 and n_moved >= 1, blocks
            assert first_us > (time.time() - 600 - 7200) * 1e6, "history of 1970 was not moved"
            print(f"{n_set} alerts of 1970 with their true times, {len(order)} in all, in order; "
                  f"{n_blocks} blocks, {n_moved} moved")
        finally:
            plant.close()


main()
