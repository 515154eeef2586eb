/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Generates a video and transcodes it with plain FFmpeg calls during the download. Encodes the
 * pictures as VP9, keeps the sound unchanged, and writes a Matroska file.
 *
 *   cc transcode.c -o transcode $(pkg-config --cflags --libs veo-1.0 libavcodec libavutil)
 *   ./transcode "a dog in a park" dog.mkv
 *   ./transcode veo:task/cbf6b69d-4f03-4817-8ed7-94c0292184a8 dog.mkv
 *
 * Debian packages: gcc libveo-1.0-dev libavcodec-dev libavutil-dev
 */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <veo/av.h>

static VeoStream* stream;

/* Ends the program if `result` is an error. Prints the stream's own error if the stream has one. */
static int must(int result, const char* what) {
  if (result >= 0) return result;
  const VeoError* error = veo_stream_error(stream);
  if (error != NULL) {
    fprintf(stderr, "%s\n[%s, charged: %s]\n", error->message, error->code, error->charged);
  } else {
    fprintf(stderr, "%s: %s\n", what, av_err2str(result));
  }
  exit(1);
}

static void* have(void* made) {
  must(made != NULL ? 0 : AVERROR(ENOMEM), "allocation");
  return made;
}

static void show(void* unused, VeoPhase phase, const char* task_id, int percent) {
  static const char* const words[] = {"Submitting", "Generating", "Downloading"};
  (void)unused;
  fprintf(stderr, "%s %s", words[phase], task_id);
  if (percent >= 0) fprintf(stderr, ", %d %%", percent);
  fputc('\n', stderr);
}

/* Encodes a frame and writes the packets that result. A null frame ends the encoding. */
static void encode(AVCodecContext* encoder, AVFrame* frame, AVFormatContext* output, AVStream* to) {
  AVPacket* packet = have(av_packet_alloc());
  must(avcodec_send_frame(encoder, frame), "encoding");
  while (avcodec_receive_packet(encoder, packet) >= 0) {
    packet->stream_index = to->index;
    av_packet_rescale_ts(packet, encoder->time_base, to->time_base);
    must(av_interleaved_write_frame(output, packet), "writing");
  }
  av_packet_free(&packet);
}

/* Decodes a packet and encodes the frames that result. A null packet ends the decoding. */
static void transcode(AVCodecContext* decoder, AVPacket* packet, AVCodecContext* encoder,
                      AVFormatContext* output, AVStream* to) {
  AVFrame* frame = have(av_frame_alloc());
  must(avcodec_send_packet(decoder, packet), "decoding");
  while (avcodec_receive_frame(decoder, frame) >= 0) {
    frame->pict_type = AV_PICTURE_TYPE_NONE;
    encode(encoder, frame, output, to);
  }
  av_frame_free(&frame);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "Usage: %s PROMPT|URI FILE.mkv\n", argv[0]);
    return 2;
  }

  /* Open the clip. It is an AVIOContext like any other. */
  AVFormatContext* input = have(avformat_alloc_context());
  stream = have(veo_stream_new());
  veo_stream_set_progress(stream, show, NULL);
  must(veo_stream_set(stream, strncmp(argv[1], "veo:", 4) == 0 ? "uri" : "prompt", argv[1]), "set");
  must(veo_stream_open(stream, &input->pb), "open");
  must(avformat_open_input(&input, NULL, NULL, NULL), "the clip");
  must(avformat_find_stream_info(input, NULL), "the clip");

  /* Open a decoder and an encoder for the clip's pictures. */
  const AVCodec* codec = NULL;
  const int video =
      must(av_find_best_stream(input, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0), "video");
  const int audio = av_find_best_stream(input, AVMEDIA_TYPE_AUDIO, -1, video, NULL, 0);
  AVStream* from = input->streams[video];
  AVCodecContext* decoder = have(avcodec_alloc_context3(codec));
  must(avcodec_parameters_to_context(decoder, from->codecpar), "decoder");
  decoder->pkt_timebase = from->time_base;
  must(avcodec_open2(decoder, codec, NULL), "decoder");
  codec = have((void*)avcodec_find_encoder_by_name("libvpx-vp9"));
  AVCodecContext* encoder = have(avcodec_alloc_context3(codec));
  encoder->width = decoder->width;
  encoder->height = decoder->height;
  encoder->pix_fmt = AV_PIX_FMT_YUV420P;
  encoder->time_base = from->time_base;
  encoder->framerate = from->avg_frame_rate;
  encoder->bit_rate = 2000000;
  av_opt_set(encoder->priv_data, "deadline", "realtime", 0);
  av_opt_set_int(encoder->priv_data, "cpu-used", 8, 0);

  /* Open the output file. */
  AVFormatContext* output = NULL;
  must(avformat_alloc_output_context2(&output, NULL, "matroska", argv[2]), argv[2]);
  if (output->oformat->flags & AVFMT_GLOBALHEADER) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  must(avcodec_open2(encoder, codec, NULL), "encoder");
  AVStream* pictures = have(avformat_new_stream(output, NULL));
  must(avcodec_parameters_from_context(pictures->codecpar, encoder), "encoder");
  pictures->avg_frame_rate = from->avg_frame_rate;
  AVStream* sound = NULL;
  if (audio >= 0) {
    sound = have(avformat_new_stream(output, NULL));
    must(avcodec_parameters_copy(sound->codecpar, input->streams[audio]->codecpar), "sound");
    sound->codecpar->codec_tag = 0;
  }
  must(avio_open(&output->pb, argv[2], AVIO_FLAG_WRITE), argv[2]);
  must(avformat_write_header(output, NULL), argv[2]);

  AVPacket* packet = have(av_packet_alloc());
  int read = 0;
  while ((read = av_read_frame(input, packet)) >= 0) {
    if (packet->stream_index == video) {
      transcode(decoder, packet, encoder, output, pictures);
    } else if (packet->stream_index == audio) {
      av_packet_rescale_ts(packet, input->streams[audio]->time_base, sound->time_base);
      packet->stream_index = sound->index;
      must(av_interleaved_write_frame(output, packet), "writing");
    }
    av_packet_unref(packet);
  }
  if (read != AVERROR_EOF) must(read, "the clip");
  transcode(decoder, NULL, encoder, output, pictures);
  encode(encoder, NULL, output, pictures);
  must(av_write_trailer(output), argv[2]);
  must(avio_closep(&output->pb), argv[2]);
  printf("%s: of task %s\n", argv[2], veo_stream_task_id(stream));

  av_packet_free(&packet);
  avcodec_free_context(&decoder);
  avcodec_free_context(&encoder);
  avformat_close_input(&input);
  avformat_free_context(output);
  veo_stream_free(stream);
  return 0;
}
