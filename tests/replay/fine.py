# SPDX-License-Identifier: Apache-2.0
"""A smooth machine from table to verdicts with an int16 network: `train --fine on`, `model show`,
`replay`, beside the same with int8. The files differ in nothing but the network's type; the fault
is found by both, and the int16 score of the healthy machine is the smoother one.

usage: fine.py BIN_DIR"""
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

MILLWRIGHT = pathlib.Path(sys.argv[1]) / "millwright"
N_LEARNED, N_ROWS, FAULT = 1200, 2000, 1900


def run(*words):
    done = subprocess.run([MILLWRIGHT, *map(str, words)], capture_output=True, text=True, timeout=120,
                          check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: exit status {done.returncode}: {done.stderr}")
    return done.stdout


def write_table(path):
    noise = random.Random(5)
    lines = ["datetime;inlet;outlet"]
    for row in range(N_ROWS):
        phase = 2 * math.pi * row / 240
        inlet = 40 + 5 * math.sin(phase) + noise.gauss(0, 0.004)
        outlet = 60 + 8 * math.sin(phase - 0.4) + noise.gauss(0, 0.004)
        lines.append(f"2026-01-01 {row // 3600:02d}:{row // 60 % 60:02d}:{row % 60:02d};{inlet:.4f};"
                     f"{outlet + (25 if row >= FAULT else 0):.4f}")
    path.write_text("\n".join(lines) + "\n")


def verdicts(folder, table, fine):
    """Types of the tensors, and score and alarm by row."""
    model, out = folder / f"fine-{fine}.tflite", folder / f"fine-{fine}.csv"
    run("train", "--csv", table, "--rows", f"0:{N_LEARNED}", "--level-guard", "off",
        "--fine", fine, "--out", model)
    shown = run("model", "show", model, "--json")
    run("replay", "--model", model, "--csv", table, "--out", out)
    head, *rows = [line.split(";") for line in out.read_text().splitlines()]
    score, alarm = head.index("score"), head.index("prediction")
    return json.loads(shown), [(float(r[score] or 0), int(r[alarm])) for r in rows]


def roughness(rows):
    bends = [rows[i][0] - 2 * rows[i - 1][0] + rows[i - 2][0] for i in range(N_LEARNED + 50, FAULT)]
    return math.sqrt(sum(b * b for b in bends) / len(bends))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        table = folder / "table.csv"
        write_table(table)
        rough = {}
        for fine in "off", "on":
            shown, rows = verdicts(folder, table, fine)
            operators = [o["operator"] for o in shown["operators"]]
            if operators != ["QUANTIZE"] * (fine == "on") + ["FULLY_CONNECTED"] * 4:
                sys.exit(f"--fine {fine}: operators {operators}")
            early = sum(alarm for _, alarm in rows[:FAULT])
            late = sum(alarm for _, alarm in rows[FAULT:])
            rough[fine] = roughness(rows)
            print(f"--fine {fine}: {early} rows alarmed before the fault, {late} of "
                  f"{N_ROWS - FAULT} after; roughness of the score {rough[fine]:.6f}")
            if early or late < 80:
                sys.exit(f"--fine {fine}: wrong alarms")
        if rough["on"] > rough["off"] / 2:
            sys.exit("int16 is not smoother")


main()
