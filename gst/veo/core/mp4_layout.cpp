// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/mp4_layout.h"

#include <algorithm>
#include <cassert>
#include <concepts>
#include <iterator>
#include <limits>
#include <string>
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

// Numbers in an MP4 are big-endian.
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

/// `'moov'`; what is no printable ASCII comes as `.`.
std::string quoted(std::uint32_t type) {
  std::string text = "'....'";
  for (std::size_t i = 0; i < 4; ++i) {
    const auto c = static_cast<unsigned char>(type >> (24 - 8 * i));
    if (c >= 0x20 && c < 0x7f) text[1 + i] = static_cast<char>(c);
  }
  return text;
}

std::string bytes_text(std::uint64_t count) { return std::to_string(count) + " bytes"; }

/// The header at the start of `bytes`, its size as written (so that it may be 0). nullopt where
/// there is no room for one.
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

/// Whether the box has room for its own header, and ends by `end`.
bool fits(const Box& box, std::uint64_t end) {
  return box.size >= box.header_size && box.size <= end - box.offset;
}

/// The `moov` box goes in front of the first `mdat`:
///
///   delivered    ┈┈┈┈ target ▒▒▒▒▒▒▒▒▒▒▒▒ moov ░░░░░░ file_size
///   streamable   ┈┈┈┈ moov' ▒▒▒▒▒▒▒▒▒▒▒▒ ░░░░░░
struct Move {
  std::uint64_t target;
  Box moov;
  std::uint64_t file_size;

  /// Bytes of media lie on one side of the `moov`, within the file.
  [[nodiscard]] bool may_hold_media(std::uint64_t offset, std::uint64_t size) const {
    if (offset < moov.offset) return size <= moov.offset - offset;
    return offset >= moov.end() && offset < file_size && size <= file_size - offset;
  }
  /// Where a byte would be if there were no `moov` at all.
  [[nodiscard]] std::uint64_t without_moov(std::uint64_t offset) const {
    return offset < moov.offset ? offset : offset - moov.size;
  }
  [[nodiscard]] std::uint64_t moved(std::uint64_t offset, std::uint64_t new_moov_size) const {
    return offset < target ? offset : without_moov(offset) + new_moov_size;
  }
};

/// A `stco` or `co64`: version and flags, the number of entries, the entries.
struct ChunkOffsets {
  Box box;
  std::uint64_t highest = 0;  // of the offsets, as without_moov()
  bool becomes_wide = false;
  std::uint64_t growth_before = 0;  // of all tables ahead of this one

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

/// The way down to the chunk offsets. A `moov` has any number of `trak`; below that, each box has
/// one of the next kind, and a `stbl` one table of offsets.
constexpr std::uint32_t path[] = {fourcc("moov"), fourcc("trak"), fourcc("mdia"), fourcc("minf"),
                                  fourcc("stbl")};

/// Finds all that has to change in a `moov`, then changes it. Offsets of boxes count from the
/// `moov`'s own start.
class MoovRewriter {
 public:
  MoovRewriter(View moov, const Move& move) : moov_(moov), move_(move) {}

  Status read() { return walk({path[0], 0, moov_.size(), move_.moov.header_size}, 0); }
  [[nodiscard]] bool is_fragmented() const { return fragmented_; }
  /// Its `moov` is compressed (`cmov`, of QuickTime), and its offsets cannot be seen.
  [[nodiscard]] bool is_compressed() const { return compressed_; }

  Bytes rewrite() {
    const auto size = widen();
    Bytes out;
    out.reserve(size);
    std::uint64_t copied = 0;
    for (const auto& table : tables_) {
      append(out, moov_.subspan(copied, table.first() - copied));
      for (std::uint64_t i = 0; i < table.count(); ++i) {
        append_entry(out, table, move_.moved(table.entry(moov_, i), size));
      }
      copied = table.box.end();
    }
    append(out, moov_.subspan(copied));

    for (const auto& box : containers_) correct_size(out, box);
    for (const auto& table : tables_) {
      correct_size(out, table.box);
      if (table.becomes_wide) store(out, grown(table.box.offset) + 4, fourcc("co64"));
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
      if (!box) return bad_media("it is damaged: its " + quoted(parent.type) + " ends in mid-box.");
      if (!fits(*box, parent.end())) {
        return bad_media("it is damaged: its " + quoted(box->type) + " box of " +
                         bytes_text(box->size) + " does not fit into its " + quoted(parent.type) +
                         ".");
      }
      offset = box->end();
      if (depth == 0 && box->type == fourcc("mvex")) fragmented_ = true;
      if (depth == 0 && box->type == fourcc("cmov")) compressed_ = true;
      if (in_stbl && box->type == fourcc("stsc")) samples.chunks = *box;
      if (in_stbl && box->type == fourcc("stsz")) samples.sizes = *box;
      const bool wanted = in_stbl ? box->type == fourcc("stco") || box->type == fourcc("co64")
                                  : box->type == path[depth + 1];
      if (!wanted) continue;
      if (std::exchange(found, true) && depth > 0) {
        return bad_media("it is damaged: its " + quoted(parent.type) + " has two boxes like " +
                         quoted(box->type) + ".");
      }
      auto status = in_stbl ? add_table(*box) : walk(*box, depth + 1);
      if (!status) return status;
    }
    return in_stbl && found ? check_media(tables_.back(), samples) : Status();
  }

  /// The `stsc` and `stsz` beside a table of chunk offsets, where they are there.
  struct SampleTable {
    std::optional<Box> chunks;
    std::optional<Box> sizes;
  };

  /// Each chunk's samples have to be in the file: one that was cut has all its boxes where its last
  /// `mdat` runs to the end of the file. Tables that do not fit their boxes are the demuxer's.
  [[nodiscard]] Status check_media(const ChunkOffsets& offsets, const SampleTable& table) const {
    if (!table.chunks || !table.sizes) return {};
    const auto chunks = payload(*table.chunks);
    const auto sizes = payload(*table.sizes);
    if (chunks.size() < 8 || sizes.size() < 12) return {};
    const std::uint64_t runs =
        std::min<std::uint64_t>(load<std::uint32_t>(chunks, 4), (chunks.size() - 8) / 12);
    const std::uint64_t one_size = load<std::uint32_t>(sizes, 4);
    const std::uint64_t listed = (sizes.size() - 12) / 4;
    const std::uint64_t samples =
        one_size > 0 ? load<std::uint32_t>(sizes, 8)
                     : std::min<std::uint64_t>(load<std::uint32_t>(sizes, 8), listed);
    std::uint64_t sample = 0;
    std::uint64_t run = 0;
    for (std::uint64_t chunk = 0; chunk < offsets.count() && runs > 0; ++chunk) {
      while (run + 1 < runs && load<std::uint32_t>(chunks, 8 + (run + 1) * 12) <= chunk + 1) ++run;
      const std::uint64_t wanted = load<std::uint32_t>(chunks, 8 + run * 12 + 4);
      const auto count = std::min(wanted, samples - sample);
      std::uint64_t size = count * one_size;
      for (std::uint64_t i = 0; one_size == 0 && i < count; ++i) {
        size += load<std::uint32_t>(sizes, 12 + (sample + i) * 4);
      }
      sample += count;
      const auto offset = offsets.entry(moov_, chunk);
      if (!move_.may_hold_media(offset, size)) return misplaced(offset, size);
    }
    return {};
  }

  [[nodiscard]] View payload(const Box& box) const {
    return moov_.subspan(box.offset + box.header_size, box.size - box.header_size);
  }

  [[nodiscard]] tl::unexpected<Error> misplaced(std::uint64_t offset, std::uint64_t size) const {
    return bad_media("it is cut short or damaged: a chunk of " + bytes_text(size) + " at byte " +
                     std::to_string(offset) + " cannot be in a file of " +
                     bytes_text(move_.file_size) + ".");
  }

  Status add_table(const Box& box) {
    ChunkOffsets table{.box = box};
    const auto fixed = box.header_size + std::uint64_t{8};
    if (box.size < fixed ||
        box.size - fixed != table.entry_size() * load<std::uint32_t>(moov_, table.first() - 4)) {
      return bad_media("it is damaged: its " + quoted(box.type) + " box of " +
                       bytes_text(box.size) + " does not have as many entries as it says.");
    }
    for (std::uint64_t i = 0; i < table.count(); ++i) {
      const auto offset = table.entry(moov_, i);
      if (!move_.may_hold_media(offset, 0)) return misplaced(offset, 0);
      table.highest = std::max(table.highest, move_.without_moov(offset));
    }
    tables_.push_back(table);
    return {};
  }

  /// Decides which `stco` become `co64`, and returns the new `moov`'s size. Each that does makes
  /// the shift larger for all, which may push the next over the edge: so in falling order of
  /// offsets, where the first that stays is the last to ask.
  std::uint64_t widen() {
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

  /// Where the border between two boxes comes to be.
  [[nodiscard]] std::uint64_t grown(std::uint64_t border) const {
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
    const auto at = grown(box.offset);
    const auto size = grown(box.end()) - at;
    if (box.header_size == 16) {
      store(out, at + 8, size);
    } else {
      store(out, at, static_cast<std::uint32_t>(size));
    }
  }

  View moov_;
  Move move_;
  std::vector<Box> containers_;
  std::vector<ChunkOffsets> tables_;  // in the order of the file
  bool fragmented_ = false;
  bool compressed_ = false;
};

}  // namespace

Layout::Layout(std::vector<Segment> segments) : segments_(std::move(segments)) {
  std::erase_if(segments_, [](const Segment& segment) { return segment.size == 0; });
  for (const auto& segment : segments_) size_ += segment.size;
}

Layout Layout::original(std::uint64_t file_size) {
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
  // A media segment (`styp`) cannot be played by itself, and QuickTime's oldest files, which have
  // no `ftyp`, are not what the service delivers. And this tells an error page from a video.
  if (position_ == 0 && (!box || box->type != fourcc("ftyp"))) {
    return bad_media("it is not an MP4 file: it does not begin with an 'ftyp' box.");
  }
  if (!box) {
    return bad_media("it is cut short or damaged: its last " + bytes_text(bytes.size()) +
                     " are not a box.");
  }
  if (box->size == 0) box->size = file_size_ - position_;
  if (!fits(*box, file_size_)) {
    return bad_media("it is cut short or damaged: at byte " + std::to_string(position_) +
                     " there is a " + quoted(box->type) + " box of " + bytes_text(box->size) +
                     ", in a file of " + bytes_text(file_size_) + ".");
  }
  if (boxes_.size() == max_boxes) {
    return bad_media("it is damaged: it has more than " + std::to_string(max_boxes) +
                     " boxes at its top level.");
  }
  boxes_.push_back(*box);
  position_ = box->end();

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
  // Its `moov` comes first: it is played as it is, from here on.
  if (is_media && moov_ && moov_->offset < box->offset && first_mdat_ == box) arrange();
  if (is_media && moov_ && fragmented_) arrange();
  return position_ < file_size_ ? Status() : end_of_boxes();
}

void LayoutScanner::arrange() {
  if (!layout_) layout_ = Layout::original(file_size_);
}

Status LayoutScanner::end_of_boxes() {
  if (!moov_) {
    return bad_media("it has no 'moov' box, without which nothing can play it.");
  }
  if (boxes_.back().type == fourcc("moof")) {
    return bad_media("it is cut short: its last 'moof' box has no media.");
  }
  const bool is_to_be_moved = !layout_ && !fragmented_ && first_mdat_;
  if (!is_to_be_moved) {
    arrange();
    state_ = State::done;
    return {};
  }
  if (moov_->size > max_moov_size) {
    return bad_media("its 'moov' box of " + bytes_text(moov_->size) + " is larger than " +
                     bytes_text(max_moov_size) + ".");
  }
  state_ = State::reading_moov;
  return {};
}

Status LayoutScanner::take_moov(std::span<const std::uint8_t> bytes) {
  const auto target = first_mdat_ ? first_mdat_->offset : file_size_;
  MoovRewriter rewriter(bytes, {.target = target, .moov = *moov_, .file_size = file_size_});
  if (auto status = rewriter.read(); !status) return status;
  if (!first_mdat_) {
    // It need not move. Where its media are follows.
    state_ = State::scanning;
    return position_ < file_size_ ? Status() : end_of_boxes();
  }
  state_ = State::done;
  if (rewriter.is_fragmented() || rewriter.is_compressed()) {
    arrange();
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
