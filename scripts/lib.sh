# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Functions for the other scripts, which source this file in the root of the source tree. A function
# returns a status, because `set -e` has no effect inside a condition.
# shellcheck shell=bash

# veo_setup DIR [OPTION…]: configures DIR with Meson OPTIONs for the compiler CXX (default g++). If
# DIR is configured already, makes warnings errors in DIR and changes nothing else.
veo_setup() {
  local dir=$1 log status=0
  shift
  if [[ -f $dir/build.ninja ]] && grep -q -m1 -- ' -Werror' "$dir/build.ninja"; then
    return 0
  fi
  log=$(mktemp) || return
  if [[ -f $dir/build.ninja ]]; then
    meson configure "$dir" -Dwerror=true >"$log" 2>&1 || status=$?
  else
    CXX=${CXX:-g++} meson setup "$dir" -Dwerror=true "$@" >"$log" 2>&1 || status=$?
  fi
  ((status == 0)) || tail -n 25 "$log" | veo_relative >&2
  rm -f "$log"
  return "$status"
}

# veo_build DIR [TARGET…]: configures DIR if necessary, and compiles the TARGETs, or all targets. If
# standard output is not a terminal, prints only errors.
veo_build() {
  local dir=$1
  veo_setup "$dir" || return
  shift
  if [[ -t 1 ]]; then
    ninja -C "$dir" -j "$(nproc)" "$@"
  else
    [[ -e $dir/.ninja_log ]] || echo "Building in $dir…"
    (set -o pipefail; ninja -C "$dir" -j "$(nproc)" --quiet "$@" 2>&1 |
      grep --line-buffered -v '^ninja: no work to do' | veo_relative || ((PIPESTATUS[0] == 0)))
  fi
}

# veo_relative: a filter that makes paths of this source tree relative to its root.
veo_relative() { sed -u "s|$PWD/||g; s|$PWD|.|g"; }

# veo_sources: lists the C and C++ files of the source tree, one file on each line.
veo_sources() {
  find gst plugin tools tests examples -name '*.c' -print -o -name '*.cpp' -print -o -name '*.h' -print |
    sort
}
