# SPDX-License-Identifier: Apache-2.0
"""A small ext4 of its own, in a file on a loop device: full, worn out or read-only, as a gateway's card may be."""
import os
import subprocess
import sys


def call(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


class Ext4:
    """Skips the test, in words, where it cannot be made: that needs root, loop devices and e2fsprogs."""

    def __init__(self, folder, mib):
        self.image, self.folder = os.path.join(folder, "card.img"), os.path.join(folder, "card")
        os.mkdir(self.folder)
        with open(self.image, "wb") as f:
            f.truncate(mib << 20)
        # No block for root alone: the test's writers are root, a daemon's are not.
        made = call("mkfs.ext4", "-q", "-F", "-m", "0", self.image) if os.getuid() == 0 else None
        if not made or made.returncode != 0 or not self.mount():
            print("an ext4 in a file cannot be made and mounted here (root, e2fsprogs, a loop device): skipped")
            sys.exit(77)

    def mount(self, options="errors=remount-ro"):
        self.close()
        return call("mount", "-t", "ext4", "-o", f"loop,{options}", self.image, self.folder).returncode == 0

    def fails(self):
        """What a card does that returns nonsense: ext4 finds an error, ends its journal and writes no more. That
        cannot be undone by a remount, only by e2fsck on what is not mounted."""
        device = os.stat(self.folder).st_dev
        with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/uevent") as f:
            name = next(line.split("=")[1].strip() for line in f if line.startswith("DEVNAME="))
        trigger = f"/sys/fs/ext4/{name}/trigger_fs_error"
        if not os.path.exists(trigger):
            print(f"no {trigger} in this kernel: skipped")
            sys.exit(77)
        with open(trigger, "w") as f:
            f.write("1")

    def check(self):
        """As at boot. 0: whole, 1: mended."""
        checked = call("e2fsck", "-p", self.image)
        assert checked.returncode in (0, 1), checked.stdout
        return checked.returncode

    def close(self):
        """A mount left behind by what still has a file open goes with that, and its loop device, too."""
        if os.path.ismount(self.folder) and call("umount", self.folder).returncode != 0:
            call("umount", "-l", self.folder)
