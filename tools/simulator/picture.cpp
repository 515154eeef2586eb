// SPDX-License-Identifier: LGPL-2.1-or-later
#include "picture.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <random>

namespace simulator {
namespace {

constexpr std::uint8_t black = 16;
constexpr std::uint8_t white = 235;

/// Computes a number from 0 to 1 that is the same for a task in every run. (std::hash does not
/// promise that.)
double fraction_of(const std::string& task_id) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : task_id) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return static_cast<double>(hash) / 4294967296.0;
}

constexpr std::size_t grain_size = std::size_t{1} << 16U;

const std::array<std::uint8_t, grain_size>& grain() {
  static const auto table = [] {
    std::array<std::uint8_t, grain_size> values{};
    std::minstd_rand random(1);
    for (auto& value : values) value = static_cast<std::uint8_t>(random() % 13);
    return values;
  }();
  return table;
}

}  // namespace

Picture::Picture(unsigned width, unsigned height)
    : width_(width), height_(height), bytes_(std::size_t{width} * height * 3 / 2) {}

void Picture::paint_background(const std::string& task_id) {
  const double hue = 2 * std::numbers::pi * fraction_of(task_id);
  std::uint8_t* at = bytes_.data();
  for (unsigned y = 0; y < height_; ++y, at += width_)
    std::fill_n(at, width_, static_cast<std::uint8_t>(60 + 80 * y / height_));
  for (const double angle : {std::cos(hue), std::sin(hue)}) {
    for (unsigned y = 0; y < height_ / 2; ++y, at += width_ / 2) {
      const double depth = 45.0 - 25.0 * y / (height_ / 2.0);
      std::fill_n(at, width_ / 2, static_cast<std::uint8_t>(std::lround(128 + depth * angle)));
    }
  }
}

void Picture::paint_frame(unsigned number) {
  const std::size_t luma = std::size_t{width_} * height_;
  std::uint8_t* at = bytes_.data();
  for (std::size_t done = 0; done < luma;) {
    // Each frame and each scene begins at another place in the table.
    const std::size_t from = (number * 7919U + done) * 2654435761U % grain_size;
    const std::size_t run = std::min(grain_size - from, luma - done);
    for (std::size_t i = 0; i < run; ++i)
      at[done + i] = static_cast<std::uint8_t>(at[done + i] + grain()[from + i]);
    done += run;
  }

  const double turn = 2 * std::numbers::pi * number / frames_per_second;
  const double radius = std::min(width_, height_) / 14.0;
  const double x = width_ * (0.5 + 0.35 * std::sin(turn / 4));
  const double y = height_ * (0.5 + 0.25 * std::sin(turn / 3));
  for (double row = -radius; row <= radius; row += 1) {
    const double half = std::sqrt(radius * radius - row * row);
    fill(static_cast<unsigned>(x - half), static_cast<unsigned>(y + row),
         static_cast<unsigned>(2 * half), 1, 210);
  }

  constexpr unsigned mask = (1U << frame_number_bits) - 1;
  const unsigned parity = std::popcount(number & mask) % 2 == 0 ? 1 : 0;
  const unsigned blocks = (number & mask) << 1U | parity;
  for (unsigned i = 0; i <= frame_number_bits; ++i) {
    const bool bit = (blocks >> (frame_number_bits - i) & 1U) != 0;
    fill(i * frame_number_block, 0, frame_number_block, frame_number_block, bit ? white : black);
  }
}

void Picture::fill(unsigned x, unsigned y, unsigned width, unsigned height, std::uint8_t luma) {
  for (unsigned row = y; row < y + height; ++row)
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(std::size_t{row} * width_ + x), width,
                luma);
}

std::vector<float> make_sound(const Scene& scene) {
  constexpr unsigned click = sample_rate / 200;
  const double pitch = 220 * std::exp2(fraction_of(scene.task_id));
  const std::size_t count = std::size_t{scene.frames} * samples_per_frame;
  const std::size_t start = std::size_t{scene.first_frame} * samples_per_frame;
  std::vector<float> samples;
  samples.reserve(2 * count);
  for (std::size_t i = start; i < start + count; ++i) {
    const double time = static_cast<double>(i) / sample_rate;
    double value = 0.1 * std::sin(2 * std::numbers::pi * pitch * time);
    const auto since_click = static_cast<unsigned>(i % sample_rate);
    if (since_click < click) value += 0.5 * (1.0 - static_cast<double>(since_click) / click);
    samples.insert(samples.end(), 2, static_cast<float>(value));
  }
  return samples;
}

}  // namespace simulator
