# SPDX-License-Identifier: Apache-2.0
"""A control group with a hard limit of memory, as systemd makes one for MemoryMax=: version 2 or 1."""
import os
import sys
import time

ROOT = "/sys/fs/cgroup"


def own_group():
    """Where this process is in version 1's memory hierarchy: a child of it counts there as well."""
    with open("/proc/self/cgroup") as f:
        for line in f:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if "memory" in controllers.split(","):
                return f"{ROOT}/memory{path}"
    return f"{ROOT}/memory"


class MemoryLimit:
    """Skips the test, in words, where none can be made."""

    def __init__(self):
        name = f"millwright-test-{os.getpid()}"
        for parent, files in ((ROOT, ("memory.max", "memory.peak", "memory.events", "memory.current")),
                              (own_group(), ("memory.limit_in_bytes", "memory.max_usage_in_bytes",
                                             "memory.oom_control", "memory.usage_in_bytes"))):
            self.folder = f"{parent}/{name}"
            self.limit_file, self.peak_file, self.events_file, self.use_file = files
            try:
                os.mkdir(self.folder)
            except OSError:
                continue
            # memory.peak is of Linux 5.19 and newer.
            if all(os.access(f"{self.folder}/{f}", os.R_OK) for f in files) and self.limit(1 << 30):
                return
            os.rmdir(self.folder)
        print("no control group with a limit of memory can be made here (root, cgroup version 1 or 2): skipped")
        sys.exit(77)

    def limit(self, n_bytes):
        """False where the kernel does not do so: version 1 when it cannot reclaim as much."""
        try:
            with open(f"{self.folder}/{self.limit_file}", "w") as f:
                f.write(str(n_bytes))
            return True
        except OSError:
            return False

    def take_in(self, process):
        with open(f"{self.folder}/cgroup.procs", "w") as f:
            f.write(str(process))

    def read(self, file):
        with open(f"{self.folder}/{file}") as f:
            return f.read()

    def peak_bytes(self):
        return int(self.read(self.peak_file))

    def bytes_in_use(self):
        return int(self.read(self.use_file))

    def n_killed(self):
        """Processes that the kernel has killed here for want of memory."""
        return int(dict(line.split() for line in self.read(self.events_file).splitlines())["oom_kill"])

    def close(self):
        for _ in range(50):  # the last process may still be on its way out
            try:
                os.rmdir(self.folder)
                return
            except OSError:
                time.sleep(0.1)
