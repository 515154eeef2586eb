// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/libav/avio_stream.h"

#include <cerrno>
#include <cstdio>
#include <utility>

#include "libav_ptr.h"
#include "veo/core/error_table.h"

namespace veo::media {

struct AvioStream::Private {
  static int fill(void* opaque, std::uint8_t* into, int size) {
    auto& self = *static_cast<Private*>(opaque);
    auto got = self.stream->read(self.position, {into, static_cast<std::size_t>(size)});
    if (!got) {
      self.error = std::move(got.error());
      return self.number(*self.error);
    }
    if (*got == 0) return AVERROR_EOF;
    self.position += *got;
    return static_cast<int>(*got);
  }

  static std::int64_t seek(void* opaque, std::int64_t offset, int whence) {
    auto& self = *static_cast<Private*>(opaque);
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE || whence == SEEK_END) {
      const auto size = self.size();
      if (!size) return AVERROR(ENOSYS);
      if (whence == AVSEEK_SIZE) return static_cast<std::int64_t>(*size);
      offset += static_cast<std::int64_t>(*size);
    } else if (whence == SEEK_CUR) {
      offset += static_cast<std::int64_t>(self.position);
    } else if (whence != SEEK_SET) {
      return AVERROR(EINVAL);
    }
    if (offset < 0) return AVERROR(EINVAL);
    self.position = static_cast<std::uint64_t>(offset);
    return offset;
  }

  ByteStream* stream = nullptr;
  Size size;
  Number number;
  std::uint64_t position = 0;
  std::optional<Error> error;
  IoPtr io;
};

AvioStream::AvioStream() : p_(std::make_unique<Private>()) {}
AvioStream::~AvioStream() = default;

std::unique_ptr<AvioStream> AvioStream::make(ByteStream& stream, Size size, Number number) {
  std::unique_ptr<AvioStream> made(new AvioStream);
  auto& p = *made->p_;
  p.stream = &stream;
  p.size = std::move(size);
  p.number = std::move(number);
  auto* const buffer = static_cast<unsigned char*>(av_malloc(io_buffer_size));
  if (buffer == nullptr) return nullptr;
  p.io.reset(
      avio_alloc_context(buffer, io_buffer_size, 0, &p, Private::fill, nullptr, Private::seek));
  if (!p.io) {
    av_free(buffer);
    return nullptr;
  }
  p.io->seekable = AVIO_SEEKABLE_NORMAL;
  return made;
}

AVIOContext* AvioStream::context() const { return p_->io.get(); }
const std::optional<Error>& AvioStream::error() const { return p_->error; }

// Core does not include FFmpeg, so core has FFmpeg's numbers as literals.
static_assert(libav_error::invalid_argument.number == AVERROR(EINVAL));
static_assert(libav_error::access_denied.number == AVERROR(EACCES));
static_assert(libav_error::quota_exceeded.number == AVERROR(EDQUOT));
static_assert(libav_error::no_entry.number == AVERROR(ENOENT));
static_assert(libav_error::busy.number == AVERROR(EBUSY));
static_assert(libav_error::timed_out.number == AVERROR(ETIMEDOUT));
static_assert(libav_error::input_output.number == AVERROR(EIO));
static_assert(libav_error::invalid_data.number == AVERROR_INVALIDDATA);

int averror_of(ErrorCode code) { return error_row(code).libav.value.number; }

int averror_of_interruption() { return AVERROR_EXIT; }

}  // namespace veo::media
