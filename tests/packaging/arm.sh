#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole product and its tests, cross-built against the target's own libraries, run under qemu-user.
#   arm.sh BUILD_DIR arm64|armhf [CTEST_ARGUMENT...]
# Left out: what is emulated or cut off millions of times in any case (kernels, power), what is about
# packages, and the slow ones. Needs root (a sysroot, and qemu-user as the kernel's handler of Arm programs).
set -eu
build=$(realpath "$1")
arch=$2
shift 2
cd "$(dirname "$0")/../.."
[ "$(id -u)" -eq 0 ] || {
    echo "skipped: a sysroot and qemu-user's registration need root"
    exit 77
}
. cmake/debian.sh
case $arch in
arm64) compiler=gcc-aarch64-linux-gnu cpu=aarch64 file=aarch64-linux ;;
armhf) compiler=gcc-arm-linux-gnueabihf cpu=arm file=armhf-linux ;;
*) exit 64 ;;
esac
need mmdebstrap qemu-user-static binfmt-support "$compiler"
handlers=/proc/sys/fs/binfmt_misc
[ -e $handlers/register ] || mount -t binfmt_misc none $handlers || {
    echo "skipped: this kernel does not take other processors' programs (binfmt_misc)"
    exit 77
}
[ -e $handlers/qemu-$cpu ] || update-binfmts --enable qemu-$cpu

sysroot=$build/sysroot
made=$sysroot-$(echo "$BUILD_PACKAGES" | cksum | cut -d ' ' -f 1).made
if [ ! -e "$made" ]; then
    rm -rf "$sysroot" "$sysroot"-*.made
    mkdir -p "$build"
    # shellcheck disable=SC2046
    mmdebstrap --quiet --variant=extract --architectures="$arch" --include="$(
        echo libc6-dev libgcc-12-dev check $(echo "$BUILD_PACKAGES" | tr ' ' '\n' | grep '^lib.*-dev$') | tr ' ' ,
    )" bookworm "$sysroot" "deb ${MIRROR:-http://deb.debian.org/debian} bookworm main"
    rm -rf "$sysroot/dev" "$sysroot/tmp" "$sysroot/var"
    touch "$made"
fi
cmake -G Ninja -S . -B "$build" -DCMAKE_TOOLCHAIN_FILE=cmake/toolchains/$file.cmake -DMW_SYSROOT="$sysroot" \
    -DCMAKE_BUILD_TYPE=Debug -DMW_WERROR=ON >"$build/configure.log" || {
    cat "$build/configure.log" >&2
    exit 1
}
cmake --build "$build" -j2 >"$build/build.log" || {
    tail -n 60 "$build/build.log" >&2
    exit 1
}
[ $# -gt 0 ] || set -- -E '^(kernels|power|packaging)/' -LE slow
export MW_EMULATED=1 # widens the few bounds on real time
ctest --test-dir "$build" --output-on-failure --no-tests=error -j2 "$@"
