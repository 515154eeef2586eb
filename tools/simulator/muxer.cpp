// SPDX-License-Identifier: LGPL-2.1-or-later
#include "muxer.h"

extern "C" {
#include <libavformat/avformat.h>
}

#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace simulator {
namespace {

constexpr int video_timescale = 12288;
constexpr int frame_duration = video_timescale / static_cast<int>(frames_per_second);

void check(int result, const char* what) {
  if (result >= 0) return;
  std::string text(AV_ERROR_MAX_STRING_SIZE, '\0');
  av_strerror(result, text.data(), text.size());
  throw std::runtime_error(std::string(what) + ": " + text.c_str());
}

/// An output context that writes to memory.
class Output {
 public:
  Output() {
    check(avformat_alloc_output_context2(&context_, nullptr, "mp4", nullptr), "mp4 muxer");
    if (const int result = avio_open_dyn_buf(&context_->pb); result < 0) {
      avformat_free_context(context_);
      check(result, "memory");
    }
  }
  ~Output() {
    take();
    avformat_free_context(context_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  AVFormatContext* operator->() const { return context_; }
  [[nodiscard]] AVFormatContext* get() const { return context_; }

  std::string take() {
    if (context_->pb == nullptr) return {};
    std::uint8_t* bytes = nullptr;
    const int size = avio_close_dyn_buf(context_->pb, &bytes);
    context_->pb = nullptr;
    std::string copy(bytes, bytes + std::max(size, 0));
    av_free(bytes);
    return copy;
  }

 private:
  AVFormatContext* context_ = nullptr;
};

struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};

void set_header(AVCodecParameters& parameters, const std::string& header) {
  // libavformat frees this memory, and reads it up to the end of the padding.
  auto* copy = static_cast<std::uint8_t*>(av_mallocz(header.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  if (copy == nullptr) throw std::bad_alloc();
  std::copy(header.begin(), header.end(), copy);
  parameters.extradata = copy;
  parameters.extradata_size = static_cast<int>(header.size());
}

AVCodecParameters& add_stream(const Output& output, const Track& track, AVMediaType type,
                              AVCodecID codec, int timescale) {
  AVStream* stream = avformat_new_stream(output.get(), nullptr);
  if (stream == nullptr) throw std::bad_alloc();
  stream->time_base = {1, timescale};
  stream->codecpar->codec_type = type;
  stream->codecpar->codec_id = codec;
  set_header(*stream->codecpar, track.header);
  return *stream->codecpar;
}

void write(const Output& output, int stream, const Packet& from, std::int64_t pts, std::int64_t dts,
           std::int64_t duration) {
  const std::unique_ptr<AVPacket, FreePacket> packet(av_packet_alloc());
  if (!packet) throw std::bad_alloc();
  check(av_new_packet(packet.get(), static_cast<int>(from.bytes.size())), "packet");
  std::copy(from.bytes.begin(), from.bytes.end(), packet->data);
  packet->stream_index = stream;
  packet->pts = pts;
  packet->dts = dts;
  packet->duration = duration;
  packet->flags = from.key ? AV_PKT_FLAG_KEY : 0;
  check(av_interleaved_write_frame(output.get(), packet.get()), "mux");
}

std::string write_mp4(const Encoded& encoded, const ClipPlan& plan) {
  Output output;
  auto& video =
      add_stream(output, encoded.video, AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_H264, video_timescale);
  video.width = static_cast<int>(plan.width);
  video.height = static_cast<int>(plan.height);
  auto& audio = add_stream(output, encoded.audio, AVMEDIA_TYPE_AUDIO, AV_CODEC_ID_AAC,
                           static_cast<int>(sample_rate));
  audio.sample_rate = static_cast<int>(sample_rate);
  audio.frame_size = static_cast<int>(audio_packet);
  av_channel_layout_default(&audio.ch_layout, 2);

  av_dict_set(&output->metadata, "encoding_tool", "gst-veo simulator", 0);  // ©too

  AVDictionary* options = nullptr;
  if (plan.layout == Layout::fragmented) {
    // The edit lists depend on the first packets, so delay_moov is needed.
    av_dict_set(&options, "movflags", "delay_moov+default_base_moof+skip_trailer", 0);
    av_dict_set(&options, "frag_duration", "1000000", 0);
  }
  const int header = avformat_write_header(output.get(), &options);
  av_dict_free(&options);
  check(header, "mp4 header");

  const auto& pictures = encoded.video.packets;
  const auto& sounds = encoded.audio.packets;
  const auto end_of_sound = std::int64_t{plan.frames()} * samples_per_frame;
  const auto dts_of_picture = [](std::size_t i) {
    return (static_cast<std::int64_t>(i) - video_reorder) * frame_duration;
  };
  const auto time_of_sound = [](std::size_t i) {
    return static_cast<std::int64_t>(i * audio_packet) - audio_lead;
  };
  // The packets are in decoding order, because libavformat sorts only a few seconds.
  for (std::size_t v = 0, a = 0; v < pictures.size() || a < sounds.size();) {
    const bool picture_next =
        a == sounds.size() ||
        (v < pictures.size() && av_compare_ts(dts_of_picture(v), {1, video_timescale},
                                              time_of_sound(a), {1, int{sample_rate}}) <= 0);
    if (picture_next) {
      write(output, 0, pictures[v], std::int64_t{pictures[v].index} * frame_duration,
            dts_of_picture(v), frame_duration);
      ++v;
    } else {
      const auto from = time_of_sound(a);
      const auto to = std::min<std::int64_t>(from + audio_packet, end_of_sound);
      // In a fragmented file FFmpeg plays the part before time 0, even if the edit list leaves it
      // out.
      if (from >= 0 || plan.layout != Layout::fragmented)
        write(output, 1, sounds[a], from, from, to - from);
      ++a;
    }
  }
  check(av_write_trailer(output.get()), "mp4 trailer");
  return output.take();
}

std::uint32_t read_32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value = value << 8U | static_cast<unsigned char>(bytes.at(at + i));
  return value;
}

void write_32(std::string& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i, value <<= 8U)
    bytes.at(at + i) = static_cast<char>(value >> 24U);
}

struct Box {
  std::string_view type;
  std::size_t offset = 0;
  std::size_t size = 0;
};

/// Finds the boxes in [from, to). libavformat writes 32-bit sizes if they are large enough.
std::vector<Box> find_boxes(std::string_view file, std::size_t from, std::size_t to) {
  std::vector<Box> boxes;
  while (from < to) {
    const std::size_t size = read_32(file, from);
    if (size < 8 || size > to - from) throw std::runtime_error("mux: a box of an unexpected size");
    boxes.push_back({file.substr(from + 4, 4), from, size});
    from += size;
  }
  return boxes;
}

void shift_chunk_offsets(std::string& moov, const Box& parent, std::int64_t shift) {
  for (const auto& box : find_boxes(moov, parent.offset + 8, parent.offset + parent.size)) {
    if (box.type == "trak" || box.type == "mdia" || box.type == "minf" || box.type == "stbl")
      shift_chunk_offsets(moov, box, shift);
    if (box.type != "stco") continue;
    const std::size_t count = read_32(moov, box.offset + 12);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = box.offset + 16 + 4 * i;
      write_32(moov, at, static_cast<std::uint32_t>(read_32(moov, at) + shift));
    }
  }
}

/// Makes a box at the place, and with the size, of the C2PA manifest in Veo's files. It is not a
/// manifest.
std::string make_uuid_box() {
  constexpr std::size_t size = 6104;
  constexpr std::string_view filler = "gst-veo simulator: a placeholder, not a C2PA manifest. ";
  constexpr unsigned char uuid[] = {0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c,
                                    0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4, 0x81};
  std::string box("\0\0\0\0uuid", 8);
  write_32(box, 0, size);
  box.append(std::begin(uuid), std::end(uuid));
  while (box.size() < size) box += filler.substr(0, size - box.size());
  return box;
}

/// Arranges the boxes of libavformat's file: adds the uuid box, removes the empty `free` box, and
/// puts the moov where the layout has it.
std::string arrange(const std::string& file, Layout layout) {
  std::string head;
  std::string moov;
  std::string media;
  std::size_t media_was = 0;
  for (const auto& box : find_boxes(file, 0, file.size())) {
    const auto bytes = std::string_view(file).substr(box.offset, box.size);
    if (box.type == "free") continue;
    if (box.type == "ftyp") {
      head = bytes;
    } else if (box.type == "moov") {
      moov = bytes;
    } else {
      if (media.empty()) media_was = box.offset;
      media += bytes;
    }
  }
  head += make_uuid_box();
  const bool moov_first = layout != Layout::moov_last;
  const auto media_is = head.size() + (moov_first ? moov.size() : 0);
  // A fragmented file has no chunk offsets. The offsets in a fragment count from the fragment
  // itself.
  shift_chunk_offsets(moov, {"moov", 0, moov.size()},
                      static_cast<std::int64_t>(media_is) - static_cast<std::int64_t>(media_was));
  return moov_first ? head + moov + media : head + media + moov;
}

}  // namespace

std::string mux(const Encoded& encoded, const ClipPlan& plan) {
  return arrange(write_mp4(encoded, plan), plan.layout);
}

}  // namespace simulator
