/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header is valid C, and includes everything that it needs. */
#include <veo/av.h>

int main(void) {
  VeoStream* stream = veo_stream_new();
  const int refused = veo_stream_set(stream, "colour", "red");
  const VeoError* error = veo_stream_error(stream);
  const int good = refused < 0 && error != 0 && error->message[0] != '\0';
  veo_stream_free(stream);
  return good ? 0 : 1;
}
