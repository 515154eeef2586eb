// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mp4_boxes.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace veo::test {

namespace {

constexpr std::string_view containers[] = {"moov", "trak", "edts", "mdia", "minf",
                                           "stbl", "dinf", "udta", "moof", "traf"};

void list_boxes(const std::string& file, const std::string& parent, std::vector<Mp4Box>& boxes) {
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t size = number_at(file, at);
    if (size < 8 || size > file.size() - at) throw std::runtime_error("a box has a wrong size");
    const auto type = file.substr(at + 4, 4);
    const Mp4Box box{parent + type, file.substr(at + 8, size - 8)};
    boxes.push_back(box);
    if (std::ranges::find(containers, type) != std::end(containers)) {
      list_boxes(box.content, box.path + ".", boxes);
    }
    at += size;
  }
}

/// A box that begins with a version: version 1 has times of eight bytes.
struct TimedBox {
  explicit TimedBox(const std::string& bytes) : content(bytes), is_long(bytes.at(0) == 1) {}
  [[nodiscard]] std::uint64_t time(std::size_t at) const {
    return is_long ? long_number_at(content, at) : number_at(content, at);
  }
  const std::string& content;
  bool is_long;
};

}  // namespace

std::vector<Mp4Box> list_mp4_boxes(const std::string& file) {
  std::vector<Mp4Box> boxes;
  list_boxes(file, "", boxes);
  return boxes;
}

std::vector<std::string> list_outermost_boxes(const std::vector<Mp4Box>& boxes) {
  std::vector<std::string> types;
  for (const auto& box : boxes) {
    if (box.path.size() == 4) types.push_back(box.path);
  }
  return types;
}

std::vector<std::string> paths_of(const std::vector<Mp4Box>& boxes) {
  std::vector<std::string> paths;
  for (const auto& box : boxes) paths.push_back(box.path);
  return paths;
}

std::vector<std::string> contents_of(const std::vector<Mp4Box>& boxes, const std::string& path) {
  std::vector<std::string> found;
  for (const auto& box : boxes) {
    if (box.path == path) found.push_back(box.content);
  }
  return found;
}

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8U | static_cast<unsigned char>(bytes.at(at + i));
  }
  return value;
}

std::uint64_t long_number_at(const std::string& bytes, std::size_t at) {
  return std::uint64_t{number_at(bytes, at)} << 32U | number_at(bytes, at + 4);
}

Mp4Header read_mp4_header(const std::string& file) {
  const auto boxes = list_mp4_boxes(file);
  const auto in_movie = contents_of(boxes, "moov.mvhd");
  if (in_movie.size() != 1) throw std::runtime_error("the file has no header");
  const TimedBox movie(in_movie[0]);
  const double clock = number_at(movie.content, movie.is_long ? 20 : 12);
  Mp4Header header;
  header.seconds = static_cast<double>(movie.time(movie.is_long ? 24 : 16)) / clock;
  const auto of_track = [&boxes](const std::string& path, std::size_t i) {
    return contents_of(boxes, "moov.trak." + path).at(i);
  };
  for (std::size_t i = 0; i < contents_of(boxes, "moov.trak").size(); ++i) {
    Mp4Track track;
    const auto in_track = of_track("tkhd", i);
    const TimedBox shown(in_track);
    track.shown_seconds = static_cast<double>(shown.time(shown.is_long ? 28 : 20)) / clock;
    const auto in_media = of_track("mdia.mdhd", i);
    const TimedBox media(in_media);
    track.clock = number_at(media.content, media.is_long ? 20 : 12);
    track.ticks = media.time(media.is_long ? 24 : 16);
    const auto in_edits = of_track("edts.elst", i);
    const TimedBox edits(in_edits);
    if (number_at(edits.content, 4) != 1) throw std::runtime_error("a track has several edits");
    track.edit_seconds = static_cast<double>(edits.time(8)) / clock;
    track.edit_from = edits.time(edits.is_long ? 16 : 12);
    const auto entries = of_track("mdia.minf.stbl.stsd", i);
    if (number_at(entries, 4) != 1) throw std::runtime_error("a track has several sample entries");
    track.entry = entries.substr(12, 4);
    track.samples = number_at(of_track("mdia.minf.stbl.stsz", i), 8);
    track.chunks = number_at(of_track("mdia.minf.stbl.stco", i), 4);
    header.tracks.push_back(track);
  }
  return header;
}

}  // namespace veo::test
