// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A ByteStream as libavformat's AVIOContext.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "veo/core/error.h"
#include "veo/media/byte_stream.h"

struct AVIOContext;

namespace veo::media {

/// Not movable, because the context points to this object. One caller at a time.
class AvioStream {
 public:
  /// Returns the size of `stream`; nullopt: the size is not known, or not known yet.
  using Size = std::function<std::optional<std::uint64_t>()>;
  /// Returns FFmpeg's number, which is negative, for an error of `stream`.
  using Number = std::function<int(const Error&)>;

  /// `stream` must outlive the AvioStream. Null: there is no memory.
  static std::unique_ptr<AvioStream> make(ByteStream& stream, Size size, Number number);
  ~AvioStream();
  AvioStream(const AvioStream&) = delete;
  AvioStream& operator=(const AvioStream&) = delete;

  /// Read-only and seekable. The AvioStream owns the context.
  [[nodiscard]] AVIOContext* context() const;
  /// The last error of `stream`.
  [[nodiscard]] const std::optional<Error>& error() const;

 private:
  AvioStream();
  struct Private;
  std::unique_ptr<Private> p_;
};

/// Returns the negative number that tells a user of FFmpeg the meaning of the code.
int averror_of(ErrorCode code);
/// Returns AVERROR_EXIT.
int averror_of_interruption();

}  // namespace veo::media
