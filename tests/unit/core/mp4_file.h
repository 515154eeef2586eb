// SPDX-License-Identifier: LGPL-2.1-or-later
//
// MP4 files for tests. The functions make a file from a list of boxes, read it without the code
// under test, and present it with the code under test.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "veo/core/mp4_layout.h"

namespace veo::mp4 {

// --- writing ---

inline Bytes number(std::uint64_t value, std::size_t size) {
  Bytes bytes(size);
  for (; size > 0; value >>= 8U) bytes[--size] = static_cast<std::uint8_t>(value);
  return bytes;
}

inline Bytes concat(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

inline Bytes text(std::string_view characters) { return {characters.begin(), characters.end()}; }

enum class Header { compact, large, to_end };

inline Bytes header(std::string_view type, std::uint64_t payload, Header form = Header::compact) {
  switch (form) {
    case Header::compact:
      return concat({number(8 + payload, 4), text(type)});
    case Header::large:
      return concat({number(1, 4), text(type), number(16 + payload, 8)});
    case Header::to_end:
      return concat({number(0, 4), text(type)});
  }
  std::abort();
}

inline Bytes box(std::string_view type, const Bytes& payload, Header form = Header::compact) {
  return concat({header(type, payload.size(), form), payload});
}

/// The type of the `uuid` box of a C2PA manifest, as the specification of C2PA gives it.
inline const Bytes manifest_type = {0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c,
                                    0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4, 0x81};

/// Makes a box that stands for a C2PA manifest.
inline Bytes manifest(Header form = Header::compact) {
  return box("uuid", concat({manifest_type, text("jumb c2pa: who made the file")}), form);
}

/// Makes the `free` box that takes the place of manifest(): its bytes are zeros.
inline Bytes blank(Header form = Header::compact) {
  return box("free", Bytes(manifest().size() - 8), form);
}

struct Table {
  bool wide = false;
  std::vector<std::uint64_t> offsets;
  bool operator==(const Table&) const = default;
};

inline Bytes chunk_table(const Table& table, Header form = Header::compact) {
  Bytes payload = concat({number(0, 4), number(table.offsets.size(), 4)});
  for (const auto offset : table.offsets) {
    payload = concat({payload, number(offset, table.wide ? 8 : 4)});
  }
  return box(table.wide ? "co64" : "stco", payload, form);
}

/// Makes a track with these bytes in its `stbl`. Each level has other boxes before and after, and
/// one box has a largesize.
inline Bytes track(const Bytes& in_stbl) {
  const auto stbl =
      box("stbl", concat({box("stsd", Bytes(40, 0xa1)), in_stbl, box("stsz", Bytes(12, 0xa2))}));
  const auto minf = box("minf", concat({box("vmhd", Bytes(12, 0xa3)), stbl}), Header::large);
  const auto mdia = box("mdia", concat({box("mdhd", Bytes(24, 0xa4)), minf}));
  return box("trak", concat({box("tkhd", Bytes(84, 0xa5)), mdia, box("udta", {})}));
}

inline Bytes movie(const std::vector<Table>& tables, Header form = Header::compact) {
  std::vector<Bytes> parts = {box("mvhd", Bytes(100, 0xa6))};
  for (const auto& table : tables) parts.push_back(track(chunk_table(table)));
  parts.push_back(box("udta", text("what stco and co64 are not")));
  return box("moov", concat(parts), form);
}

/// Makes a file of the named boxes. An `mdat` has some chunks, by turns of two tracks (one with
/// `stco`, one with `co64`), and the `moov` has their offsets. `mdat64` and `moov64` have a
/// largesize. `mdat0` and `moov0` extend to the end of the file. `free8` is only a header. `c2pa`
/// is a manifest(), and `blank` is a blank(); both have the forms `64` and `0`, too. Any other name
/// is a box with content.
inline Bytes file_of(const std::vector<std::string>& names) {
  const auto form = [](std::string_view name) {
    return name.ends_with("64")  ? Header::large
           : name.ends_with("0") ? Header::to_end
                                 : Header::compact;
  };
  std::vector<Table> tables = {{.wide = false, .offsets = {}}, {.wide = true, .offsets = {}}};
  Bytes file;
  // The first round counts the chunks. Their number decides the size of the `moov`, so the second
  // round finds the right offsets, and the third round writes them.
  for (int round = 0; round < 3; ++round) {
    file.clear();
    const auto known = std::exchange(tables, {{.wide = false, .offsets = {}},  //
                                              {.wide = true, .offsets = {}}});
    std::uint8_t chunk = 0;
    for (const auto& name : names) {
      Bytes bytes;
      if (name.starts_with("mdat")) {
        constexpr std::size_t chunk_sizes[] = {11, 17, 5, 23};
        Bytes media;
        const auto start = file.size() + (form(name) == Header::large ? 16 : 8);
        for (const auto size : chunk_sizes) {
          tables[chunk % 2].offsets.push_back(start + media.size());
          ++chunk;
          for (std::size_t i = 0; i < size; ++i) {
            media.push_back(static_cast<std::uint8_t>(chunk * 29U + i));
          }
        }
        bytes = box("mdat", media, form(name));
      } else if (name.starts_with("moov")) {
        bytes = movie(known, form(name));
      } else if (name.starts_with("c2pa")) {
        bytes = manifest(form(name));
      } else if (name.starts_with("blank")) {
        bytes = blank(form(name));
      } else if (name == "ftyp") {
        bytes = box("ftyp", concat({text("isom"), number(512, 4), text("isomiso2avc1mp41")}));
      } else {
        bytes = box(name.substr(0, 4), name == "free8" ? Bytes() : text("content of " + name));
      }
      file.insert(file.end(), bytes.begin(), bytes.end());
    }
  }
  return file;
}

// --- reading, in a simple way, to compare with the code under test ---

inline std::uint64_t number_at(std::span<const std::uint8_t> bytes, std::size_t at,
                               std::size_t size) {
  std::uint64_t value = 0;
  for (const auto byte : bytes.subspan(at, size)) value = value << 8U | byte;
  return value;
}

/// Finds the boxes in `bytes`, up to the first damaged one. The offsets count from the start of
/// `bytes`.
inline std::vector<Box> boxes_in(std::span<const std::uint8_t> bytes) {
  std::vector<Box> found;
  for (std::uint64_t at = 0; bytes.size() - at >= 8;) {
    Box next{.type = static_cast<std::uint32_t>(number_at(bytes, at + 4, 4)),
             .offset = at,
             .size = number_at(bytes, at, 4),
             .header_size = 8};
    if (next.size == 1 && bytes.size() - at >= 16) {
      next.size = number_at(bytes, at + 8, 8);
      next.header_size = 16;
    }
    if (next.size == 0) next.size = bytes.size() - at;
    if (next.size < next.header_size || next.size > bytes.size() - at) break;
    found.push_back(next);
    at = next.end();
  }
  return found;
}

inline std::vector<std::string> names_of(const std::vector<Box>& boxes) {
  std::vector<std::string> names;
  for (const auto& b : boxes) {
    const auto type = number(b.type, 4);
    names.emplace_back(type.begin(), type.end());
  }
  return names;
}

/// Finds the tables of chunk offsets of a file, in their order.
inline std::vector<Table> tables_in(std::span<const std::uint8_t> bytes,
                                    const std::string& within = "") {
  static const std::map<std::string, std::string> inner = {
      {"", "moov"}, {"moov", "trak"}, {"trak", "mdia"}, {"mdia", "minf"}, {"minf", "stbl"}};
  std::vector<Table> found;
  const auto boxes = boxes_in(bytes);
  const auto names = names_of(boxes);
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const auto payload =
        bytes.first(boxes[i].end()).subspan(boxes[i].offset + boxes[i].header_size);
    if (within == "stbl" && (names[i] == "stco" || names[i] == "co64")) {
      Table table{.wide = names[i] == "co64", .offsets = {}};
      const std::size_t width = table.wide ? 8 : 4;
      for (std::size_t at = 8; at + width <= payload.size(); at += width) {
        table.offsets.push_back(number_at(payload, at, width));
      }
      found.push_back(std::move(table));
    } else if (within != "stbl" && names[i] == inner.at(within)) {
      std::ranges::move(tables_in(payload, names[i]), std::back_inserter(found));
    }
  }
  return found;
}

// --- presenting ---

/// A file of zeros with some pieces of other bytes. It may be larger than the memory.
struct SparseFile {
  std::uint64_t size = 0;
  std::map<std::uint64_t, Bytes> pieces;  // by offset

  SparseFile(Bytes complete) : size(complete.size()) {
    pieces[0] = std::move(complete);
  }  // NOLINT: implicit
  SparseFile(std::uint64_t file_size, std::map<std::uint64_t, Bytes> some)
      : size(file_size), pieces(std::move(some)) {}

  [[nodiscard]] Bytes read(LayoutScanner::Need need) const {
    Bytes bytes(need.size);
    for (const auto& [offset, piece] : pieces) {
      const auto from = std::max(offset, need.offset);
      const auto to = std::min(offset + piece.size(), need.offset + need.size);
      for (auto at = from; at < to; ++at) bytes[at - need.offset] = piece[at - offset];
    }
    return bytes;
  }
};

struct Scan {
  LayoutScanner scanner;
  Status status;
  std::vector<LayoutScanner::Need> needs;
};

inline Scan scan(const SparseFile& file) {
  Scan result{.scanner = LayoutScanner(file.size), .status = {}, .needs = {}};
  while (const auto need = result.scanner.find_need()) {
    result.needs.push_back(*need);
    result.status = result.scanner.take_bytes(file.read(*need));
    if (!result.status) break;
  }
  return result;
}

/// Reads all bytes of the layout.
inline Bytes present(std::span<const std::uint8_t> file, const Layout& layout) {
  Bytes out;
  while (const auto extent = layout.find_extent(out.size())) {
    const auto bytes = extent->memory != nullptr ? std::span(extent->memory, extent->size)
                                                 : file.subspan(extent->file_offset, extent->size);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

}  // namespace veo::mp4
