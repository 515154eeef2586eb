// SPDX-License-Identifier: LGPL-2.1-or-later
#include "film_writer.h"

#include <algorithm>
#include <utility>

#include "veo/core/log.h"

namespace veo::cli {

using Written = Output::Written;

FilmWriter::FilmWriter(const media::Library& media, Output& output, Settings settings)
    : output_(output),
      joiner_(media.make_joiner(
          {.file = output.is_in_place() || settings.asks_for_fragments ? nullptr : &file_,
           .has_one_configuration = settings.has_one_configuration})) {}

Result<Written> FilmWriter::add(media::ByteStream& clip) {
  if (auto begun = joiner_->append(clip); !begun) return fail_with(std::move(begun.error()));
  for (;;) {
    const auto piece = joiner_->read();
    if (!piece) return fail_with(piece.error());
    if (piece->empty()) {
      log::info(log::Category::film, "a clip is in the film, which has ", joiner_->frames(),
                " frames");
      return has_reader_ ? Written::all : Written::closed;
    }
    auto written = write(*piece);
    if (!written || *written == Written::interrupted) return written;
  }
}

Result<Written> FilmWriter::finish() {
  const auto rest = joiner_->finish();
  if (!rest) return fail_with(rest.error());
  log::info(log::Category::film, "the film ends, with ", joiner_->frames(), " frames");
  return write(*rest);
}

Result<Written> FilmWriter::fail_with(Error error) const {
  if (was_interrupted_) return Written::interrupted;
  return fail(std::move(error));
}

Status FilmWriter::File::write(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  const auto written = writer_.output_.write_at(offset, bytes);
  if (!written) return fail(written.error());
  if (*written == Written::interrupted) {
    writer_.was_interrupted_ = true;
    return fail({.code = ErrorCode::network, .message = "The writing was interrupted."});
  }
  writer_.bytes_ = std::max(writer_.bytes_, offset + bytes.size());
  return {};
}

Result<std::size_t> FilmWriter::File::read(std::uint64_t offset, std::span<std::uint8_t> into) {
  return writer_.output_.read_at(offset, into);
}

void FilmWriter::report_notices(Display& display) {
  for (const auto& notice : joiner_->take_notices()) display.report_notice(notice);
}

Result<Written> FilmWriter::write(std::span<const std::uint8_t> bytes) {
  if (!has_reader_) return Written::closed;
  auto written = output_.write(bytes);
  if (!written) return written;
  has_reader_ = *written != Written::closed;
  if (*written == Written::all) bytes_ += bytes.size();
  return written;
}

}  // namespace veo::cli
