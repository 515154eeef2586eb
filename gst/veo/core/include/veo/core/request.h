// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A request to the service, with every field of its API. Each optional field can be unset, which
// differs from "set to the default": a field that the user did not set is not sent.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace veo {

enum class Mode { fast, quality, lite };
enum class Resolution { p720, p1080, k4 };
enum class AspectRatio { landscape, portrait, automatic };
enum class GenerationType { text, first_and_last_frames, reference };

// The names of the values in the API: `fast`, `720p`, `Auto`, `FIRST_AND_LAST_FRAMES_2_VIDEO`.
std::string_view wire_name(Mode);
std::string_view wire_name(Resolution);
std::string_view wire_name(AspectRatio);
std::string_view wire_name(GenerationType);

struct Request {
  std::string prompt;                             ///< must be valid UTF-8; sent byte by byte
  std::optional<Mode> mode;                       ///< documented default: fast
  std::optional<Resolution> resolution;           ///< documented default: 720p
  std::optional<AspectRatio> aspect_ratio;        ///< documented default: 16:9
  std::optional<GenerationType> generation_type;  ///< unset: the service decides by the images
  std::vector<std::string> image_urls;            ///< http or https; only the service fetches them
  std::optional<bool> enable_translation;         ///< documented default: true
  std::optional<std::uint32_t> seed;              ///< 10000–99999, sent as `seeds`
  std::optional<std::string> watermark;
  std::optional<std::string> callback_url;
  std::optional<std::string>
      extend_task_id;  ///< if set, the request extends this task (`veo-3-extend`)

  [[nodiscard]] bool is_extension() const { return extend_task_id.has_value(); }
  bool operator==(const Request&) const = default;
};

/// The value of an input field on the wire. It points into the request.
using FieldValue = std::variant<std::string_view, std::int64_t, bool, std::span<const std::string>>;

/// The wire names of all input fields, in the order of the service's documentation.
std::span<const std::string_view> list_input_fields();

/// Finds the value of the field `name` (a wire name). It is valid as long as the request. Returns
/// nullopt if the request leaves the field unset, if the field is an empty list, or if there is no
/// such field.
std::optional<FieldValue> find_input_field(const Request& request, std::string_view name);
std::optional<FieldValue> find_input_field(Request&&, std::string_view) = delete;

}  // namespace veo
