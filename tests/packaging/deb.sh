#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The packages of one architecture, built in a clean chroot and judged by lintian and blhc. The unit tests are not run
# again by the build: they have been, from the same tree.
#   deb.sh amd64|arm64|armhf
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" -eq 0 ] || {
    echo "skipped: chroots need root"
    exit 77
}
mirror=${MIRROR:-http://deb.debian.org/debian}
release=$(mktemp)
trap 'rm -f "$release"' EXIT
/usr/lib/apt/apt-helper -qq download-file "$mirror/dists/bookworm/InRelease" "$release" >/dev/null 2>&1 || {
    echo "skipped: Debian's mirror is not in reach: $mirror"
    exit 77
}
NOCHECK=yes debian/build-all "$1"
out=build/packages/bookworm/$1
for package in millwright millwright-engine-dev; do
    set -- "$out/${package}"_*.deb
    [ $# -eq 1 ] && dpkg-deb -c "$1" >"$release"
    case $package in
    millwright) files="./usr/sbin/millwrightd ./usr/bin/millwright ./etc/millwright/millwright.yaml" ;;
    *) files="./usr/share/millwright/engine/millwright_engine.h ./usr/share/millwright/engine/millwright_engine.c" ;;
    esac
    for file in $files; do
        grep -q " $file\$" "$release" || {
            echo "$1 lacks $file"
            exit 1
        }
    done
done
