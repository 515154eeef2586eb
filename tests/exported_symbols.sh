#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# exported_symbols.sh BUILD HEADER: reads the dynamic symbols of the three libraries. Fails at a symbol
# without a version node of ours, at a symbol of another project's C++ code (a copy of a template that
# the process may bind to), and if libveo-1.0 does not export exactly the functions of its HEADER.
# Prints how many symbols each library exports.
set -euo pipefail
build=$1 header=$2
status=0

# In a mangled name the namespace follows _Z, with the kind of the symbol (a vtable, a guard) between them.
foreign='^_Z(TV|TI|TS|TT|TC|GV|GR|Thn?[0-9]+_|Tv[n0-9_]+)?(N[rVK]*[RO]?)?(S[tabsiod]|2tl|8nlohmann|9__gnu_cxx|5boost|3CLI)'

for name in veo-client veo-media veo; do
  library=$build/gst/veo/lib$name-1.0.so
  node='LIBVEO_PRIVATE_[0-9.]+'
  [[ $name != veo ]] || node='LIBVEO_[0-9.]+'
  # The node itself is a symbol of type A.
  symbols=$(nm --dynamic --defined-only --with-symbol-versions "$library" | awk '$2 != "A" {print $3}')
  ((${#symbols})) || { echo "$library exports nothing"; status=1; }
  if grep -vE "@@$node\$" <<<"$symbols"; then
    echo "These symbols of $library have no version node of gst-veo."
    status=1
  fi
  if sed 's/@.*//' <<<"$symbols" | grep -E "$foreign" | c++filt; then
    echo "These symbols of $library belong to other projects."
    status=1
  fi
  echo "$(wc -l <<<"$symbols") symbols: ${library##*/}"
done

declared=$(grep -o 'veo_stream_[a-z_]*(' "$header" | tr -d '(' | sort -u)
exported=$(nm --dynamic --defined-only "$build/gst/veo/libveo-1.0.so" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | sort -u)
if ! diff <(echo "$declared") <(echo "$exported"); then
  echo "libveo-1.0 does not export the functions of ${header##*/}."
  status=1
fi
exit $status
