// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a user asks the service for. Every field of API.md is here, and every optional one keeps
// "unset" apart from "set to the default": what the user did not set is not sent.
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

/// The values as the API spells them: `fast`, `720p`, `Auto`, `FIRST_AND_LAST_FRAMES_2_VIDEO`.
std::string_view wire_name(Mode);
std::string_view wire_name(Resolution);
std::string_view wire_name(AspectRatio);
std::string_view wire_name(GenerationType);

struct Request {
  std::string prompt;                             ///< exact bytes; must be valid UTF-8
  std::optional<Mode> mode;                       ///< documented default: fast
  std::optional<Resolution> resolution;           ///< documented default: 720p
  std::optional<AspectRatio> aspect_ratio;        ///< documented default: 16:9
  std::optional<GenerationType> generation_type;  ///< unset: the service decides by the images
  std::vector<std::string> image_urls;            ///< http(s); fetched by the service, never by us
  std::optional<bool> enable_translation;         ///< documented default: true
  std::optional<std::uint32_t> seed;              ///< 10000–99999, sent as `seeds`
  std::optional<std::string> watermark;
  std::optional<std::string> callback_url;
  std::optional<std::string> extend_task_id;  ///< set: an extension (`veo-3-extend`) of that task

  [[nodiscard]] bool is_extension() const { return extend_task_id.has_value(); }
  bool operator==(const Request&) const = default;
};

/// A field of `input` as it goes on the wire. Views into the request.
using FieldValue = std::variant<std::string_view, std::int64_t, bool, std::span<const std::string>>;

/// Every input field of API.md by its wire name, in the order of API.md.
std::span<const std::string_view> input_field_names();

/// The value that the request sets, valid as long as the request; nullopt where it leaves the
/// field out (an empty list is left out), and for names that are none of input_field_names().
std::optional<FieldValue> input_field(const Request& request, std::string_view name);
std::optional<FieldValue> input_field(Request&&, std::string_view) = delete;

}  // namespace veo
