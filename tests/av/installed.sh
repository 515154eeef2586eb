#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# installed.sh BUILD SOURCE: compiles a program outside the source tree with the installed library.
# Then runs the installed command, which must find libveo-media beside libveo-client in any tree.
set -euo pipefail
build=$1 source=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
meson install -C "$build" --no-rebuild --quiet --destdir "$root"
pc=$(find "$root" -name veo-1.0.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
sed -i "s|^prefix=.*|prefix=$root$prefix|" "$pc"
# The line that the example's comment gives.
line=$(sed -n 's/^ \* *\(cc transcode.c .*\)/\1/p' "$source/examples/transcode.c")
cp "$source/examples/transcode.c" "$root"
(cd "$root" && PKG_CONFIG_PATH=${pc%/*} sh -euc "$line -std=c99 -Wall -Wextra -Werror")
libraries=$(dirname "$(find "$root" -name libveo-1.0.so)")
said=$(LD_LIBRARY_PATH=$libraries "$root/transcode" veo:clip?colour=red "$root/out.mkv" 2>&1) && exit 1
[[ $said == *"[invalid-request, charged: no]" ]] || { echo "$said"; exit 1; }

# The film proves that libveo-media was loaded, the listing that it is the installed one.
ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=24 -f lavfi -i sine=sample_rate=48000 -t 1 \
  -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac "$root/clip.mp4"
LD_LIBRARY_PATH=$libraries LD_DEBUG=files LD_DEBUG_OUTPUT=$root/listing \
  "$root$prefix/bin/veo" join "$root/clip.mp4" "$root/clip.mp4" -o "$root/film.mp4"
frames=$(ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames \
  -of csv=p=0 "$root/film.mp4")
[[ $frames == 48 ]] || { echo "The film has $frames frames."; exit 1; }
grep -q "calling init: $libraries/libveo-media-1.0.so.0" "$root"/listing.* ||
  { grep -h libveo-media "$root"/listing.*; exit 1; }
