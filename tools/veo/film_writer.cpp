// SPDX-License-Identifier: LGPL-2.1-or-later
#include "film_writer.h"

#include <utility>

#include "veo/core/log.h"

namespace veo::cli {

using Written = Output::Written;

Result<Written> FilmWriter::add(media::ByteStream& clip) {
  if (auto begun = joiner_->append(clip); !begun) return fail(std::move(begun.error()));
  for (;;) {
    const auto piece = joiner_->read();
    if (!piece) return fail(piece.error());
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
  if (!rest) return fail(rest.error());
  log::info(log::Category::film, "the film ends, with ", joiner_->frames(), " frames");
  return write(*rest);
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
