# SPDX-License-Identifier: Apache-2.0
"""A plant of 500 machines as its people would write it: types and defaults in one file, a fragment
for each of 20 halls, a machine and its sensor in one line."""
import pathlib

HALLS, MACHINES_PER_HALL = 20, 25

HEAD = """version: 1

gateway: {{name: works, site: plant-1, spool: {folder}/spool, socket: {folder}/control}}

defaults:
  bus: {{timeout: 1s, retries: 1, tcp: {{framing: rtu}}}}
  machine:
    period: {period}
    trend: {{interval: 2h, persist: 4}}
    alarm: {{on_delay: 10s, off_delay: 1min}}

machine_types:
  - name: pump
    profile: banner-qm30vt2
    channels:
      - {{point: vel_rms_z, limits: {{high: 4.5, high_high: 7.1, delay: 10s}}}}
      - {{point: vel_rms_x, limits: {{high: 4.5, high_high: 7.1, delay: 10s}}}}
      - {{point: acc_rms_z}}
      - {{point: acc_rms_x}}
      - {{point: temp, role: context, limits: {{high: 80, rate: 2/min, delay: 1min}}}}
  - name: fan
    profile: banner-qm30vt2
    channels:
      - {{point: vel_rms_z, limits: {{high: 7.1, high_high: 11}}}}
      - {{point: vel_rms_x, limits: {{high: 7.1, high_high: 11}}}}
      - {{point: temp, role: context, limits: {{high: 70}}}}
    model: {{delay: 20s}}

store: {{path: {folder}/store.db}}
{more}"""


def name_of(hall, i):
    return f"{'pump' if i % 3 else 'fan'}-{hall:02}-{i:02}"


def write(folder, port=lambda hall: 502, period="1s", more=""):
    """Writes millwright.yaml and conf.d into folder; returns the file and the number of lines."""
    folder = pathlib.Path(folder)
    file, fragments = folder / "millwright.yaml", folder / "conf.d"
    fragments.mkdir(exist_ok=True)
    file.write_text(HEAD.format(folder=folder, period=period, more=more))
    for hall in range(1, HALLS + 1):
        lines = [f"# hall {hall}", "buses:",
                 f"  - {{name: hall-{hall:02}, tcp: {{host: 127.0.0.1, port: {port(hall)}}}}}",
                 "machines:"]
        for i in range(1, MACHINES_PER_HALL + 1):
            kind = name_of(hall, i).split("-")[0]
            lines.append(f"  - {{name: {name_of(hall, i)}, type: {kind}, bus: hall-{hall:02}, unit: {i}}}")
        (fragments / f"hall-{hall:02}.yaml").write_text("\n".join(lines) + "\n")
    return file, sum(len(p.read_text().splitlines()) for p in [file, *fragments.glob("*.yaml")])
