# SPDX-License-Identifier: Apache-2.0
"""A plant of one pump, polled every 20 ms, whose alarm is raised and cleared at a steady pace."""
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "../../simulator")]
from plant import Plant  # noqa: E402

PROFILES = os.path.join(here, "../../fieldbus/profiles")
CONFIG = """
version: 1
gateway: {{name: gw, site: test, spool: {folder}/spool, socket: {folder}/control}}
buses:
  - {{name: field, tcp: {{host: 127.0.0.1, port: {field}}}, timeout: 1s}}
devices:
  - name: sensor
    bus: field
    unit: 1
    points:
      - {{name: wave, address: 0, type: float32}}
      - {{name: noise, address: 2, type: float32}}
machines:
  - name: pump
    device: sensor
    period: 20ms
    channels:
      - {{point: wave, stuck: never, limits: {{high: 10, delay: 0s, deadband: 0.5}}}}
      - {{point: noise, stuck: never}}
    trend: {{enabled: false}}
mqtt: {{uri: "{uri}", client_id: gw, keepalive: 5s{mqtt}}}
store: {{path: {store_folder}/store.db{store}}}
"""


class WavePlant(Plant):
    def start_field(self, half_wave):
        """The pump, whose alarm comes or goes every half_wave rows of 20 ms; 0: never."""
        with open(self.path("wave.csv"), "w") as f:
            f.write("datetime;wave;noise\n")
            for row in range(4000):
                high = row // half_wave % 2 if half_wave else 0
                f.write(f"2026-01-01 00:00:00;{20.0 * high + row % 7 / 10:.1f};{row % 5}\n")
        where = self.simulate("--csv", self.path("wave.csv"), "--tcp", "0", "--loop", "yes")
        self.field_port = next(iter(where.values()))

    def configure(self, uri, mqtt="", store="", store_folder=None):
        """mqtt, store: further settings of these sections, each with a comma before it."""
        self.write_config(CONFIG.format(folder=self.folder, field=self.field_port, uri=uri, mqtt=mqtt, store=store,
                                        store_folder=store_folder or self.folder))

    def configure_cable(self, **settings):
        self.configure(f"mqtt://127.0.0.1:{self.cable.port}", **settings)
