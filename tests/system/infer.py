# SPDX-License-Identifier: Apache-2.0
"""millwright infer and millwright model show, as a person calls them."""
import hashlib
import json
import pathlib
import random
import subprocess
import sys
import tempfile

MILLWRIGHT = pathlib.Path(sys.argv[1]) / "millwright"
TINY = pathlib.Path(__file__).resolve().parent.parent / "golden" / "tiny"
NAMES = ("per_tensor", "per_channel", "relu6_no_bias", "one_layer")


def call(*arguments):
    return subprocess.run([MILLWRIGHT, *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False)


def check(condition, *words):
    if not condition:
        sys.exit(" ".join(map(str, ("failed:",) + words)))


def outputs_are_the_expected_bytes(folder):
    for name in NAMES:
        for rounding in ("double", "single"):
            out = folder / "out.s8"
            done = call("infer", TINY / f"{name}.tflite", "--input", TINY / f"{name}.in.s8",
                        "--output", out, "--rounding", rounding)
            check(done.returncode == 0, name, rounding, done.stderr)
            check(out.read_bytes() == (TINY / f"{name}.{rounding}.s8").read_bytes(), name, rounding)
    check(sorted(p.name for p in folder.iterdir()) == ["out.s8"], "something is left over")


def double_rounding_is_the_default(folder):
    out = folder / "out.s8"
    done = call("infer", TINY / "per_channel.tflite", "--input", TINY / "per_channel.in.s8",
                "--output", out)
    check(done.returncode == 0 and
          out.read_bytes() == (TINY / "per_channel.double.s8").read_bytes(), "default rounding")


def every_kernel_of_this_processor_gives_the_same_bytes(folder):
    out = folder / "out.s8"
    refusal = call("infer", "m", "--input", "x", "--output", "y", "--kernel", "none-such")
    check(refusal.returncode == 64 and "there are: auto, " in refusal.stderr, refusal.stderr)
    names = refusal.stderr.split("there are: ")[1].strip().split(", ")
    check(names[0] == "auto" and names[-1] == "reference", names)
    for kernel in names:
        for name in NAMES:
            done = call("infer", TINY / f"{name}.tflite", "--input", TINY / f"{name}.in.s8",
                        "--output", out, "--kernel", kernel)
            check(done.returncode == 0 and done.stderr == "", kernel, name, done.stderr)
            check(out.read_bytes() == (TINY / f"{name}.double.s8").read_bytes(), kernel, name)
    shown = json.loads(call("model", "show", TINY / "per_channel.tflite", "--json").stdout)
    check({o["kernel"] for o in shown["operators"]} <= set(names[1:]), "kernels shown")


def a_part_of_a_row_is_refused_and_the_old_output_stays(folder):
    rows, out = folder / "rows.s8", folder / "out.s8"
    rows.write_bytes((TINY / "per_channel.in.s8").read_bytes() + b"\0\0")
    out.write_bytes(b"old")
    done = call("infer", TINY / "per_channel.tflite", "--input", rows, "--output", out)
    check(done.returncode == 65, done.returncode)
    check("122 bytes are not whole rows of 5: 24 rows and 2 bytes more" in done.stderr, done.stderr)
    check(out.read_bytes() == b"old", "the old output is gone")
    check(sorted(p.name for p in folder.iterdir()) == ["out.s8", "rows.s8"], "a part is left over")


def what_is_wrong_is_said_with_its_status(folder):
    out, rows = folder / "out.s8", TINY / "per_tensor.in.s8"
    cases = [
        (65, "operator 0: EXP is not supported",
         ("infer", TINY / "refused_exp.tflite", "--input", rows, "--output", out)),
        (65, "not a .tflite file", ("infer", rows, "--input", rows, "--output", out)),
        (66, "No such file", ("infer", folder / "none", "--input", rows, "--output", out)),
        (66, "No such file",
         ("infer", TINY / "per_tensor.tflite", "--input", folder / "none", "--output", out)),
        (73, "No such file",
         ("infer", TINY / "per_tensor.tflite", "--input", rows, "--output", folder / "no" / "out")),
        (64, "usage:", ("infer", TINY / "per_tensor.tflite")),
        (64, "is not double or single",
         ("infer", "m", "--input", "x", "--output", "y", "--rounding", "half")),
        (64, "usage:", ("model",)),
        (65, "operator 0: EXP is not supported",
         ("model", "show", TINY / "refused_exp.tflite")),
        (66, "No such file", ("model", "show", folder / "none")),
    ]
    for status, words, arguments in cases:
        done = call(*arguments)
        check(done.returncode == status and words in done.stderr, arguments, done.returncode,
              done.stderr)
        check(not out.exists(), "an output was made for", arguments)
    for verb in ("infer", "model"):
        done = call(verb, "--help")
        check(done.returncode == 0 and done.stdout.startswith("usage: millwright " + verb), verb)


def show_tells_what_the_file_holds(_folder):
    path = TINY / "per_channel.tflite"
    done = call("model", "show", path, "--json")
    check(done.returncode == 0, done.stderr)
    facts = json.loads(done.stdout)
    check(facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest(), "sha256")
    check(facts["bytes"] == path.stat().st_size, "bytes")
    check([(o["n_in"], o["n_out"]) for o in facts["operators"]] == [(5, 7), (7, 3), (3, 5)],
          "shapes")
    check([len(o["weight_scales"]) for o in facts["operators"]] == [7, 3, 5], "scales")
    check([o["activation"] for o in facts["operators"]] == ["RELU", "RELU", "NONE"], "activations")
    check(facts["macs"] == 5 * 7 + 7 * 3 + 3 * 5, "multiply-accumulates")
    check(facts["input"]["n"] == 5 and facts["output"]["n"] == 5, "ends")
    text = call("model", "show", path)
    check(text.returncode == 0 and facts["sha256"] in text.stdout and
          text.stdout.count("FULLY_CONNECTED") == 3, text.stdout)


def show_tells_what_the_card_holds(folder):
    rng, csv, model = random.Random(5), folder / "rows.csv", folder / "m.tflite"
    lines = ["time;a;b \"quoted\""] + [f"2024-05-01 10:{i // 60:02}:{i % 60:02};{rng.gauss(5, 1):.4f};{rng.gauss(-2, 3):.4f}"
                                       for i in range(300)]
    csv.write_text("\n".join(lines) + "\n")
    done = call("train", "--csv", csv, "--rows", "0:300", "--out", model, "--no-ae", "--seed", "11")
    check(done.returncode == 0, done.stderr)
    done = call("model", "show", model, "--json")
    check(done.returncode == 0, done.stderr)
    facts = json.loads(done.stdout)
    card = facts["card"]
    check(facts["operators"] == [] and card["has_network"] is False, "network")
    check(card["seed"] == 11 and card["n_rows"] == 300, card["seed"], card["n_rows"])
    check([c["role"] for c in card["channels"]] == ["score", "score"], "roles")
    check(abs(card["channels"][0]["mu"] - 5) < 0.5, "mean")
    text = call("model", "show", model)
    check(text.returncode == 0 and "levels alone" in text.stdout, text.stdout)


def a_card_that_cannot_be_read_is_said_after_the_rest(_folder):
    broken = TINY.parent.parent / "fuzz" / "corpus" / "tflite" / "with_card"
    done = call("model", "show", broken)
    check(done.returncode == 65 and "FULLY_CONNECTED" in done.stdout and "card" in done.stderr,
          done.returncode, done.stdout, done.stderr)


for test in (outputs_are_the_expected_bytes, double_rounding_is_the_default,
             every_kernel_of_this_processor_gives_the_same_bytes,
             a_part_of_a_row_is_refused_and_the_old_output_stays,
             what_is_wrong_is_said_with_its_status, show_tells_what_the_file_holds,
             show_tells_what_the_card_holds, a_card_that_cannot_be_read_is_said_after_the_rest):
    with tempfile.TemporaryDirectory() as temporary:
        test(pathlib.Path(temporary))
    print("ok", test.__name__)
