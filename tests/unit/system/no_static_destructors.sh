#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# no_static_destructors.sh BUILD: fails if an object of the library or of the plugin destroys
# something at exit. Threads still run at exit, and would use what is destroyed. A static object
# that has a destructor must be made with `new` and never deleted:
#
#   static auto* const instance = new Guarded<Process>;
set -eu
objects=$(find "$1/gst" "$1/plugin" -name '*.o')
[ -n "$objects" ] || { echo "there are no objects in $1"; exit 1; }
found=$(for object in $objects; do
  if nm "$object" | grep -q 'U __cxa_atexit$'; then echo "$object"; fi
done)
[ -z "$found" ] && exit 0
echo "These objects have a static object with a destructor:"
echo "$found"
exit 1
