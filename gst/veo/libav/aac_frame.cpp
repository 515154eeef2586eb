// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A frame has one element, and each of its channels has a window of its own (common_window = 0),
// one scale factor for all bands, and one codebook for all bands:
//
//   CPE or SCE, tag
//     for each channel: global_gain, ics_info, section_data, scale_factor_data, no tools,
//                       spectral_data
//   END, padding to a byte
#include "aac_frame.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace veo::media::aac {

namespace {

enum ElementId : unsigned {
  id_single = 0,
  id_pair = 1,
  id_data = 4,
  id_fill = 6,
  id_end = 7,
};

constexpr unsigned escape_codebook = 11;
constexpr int largest_flagged = 16;      // the value of the codebook that announces an escape
constexpr int largest_quantised = 8191;  // that an escape can hold
constexpr std::size_t most_bits = 6144;  // of a channel
// Bits of a channel for all but the values: the heads, the sections, and one bit for each of at
// most 51 scale factors of a long window, or of 120 scale factors of eight short ones.
constexpr std::size_t long_reserve = 120;
constexpr std::size_t short_reserve = 272;
constexpr int gain_of_one = 100;  // the global gain with which the value 1 means 1
constexpr int most_gain = 255;

constexpr std::array sample_rates = {96'000, 88'200, 64'000, 48'000, 44'100, 32'000, 24'000,
                                     22'050, 16'000, 12'000, 11'025, 8'000,  7'350};
// The numbers of scale factor bands of a long and of a short window (4.5.4), by sampling index.
constexpr std::array<unsigned, 13> long_bands = {41, 41, 47, 49, 49, 51, 47,
                                                 47, 43, 43, 43, 40, 40};
constexpr std::array<unsigned, 13> short_bands = {12, 12, 12, 14, 14, 14, 15,
                                                  15, 15, 15, 15, 15, 15};

// Codebook 11 (table 4.A.12), which has a code for each two values from 0 to 16: the lengths of the
// codes in bits, and the codes.
constexpr std::size_t codes_of_value = 17;
constexpr std::array<std::uint8_t, codes_of_value* codes_of_value> pair_bits = {
    4,  5,  6,  7,  8,  8,  9,  10, 10, 10, 11, 11, 12, 11, 12, 12, 10, 5,  4,  5,  6,  7,  7,
    8,  8,  9,  9,  9,  10, 10, 10, 10, 11, 8,  6,  5,  5,  6,  7,  7,  8,  8,  8,  9,  9,  9,
    10, 10, 10, 10, 8,  7,  6,  6,  6,  7,  7,  8,  8,  8,  9,  9,  9,  10, 10, 10, 10, 8,  8,
    7,  7,  7,  7,  8,  8,  8,  8,  9,  9,  9,  10, 10, 10, 10, 8,  8,  7,  7,  7,  7,  8,  8,
    8,  9,  9,  9,  9,  10, 10, 10, 10, 8,  9,  8,  8,  8,  8,  8,  8,  8,  9,  9,  9,  10, 10,
    10, 10, 10, 8,  9,  8,  8,  8,  8,  8,  8,  9,  9,  9,  10, 10, 10, 10, 10, 10, 8,  10, 9,
    8,  8,  9,  9,  9,  9,  9,  10, 10, 10, 10, 10, 10, 11, 8,  10, 9,  9,  9,  9,  9,  9,  9,
    10, 10, 10, 10, 10, 10, 11, 11, 8,  11, 9,  9,  9,  9,  9,  9,  10, 10, 10, 10, 10, 11, 10,
    11, 11, 8,  11, 10, 9,  9,  10, 9,  10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 8,  11, 10, 10,
    10, 10, 10, 10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 9,  11, 10, 9,  9,  10, 10, 10, 10, 10,
    10, 11, 11, 11, 11, 11, 11, 9,  11, 10, 10, 10, 10, 10, 10, 10, 10, 10, 11, 11, 11, 11, 11,
    11, 9,  12, 10, 10, 10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 11, 12, 12, 9,  9,  8,  8,  8,
    8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  9,  5};
constexpr std::array<std::uint16_t, codes_of_value* codes_of_value> pair_codes = {
    0x0,   0x6,   0x19,  0x3d,  0x9c,  0xc6,  0x1a7, 0x390, 0x3c2, 0x3df, 0x7e6, 0x7f3, 0xffb,
    0x7ec, 0xffa, 0xffe, 0x38e, 0x5,   0x1,   0x8,   0x14,  0x37,  0x42,  0x92,  0xaf,  0x191,
    0x1a5, 0x1b5, 0x39e, 0x3c0, 0x3a2, 0x3cd, 0x7d6, 0xae,  0x17,  0x7,   0x9,   0x18,  0x39,
    0x40,  0x8e,  0xa3,  0xb8,  0x199, 0x1ac, 0x1c1, 0x3b1, 0x396, 0x3be, 0x3ca, 0x9d,  0x3c,
    0x15,  0x16,  0x1a,  0x3b,  0x44,  0x91,  0xa5,  0xbe,  0x196, 0x1ae, 0x1b9, 0x3a1, 0x391,
    0x3a5, 0x3d5, 0x94,  0x9a,  0x36,  0x38,  0x3a,  0x41,  0x8c,  0x9b,  0xb0,  0xc3,  0x19e,
    0x1ab, 0x1bc, 0x39f, 0x38f, 0x3a9, 0x3cf, 0x93,  0xbf,  0x3e,  0x3f,  0x43,  0x45,  0x9e,
    0xa7,  0xb9,  0x194, 0x1a2, 0x1ba, 0x1c3, 0x3a6, 0x3a7, 0x3bb, 0x3d4, 0x9f,  0x1a0, 0x8f,
    0x8d,  0x90,  0x98,  0xa6,  0xb6,  0xc4,  0x19f, 0x1af, 0x1bf, 0x399, 0x3bf, 0x3b4, 0x3c9,
    0x3e7, 0xa8,  0x1b6, 0xab,  0xa4,  0xaa,  0xb2,  0xc2,  0xc5,  0x198, 0x1a4, 0x1b8, 0x38c,
    0x3a4, 0x3c4, 0x3c6, 0x3dd, 0x3e8, 0xad,  0x3af, 0x192, 0xbd,  0xbc,  0x18e, 0x197, 0x19a,
    0x1a3, 0x1b1, 0x38d, 0x398, 0x3b7, 0x3d3, 0x3d1, 0x3db, 0x7dd, 0xb4,  0x3de, 0x1a9, 0x19b,
    0x19c, 0x1a1, 0x1aa, 0x1ad, 0x1b3, 0x38b, 0x3b2, 0x3b8, 0x3ce, 0x3e1, 0x3e0, 0x7d2, 0x7e5,
    0xb7,  0x7e3, 0x1bb, 0x1a8, 0x1a6, 0x1b0, 0x1b2, 0x1b7, 0x39b, 0x39a, 0x3ba, 0x3b5, 0x3d6,
    0x7d7, 0x3e4, 0x7d8, 0x7ea, 0xba,  0x7e8, 0x3a0, 0x1bd, 0x1b4, 0x38a, 0x1c4, 0x392, 0x3aa,
    0x3b0, 0x3bc, 0x3d7, 0x7d4, 0x7dc, 0x7db, 0x7d5, 0x7f0, 0xc1,  0x7fb, 0x3c8, 0x3a3, 0x395,
    0x39d, 0x3ac, 0x3ae, 0x3c5, 0x3d8, 0x3e2, 0x3e6, 0x7e4, 0x7e7, 0x7e0, 0x7e9, 0x7f7, 0x190,
    0x7f2, 0x393, 0x1be, 0x1c0, 0x394, 0x397, 0x3ad, 0x3c3, 0x3c1, 0x3d2, 0x7da, 0x7d9, 0x7df,
    0x7eb, 0x7f4, 0x7fa, 0x195, 0x7f8, 0x3bd, 0x39c, 0x3ab, 0x3a8, 0x3b3, 0x3b9, 0x3d0, 0x3e3,
    0x3e5, 0x7e2, 0x7de, 0x7ed, 0x7f1, 0x7f9, 0x7fc, 0x193, 0xffd, 0x3dc, 0x3b6, 0x3c7, 0x3cc,
    0x3cb, 0x3d9, 0x3da, 0x7d3, 0x7e1, 0x7ee, 0x7ef, 0x7f5, 0x7f6, 0xffc, 0xfff, 0x19d, 0x1c2,
    0xb5,  0xa1,  0x96,  0x97,  0x95,  0x99,  0xa0,  0xa2,  0xac,  0xa9,  0xb1,  0xb3,  0xbb,
    0xc0,  0x18f, 0x4};

class BitWriter {
 public:
  void put(unsigned value, unsigned bits) {
    for (unsigned bit = bits; bit-- > 0;) {
      if (size_ % 8 == 0) bytes_.push_back(0);
      bytes_.back() |= static_cast<std::uint8_t>((value >> bit & 1U) << (7 - size_ % 8));
      ++size_;
    }
  }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t size_ = 0;
};

class BitReader {
 public:
  explicit BitReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  /// Bits behind the end are 0.
  unsigned take(unsigned bits) {
    unsigned value = 0;
    for (; bits > 0; --bits, ++at_) {
      const unsigned bit = has_ended() ? 0 : bytes_[at_ / 8] >> (7 - at_ % 8) & 1U;
      value = value << 1U | bit;
    }
    return value;
  }
  void skip(std::size_t bits) { at_ += bits; }
  void align() { at_ = (at_ + 7) / 8 * 8; }
  [[nodiscard]] bool has_ended() const { return at_ >= bytes_.size() * 8; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

using Quantised = std::array<int, frame_length>;

/// Quantises the channel with one global gain (4.6.1). `roots` are the absolute values to the power
/// of 3/4. nullopt: a value is too large for the gain.
std::optional<Quantised> quantise(const Channel& channel,
                                  const std::array<float, frame_length>& roots, int gain) {
  // The values 0 and 1 mean 0 and 1 to the power of 4/3. So their middle is at 0.5^(3/4).
  constexpr float middle = 0.5946F;
  const auto scale = std::exp2(-3.0F / 16.0F * static_cast<float>(gain - gain_of_one));
  Quantised values{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto exact = roots[i] * scale;
    if (exact < middle) continue;
    // A damaged clip can be decoded to what is no number.
    if (!(exact <= static_cast<float>(largest_quantised))) return std::nullopt;
    const auto size = static_cast<int>(exact + 0.5F);
    values[i] = channel.coefficients[i] < 0 ? -size : size;
  }
  return values;
}

/// Returns the number of the bits of `size` below its highest one.
unsigned find_exponent(int size) {
  // libstdc++ 14 counts with an int, and libstdc++ 12 with the type of the number.
  return static_cast<unsigned>(std::bit_width(static_cast<unsigned>(size))) - 1;
}

void put_escape(BitWriter& to, int size) {
  if (size < largest_flagged) return;
  const auto exponent = find_exponent(size);
  // The number of ones tells the exponent, and the zero ends the ones.
  to.put((1U << (exponent - 3)) - 2, exponent - 3);
  to.put(static_cast<unsigned>(size) & ((1U << exponent) - 1), exponent);
}

std::size_t find_code(int a, int b) {
  return static_cast<std::size_t>(std::min(a, largest_flagged)) * codes_of_value +
         static_cast<std::size_t>(std::min(b, largest_flagged));
}

void put_pair(BitWriter& to, int first, int second) {
  const auto a = std::abs(first);
  const auto b = std::abs(second);
  const auto code = find_code(a, b);
  to.put(pair_codes[code], pair_bits[code]);
  if (a != 0) to.put(first < 0 ? 1U : 0U, 1);
  if (b != 0) to.put(second < 0 ? 1U : 0U, 1);
  put_escape(to, a);
  put_escape(to, b);
}

/// Returns how many bits the values need, as put_pair() writes them.
std::size_t count_bits(const Quantised& values) {
  std::size_t bits = 0;
  const auto count_rest = [&bits](int size) {
    if (size != 0) ++bits;
    if (size >= largest_flagged) bits += 2 * std::size_t{find_exponent(size)} - 3;
  };
  for (std::size_t i = 0; i < values.size(); i += 2) {
    const auto a = std::abs(values[i]);
    const auto b = std::abs(values[i + 1]);
    bits += pair_bits[find_code(a, b)];
    count_rest(a);
    count_rest(b);
  }
  return bits;
}

/// Writes an individual_channel_stream. Null: the channel is silent.
void put_channel(BitWriter& to, const Channel& channel, unsigned sampling_index, int gain,
                 const Quantised* values) {
  const bool is_short = channel.sequence == Sequence::eight_short;
  const auto bands = values == nullptr ? 0 : (is_short ? short_bands : long_bands)[sampling_index];
  to.put(static_cast<unsigned>(gain), 8);
  // ics_info
  to.put(0, 1);
  to.put(static_cast<unsigned>(channel.sequence), 2);
  to.put(static_cast<unsigned>(channel.shape), 1);
  if (is_short) {
    to.put(bands, 4);
    to.put(0, 7);  // each window is a group of its own
  } else {
    to.put(bands, 6);
    to.put(0, 1);  // no prediction
  }
  const unsigned groups = is_short ? 8 : 1;
  if (values != nullptr) {
    // section_data: one section in each group
    const unsigned width = is_short ? 3 : 5;
    const unsigned full = (1U << width) - 1;
    for (unsigned group = 0; group < groups; ++group) {
      to.put(escape_codebook, 4);
      auto rest = bands;
      for (; rest >= full; rest -= full) to.put(full, width);
      to.put(rest, width);
    }
    // scale_factor_data: no factor differs from the one before, for which the code is one 0
    for (unsigned i = 0; i < groups * bands; ++i) to.put(0, 1);
  }
  to.put(0, 3);  // no pulses, no temporal noise shaping, no gain control
  if (values == nullptr) return;
  for (std::size_t i = 0; i < values->size(); i += 2) put_pair(to, (*values)[i], (*values)[i + 1]);
}

/// Writes the channel with the smallest global gain, and so the finest steps, that fits.
void put_finest(BitWriter& to, const Channel& channel, unsigned sampling_index) {
  std::array<float, frame_length> roots{};
  for (std::size_t i = 0; i < roots.size(); ++i) {
    const auto root = std::sqrt(std::abs(channel.coefficients[i]));
    roots[i] = root * std::sqrt(root);
  }
  const bool is_short = channel.sequence == Sequence::eight_short;
  const auto most = most_bits - (is_short ? short_reserve : long_reserve);
  const auto fits = [&](int gain) {
    const auto values = quantise(channel, roots, gain);
    return values && count_bits(*values) <= most;
  };
  int low = -1;  // does not fit
  int high = most_gain;
  while (high - low > 1) {
    const int gain = low + (high - low) / 2;
    (fits(gain) ? high : low) = gain;
  }
  const auto values = quantise(channel, roots, high);
  const bool is_silent =
      !values || std::ranges::all_of(*values, [](int value) { return value == 0; });
  put_channel(to, channel, sampling_index, high, is_silent ? nullptr : &*values);
}

}  // namespace

std::optional<Element> find_element(std::span<const std::uint8_t> frame) {
  BitReader bits(frame);
  while (!bits.has_ended()) {
    const auto id = bits.take(3);
    if (id == id_single || id == id_pair) return Element{id == id_pair, bits.take(4)};
    std::size_t count = 0;  // bytes to skip
    if (id == id_fill) {
      count = bits.take(4);
      if (count == 15) count += bits.take(8) - 1;
    } else if (id == id_data) {
      bits.skip(4);
      const bool is_aligned = bits.take(1) != 0;
      count = bits.take(8);
      if (count == 255) count += bits.take(8);
      if (is_aligned) bits.align();
    } else {
      return std::nullopt;
    }
    bits.skip(count * 8);
  }
  return std::nullopt;
}

std::optional<unsigned> find_sampling_index(int sample_rate) {
  const auto* const found = std::ranges::find(sample_rates, sample_rate);
  if (found == sample_rates.end()) return std::nullopt;
  return static_cast<unsigned>(found - sample_rates.begin());
}

std::vector<std::uint8_t> write_frame(const Element& element, unsigned sampling_index,
                                      std::span<const Channel> channels) {
  BitWriter frame;
  frame.put(element.is_pair ? id_pair : id_single, 3);
  frame.put(element.tag, 4);
  if (element.is_pair) frame.put(0, 1);  // each channel has a window of its own
  for (const auto& channel : channels) put_finest(frame, channel, sampling_index);
  frame.put(id_end, 3);
  return frame.take();
}

}  // namespace veo::media::aac
