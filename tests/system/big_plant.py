# SPDX-License-Identifier: Apache-2.0
"""The daemon with a plant of 500 machines on 20 connections, each polled every second: its memory, and
how long it takes to put another limit and another wire into force, while the other buses leave out
not one slot. Prints the figures."""
import json
import os
import pathlib
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator"), os.path.join(here, "../support")]
sys.dont_write_bytecode = True
import big_plant  # noqa: E402
from plant import Plant, wait_until  # noqa: E402

PROFILES = os.path.join(here, "../../fieldbus/profiles")
MAX_LINES, MAX_RSS_MIB, MAX_RELOAD_S = 700, 64, 2.0


def scenario():
    lines = ["version: 1", "tick: 1s", "buses:"]
    lines += [f"  - {{name: hall-{h:02}, tcp: 0, framing: rtu}}" for h in range(1, big_plant.HALLS + 1)]
    lines += ["machines:", "  - {name: m, kind: pump, programme: [{load: 80%, hold: 1h}]}", "devices:"]
    lines += [f"  - {{name: d-{h}-{i}, bus: hall-{h:02}, unit: {i}, map: qm30vt2, machine: m}}"
              for h in range(1, big_plant.HALLS + 1) for i in range(1, big_plant.MACHINES_PER_HALL + 1)]
    return "\n".join(lines) + "\n"


def resident_mib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0


def slots(plant):
    return {b["name"]: (b["slots_run"], b["slots_missed"]) for b in plant.status()["buses"]}


def reload(plant):
    start = time.monotonic()
    done = plant.millwright("reload", "--json", "--socket", plant.socket)
    seconds = time.monotonic() - start
    answer = json.loads(done.stdout)
    assert done.returncode == 0, answer
    return seconds, answer["changes"]


def replace(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new))


def missed(before, after, but=()):
    return {name: n - before[name][1] for name, (_, n) in after.items() if name not in but and n != before[name][1]}


def untouched(plant, before, since, but=()):
    """No slot was left out; on a computer so busy that they are without any reload, that is shown."""
    def all_go_on():
        return all(run > before[name][0] for name, (run, _) in slots(plant).items() if name not in but)
    wait_until(all_go_on, 30, "polls of the untouched buses")
    after = slots(plant)
    found = missed(before, after, but)
    if found:
        time.sleep(time.monotonic() - since)
        noise = missed(after, slots(plant), but)
        assert noise, found
        print(f"a busy computer: slots missed {found}, and without a reload {noise}")


def run(programs, folder):
    plant = Plant(programs, folder)
    try:
        pathlib.Path(plant.path("hall.yaml")).write_text(scenario())
        where = plant.simulate(plant.path("hall.yaml"))
        file, n_lines = big_plant.write(folder, lambda hall: where[f"hall-{hall:02}"])
        start = time.monotonic()
        done = plant.millwright("check", str(file), "--profiles", PROFILES)
        check_s = time.monotonic() - start
        assert done.returncode == 0, done.stderr
        plant.start_gateway(PROFILES)
        wait_until(lambda: all(m["frames"] > 3 for m in plant.status()["machines"]), 120, "frames of all")
        n = len(plant.status()["machines"])
        rss = resident_mib(plant.gateway.pid)
        third = pathlib.Path(folder) / "conf.d" / "hall-03.yaml"

        before, since = slots(plant), time.monotonic()
        name = big_plant.name_of(3, 1)
        replace(third, f"name: {name}, type: pump, bus: hall-03, unit: 1}}",
                f"name: {name}, type: pump, bus: hall-03, unit: 1, "
                "channels: [{point: vel_rms_z, limits: {high: 5.5}}]}")
        limit_s, changes = reload(plant)
        assert changes == [f"machine {name}: vel_rms_z.limits.high: 4.5 -> 5.5"], changes
        untouched(plant, before, since)

        since = time.monotonic()
        before, frames = slots(plant), {m["name"]: m["frames"] for m in plant.status()["machines"]}
        replace(third, "unit: 25}", "unit: 24, alarm: {latch: true}}")
        replace(third, f"name: {big_plant.name_of(3, 24)}, type: {big_plant.name_of(3, 24).split('-')[0]}, "
                       "bus: hall-03, unit: 24}", f"name: {big_plant.name_of(3, 24)}, type: fan, bus: hall-03, unit: 25}}")
        wire_s, changes = reload(plant)
        untouched(plant, before, since, but=("hall-03",))
        wait_until(lambda: all(m["frames"] > frames[m["name"]] for m in plant.status()["machines"]), 60,
                   "frames of all after the change")
        after_rss = resident_mib(plant.gateway.pid)
        store = plant.status()["store"]
        assert store["samples_lost"] == 0 and store["frames_lost"] == 0, store
        assert plant.stop_gateway() == 0
        print(f"{n} machines: {n_lines} lines, check {check_s:.3f} s, RSS {rss:.1f} MiB, reload with one limit "
              f"{limit_s:.3f} s, with one wire {wire_s:.3f} s, RSS then {after_rss:.1f} MiB; no slot missed elsewhere")
        assert n == 500 and n_lines <= MAX_LINES
        assert is_sanitized(programs) or (check_s <= 1 and after_rss <= MAX_RSS_MIB and max(limit_s, wire_s) <= MAX_RELOAD_S)
    finally:
        plant.close()
        if sys.exc_info()[0]:
            sys.stderr.write(open(plant.path("millwrightd.log")).read()[-4000:])


def is_sanitized(programs):
    with open(os.path.join(programs, "millwrightd"), "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def main():
    if "MW_EMULATED" in os.environ:
        print("skipped: of a processor that is imitated neither speed nor memory can be told")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        run(os.path.abspath(sys.argv[1]), folder)


main()
