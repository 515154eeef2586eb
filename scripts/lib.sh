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

# veo_in_debian RELEASE COMMAND [ARGUMENT…]: runs COMMAND in a Debian RELEASE (12 or 13) of its own, in this
# source tree. Packages and build folders stay for the next run. COMMAND sees build-debian-RELEASE/ as
# build/, and build-debian-RELEASE-clang/ as build-clang/, so the build folders of this machine stay as
# they are. COMMAND gets VEO_TEST_* and GST_CHECKS from the environment, and uses ccache if this machine does.
veo_in_debian() {
  local release=$1 store=${XDG_CACHE_HOME:-$HOME/.cache} kind name lock status=0
  local inside='scripts/install-dependencies' binds=(--bind "$PWD") variables=()
  shift
  if [[ $release != 1[23] ]]; then
    echo "${0##*/}: no Debian '$release'; 12 and 13 are known" >&2
    return 2
  fi
  if ((EUID != 0)); then
    echo "${0##*/}: only root can run a Debian of its own; run ${0##*/} --debian $release with sudo" >&2
    return 1
  fi
  for kind in '' -clang -sanitize; do
    mkdir -p "build-debian-$release$kind"
    binds+=(--bind "$PWD/build-debian-$release$kind:$PWD/build$kind")
  done
  [[ ! -d ${VEO_TEST_CLIPS:-} ]] || binds+=(--bind "$(realpath "$VEO_TEST_CLIPS")")
  for name in $(compgen -e VEO_TEST_) $(compgen -e GST_CHECKS); do variables+=("$name=${!name}"); done
  if command -v ccache >/dev/null; then
    mkdir -p "$store/ccache"
    binds+=(--bind "$store/ccache:/root/.cache/ccache")
    [[ ! -d $HOME/.config/ccache ]] || binds+=(--bind "$HOME/.config/ccache:/root/.config/ccache")
    inside+=' test ccache; PATH=/usr/lib/ccache:$PATH'
  fi
  mkdir -p "$store/gst-veo"
  exec {lock}>"$store/gst-veo/test-debian-$release.lock"
  if ! flock --nonblock "$lock"; then
    echo "${0##*/}: another process runs in this Debian $release; waiting until it ends" >&2
    flock "$lock"
  fi
  scripts/clean-debian "$release" --keep "$store/gst-veo/test-debian-$release" "${binds[@]}" -- \
    env "${variables[@]}" bash -euc "cd \"\$1\"; $inside; shift; exec \"\$@\"" "$1" "$PWD" "$@" || status=$?
  exec {lock}>&-
  return "$status"
}
