// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The boxes of an MP4 file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace veo::test {

struct Mp4Box {
  std::string path;     ///< for example "moov.trak.mdia"
  std::string content;  ///< without the header
};

/// Returns the boxes of the file in their order, each container before its boxes. Throws
/// std::runtime_error if the sizes do not fit.
std::vector<Mp4Box> list_mp4_boxes(const std::string& file);

/// Returns the types of the outermost boxes.
std::vector<std::string> list_outermost_boxes(const std::vector<Mp4Box>& boxes);
std::vector<std::string> paths_of(const std::vector<Mp4Box>& boxes);
/// Returns the contents of all boxes with this path.
std::vector<std::string> contents_of(const std::vector<Mp4Box>& boxes, const std::string& path);

/// Returns the number of four bytes, or of eight.
std::uint32_t number_at(const std::string& bytes, std::size_t at);
std::uint64_t long_number_at(const std::string& bytes, std::size_t at);

/// What the header of a plain MP4 says of one of its tracks.
struct Mp4Track {
  std::string entry;         ///< the sample entry: avc1, avc3 or mp4a
  double shown_seconds = 0;  ///< by tkhd
  std::uint32_t clock = 0;   ///< ticks in a second, of the track
  std::uint64_t ticks = 0;   ///< by mdhd
  /// The only entry of the edit list.
  double edit_seconds = 0;
  std::uint64_t edit_from = 0;  ///< in ticks of the track
  std::uint32_t samples = 0;
  std::uint32_t chunks = 0;
};
struct Mp4Header {
  double seconds = 0;  ///< by mvhd
  std::vector<Mp4Track> tracks;
};
/// Throws std::runtime_error if the file has no moov, or a box that a plain film does not have.
Mp4Header read_mp4_header(const std::string& file);

}  // namespace veo::test
