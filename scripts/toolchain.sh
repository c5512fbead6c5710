#!/usr/bin/env bash
# Installs the Debian packages that the target tests need: compilers and sanitizers, cross compilers, their C
# libraries, QEMU, simavr, CMake, checkers of C, GNU parallel, the recorded outputs of ONNX's own operator tests. Does nothing when all are there.
# onnxruntime comes from npm, without its install script, which would download 200 MB for graphics cards.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d test/onnxruntime/node_modules/onnxruntime-node ] || npm ci --ignore-scripts --prefix test/onnxruntime
packages="chromium fonts-dejavu-core gcc g++ clang libclang-rt-14-dev cmake qemu-system-arm qemu-system-misc qemu-user gcc-arm-none-eabi libnewlib-arm-none-eabi
  gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf libonnx-testdata gcc-avr avr-libc arduino-core-avr simavr libxml2-utils libsimavr-dev libelf-dev gcc-xtensa-lx106 picolibc-xtensa-lx106-elf cppcheck clang-tidy parallel
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-riscv64-linux-gnu libc6-dev-riscv64-cross gcc-powerpc-linux-gnu libc6-dev-powerpc-cross"
missing=
for package in $packages; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "toolchain: everything is installed"
  exit 0
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
echo "toolchain: installed$missing"
