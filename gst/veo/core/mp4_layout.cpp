// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/mp4_layout.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "mp4_box.h"
#include "mp4_moov.h"

namespace veo::mp4 {
namespace {

/// The boxes that can stand beside a `moov` that moves. None of them has an offset into the file.
/// Another box may have one: `mfra`, `sidx`, `meta` with an `iloc`, or a box of the future. Then
/// the `moov` stays where it is.
constexpr std::uint32_t movable[] = {fourcc("ftyp"), fourcc("mdat"), fourcc("moov"),
                                     fourcc("free"), fourcc("skip"), fourcc("wide"),
                                     fourcc("uuid"), fourcc("pdin"), fourcc("udta")};

/// The type of the `uuid` box that has a C2PA manifest (C2PA Technical Specification, "Embedding
/// manifests into BMFF-based assets").
constexpr std::array<std::uint8_t, usertype_size> manifest_type = {
    0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c, 0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4, 0x81};

/// All runs of zeros in all layouts share this block, so that a large run takes no memory.
constexpr std::array<std::uint8_t, 64U << 10U> zeros = {};

/// Whether the box has a C2PA manifest. `bytes` are the start of the box.
bool is_manifest(View bytes, const Box& box) {
  return box.type == fourcc("uuid") && box.size - box.header_size >= usertype_size &&
         std::ranges::equal(bytes.subspan(box.header_size, usertype_size), manifest_type);
}

/// Makes the header of a `free` box of the same size, with a size field of the same width.
Bytes make_free_header(const Box& box) {
  constexpr auto largest_compact = std::numeric_limits<std::uint32_t>::max();
  Bytes header(box.header_size);
  store(header, 4, fourcc("free"));
  if (box.header_size == largest_header) {
    store(header, 0, std::uint32_t{1});
    store(header, 8, box.size);
  } else if (box.size <= largest_compact) {
    store(header, 0, static_cast<std::uint32_t>(box.size));
  }
  // Otherwise the box extends to the end of the file. Its size field is 0, and so is the header's.
  return header;
}

}  // namespace

Layout::Layout(std::vector<Segment> segments) : segments_(std::move(segments)) {
  std::erase_if(segments_, [](const Segment& segment) { return segment.size == 0; });
  for (const auto& segment : segments_) size_ += segment.size;
}

Layout Layout::make_original(std::uint64_t file_size) {
  return Layout({{.memory = nullptr, .file_offset = 0, .size = file_size}});
}

std::optional<Layout::Extent> Layout::find_extent(std::uint64_t offset) const {
  for (const auto& segment : segments_) {
    if (offset < segment.size && segment.is_zeros) {
      return Extent{.memory = zeros.data(),
                    .size = std::min<std::uint64_t>(segment.size - offset, zeros.size())};
    }
    if (offset < segment.size) {
      return Extent{.memory = segment.memory ? segment.memory->data() + offset : nullptr,
                    .file_offset = segment.file_offset + offset,
                    .size = segment.size - offset};
    }
    offset -= segment.size;
  }
  return std::nullopt;
}

std::optional<LayoutScanner::Need> LayoutScanner::find_need() const {
  switch (state_) {
    case State::scanning:
      return Need{position_, std::min(largest_header + usertype_size, file_size_ - position_)};
    case State::reading_moov:
      return Need{moov_->offset, moov_->size};
    case State::done:
      break;
  }
  return std::nullopt;
}

Status LayoutScanner::take_bytes(std::span<const std::uint8_t> bytes) {
  assert(find_need() && find_need()->size == bytes.size());
  if (outcome_) outcome_ = state_ == State::reading_moov ? take_moov(bytes) : take_header(bytes);
  return outcome_;
}

Status LayoutScanner::take_header(std::span<const std::uint8_t> bytes) {
  auto box = read_header(bytes, position_);
  // This check tells an error page from a video. It also refuses a media segment (`styp`), which
  // cannot be played alone, and the oldest QuickTime files, which have no `ftyp`: the service
  // delivers neither.
  if (position_ == 0 && (!box || box->type != fourcc("ftyp"))) {
    return bad_media("it is not an MP4 file: it does not begin with an 'ftyp' box.");
  }
  if (!box) {
    return bad_media("it is cut short or damaged: its last " + write_size(bytes.size()) +
                     " are not a box.");
  }
  if (box->size == 0) box->size = file_size_ - position_;
  if (!is_within(*box, file_size_)) {
    return bad_media("it is cut short or damaged: at byte " + std::to_string(position_) +
                     " there is a " + quote(box->type) + " box of " + write_size(box->size) +
                     ", in a file of " + write_size(file_size_) + ".");
  }
  if (boxes_.size() == max_boxes) {
    return bad_media("it is damaged: it has more than " + std::to_string(max_boxes) +
                     " boxes at its top level.");
  }
  boxes_.push_back(*box);
  if (is_manifest(bytes, *box)) manifests_.push_back(*box);
  position_ = box->end();

  if (std::ranges::find(movable, box->type) == std::end(movable)) is_fixed_ = true;
  const bool is_media = box->type == fourcc("mdat") || box->type == fourcc("moof");
  if (box->type == fourcc("mdat") && !first_mdat_) first_mdat_ = box;
  if (box->type == fourcc("moof")) fragmented_ = true;
  if (box->type == fourcc("moov")) {
    if (moov_) return bad_media("it is damaged: it has two 'moov' boxes.");
    moov_ = box;
    if (!first_mdat_ && box->size <= max_moov_size) {
      state_ = State::reading_moov;
      return {};
    }
  }
  // The `moov` comes first, so the file can be played unchanged from here on.
  if (is_media && moov_ && moov_->offset < box->offset && first_mdat_ == box) keep_order();
  if (is_media && moov_ && fragmented_) keep_order();
  return position_ < file_size_ ? Status() : finish_boxes();
}

void LayoutScanner::keep_order() {
  if (!layout_) layout_ = Layout::make_original(file_size_);
}

Status LayoutScanner::finish_boxes() {
  if (!moov_) {
    return bad_media("it has no 'moov' box, without which nothing can play it.");
  }
  if (boxes_.back().type == fourcc("moof")) {
    return bad_media("it is cut short: its last 'moof' box has no media.");
  }
  const bool is_behind_media = !layout_ && !fragmented_ && first_mdat_;
  const bool is_to_be_read = is_behind_media && !(is_fixed_ && moov_->size > max_moov_size);
  if (!is_to_be_read) {
    keep_order();
    state_ = State::done;
    return {};
  }
  if (moov_->size > max_moov_size) {
    return bad_media("its 'moov' box of " + write_size(moov_->size) + " is larger than " +
                     write_size(max_moov_size) + ".");
  }
  state_ = State::reading_moov;
  return {};
}

Status LayoutScanner::take_moov(std::span<const std::uint8_t> bytes) {
  const auto target = first_mdat_ ? first_mdat_->offset : file_size_;
  MoovRewriter rewriter(
      bytes, {.target = target, .moov = *moov_, .file_size = file_size_, .replaced = manifests_});
  if (auto status = rewriter.read(); !status) return status;
  if (!first_mdat_) {
    // This `moov` comes before the media, so it does not move. The scan goes on to the media.
    state_ = State::scanning;
    return position_ < file_size_ ? Status() : finish_boxes();
  }
  state_ = State::done;
  if (is_fixed_ || rewriter.is_fragmented() || !rewriter.is_understood()) {
    keep_order();
    return {};
  }
  auto moov = std::make_shared<const Bytes>(rewriter.rewrite());
  const auto size = moov->size();
  std::vector<Segment> segments;
  append_file(segments, 0, target);
  segments.push_back({.memory = std::move(moov), .file_offset = 0, .size = size});
  append_file(segments, target, moov_->offset);
  append_file(segments, moov_->end(), file_size_);
  layout_ = Layout(std::move(segments));
  return {};
}

/// Appends the bytes from `first` up to `end` of the file, with a `free` box in place of each
/// manifest.
void LayoutScanner::append_file(std::vector<Segment>& to, std::uint64_t first,
                                std::uint64_t end) const {
  for (const auto& box : manifests_) {
    if (box.offset < first || box.offset >= end) continue;
    to.push_back({.memory = nullptr, .file_offset = first, .size = box.offset - first});
    to.push_back(
        {.memory = std::make_shared<const Bytes>(make_free_header(box)), .size = box.header_size});
    to.push_back({.memory = nullptr, .size = box.size - box.header_size, .is_zeros = true});
    first = box.end();
  }
  to.push_back({.memory = nullptr, .file_offset = first, .size = end - first});
}

Status check_structure(std::uint64_t file_size,
                       const std::function<Status(std::uint64_t, std::span<std::uint8_t>)>& read) {
  LayoutScanner scanner(file_size);
  Bytes bytes;
  while (const auto need = scanner.find_need()) {
    bytes.resize(need->size);
    if (auto done = read(need->offset, bytes); !done) return done;
    if (auto understood = scanner.take_bytes(bytes); !understood) return understood;
  }
  return {};
}

}  // namespace veo::mp4
