#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# heavy_includes.sh SOURCE: fails if a file includes a library that takes seconds to compile, and is
# not one of the files that may include it. CONTRIBUTING.md lists these files under "Headers".
set -eu
cd "$1"
status=0
# check PATTERN FILE…: only the FILEs may include what matches PATTERN.
check() {
  pattern=$1
  shift
  for file in "$@"; do
    grep -q "^#include <$pattern" "$file" || { echo "$file does not include <$pattern"; status=1; }
  done
  found=$(grep -rl "^#include <$pattern" gst plugin tools examples)
  for file in $found; do
    case " $* " in
      *" $file "*) ;;
      *) echo "$file includes <$pattern"; status=1 ;;
    esac
  done
}
s=tools/simulator
check CLI/ tools/veo/parser.cpp tools/veo/reference.cpp $s/options.cpp
check boost/asio $s/callbacks.cpp $s/main.cpp $s/server.cpp $s/server.h $s/stream.cpp $s/stream.h
check boost/beast $s/http.cpp $s/server.cpp
exit $status
