// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/core/request.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <type_traits>

namespace veo {
namespace {

// Converts a member of Request to its value on the wire. The overloads choose by the member's type,
// so the table below needs no types.
std::optional<FieldValue> to_wire(const std::string& text) { return std::string_view(text); }
std::optional<FieldValue> to_wire(const std::vector<std::string>& list) {
  if (list.empty()) return std::nullopt;
  return std::span<const std::string>(list);
}
template <class T>
std::optional<FieldValue> to_wire(const std::optional<T>& member) {
  if (!member) return std::nullopt;
  if constexpr (std::is_enum_v<T>) {
    return wire_name(*member);
  } else if constexpr (std::is_same_v<T, std::uint32_t>) {
    return std::int64_t{*member};
  } else if constexpr (std::is_same_v<T, std::string>) {
    return std::string_view(*member);
  } else {
    return *member;
  }
}

struct Field {
  std::string_view name;
  std::optional<FieldValue> (*value)(const Request&);
};

// The wire names, in the order of the service's documentation.
constexpr Field fields[] = {
    {"prompt", [](const Request& r) { return to_wire(r.prompt); }},
    {"mode", [](const Request& r) { return to_wire(r.mode); }},
    {"resolution", [](const Request& r) { return to_wire(r.resolution); }},
    {"aspect_ratio", [](const Request& r) { return to_wire(r.aspect_ratio); }},
    {"generation_type", [](const Request& r) { return to_wire(r.generation_type); }},
    {"image_urls", [](const Request& r) { return to_wire(r.image_urls); }},
    {"enable_translation", [](const Request& r) { return to_wire(r.enable_translation); }},
    {"seeds", [](const Request& r) { return to_wire(r.seed); }},
    {"watermark", [](const Request& r) { return to_wire(r.watermark); }},
    {"extend_task_id", [](const Request& r) { return to_wire(r.extend_task_id); }},
};

constexpr auto field_names = [] {
  std::array<std::string_view, std::size(fields)> names;
  std::ranges::transform(fields, names.begin(), &Field::name);
  return names;
}();

}  // namespace

std::string_view wire_name(Mode mode) {
  constexpr std::string_view names[] = {"fast", "quality", "lite"};
  return names[static_cast<std::size_t>(mode)];
}

std::string_view wire_name(Resolution resolution) {
  constexpr std::string_view names[] = {"720p", "1080p", "4k"};
  return names[static_cast<std::size_t>(resolution)];
}

std::string_view wire_name(AspectRatio aspect_ratio) {
  constexpr std::string_view names[] = {"16:9", "9:16", "Auto"};
  return names[static_cast<std::size_t>(aspect_ratio)];
}

std::string_view wire_name(GenerationType type) {
  constexpr std::string_view names[] = {"TEXT_2_VIDEO", "FIRST_AND_LAST_FRAMES_2_VIDEO",
                                        "REFERENCE_2_VIDEO"};
  return names[static_cast<std::size_t>(type)];
}

std::span<const std::string_view> list_input_fields() { return field_names; }

std::optional<FieldValue> find_input_field(const Request& request, std::string_view name) {
  const auto* field = std::ranges::find(fields, name, &Field::name);
  return field == std::end(fields) ? std::nullopt : field->value(request);
}

}  // namespace veo
