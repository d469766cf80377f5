#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A plant in a booted container goes from an earlier release to this one, to the next, back, and forward again.
cd "$(dirname "$0")/../.." || exit 1
[ "$(id -u)" -eq 0 ] || {
    echo "skipped: chroots need root"
    exit 77
}
exec debian/try-upgrade
