#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# installed.sh BUILD SOURCE: compiles a program outside the source tree with the installed library.
set -euo pipefail
build=$1 source=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
meson install -C "$build" --no-rebuild --quiet --destdir "$root"
pc=$(find "$root" -name veo-1.0.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
flags=$(PKG_CONFIG_PATH=${pc%/*} pkg-config --define-variable="prefix=$root$prefix" --cflags --libs veo-1.0)
others=$(pkg-config --cflags --libs libavcodec libavformat libavutil)
# shellcheck disable=SC2086  # the flags are several words
cc -std=c99 -Wall -Wextra -Werror "$source/examples/transcode.c" $flags $others -o "$root/transcode"
libraries=$(dirname "$(find "$root" -name libveo-1.0.so)")
said=$(LD_LIBRARY_PATH=$libraries "$root/transcode" veo:clip?colour=red "$root/out.mkv" 2>&1) && exit 1
[[ $said == *"[invalid-request, charged: no]" ]] || { echo "$said"; exit 1; }
