// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The `moov` box of an MP4 file, and what changes in the box when the box moves or grows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mp4_box.h"

namespace veo::mp4 {

/// The move of the `moov` box to the place before the first `mdat`:
///
///   delivered    ┈┈┈┈ target ▒▒▒▒▒▒▒▒▒▒▒▒ moov ░░░░░░ file_size
///   streamable   ┈┈┈┈ moov' ▒▒▒▒▒▒▒▒▒▒▒▒ ░░░░░░
struct Move {
  std::uint64_t target;
  Box moov;
  std::uint64_t file_size;
  /// The boxes of the file that the layout replaces, in their order in the file.
  std::span<const Box> replaced = {};

  /// Whether these bytes can have media: they are within the file, and do not overlap the `moov`.
  [[nodiscard]] bool may_hold_media(std::uint64_t offset, std::uint64_t size) const {
    if (offset < moov.offset) return size <= moov.offset - offset;
    return offset >= moov.end() && offset < file_size && size <= file_size - offset;
  }
  /// Whether one of these bytes, or the byte at `offset`, is in a box that the layout replaces.
  [[nodiscard]] bool reaches_replaced(std::uint64_t offset, std::uint64_t size) const {
    const auto next = std::ranges::upper_bound(replaced, offset, {}, &Box::offset);
    const bool begins_within = next != replaced.begin() && offset < std::prev(next)->end();
    return begins_within || (next != replaced.end() && next->offset - offset < size);
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

/// The boxes within a `moov` that have offsets into a file, besides `stco` and `co64`, or that hide
/// such boxes, because they are compressed or refer to another file.
constexpr std::string_view not_understood[] = {"cmov", "saio", "iloc", "tfra",
                                               "sidx", "ssix", "rmra"};

/// The path from the `moov` to the chunk offsets. A `moov` has any number of `trak` boxes. Below
/// that, each box has one box of the next type, and a `stbl` has one table of chunk offsets.
constexpr std::uint32_t path_to_offsets[] = {fourcc("moov"), fourcc("trak"), fourcc("mdia"),
                                             fourcc("minf"), fourcc("stbl")};

/// Finds everything in a `moov` that has to change, and then makes the new `moov`. The offsets of
/// the boxes count from the start of the `moov`.
class MoovRewriter {
 public:
  MoovRewriter(View moov, const Move& move) : moov_(moov), move_(move) {}

  Status read() {
    if (auto done = walk({path_to_offsets[0], 0, moov_.size(), move_.moov.header_size}, 0); !done)
      return done;
    // These boxes can be in any box, so search every byte for their types. Four other bytes are
    // hardly ever the same by chance, and then the file only goes out as it was delivered.
    const std::string_view text(reinterpret_cast<const char*>(moov_.data()), moov_.size());
    const bool has_only_known = std::ranges::none_of(
        not_understood, [text](auto type) { return text.find(type) != text.npos; });
    is_understood_ =
        has_only_known && is_self_contained_ && !is_media_replaced_ && tables_.size() == tracks_;
    return {};
  }
  [[nodiscard]] bool is_fragmented() const { return fragmented_; }
  /// Whether the layout has every byte of media, and rewrite() corrects every offset into the file:
  /// each track has a table of chunk offsets, no other box has an offset, and no chunk is in a box
  /// that the layout replaces.
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
    const bool in_stbl = depth + 1 == std::size(path_to_offsets);
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
                                  : box->type == path_to_offsets[depth + 1];
      if (!wanted) continue;
      if (std::exchange(found, true) && depth > 0) {
        return bad_media("it is damaged: its " + quote(parent.type) + " has two boxes like " +
                         quote(box->type) + ".");
      }
      auto status = in_stbl ? add_table(*box) : walk(*box, depth + 1);
      if (!status) return status;
    }
    return in_stbl && found ? check_chunks(tables_.back(), samples) : Status();
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
  Status check_chunks(const ChunkOffsets& offsets, const SampleTable& table) {
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
      if (move_.reaches_replaced(offset, size)) is_media_replaced_ = true;
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
      if (move_.reaches_replaced(offset, 0)) is_media_replaced_ = true;
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
  bool is_media_replaced_ = false;
  bool is_understood_ = false;
  std::size_t tracks_ = 0;
};

}  // namespace veo::mp4
