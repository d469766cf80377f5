#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What 500 machines with 8 points at 1 s cost memory and disk, with models and history on; and what is written
in a quiet time with history off. The real daemon against `millwright simulate`.

    bench_volume.py PROGRAMS [--minutes N] [--folder FOLDER]

One line each: key value unit. Exit 1 where a bound is missed.

written_500_mb_day: bytes that the daemon's threads handed to write calls on its database and WAL (the database's
own count in status, checked against /proc/PID/io), from one ten-minute mark of the clock to another, so that each
interval holds exactly its share of rollups; times the intervals of a day. What comes once in hours is added from the
measured size of one: detectors' states (checkpoint, four a day) and the day's hours.
"""
import argparse
import os
import pathlib
import sys
import tempfile
import time

here = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(here)]
sys.dont_write_bytecode = True
import bench_fieldbus_live as live  # noqa: E402

BOUNDS = {"rss_500_mib": 48, "written_500_mb_day": 500, "quiet_off_bytes": 0, "history_syncs_per_s": 1}
MINUTE = 60
missed = []


def say(key, value, unit):
    text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    print(key, text, unit, flush=True)
    if key in BOUNDS and value > BOUNDS[key]:
        missed.append(f"{key}: {text} {unit}, the bound is {BOUNDS[key]}")


def written(daemon):
    """(bytes by the kernel's count of write calls, the store of status)."""
    for line in open(f"/proc/{daemon.process.pid}/io"):
        if line.startswith("wchar:"):
            wchar = int(line.split()[1])
    return wchar, daemon.status()["store"]


def sleep_until_past_ten(minutes):
    """To 30 s after a mark of ten minutes, when its rollups are stored; the n-th from now."""
    now = time.time()
    time.sleep((now // 600 + 1) * 600 + 30 - now + (minutes - 10) * 60)


def machines_500(args):
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        model = live.learn(args, folder, 8)
        with live.simulator(args, folder, [(f"w{i}", "tcp: 0") for i in range(live.PORTS)], 80) as ports:
            text = live.config(folder, live.over_tcp(ports, 50), 10, 8, "1s", "90d", model)
            with live.daemon(args, folder, text.replace("  history: 90d", "  history: 90d\n  max_size: 4GiB"),
                             50) as d:
                time.sleep(2 * MINUTE)  # the first states of all detectors are stored
                states = d.status()["store"]["bytes_written"]
                sleep_until_past_ten(10)
                wchar, before = written(d)
                begin = time.monotonic()
                sleep_until_past_ten(args.minutes)
                wchar_after, after = written(d)
                took = time.monotonic() - begin
                rss = d.rss_mib()
    n = after["bytes_written"] - before["bytes_written"]
    per_day = n * 86400 / took / 1e6
    syncs = {k: after["syncs"][k] - before["syncs"][k] for k in after["syncs"]}
    say("rss_500_mib", rss, "MiB")
    say("written_500_mb_day", per_day + 4 * states / 1e6, "MB/day")
    say("written_500_steady_mb_day", per_day, "MB/day")
    say("written_500_start_mb", states / 1e6, "MB")
    say("written_500_by_kernel_pct", 100.0 * (wchar_after - wchar) / n, "%")
    say("history_syncs_per_s", syncs["history"] / took, "1/s")
    print("# syncs:", ", ".join(f"{k} {v}" for k, v in syncs.items()), f"in {took:.0f} s; blocks",
          after["history"]["blocks"] - before["history"]["blocks"], "frames left out",
          after["history"]["frames_left_out"] - before["history"]["frames_left_out"], "rollups",
          after["history"]["rollups"] - before["history"]["rollups"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--minutes", type=int, default=10, help="measured; a multiple of 10 (default 10)")
    parser.add_argument("--folder", help="where the database is written (default: the temporary folder)")
    args = parser.parse_args()
    args.millwright = str(args.programs.resolve() / "millwright")
    args.millwrightd = str(args.programs.resolve() / "millwrightd")
    args.settle = live.SETTLE_S
    if args.minutes < 10 or args.minutes % 10:
        parser.error("--minutes: a multiple of 10")
    machines_500(args)
    for line in missed:
        print("missed:", line, file=sys.stderr)
    sys.exit(1 if missed else 0)


main()
