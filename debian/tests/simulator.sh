# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each test of the packages sources this file. The file starts the simulator, and gives gst-veo a ledger,
# a cache and a GStreamer registry in a new folder, where the test then is. GST_PLUGIN_PATH is unset, because
# the installed plugin must be found without it.
# shellcheck shell=bash
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
frames=48
fail() { echo "$*" >&2; exit 1; }

work=$(mktemp -d)
cd "$work"
[[ -n ${VEO_TEST_PLUGIN_PATH:-} ]] && export GST_PLUGIN_PATH=$VEO_TEST_PLUGIN_PATH || unset GST_PLUGIN_PATH
export GST_REGISTRY=$work/registry.bin XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
unset "${!VEO_@}" http_proxy https_proxy all_proxy

exec {ready}< <(exec veo-simulator --generation-time 1s --frames "$frames" --log "$work/requests.jsonl")
simulator=$!
trap 'kill "$simulator" 2>/dev/null || true; cd /; rm -rf "$work"' EXIT
read -r -u "$ready" -t 60 addresses || fail "the simulator printed no address within 60 s"
VEO_API_URL=$(sed 's/.*"api": *"\([^"]*\)".*/\1/' <<<"$addresses")
export VEO_API_URL VEO_API_KEY=sk-simulator

# count_submissions: prints how many tasks the simulator was asked to make.
count_submissions() { grep -c '"POST"' "$work/requests.jsonl" || true; }
