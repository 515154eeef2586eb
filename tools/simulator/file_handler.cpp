// SPDX-License-Identifier: LGPL-2.1-or-later
#include "file_handler.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "fault_effects.h"

namespace simulator {
namespace {

struct Range {
  std::uint64_t first = 0;
  std::uint64_t end = 0;  ///< the end of the range, within the file
};

std::uint64_t to_number(const std::string& digits) {
  std::uint64_t number = 0;
  // A number beyond 64 bits is beyond the end of any file.
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return result.ec == std::errc() ? number : UINT64_MAX;
}

/// Parses a Range header. Returns nullopt if there is none, or if a server may ignore it, as with
/// several ranges. A range that cannot be satisfied is empty.
std::optional<Range> parse_range(const std::string* header, std::uint64_t size) {
  static constexpr std::string_view unit = "bytes=";
  if (header == nullptr || !header->starts_with(unit)) return std::nullopt;
  const auto dash = std::min(header->find('-'), header->size() - 1);
  const auto first = header->substr(unit.size(), dash - std::min(dash, unit.size()));
  const auto last = header->substr(dash + 1);
  const auto is_number = [](const std::string& text) {
    return text.find_first_not_of("0123456789") == std::string::npos;
  };
  if ((*header)[dash] != '-' || !is_number(first) || !is_number(last)) return std::nullopt;
  if (first.empty() && last.empty()) return std::nullopt;
  if (first.empty()) return Range{size - std::min(size, to_number(last)), size};
  if (to_number(first) >= size) return Range{};
  if (last.empty()) return Range{to_number(first), size};
  if (to_number(last) < to_number(first)) return std::nullopt;
  return Range{to_number(first), to_number(last) < size ? to_number(last) + 1 : size};
}

/// Makes another file of the same length. Only a validator, or the bytes near both ends,
/// distinguish the files, so a splice of both equals neither. The changed bytes are the brand's
/// version and the last byte of the file; if this is a letter, its case changes.
std::shared_ptr<const std::string> make_changed_file(const std::string& bytes) {
  auto copy = std::make_shared<std::string>(bytes);
  if (copy->size() > 16) {
    (*copy)[15] = static_cast<char>((*copy)[15] ^ 1);
    copy->back() = static_cast<char>(copy->back() ^ 0x20);
  }
  return copy;
}

std::string content_range(const Range& range, std::uint64_t total) {
  return "bytes " + std::to_string(range.first) + "-" + std::to_string(range.end - 1) + "/" +
         std::to_string(total);
}

}  // namespace

FileHandler::FileHandler(const Options& options, Service& service)
    : ranges_(!options.no_ranges), etag_(options.etag), service_(service) {}

std::optional<Phase> FileHandler::find_phase(const Request& request) const {
  const auto* const range = request.find_header("Range");
  return range != nullptr && range->starts_with("bytes=-") ? Phase::file_tail : Phase::file;
}

bool FileHandler::is_control(const Request&) const { return false; }

Answer FileHandler::answer(const Request& request, const Effects& effects) {
  auto answer = effects.is_refusal() ? make_refusal(request, effects) : serve(request, effects);
  spoil(answer, effects);
  return answer;
}

Answer FileHandler::serve(const Request& request, const Effects& effects) {
  if (request.method != "GET" && request.method != "HEAD") return make_html_answer(405);
  const auto file = service_.find_file(std::string(request.path()));
  if (!file) return make_html_answer(404);

  Answer answer;
  answer.content = file->clip.bytes;
  auto hash = file->clip.sha256;
  auto modified = file->modified;
  if (effects.has(Kind::changed)) {
    answer.content = make_changed_file(*answer.content);
    hash = compute_sha256(*answer.content);
    modified += 60;
  }
  const std::uint64_t total = answer.content->size();
  answer.size = total;
  answer.set_header("Content-Type", "video/mp4");

  const auto tag = "\"" + hash.substr(0, 32) + "\"";
  const auto date = write_http_date(modified);
  if (etag_ == Etag::weak) answer.set_header("ETag", "W/" + tag);
  if (etag_ == Etag::strong) {
    answer.set_header("ETag", tag);
    answer.set_header("Last-Modified", date);
  }

  if (!ranges_ || effects.has(Kind::no_ranges)) return answer;
  answer.set_header("Accept-Ranges", "bytes");
  if (request.method != "GET" || effects.has(Kind::ignore_range)) return answer;
  // A weak tag never matches here, because it does not promise equal bytes.
  const auto* condition = request.find_header("If-Range");
  if (condition != nullptr && (etag_ != Etag::strong || (*condition != tag && *condition != date)))
    return answer;

  auto range = parse_range(request.find_header("Range"), total);
  if (!range) return answer;
  if (range->first >= range->end) {
    auto refused = make_html_answer(416);
    refused.set_header("Content-Range", "bytes */" + std::to_string(total));
    return refused;
  }
  if (effects.has(Kind::wrong_range)) {
    range->first = std::min(range->first + 1, total - 1);
    range->end = std::max(range->end, range->first + 1);
  }
  answer.status = 206;
  answer.offset = range->first;
  answer.size = range->end - range->first;
  answer.set_header("Content-Range",
                    content_range(*range, total + (effects.has(Kind::wrong_total) ? 1 : 0)));
  return answer;
}

}  // namespace simulator
