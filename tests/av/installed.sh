#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# installed.sh BUILD SOURCE: compiles a program outside the source tree with the installed library.
# Then runs the installed command, which must find its libraries in any tree. Reads what `meson
# install` says of the folders that a shell needs.
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
LD_DEBUG=files LD_DEBUG_OUTPUT=$root/listing \
  "$root$prefix/bin/veo" join "$root/clip.mp4" "$root/clip.mp4" -o "$root/film.mp4"
frames=$(ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames \
  -of csv=p=0 "$root/film.mp4")
[[ $frames == 48 ]] || { echo "The film has $frames frames."; exit 1; }
for name in client media; do
  loaded=$(sed -n "s/.*calling init: \(.*libveo-$name-1.0.so.0\)\$/\1/p" "$root"/listing.* | sort -u)
  [[ $(realpath "$loaded") == "$(realpath "$libraries/gst-veo/libveo-$name-1.0.so.0")" ]] ||
    { echo "veo loaded $loaded"; exit 1; }
done

# A folder that no program searches by itself is said, and one that is searched anyway is not.
say() { env -u DESTDIR MESON_INSTALL_PREFIX="$1" PATH=/opt/veo-test/bin:$PATH "$source/scripts/after-install" bin lib; }
lines=$(say /opt/elsewhere | sed -n 's/^  //p')
expected='export GST_PLUGIN_PATH=/opt/elsewhere/lib/gstreamer-1.0
export PATH=/opt/elsewhere/bin:$PATH
export LD_LIBRARY_PATH=/opt/elsewhere/lib
export PKG_CONFIG_PATH=/opt/elsewhere/lib/pkgconfig'
[[ $lines == "$expected" ]] || { echo "meson install says: $lines"; exit 1; }
[[ $(say /opt/veo-test) != *PATH=/opt/veo-test/bin* ]] || { echo "meson install says PATH in vain"; exit 1; }
silent=$(DESTDIR=$root MESON_INSTALL_PREFIX=/opt/elsewhere "$source/scripts/after-install" bin lib)
[[ -z $silent ]] || { echo "meson install with DESTDIR says: $silent"; exit 1; }

# The plugin finds its libraries in any tree, too.
plugin=$(dirname "$(find "$root" -name libgstveo.so)")
GST_PLUGIN_PATH=$plugin GST_REGISTRY=$root/registry.bin gst-inspect-1.0 veosrc >"$root/veosrc.txt"
grep -q "Filename *$plugin/libgstveo.so" "$root/veosrc.txt" || { cat "$root/veosrc.txt"; exit 1; }
