// SPDX-License-Identifier: LGPL-2.1-or-later
#include "clip_limits.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "libav_ptr.h"

namespace veo::media::limits {

namespace {

struct Count {
  std::string_view type;
  std::size_t at;  ///< offset of the count, from the end of the box's type
  std::uint64_t most = frames;
  bool is_of_frames = false;
  std::size_t at_in_version_1 = 0;  ///< 0: the same offset
};

// The boxes whose counts make libavformat use memory or time, even if the entries are not there
// (ISO/IEC 14496-12, 8.6 to 8.8): an stsz in which all frames share a size is a few bytes long, and
// a trun of defaults has no entries.
constexpr Count known_counts[] = {
    {.type = "stsz", .at = 8, .is_of_frames = true},
    {.type = "stz2", .at = 8, .is_of_frames = true},
    {.type = "trun", .at = 4, .is_of_frames = true},
    {.type = "elst", .at = 4, .most = edits},
    {.type = "stts", .at = 4},
    {.type = "ctts", .at = 4},
    {.type = "stsc", .at = 4},
    {.type = "stco", .at = 4},
    {.type = "co64", .at = 4},
    {.type = "stss", .at = 4},
    {.type = "stps", .at = 4},
    {.type = "keys", .at = 4},
    // This number is no count: libavformat 59 never returns from fragments of a track with a
    // negative number.
    {.type = "tkhd", .at = 12, .most = 0x7FFFFFFF, .at_in_version_1 = 20},
};

// A compressed header, and boxes that only encrypted media have.
constexpr std::string_view refused[] = {"cmov", "saiz", "senc", "encv", "enca"};

std::uint64_t number_at(std::span<const std::uint8_t> bytes) {
  std::uint64_t value = 0;
  for (const auto byte : bytes) value = value << 8U | byte;
  return value;
}

}  // namespace

Status Counts::take(std::span<const std::uint8_t> box) {
  // libavformat takes these boxes wherever they are, in any other box. So search every byte for
  // their types. Four other bytes are hardly ever the same by chance.
  const std::string_view text(reinterpret_cast<const char*>(box.data()), box.size());
  for (const auto type : refused) {
    if (text.find(type) != text.npos) {
      return fail(bad_media("It is encrypted, or its header is compressed."));
    }
  }
  for (const auto& known : known_counts) {
    for (auto at = text.find(known.type); at != text.npos; at = text.find(known.type, at + 1)) {
      const auto behind = at + known.type.size();
      const bool is_version_1 = behind < box.size() && box[behind] == 1;
      const auto from =
          behind + (is_version_1 && known.at_in_version_1 != 0 ? known.at_in_version_1 : known.at);
      if (from + 4 > box.size()) break;
      const auto count = number_at(box.subspan(from, 4));
      if (known.is_of_frames) frames_ += count;
      if (count > known.most || frames_ > frames) {
        return fail(bad_media("Its header is damaged: its box " + std::string(known.type) +
                              " says " + std::to_string(count) +
                              ", which is more than a clip can have."));
      }
    }
  }
  return {};
}

Result<FrameRate> make_rate(AVRational per_second) {
  FrameRate rate;
  if (per_second.num > 0 && per_second.den > 0) {
    av_reduce(&rate.frames, &rate.seconds, per_second.num, per_second.den, rate_term);
  }
  if (rate.seconds < 1 || rate.frames < rate.seconds ||
      rate.frames > std::int64_t{frames_per_second} * rate.seconds) {
    return fail(bad_media("Its frame rate, " + std::to_string(per_second.num) + "/" +
                          std::to_string(per_second.den) + ", is none that a film can have: 1 to " +
                          std::to_string(frames_per_second) + " frames/s."));
  }
  return rate;
}

Status check_sample_rate(int rate) {
  if (rate >= sample_rates[0] && rate <= sample_rates[1]) return {};
  return fail(bad_media("Its sound has " + std::to_string(rate) +
                        " samples a second, which AAC never has."));
}

Status check_time(std::int64_t time, AVRational clock) {
  const auto whole = av_rescale_q(time, clock, AVRational{1, 1});
  // If the result is too large, av_rescale_q() returns INT64_MIN.
  if (whole >= -seconds && whole <= seconds) return {};
  return fail(bad_media("Its timestamps are damaged: one of them is more than " +
                        std::to_string(seconds / 3600) + " hours from its beginning."));
}

Status check_place(std::int64_t frame, std::int64_t pictures, FrameRate rate) {
  const auto still = still_seconds * rate.frames / rate.seconds;
  if (frame <= 2 * pictures + reorder_depth + still) return {};
  return fail(bad_media("Its timestamps are damaged: picture " + std::to_string(pictures) +
                        " of it would be frame " + std::to_string(frame) + "."));
}

}  // namespace veo::media::limits
