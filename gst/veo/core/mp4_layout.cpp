// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/mp4_layout.h"

#include <algorithm>
#include <cassert>
#include <concepts>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace veo::mp4 {
namespace {

using View = std::span<const std::uint8_t>;

constexpr std::uint64_t largest_header = 16;

auto bad_media(std::string message) {
  Error error;
  error.code = ErrorCode::bad_media;
  error.message = std::move(message);
  return fail(std::move(error));
}

// The numbers in an MP4 file are big-endian.
template <std::unsigned_integral T>
T load(View bytes, std::size_t at) {
  T value = 0;
  for (const auto byte : bytes.subspan(at, sizeof(T))) value = static_cast<T>(value << 8U | byte);
  return value;
}

template <std::unsigned_integral T>
void store(std::span<std::uint8_t> bytes, std::size_t at, T value) {
  for (auto i = sizeof(T); i-- > 0; value = static_cast<T>(value >> 8U)) {
    bytes[at + i] = static_cast<std::uint8_t>(value);
  }
}

/// Writes the type as `'moov'`. A byte that is not printable ASCII becomes `.`.
std::string quote(std::uint32_t type) {
  std::string text = "'....'";
  for (std::size_t i = 0; i < 4; ++i) {
    const auto c = static_cast<unsigned char>(type >> (24 - 8 * i));
    if (c >= 0x20 && c < 0x7f) text[1 + i] = static_cast<char>(c);
  }
  return text;
}

std::string write_size(std::uint64_t count) { return std::to_string(count) + " bytes"; }

/// Reads the header at the start of `bytes`. The size is as in the file, so it may be 0. Returns
/// nullopt if `bytes` is too short for a header.
std::optional<Box> read_header(View bytes, std::uint64_t offset) {
  if (bytes.size() < 8) return std::nullopt;
  Box box{.type = load<std::uint32_t>(bytes, 4),
          .offset = offset,
          .size = load<std::uint32_t>(bytes, 0),
          .header_size = 8};
  if (box.size == 1) {
    if (bytes.size() < largest_header) return std::nullopt;
    box.size = load<std::uint64_t>(bytes, 8);
    box.header_size = 16;
  }
  return box;
}

/// Whether the box is large enough for its own header and ends at or before `end`.
bool is_within(const Box& box, std::uint64_t end) {
  return box.size >= box.header_size && box.size <= end - box.offset;
}

/// The move of the `moov` box to the place before the first `mdat`:
///
///   delivered    ┈┈┈┈ target ▒▒▒▒▒▒▒▒▒▒▒▒ moov ░░░░░░ file_size
///   streamable   ┈┈┈┈ moov' ▒▒▒▒▒▒▒▒▒▒▒▒ ░░░░░░
struct Move {
  std::uint64_t target;
  Box moov;
  std::uint64_t file_size;

  /// Whether these bytes can have media: they are within the file, and do not overlap the `moov`.
  [[nodiscard]] bool may_hold_media(std::uint64_t offset, std::uint64_t size) const {
    if (offset < moov.offset) return size <= moov.offset - offset;
    return offset >= moov.end() && offset < file_size && size <= file_size - offset;
  }
  /// Computes the offset of a byte of the file as if the `moov` were removed.
  [[nodiscard]] std::uint64_t remove_moov(std::uint64_t offset) const {
    return offset < moov.offset ? offset : offset - moov.size;
  }
  /// Computes the offset of a byte of the file after the move.
  [[nodiscard]] std::uint64_t move_offset(std::uint64_t offset, std::uint64_t new_moov_size) const {
    return offset < target ? offset : remove_moov(offset) + new_moov_size;
  }
};

/// A table of chunk offsets, `stco` or `co64` (ISO/IEC 14496-12, section 8.7.5). The box has a
/// header, version and flags, the number of entries, and the entries.
struct ChunkOffsets {
  Box box;
  std::uint64_t highest = 0;        // the highest offset, after remove_moov()
  bool becomes_wide = false;        // a `stco` that has to become a `co64`
  std::uint64_t growth_before = 0;  // the growth of all tables before this one

  [[nodiscard]] bool is_wide() const { return box.type == fourcc("co64"); }
  [[nodiscard]] std::uint64_t entry_size() const { return is_wide() ? 8 : 4; }
  [[nodiscard]] std::uint64_t first() const { return box.offset + box.header_size + 8; }
  [[nodiscard]] std::uint64_t count() const { return (box.end() - first()) / entry_size(); }
  [[nodiscard]] std::uint64_t growth() const { return becomes_wide ? 4 * count() : 0; }
  [[nodiscard]] std::uint64_t entry(View moov, std::uint64_t index) const {
    const auto at = first() + index * entry_size();
    return is_wide() ? load<std::uint64_t>(moov, at) : load<std::uint32_t>(moov, at);
  }
};

/// The boxes that can stand beside a `moov` that moves. None of them has an offset into the file.
/// Another box may have one: `mfra`, `sidx`, `meta` with an `iloc`, or a box of the future. Then
/// the `moov` stays where it is.
constexpr std::uint32_t movable[] = {fourcc("ftyp"), fourcc("mdat"), fourcc("moov"),
                                     fourcc("free"), fourcc("skip"), fourcc("wide"),
                                     fourcc("uuid"), fourcc("pdin"), fourcc("udta")};

/// The boxes within a `moov` that have offsets into a file, besides `stco` and `co64`, or that hide
/// such boxes, because they are compressed or refer to another file.
constexpr std::string_view not_understood[] = {"cmov", "saio", "iloc", "tfra",
                                               "sidx", "ssix", "rmra"};

/// The path from the `moov` to the chunk offsets. A `moov` has any number of `trak` boxes. Below
/// that, each box has one box of the next type, and a `stbl` has one table of chunk offsets.
constexpr std::uint32_t path[] = {fourcc("moov"), fourcc("trak"), fourcc("mdia"), fourcc("minf"),
                                  fourcc("stbl")};

/// Finds everything in a `moov` that has to change, and then makes the new `moov`. The offsets of
/// the boxes count from the start of the `moov`.
class MoovRewriter {
 public:
  MoovRewriter(View moov, const Move& move) : moov_(moov), move_(move) {}

  Status read() {
    if (auto done = walk({path[0], 0, moov_.size(), move_.moov.header_size}, 0); !done) return done;
    // These boxes can be in any box, so search every byte for their types. Four other bytes are
    // hardly ever the same by chance, and then the file only goes out as it was delivered.
    const std::string_view text(reinterpret_cast<const char*>(moov_.data()), moov_.size());
    const bool has_only_known = std::ranges::none_of(
        not_understood, [text](auto type) { return text.find(type) != text.npos; });
    is_understood_ = has_only_known && is_self_contained_ && tables_.size() == tracks_;
    return {};
  }
  [[nodiscard]] bool is_fragmented() const { return fragmented_; }
  /// Whether rewrite() corrects every offset into the file: each track has a table of chunk
  /// offsets, and no other box has an offset.
  [[nodiscard]] bool is_understood() const { return is_understood_; }

  Bytes rewrite() {
    const auto size = widen_tables();
    Bytes out;
    out.reserve(size);
    std::uint64_t copied = 0;
    for (const auto& table : tables_) {
      append(out, moov_.subspan(copied, table.first() - copied));
      for (std::uint64_t i = 0; i < table.count(); ++i) {
        append_entry(out, table, move_.move_offset(table.entry(moov_, i), size));
      }
      copied = table.box.end();
    }
    append(out, moov_.subspan(copied));

    for (const auto& box : containers_) correct_size(out, box);
    for (const auto& table : tables_) {
      correct_size(out, table.box);
      if (table.becomes_wide) store(out, move_border(table.box.offset) + 4, fourcc("co64"));
    }
    return out;
  }

 private:
  Status walk(const Box& parent, std::size_t depth) {
    const bool in_stbl = depth + 1 == std::size(path);
    bool found = false;
    SampleTable samples;
    containers_.push_back(parent);
    for (auto offset = parent.offset + parent.header_size; offset < parent.end();) {
      const auto box = read_header(moov_.first(parent.end()).subspan(offset), offset);
      if (!box) return bad_media("it is damaged: its " + quote(parent.type) + " ends in mid-box.");
      if (!is_within(*box, parent.end())) {
        return bad_media("it is damaged: its " + quote(box->type) + " box of " +
                         write_size(box->size) + " does not fit into its " + quote(parent.type) +
                         ".");
      }
      offset = box->end();
      if (depth == 0 && box->type == fourcc("mvex")) fragmented_ = true;
      if (depth == 0 && box->type == fourcc("trak")) ++tracks_;
      const bool is_elsewhere = box->type == fourcc("dinf") && !refers_to_this_file(*box);
      if (is_elsewhere) is_self_contained_ = false;
      if (in_stbl && box->type == fourcc("stsc")) samples.chunks = *box;
      if (in_stbl && box->type == fourcc("stsz")) samples.sizes = *box;
      const bool wanted = in_stbl ? box->type == fourcc("stco") || box->type == fourcc("co64")
                                  : box->type == path[depth + 1];
      if (!wanted) continue;
      if (std::exchange(found, true) && depth > 0) {
        return bad_media("it is damaged: its " + quote(parent.type) + " has two boxes like " +
                         quote(box->type) + ".");
      }
      auto status = in_stbl ? add_table(*box) : walk(*box, depth + 1);
      if (!status) return status;
    }
    return in_stbl && found ? check_media(tables_.back(), samples) : Status();
  }

  /// Whether the `dref` in this `dinf` says that all media are in this file (ISO/IEC 14496-12,
  /// section 8.7.2). Chunk offsets into another file must not change.
  [[nodiscard]] bool refers_to_this_file(const Box& dinf) const {
    const auto within = payload(dinf);
    const auto dref = read_header(within, 0);
    if (!dref || dref->type != fourcc("dref") || !is_within(*dref, within.size())) return false;
    std::uint64_t at = dref->header_size + 8;
    while (at < dref->end()) {
      const auto entry = read_header(within.first(dref->end()).subspan(at), at);
      if (!entry || !is_within(*entry, dref->end()) || entry->size < entry->header_size + 4) {
        return false;
      }
      if ((within[at + entry->header_size + 3] & 1U) == 0) return false;
      at = entry->end();
    }
    return true;
  }

  /// The `stsc` and `stsz` boxes of the same `stbl`, if it has them.
  struct SampleTable {
    std::optional<Box> chunks;
    std::optional<Box> sizes;
  };

  /// Checks that the samples of each chunk are within the file. This finds a truncated file whose
  /// last `mdat` extends to the end of the file: such a file has all its boxes. A table that does
  /// not fit its box is not checked, because the demuxer reports it.
  [[nodiscard]] Status check_media(const ChunkOffsets& offsets, const SampleTable& table) const {
    if (!table.chunks || !table.sizes) return {};
    const auto chunks = payload(*table.chunks);
    const auto sizes = payload(*table.sizes);
    if (chunks.size() < 8 || sizes.size() < 12) return {};
    const std::uint64_t entries =
        std::min<std::uint64_t>(load<std::uint32_t>(chunks, 4), (chunks.size() - 8) / 12);
    const std::uint64_t one_size = load<std::uint32_t>(sizes, 4);
    const std::uint64_t listed = (sizes.size() - 12) / 4;
    const std::uint64_t samples =
        one_size > 0 ? load<std::uint32_t>(sizes, 8)
                     : std::min<std::uint64_t>(load<std::uint32_t>(sizes, 8), listed);
    std::uint64_t sample = 0;
    std::uint64_t entry = 0;
    for (std::uint64_t chunk = 0; chunk < offsets.count() && entries > 0; ++chunk) {
      while (entry + 1 < entries && load<std::uint32_t>(chunks, 8 + (entry + 1) * 12) <= chunk + 1)
        ++entry;
      const std::uint64_t wanted = load<std::uint32_t>(chunks, 8 + entry * 12 + 4);
      const auto count = std::min(wanted, samples - sample);
      std::uint64_t size = count * one_size;
      for (std::uint64_t i = 0; one_size == 0 && i < count; ++i) {
        size += load<std::uint32_t>(sizes, 12 + (sample + i) * 4);
      }
      sample += count;
      const auto offset = offsets.entry(moov_, chunk);
      if (!move_.may_hold_media(offset, size)) return make_misplaced_error(offset, size);
    }
    return {};
  }

  [[nodiscard]] View payload(const Box& box) const {
    return moov_.subspan(box.offset + box.header_size, box.size - box.header_size);
  }

  [[nodiscard]] tl::unexpected<Error> make_misplaced_error(std::uint64_t offset,
                                                           std::uint64_t size) const {
    return bad_media("it is cut short or damaged: a chunk of " + write_size(size) + " at byte " +
                     std::to_string(offset) + " cannot be in a file of " +
                     write_size(move_.file_size) + ".");
  }

  Status add_table(const Box& box) {
    ChunkOffsets table{.box = box};
    const auto fixed = box.header_size + std::uint64_t{8};
    if (box.size < fixed ||
        box.size - fixed != table.entry_size() * load<std::uint32_t>(moov_, table.first() - 4)) {
      return bad_media("it is damaged: its " + quote(box.type) + " box of " + write_size(box.size) +
                       " does not have as many entries as it says.");
    }
    for (std::uint64_t i = 0; i < table.count(); ++i) {
      const auto offset = table.entry(moov_, i);
      if (!move_.may_hold_media(offset, 0)) return make_misplaced_error(offset, 0);
      table.highest = std::max(table.highest, move_.remove_moov(offset));
    }
    tables_.push_back(table);
    return {};
  }

  /// Decides which `stco` tables become `co64` tables, and returns the size of the new `moov`. Each
  /// such table makes the `moov` larger and moves all media further, so another table may need 64
  /// bits too. The tables are therefore tried in the falling order of their offsets; after the
  /// first that stays no other one has to change.
  std::uint64_t widen_tables() {
    std::vector<ChunkOffsets*> narrow;
    for (auto& table : tables_) {
      if (!table.is_wide()) narrow.push_back(&table);
    }
    std::ranges::sort(narrow, std::ranges::greater{}, &ChunkOffsets::highest);
    std::uint64_t size = moov_.size();
    for (auto* table : narrow) {
      if (table->highest + size <= std::numeric_limits<std::uint32_t>::max()) break;
      table->becomes_wide = true;
      size += table->growth();
    }
    std::uint64_t growth = 0;
    for (auto& table : tables_) {
      table.growth_before = growth;
      growth += table.growth();
    }
    return size;
  }

  /// Computes the new offset of the border between two boxes.
  [[nodiscard]] std::uint64_t move_border(std::uint64_t border) const {
    const auto next = std::ranges::lower_bound(
        tables_, border, {}, [](const ChunkOffsets& table) { return table.box.offset; });
    if (next != tables_.end()) return border + next->growth_before;
    return border + (tables_.empty() ? 0 : tables_.back().growth_before + tables_.back().growth());
  }

  static void append(Bytes& out, View bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

  static void append_entry(Bytes& out, const ChunkOffsets& table, std::uint64_t offset) {
    const auto at = out.size();
    if (table.is_wide() || table.becomes_wide) {
      out.resize(at + 8);
      store(out, at, offset);
    } else {
      out.resize(at + 4);
      store(out, at, static_cast<std::uint32_t>(offset));
    }
  }

  void correct_size(Bytes& out, const Box& box) const {
    const auto at = move_border(box.offset);
    const auto size = move_border(box.end()) - at;
    if (box.header_size == 16) {
      store(out, at + 8, size);
    } else {
      store(out, at, static_cast<std::uint32_t>(size));
    }
  }

  View moov_;
  Move move_;
  std::vector<Box> containers_;
  std::vector<ChunkOffsets> tables_;  // in their order in the file
  bool fragmented_ = false;
  bool is_self_contained_ = true;
  bool is_understood_ = false;
  std::size_t tracks_ = 0;
};

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
      return Need{position_, std::min(largest_header, file_size_ - position_)};
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
  MoovRewriter rewriter(bytes, {.target = target, .moov = *moov_, .file_size = file_size_});
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
  layout_ =
      Layout({{.memory = nullptr, .file_offset = 0, .size = target},
              {.memory = std::move(moov), .file_offset = 0, .size = size},
              {.memory = nullptr, .file_offset = target, .size = moov_->offset - target},
              {.memory = nullptr, .file_offset = moov_->end(), .size = file_size_ - moov_->end()}});
  return {};
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
