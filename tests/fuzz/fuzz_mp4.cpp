// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Scans any bytes as a downloaded file. The code must not crash, and must not need a byte outside
// the file. The layout must have each byte of the file once, except for those of a manifest whose
// hash no longer holds, and the media at the chunk offsets, also with tags. This is an entry for
// libFuzzer; tests/unit/core/mp4_mutation_test.cpp calls it too.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "mp4_file.h"
#include "veo/core/mp4_layout.h"
#include "veo/core/mp4_tags.h"

namespace {

using namespace veo::mp4;

void must(bool promise) {
  if (!promise) std::abort();
}

void must_have_media_where_it_says(std::span<const std::uint8_t> file, const Bytes& streamable,
                                   std::uint64_t first_mdat) {
  const auto before = tables_in(file);
  const auto after = tables_in(streamable);
  must(before.size() == after.size());
  for (std::size_t t = 0; t < before.size(); ++t) {
    must(before[t].offsets.size() == after[t].offsets.size());
    for (std::size_t i = 0; i < before[t].offsets.size(); ++i) {
      const auto old_offset = before[t].offsets[i];
      const auto new_offset = after[t].offsets[i];
      must(old_offset < first_mdat ? new_offset == old_offset
                                   : file[old_offset] == streamable.at(new_offset));
    }
  }
}

bool is_manifest(std::span<const std::uint8_t> file, const veo::mp4::Box& box) {
  const auto payload = box.size - box.header_size;
  return box.type == fourcc("uuid") && payload >= manifest_type.size() &&
         std::ranges::equal(file.subspan(box.offset + box.header_size, manifest_type.size()),
                            manifest_type);
}

void must_have_each_byte_once(const LayoutScanner& scanner, std::span<const std::uint8_t> file) {
  const auto file_size = file.size();
  std::uint64_t position = 0;
  std::uint64_t skipped = 0;
  for (const auto& segment : scanner.layout()->segments()) {
    must(segment.size > 0);
    if (segment.memory) {
      must(segment.memory->size() == segment.size);
      continue;
    }
    if (segment.is_zeros) continue;
    skipped += segment.file_offset - position;
    must(segment.file_offset >= position);
    position = segment.file_offset + segment.size;
  }
  skipped += file_size - position;
  std::uint64_t replaced = 0;
  if (scanner.layout()->segments().size() > 1) {
    for (const auto& b : scanner.boxes()) {
      if (b.type == fourcc("moov") || is_manifest(file, b)) replaced += b.size;
    }
  }
  must(skipped == replaced);
}

/// A presentation is itself a valid file, without a manifest, and its layout is the unchanged file.
void must_be_a_file(const Bytes& presentation) {
  LayoutScanner scanner(presentation.size());
  while (const auto need = scanner.find_need()) {
    must(scanner.take_bytes(std::span(presentation).subspan(need->offset, need->size)).has_value());
  }
  must(scanner.layout()->segments().size() == 1);
  for (const auto& b : scanner.boxes()) must(!is_manifest(presentation, b));
}

}  // namespace

// The name and the type are libFuzzer's.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span file(data, size);
  LayoutScanner scanner(size);
  std::size_t rounds = 0;
  while (const auto need = scanner.find_need()) {
    must(need->offset <= size && need->size <= size - need->offset);
    must(++rounds <= LayoutScanner::max_boxes + 2);
    if (const auto status = scanner.take_bytes(file.subspan(need->offset, need->size)); !status) {
      must(status.error().code == veo::ErrorCode::bad_media && !status.error().message.empty());
      return 0;
    }
  }
  must_have_each_byte_once(scanner, file);
  const auto streamable = present(file, *scanner.layout());
  must(streamable.size() == scanner.layout()->size());
  if (scanner.layout()->segments().size() == 1) return 0;

  const auto* const first_mdat =
      &*std::ranges::find(scanner.boxes(), fourcc("mdat"), &veo::mp4::Box::type);
  must_have_media_where_it_says(file, streamable, first_mdat->offset);

  must_be_a_file(streamable);

  const auto layout = add_tags(
      *scanner.layout(), {.title = "t", .description = "stco", .task_ids = {"1"}, .date = ""});
  const auto tagged = present(file, layout);
  must(tagged.size() == layout.size());
  must_have_media_where_it_says(streamable, tagged, first_mdat->offset);
  must_be_a_file(tagged);
  return 0;
}
