// SPDX-License-Identifier: LGPL-2.1-or-later
#include "aac_window.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <numeric>

extern "C" {
#include <libavutil/mem.h>
#include <libavutil/tx.h>
}

namespace veo::media::aac {

namespace {

constexpr std::size_t short_length = 128;  // samples of a steep slope
// A half with a steep slope is zero, then rises in `short_length` samples, then is flat.
constexpr std::size_t flat_length = (frame_length - short_length) / 2;
constexpr double long_alpha = 4;  // of the Kaiser-Bessel windows
constexpr double short_alpha = 6;
constexpr float full_scale = 32'768;

template <std::size_t length>
std::array<float, length> make_sine() {
  std::array<float, length> slope{};
  for (std::size_t i = 0; i < length; ++i) {
    const auto angle = (static_cast<double>(i) + 0.5) / static_cast<double>(2 * length);
    slope[i] = static_cast<float>(std::sin(std::numbers::pi * angle));
  }
  return slope;
}

/// The modified Bessel function of order 0, of which the argument is at most 6 pi.
double bessel(double x) {
  double sum = 1;
  double term = 1;
  for (int k = 1; k < 64; ++k) {
    term *= x / (2 * k) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

template <std::size_t length>
std::array<float, length> make_kaiser_bessel(double alpha) {
  std::array<double, length + 1> kernel{};
  for (std::size_t i = 0; i <= length; ++i) {
    const auto place = 2 * static_cast<double>(i) / static_cast<double>(length) - 1;
    kernel[i] = bessel(std::numbers::pi * alpha * std::sqrt(std::max(0.0, 1 - place * place)));
  }
  const auto all = std::accumulate(kernel.begin(), kernel.end(), 0.0);
  std::array<float, length> slope{};
  double sum = 0;
  for (std::size_t i = 0; i < length; ++i) {
    sum += kernel[i];
    slope[i] = static_cast<float>(std::sqrt(sum / all));
  }
  return slope;
}

const std::array<float, short_length>& steep_slope(Shape shape) {
  static const std::array slopes = {make_sine<short_length>(),
                                    make_kaiser_bessel<short_length>(short_alpha)};
  return slopes[static_cast<std::size_t>(shape)];
}

Half make_left_window(Slope slope, Shape shape) {
  if (slope == Slope::gradual) {
    return shape == Shape::sine ? make_sine<frame_length>()
                                : make_kaiser_bessel<frame_length>(long_alpha);
  }
  Half window{};
  std::ranges::copy(steep_slope(shape), window.begin() + flat_length);
  std::fill(window.end() - flat_length, window.end(), 1.0F);
  return window;
}

bool is_zero(std::span<const float> samples) {
  return std::ranges::all_of(samples, [](float sample) { return sample == 0; });
}

/// FFmpeg's MDCT, with the scale of the standard.
class Mdct {
 public:
  explicit Mdct(std::size_t length) : length_(length) {
    const float scale = mdct_scale;
    if (av_tx_init(&context_, &function_, AV_TX_FLOAT_MDCT, 0, static_cast<int>(length), &scale,
                   0) < 0) {
      context_ = nullptr;
    }
    in_.reset(static_cast<float*>(av_malloc(2 * length * sizeof(float))));
    out_.reset(static_cast<float*>(av_malloc(length * sizeof(float))));
  }
  ~Mdct() { av_tx_uninit(&context_); }
  Mdct(const Mdct&) = delete;
  Mdct& operator=(const Mdct&) = delete;

  [[nodiscard]] bool is_ready() const { return context_ != nullptr && in_ && out_; }
  void run(std::span<const float> samples, std::span<float> coefficients) {
    std::ranges::copy(samples, in_.get());
    function_(context_, out_.get(), in_.get(), sizeof(float));
    std::copy_n(out_.get(), length_, coefficients.begin());
  }

 private:
  static constexpr float mdct_scale = 2;

  struct Free {
    void operator()(float* samples) const { av_free(samples); }
  };
  const std::size_t length_;
  AVTXContext* context_ = nullptr;
  av_tx_fn function_ = nullptr;
  std::unique_ptr<float, Free> in_;  // aligned, as the transform wants it
  std::unique_ptr<float, Free> out_;
};

}  // namespace

const Half& left_window(Slope slope, Shape shape) {
  // Threads may use the windows while the process exits, so the windows are never destroyed.
  static const std::array<Half, 4> windows = {
      make_left_window(Slope::gradual, Shape::sine),
      make_left_window(Slope::gradual, Shape::kaiser_bessel),
      make_left_window(Slope::steep, Shape::sine),
      make_left_window(Slope::steep, Shape::kaiser_bessel),
  };
  return windows[(slope == Slope::steep ? 2U : 0U) + static_cast<std::size_t>(shape)];
}

bool is_zero(const Half& half) { return is_zero(std::span<const float>(half)); }

bool is_steep_left(const Half& half) {
  return !is_zero(half) && is_zero(std::span(half).first(flat_length));
}

bool is_steep_right(const Half& half) {
  return !is_zero(half) && is_zero(std::span(half).last(flat_length));
}

Shape find_shape(const Half& right, const Half& left, Slope slope) {
  // Without its window the right half is its own mirror image, and the left half is its mirror
  // image with the other sign. Only the true shape makes them so.
  const auto error_of = [&](Shape shape) {
    const auto& window = left_window(slope, shape);
    double error = 0;
    for (std::size_t i = 0; i < frame_length / 2; ++i) {
      const auto mirror = frame_length - 1 - i;
      const auto a = double{right[i]} * window[i] - double{right[mirror]} * window[mirror];
      const auto b = double{left[i]} * window[mirror] + double{left[mirror]} * window[i];
      error += a * a + b * b;
    }
    return error;
  };
  return error_of(Shape::kaiser_bessel) < error_of(Shape::sine) ? Shape::kaiser_bessel
                                                                : Shape::sine;
}

std::optional<Channel> transform(const Half& left, Slope left_slope, Shape left_shape,
                                 const Half& right, Slope right_slope, Shape right_shape) {
  const bool rises_steeply = left_slope == Slope::steep;
  const bool falls_steeply = right_slope == Slope::steep;
  std::array<float, 2 * frame_length> samples{};
  for (std::size_t i = 0; i < frame_length; ++i) {
    samples[i] = left[i] * full_scale;
    samples[frame_length + i] = right[i] * full_scale;
  }
  Channel channel{.shape = right_shape};
  if (!rises_steeply || !falls_steeply) {
    channel.sequence = rises_steeply   ? Sequence::long_stop
                       : falls_steeply ? Sequence::long_start
                                       : Sequence::only_long;
    const auto& rise = left_window(left_slope, left_shape);
    const auto& fall = left_window(right_slope, right_shape);
    for (std::size_t i = 0; i < frame_length; ++i) {
      samples[i] *= rise[i];
      samples[2 * frame_length - 1 - i] *= fall[i];
    }
    Mdct mdct(frame_length);
    if (!mdct.is_ready()) return std::nullopt;
    mdct.run(samples, channel.coefficients);
    return channel;
  }
  channel.sequence = Sequence::eight_short;
  Mdct mdct(short_length);
  if (!mdct.is_ready()) return std::nullopt;
  for (std::size_t block = 0; block < frame_length / short_length; ++block) {
    const auto& rise = steep_slope(block == 0 ? left_shape : right_shape);
    const auto& fall = steep_slope(right_shape);
    std::array<float, 2 * short_length> windowed{};
    const auto begin = flat_length + block * short_length;
    std::copy_n(samples.begin() + static_cast<std::ptrdiff_t>(begin), windowed.size(),
                windowed.begin());
    for (std::size_t i = 0; i < short_length; ++i) {
      windowed[i] *= rise[i];
      windowed[windowed.size() - 1 - i] *= fall[i];
    }
    mdct.run(windowed, std::span(channel.coefficients).subspan(block * short_length, short_length));
  }
  return channel;
}

}  // namespace veo::media::aac
