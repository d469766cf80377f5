#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The packages of this computer's kind, built twice in a clean chroot, judged by lintian and blhc, compared,
# installed in a booted container, upgraded, removed and purged.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" -eq 0 ] || {
    echo "skipped: chroots need root"
    exit 77
}
arch=$(dpkg --print-architecture)
debian/build-all --twice "$arch"
debian/try-install build/packages/bookworm/"$arch"/millwright_*_"$arch".deb
