// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Owning pointers to FFmpeg's objects, and the texts of FFmpeg's errors.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "veo/core/error.h"

namespace veo::media {

struct PacketFree {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
using PacketPtr = std::unique_ptr<AVPacket, PacketFree>;

/// Returns a packet with a copy of the bytes. Null: there is no memory.
inline PacketPtr make_packet(std::span<const std::uint8_t> bytes) {
  PacketPtr packet(av_packet_alloc());
  if (!packet || av_new_packet(packet.get(), static_cast<int>(bytes.size())) < 0) return nullptr;
  std::copy(bytes.begin(), bytes.end(), packet->data);
  return packet;
}

struct FrameFree {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
using FramePtr = std::unique_ptr<AVFrame, FrameFree>;

struct CodecFree {
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
};
using CodecPtr = std::unique_ptr<AVCodecContext, CodecFree>;

struct IoFree {
  void operator()(AVIOContext* io) const {
    av_freep(&io->buffer);
    avio_context_free(&io);
  }
};
using IoPtr = std::unique_ptr<AVIOContext, IoFree>;

/// Returns a copy. Null: there is no memory.
inline std::shared_ptr<const AVCodecParameters> copy_parameters(const AVCodecParameters& from) {
  const std::shared_ptr<AVCodecParameters> to(
      avcodec_parameters_alloc(),
      [](AVCodecParameters* parameters) { avcodec_parameters_free(&parameters); });
  if (!to || avcodec_parameters_copy(to.get(), &from) < 0) return nullptr;
  return to;
}

struct InputFree {
  void operator()(AVFormatContext* input) const { avformat_close_input(&input); }
};
using InputPtr = std::unique_ptr<AVFormatContext, InputFree>;

struct OutputFree {
  void operator()(AVFormatContext* output) const { avformat_free_context(output); }
};
using OutputPtr = std::unique_ptr<AVFormatContext, OutputFree>;

/// The size in bytes of the buffer between FFmpeg and a stream of ours.
inline constexpr int io_buffer_size = 64 << 10;

/// The options of a call, in FFmpeg's form.
class Options {
 public:
  Options() = default;
  ~Options() { av_dict_free(&dictionary_); }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  void set(const char* name, const char* value) { av_dict_set(&dictionary_, name, value, 0); }
  void set(const char* name, std::int64_t value) { av_dict_set_int(&dictionary_, name, value, 0); }
  AVDictionary** address() { return &dictionary_; }

 private:
  AVDictionary* dictionary_ = nullptr;
};

inline std::string text_of(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return text;
}

inline Error bad_media(std::string message) {
  return {.code = ErrorCode::bad_media, .message = std::move(message)};
}

}  // namespace veo::media
