/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts the pictures of a prompt's clip. */
#include <libavformat/avformat.h>
#include <stdio.h>
#include <veo/av.h>

static VeoStream* stream;

static int fail(const char* what) {
  const VeoError* error = veo_stream_error(stream);
  if (error != NULL) {
    printf("%s: %s\n", error->code, error->message);
  } else {
    printf("%s\n", what);
  }
  return 1;
}

int main(int argc, char** argv) {
  AVFormatContext* input = avformat_alloc_context();
  AVPacket* packet = av_packet_alloc();
  int video = 0;
  int frames = 0;
  stream = veo_stream_new();
  if (argc != 2 || input == NULL || packet == NULL || stream == NULL) return 2;
  if (veo_stream_set(stream, "prompt", argv[1]) < 0) return fail("no prompt");
  if (veo_stream_open(stream, &input->pb) < 0) return fail("no stream");
  if (avformat_open_input(&input, NULL, NULL, NULL) < 0) return fail("no MP4 file");
  video = av_find_best_stream(input, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
  while (av_read_frame(input, packet) >= 0) {
    frames += packet->stream_index == video;
    av_packet_unref(packet);
  }
  printf("%d frames of task %s\n", frames, veo_stream_task_id(stream));
  av_packet_free(&packet);
  avformat_close_input(&input);
  veo_stream_free(stream);
  return 0;
}
