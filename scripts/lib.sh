# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Functions for the other scripts, which source this file in the root of the source tree. A function
# returns a status, because `set -e` has no effect inside a condition.
# shellcheck shell=bash

# The time at which the first of the running scripts began. A script that it starts inherits the time.
export veo_began=${veo_began:-$EPOCHSECONDS}
# Seconds between two lines of veo_show_progress, if standard error is not a terminal.
veo_progress_interval=10

# veo_print_usage: prints the comment at the top of the running script, which is its --help.
veo_print_usage() { awk 'NR > 3 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# veo_refuse OPTION: ends the running script with 2, because the script has no such OPTION.
veo_refuse() {
  echo "${0##*/}: there is no option $1; ${0##*/} --help lists the options" >&2
  exit 2
}

# veo_say TEXT…: prints a line to standard error, with the seconds since the start.
veo_say() { printf '[%3d s] %s\n' $((EPOCHSECONDS - veo_began)) "$*" >&2; }

# veo_show_progress PHASE: reads the lines of a program and shows on standard error how far the program
# is. On a terminal, one line is written again and again. Elsewhere a line comes every
# veo_progress_interval seconds, also if the program is silent.
veo_show_progress() {
  local phase=$1 text='' line columns=80 status said=$EPOCHSECONDS
  [[ -t 2 ]] && read -r _ columns < <(stty size <&2 2>/dev/null)
  while :; do
    status=0
    IFS= read -r -t 1 line || status=$?
    ((status <= 128)) || line=
    ((status == 0 || status > 128)) || break
    text=${line:-$text}
    if [[ -t 2 ]]; then
      printf -v line '[%3d s] %s: %s' $((EPOCHSECONDS - veo_began)) "$phase" "$text"
      printf '\r\e[K%s' "${line:0:${columns:-80}-1}" >&2
    elif ((EPOCHSECONDS - said >= veo_progress_interval)); then
      said=$EPOCHSECONDS
      veo_say "$phase: ${text:-…}"
    fi
  done
  [[ ! -t 2 ]] || printf '\r\e[K' >&2
}

# veo_run_quietly PHASE COMMAND…: runs COMMAND, and shows its last line as progress. If COMMAND fails,
# prints what ninja said from the first failure on, or the last lines of another COMMAND. Returns the
# status of COMMAND.
veo_run_quietly() {
  local phase=$1 log status=0
  shift
  log=$(mktemp) || return
  (set -o pipefail; "$@" 2>&1 </dev/null | tee "$log" | veo_show_progress "$phase") || status=$?
  if ((status)); then
    if grep -q '^FAILED: ' "$log"; then sed -n '/^FAILED: /,$p' "$log" | head -n 200; else tail -n 40 "$log"; fi |
      veo_relative >&2
  fi
  rm -f "$log"
  return "$status"
}

# veo_start_simulator PROGRAM [ARGUMENT…]: starts the simulator PROGRAM beside the script, and waits until it
# listens. Sets simulator_pid and simulator_api.
veo_start_simulator() {
  local ready addresses
  exec {ready}< <(exec "$@")
  simulator_pid=$!
  # The simulator prints its addresses in one line of JSON.
  if ! read -r -u "$ready" -t 30 addresses; then
    echo "${0##*/}: $1 did not start within 30 s" >&2
    return 1
  fi
  simulator_api=$(sed -n 's/.*"api": *"\([^"]*\)".*/\1/p' <<<"$addresses")
}

# veo_setup DIR [OPTION…]: configures DIR with Meson OPTIONs for the compiler CXX (default g++). If
# DIR is configured already, makes warnings errors in DIR and changes nothing else.
veo_setup() {
  local dir=$1
  shift
  if [[ -f $dir/build.ninja ]] && grep -q -m1 -- ' -Werror' "$dir/build.ninja"; then
    return 0
  fi
  if [[ -f $dir/build.ninja ]]; then
    veo_run_quietly "Configuring $dir" meson configure "$dir" -Dwerror=true
  else
    veo_run_quietly "Configuring $dir" env CXX="${CXX:-g++}" PYTHONUNBUFFERED=1 meson setup "$dir" -Dwerror=true "$@"
  fi
}

# veo_build DIR [TARGET…]: configures DIR if necessary, and compiles the TARGETs, or all targets. Shows
# progress; otherwise prints only errors.
veo_build() {
  local dir=$1
  veo_setup "$dir" || return
  veo_compile "$@"
}

# veo_compile DIR [TARGET…]: compiles in DIR, which is configured.
veo_compile() {
  local dir=$1
  shift
  NINJA_STATUS='%f of %t, ' veo_run_quietly "Building in $dir" \
    ninja -C "$dir" -j "$(nproc)" "$@"
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
