#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains and replays the Skoltech Anomaly Benchmark's files of even index and has the verdicts
judged by an independent evaluator. Labels are cut off before the programs see a file. Needs the
data set and the evaluator in the folder MW_SHARED; skips without.

usage: skab.py FOLDER_WITH_MILLWRIGHT"""
import json
import os
import re
import subprocess
import sys
import tempfile

GROUPS = [("other", i) for i in range(1, 15)] + [("valve1", i) for i in range(16)] + \
         [("valve2", i) for i in range(4)]
EVEN = [name for k, name in enumerate(GROUPS) if k % 2 == 0]
SEEDS = (1, 2, 3)
CONTEXT = "Temperature,Thermocouple"
LABELS = ("anomaly", "changepoint")
# Mean squared error of the reference implementation's float network, seed 1.
REFERENCE_MSE = {("other", 3): 0.780, ("valve1", 0): 0.752, ("valve2", 0): 0.789}

millwright = os.path.join(sys.argv[1], "millwright")
shared = os.environ.get("MW_SHARED", "")
data = os.path.join(shared, "data", "skab")
judge = os.path.join(shared, "tools", "skab_eval.py")


def cut_labels(source, target):
    """Copies a table without its label columns, which are the last two."""
    with open(source) as f, open(target, "w") as g:
        for line in f:
            cells = line.rstrip("\r\n").split(";")
            if not cells[0][0].isdigit():
                assert tuple(cells[-2:]) == LABELS, cells
            g.write(";".join(cells[:-2]) + "\n")


def run(*words):
    done = subprocess.run([millwright, *words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def train(tables, folder, *options):
    """Trains one model for each file; returns the reports by file."""
    reports = {}
    for group, i in EVEN:
        out = os.path.join(folder, f"{group}_{i}.tflite")
        reports[group, i] = json.loads(run(
            "train", "--csv", os.path.join(tables, f"{group}_{i}.csv"), "--rows", "0:400",
            "--context", CONTEXT, "--out", out, "--json", *options))
    return reports


def replay(tables, models, verdicts, reanchor):
    os.makedirs(verdicts)
    for group, i in EVEN:
        name = f"{group}_{i}"
        run("replay", "--model", os.path.join(models, name + ".tflite"),
            "--csv", os.path.join(tables, name + ".csv"), "--reanchor", reanchor,
            "--out", os.path.join(verdicts, name + ".csv"))


def evaluate(verdicts):
    text = subprocess.run(["/usr/bin/python3", judge, "--data", data, "--pred", verdicts,
                           "--files", "even"], stdout=subprocess.PIPE, text=True, check=True).stdout
    numbers = {k: int(v) for k, v in re.findall(r"\b(TP|TN|FP|FN) (\d+)", text.split("\n")[0])}
    numbers["F1"] = float(re.search(r"F1 ([\d.]+)", text)[1])
    numbers["FAR"] = float(re.search(r"FAR ([\d.]+)", text)[1])
    numbers["MAR"] = float(re.search(r"MAR ([\d.]+)", text)[1])
    numbers["NAB"] = float(re.search(r"NAB Standard (-?[\d.]+)", text)[1])
    return numbers


def show(what, r):
    print(f"{what:<22} F1 {r['F1']:.4f}  FAR {r['FAR']:5.2f} %  MAR {r['MAR']:5.2f} %  "
          f"NAB {r['NAB']:5.2f}  TP {r['TP']} TN {r['TN']} FP {r['FP']} FN {r['FN']}", flush=True)


def both(tables, folder, what, *options):
    """Trains once, replays with and without re-anchoring; returns the reports and the figures."""
    os.makedirs(folder)
    reports = train(tables, folder, *options)
    figures = {}
    for reanchor in ("auto", "never"):
        verdicts = os.path.join(folder, reanchor)
        replay(tables, folder, verdicts, reanchor)
        figures[reanchor] = evaluate(verdicts)
        show(f"{what}, {reanchor}", figures[reanchor])
    return reports, figures["auto"]


def main():
    if not os.path.isdir(data) or not os.path.isfile(judge):
        print("skipped: MW_SHARED has no data/skab and tools/skab_eval.py")
        return 77
    failures = []

    def expect(holds, what):
        if not holds:
            failures.append(what)

    with tempfile.TemporaryDirectory() as folder:
        tables = os.path.join(folder, "tables")
        os.makedirs(tables)
        for group, i in EVEN:
            cut_labels(os.path.join(data, group, f"{i}.csv"),
                       os.path.join(tables, f"{group}_{i}.csv"))
        _, levels = both(tables, os.path.join(folder, "levels"), "no network", "--no-ae")
        expect([levels[k] for k in ("TP", "TN", "FP", "FN")] == [5265, 5081, 457, 1075],
               "without a network: TP 5265 TN 5081 FP 457 FN 1075 exactly")
        seeds = []
        for seed in SEEDS:
            reports, figures = both(tables, os.path.join(folder, f"seed{seed}"), f"seed {seed}",
                                    "--seed", str(seed))
            seeds.append(figures)
            informed = sum(r["r2"] > 0.3 for r in reports.values())
            print(f"  R2 of window means above 0.3 in {informed} of {len(reports)} models")
            expect(informed == len(reports), f"seed {seed}: every network carries information")
            if seed == 1:
                for name, mse in REFERENCE_MSE.items():
                    expect(abs(reports[name]["train_mse"] - mse) < 0.0015,
                           f"{name}: training error {reports[name]['train_mse']}, "
                           f"the reference has {mse}")
    mean = {k: sum(s[k] for s in seeds) / len(seeds) for k in seeds[0]}
    print(f"mean of seeds: F1 {mean['F1']:.4f}  FAR {mean['FAR']:.2f} %  MAR {mean['MAR']:.2f} %")
    expect(mean["F1"] >= 0.86, "mean F1 at least 0.86")
    expect(mean["FAR"] <= 12, "mean FAR at most 12 %")
    expect(mean["MAR"] <= 17.5, "mean MAR at most 17.5 %")
    for what in failures:
        print("FAILED:", what)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
