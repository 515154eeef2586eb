// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/mp4_tags.h"

#include <algorithm>
#include <array>
#include <concepts>
#include <optional>
#include <string_view>
#include <utility>

#include "mp4_box.h"
#include "mp4_moov.h"

namespace veo::mp4 {

namespace {

// 0xA9 is the copyright sign of QuickTime's names.
constexpr std::uint32_t title_type = 0xA96E616D;        // ©nam
constexpr std::uint32_t date_type = 0xA9646179;         // ©day
constexpr std::uint32_t application_type = 0xA9737772;  // ©swr
constexpr std::uint32_t comment_type = 0xA9636D74;      // ©cmt
constexpr std::uint32_t description_type = fourcc("desc");

template <std::unsigned_integral T>
void append_number(Bytes& out, T value) {
  out.resize(out.size() + sizeof(T));
  store(out, out.size() - sizeof(T), value);
}

void append_bytes(Bytes& out, View bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

/// Makes a box whose size has 32 bits. All boxes here are parts of a `moov` of a few MiB.
Bytes make_box(std::uint32_t type, View payload) {
  Bytes box;
  box.reserve(8 + payload.size());
  append_number(box, static_cast<std::uint32_t>(8 + payload.size()));
  append_number(box, type);
  append_bytes(box, payload);
  return box;
}

/// Makes an item of the list of tags, with a text as its value.
Bytes make_item(std::uint32_t type, std::string_view text) {
  constexpr std::uint32_t utf8 = 1;
  Bytes data;
  append_number(data, utf8);
  append_number(data, std::uint32_t{0});  // no locale
  data.insert(data.end(), text.begin(), text.end());
  return make_box(type, make_box(fourcc("data"), data));
}

/// Reads the boxes that fill `bytes`. Returns nullopt if something else is in `bytes`. QuickTime
/// ends a list by four zero bytes.
std::optional<std::vector<Box>> read_boxes(View bytes) {
  std::vector<Box> boxes;
  for (std::uint64_t at = 0; at < bytes.size();) {
    const bool is_end = bytes.size() - at == 4 && load<std::uint32_t>(bytes, at) == 0;
    if (is_end) break;
    const auto box = read_header(bytes.subspan(at), at);
    if (!box || !is_within(*box, bytes.size())) return std::nullopt;
    boxes.push_back(*box);
    at = box->end();
  }
  return boxes;
}

View payload_of(View bytes, const Box& box) {
  return bytes.subspan(box.offset + box.header_size, box.size - box.header_size);
}

/// Returns the only box of this type, null if there is none, and nullopt if there are more.
std::optional<const Box*> find_only(const std::vector<Box>& boxes, std::uint32_t type) {
  if (std::ranges::count(boxes, type, &Box::type) > 1) return std::nullopt;
  const auto found = std::ranges::find(boxes, type, &Box::type);
  return found != boxes.end() ? &*found : nullptr;
}

/// The payload of a `hdlr` box: version and flags, a reserved word, the handler `mdir`, its maker
/// `appl`, two reserved words, and an empty name.
Bytes make_handler() {
  Bytes payload;
  for (const auto word : {std::uint32_t{0}, std::uint32_t{0}, fourcc("mdir"), fourcc("appl"),
                          std::uint32_t{0}, std::uint32_t{0}}) {
    append_number(payload, word);
  }
  payload.push_back(0);
  return make_box(fourcc("hdlr"), payload);
}

/// Returns the items of `old` and the tags that `old` does not have. nullopt: `old` is no list.
std::optional<Bytes> extend_list(View old, const ClipTags& tags) {
  const auto items = read_boxes(old);
  if (!items) return std::nullopt;
  // Programs that know one name for two of the tags, as FFmpeg does for ©swr and ©too, take the
  // last one. So the file's own tags come last.
  Bytes list;
  const std::array<std::pair<std::uint32_t, std::string>, 5> wanted = {
      {{title_type, tags.title},
       {date_type, tags.date},
       {application_type, tags.application},
       {comment_type, make_comment(tags)},
       {description_type, tags.description}}};
  for (const auto& [type, text] : wanted) {
    const bool is_there = std::ranges::find(*items, type, &Box::type) != items->end();
    if (!text.empty() && !is_there) append_bytes(list, make_item(type, text));
  }
  for (const auto& item : *items) append_bytes(list, old.subspan(item.offset, item.size));
  return list;
}

/// Returns the payload of a `meta` box with the tags. `old` is the payload of the file's own one.
std::optional<Bytes> extend_meta(View old, const ClipTags& tags) {
  constexpr std::size_t version_and_flags = 4;
  if (old.size() < version_and_flags) return std::nullopt;
  const auto within = old.subspan(version_and_flags);
  const auto boxes = read_boxes(within);
  if (!boxes) return std::nullopt;
  const auto handler = find_only(*boxes, fourcc("hdlr"));
  const auto list = find_only(*boxes, fourcc("ilst"));
  if (!handler || *handler == nullptr || !list) return std::nullopt;
  const auto handled = payload_of(within, **handler);
  if (handled.size() < 12 || load<std::uint32_t>(handled, 8) != fourcc("mdir")) return std::nullopt;
  const auto items = extend_list(*list != nullptr ? payload_of(within, **list) : View(), tags);
  if (!items) return std::nullopt;
  Bytes meta(old.begin(), old.begin() + version_and_flags);
  for (const auto& box : *boxes) {
    if (box.type != fourcc("ilst")) append_bytes(meta, within.subspan(box.offset, box.size));
  }
  append_bytes(meta, make_box(fourcc("ilst"), *items));
  return meta;
}

Bytes make_meta(const ClipTags& tags) {
  Bytes meta(4);  // version and flags
  append_bytes(meta, make_handler());
  append_bytes(meta, make_box(fourcc("ilst"), *extend_list({}, tags)));
  return meta;
}

/// Returns the payload of a `udta` box with the tags. `old` is the payload of the file's own one.
std::optional<Bytes> extend_user_data(View old, const ClipTags& tags) {
  const auto boxes = read_boxes(old);
  if (!boxes) return std::nullopt;
  const auto meta = find_only(*boxes, fourcc("meta"));
  if (!meta) return std::nullopt;
  const auto extended = *meta != nullptr ? extend_meta(payload_of(old, **meta), tags)
                                         : std::optional(make_meta(tags));
  if (!extended) return std::nullopt;
  Bytes data;
  for (const auto& box : *boxes) {
    if (box.type != fourcc("meta")) append_bytes(data, old.subspan(box.offset, box.size));
  }
  append_bytes(data, make_box(fourcc("meta"), *extended));
  return data;
}

/// Returns the `moov` with the tags, and with its chunk offsets as they were.
std::optional<Bytes> extend_moov(View moov, const ClipTags& tags) {
  const auto header = read_header(moov, 0);
  if (!header || header->size != moov.size()) return std::nullopt;
  const auto within = moov.subspan(header->header_size);
  const auto boxes = read_boxes(within);
  if (!boxes) return std::nullopt;
  const auto user_data = find_only(*boxes, fourcc("udta"));
  // A `meta` directly in the `moov` would contradict the one in the `udta`.
  const auto meta = find_only(*boxes, fourcc("meta"));
  if (!user_data || !meta || *meta != nullptr) return std::nullopt;
  const auto extended =
      extend_user_data(*user_data != nullptr ? payload_of(within, **user_data) : View(), tags);
  if (!extended) return std::nullopt;
  Bytes out(moov.begin(), moov.begin() + header->header_size);
  for (const auto& box : *boxes) {
    if (box.type != fourcc("udta")) append_bytes(out, within.subspan(box.offset, box.size));
  }
  append_bytes(out, make_box(fourcc("udta"), *extended));
  if (header->header_size == largest_header) {
    store(out, 8, std::uint64_t{out.size()});
  } else {
    store(out, 0, static_cast<std::uint32_t>(out.size()));
  }
  return out;
}

/// Whether the segment is a `moov` that the layout moves.
bool is_moov(const Segment& segment) {
  if (!segment.memory) return false;
  const auto header = read_header(*segment.memory, 0);
  return header && header->type == fourcc("moov");
}

}  // namespace

Layout add_tags(const Layout& layout, const ClipTags& tags) {
  auto segments = layout.segments();
  std::uint64_t offset = 0;
  auto moved = segments.begin();
  for (; moved != segments.end() && !is_moov(*moved); ++moved) offset += moved->size;
  if (moved == segments.end()) return layout;
  const auto extended = extend_moov(*moved->memory, tags);
  const auto header = read_header(*moved->memory, offset);
  if (!extended || !header || extended->size() > LayoutScanner::max_moov_size) return layout;
  // The layout is a file whose `moov` grows where it is, so all media behind the `moov` move.
  MoovRewriter rewriter(*extended, {.target = offset, .moov = *header, .file_size = layout.size()});
  if (!rewriter.read()) return layout;
  moved->memory = std::make_shared<const Bytes>(rewriter.rewrite());
  moved->size = moved->memory->size();
  return Layout(std::move(segments));
}

}  // namespace veo::mp4
