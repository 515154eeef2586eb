// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes an HTML page that has no scripts and loads nothing. The page's Content-Security-Policy
// allows only the pictures in the page, and the page's style by its hash. All text from the ledger
// is escaped.
#include <glib.h>

#include <chrono>
#include <map>
#include <memory>

#include "display_text.h"
#include "file_stream.h"
#include "history.h"
#include "history_style.h"
#include "veo/core/owned_text.h"
#include "veo/media/library.h"

namespace veo::cli {

namespace {

// Twice the width of a card, for screens with small pixels.
constexpr int longest_side = 640;
constexpr std::size_t longest_description = 160;

/// The ledger's row of each task. A card links to the card of the task that it extends.
using Rows = std::map<std::string, std::int64_t>;

std::string base64(const std::vector<std::uint8_t>& bytes) {
  return OwnedText(g_base64_encode(bytes.data(), bytes.size())).get();
}

/// Returns the hash for the CSP's `style-src`.
std::string hash_of(std::string_view style) {
  std::vector<std::uint8_t> digest(32);
  gsize size = digest.size();
  const std::unique_ptr<GChecksum, decltype(&g_checksum_free)> sum(
      g_checksum_new(G_CHECKSUM_SHA256), g_checksum_free);
  g_checksum_update(sum.get(), reinterpret_cast<const guchar*>(style.data()),
                    static_cast<gssize>(style.size()));
  g_checksum_get_digest(sum.get(), digest.data(), &size);
  return "sha256-" + base64(digest);
}

std::string head() {
  return R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src ')" +
         hash_of(history_style) + R"('; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Videos made with veo</title>
<link rel="icon" href="data:,">
<style>)" +
         std::string(history_style) +
         R"(</style>
</head>
<body>
)";
}

std::string time_element(UnixTime time, const char* form) {
  return "<time datetime=\"" + iso_text(time) + "\">" + escape_html(time_text(time, form)) +
         "</time>";
}

std::string number(const std::string& name, std::uint64_t value) {
  return "<div><dt>" + name + "</dt><dd>" + std::to_string(value) + "</dd></div>\n";
}

std::string totals(const Records& records) {
  const auto all = total_of(records);
  std::string text;
  for (const auto& total : all) {
    text += "<dl class=\"totals\">\n";
    if (all.size() > 1) {
      text += "<div class=\"api\"><dt>API</dt><dd>" + escape_html(total.api_url) + "</dd></div>\n";
    }
    text += number(total.tasks == 1 ? "task" : "tasks", total.tasks) +
            number(credits_text(total), total.credits);
    if (total.in_doubt > 0) text += number("of them in doubt", total.in_doubt);
    if (total.unpriced > 0) text += number("of unknown price", total.unpriced);
    text += "</dl>\n";
  }
  return text;
}

std::string header(const Records& records) {
  const UnixTime now =
      std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return "<header>\n<div>\n<h1>Videos made with veo</h1>\n<p class=\"as-of\">As recorded on " +
         time_element(now, "%-d %B %Y, %H:%M") + "</p>\n</div>\n" + totals(records) + "</header>\n";
}

/// Returns what the card shows if it has no picture.
std::string placeholder(const std::string& why) {
  return R"(<div class="picture none">
<svg viewBox="0 0 24 24" aria-hidden="true"><rect x="3" y="5" width="18" height="14" rx="2"/><path d="M10 9.5v5l4.5-2.5z"/></svg>
<span>)" +
         why + "</span>\n</div>\n";
}

std::string why_no_picture(const Record& record) {
  switch (record.state) {
    case RecordState::reserved:
    case RecordState::sending:
      return "Being submitted";
    case RecordState::accepted:
      return "Being generated";
    case RecordState::completed:
      return record.clip_sha256.empty() ? "Not downloaded" : "Not in the cache any more";
    case RecordState::failed:
      return "Generation failed";
    case RecordState::released:
      return "Not submitted";
    case RecordState::unknown:
    case RecordState::superseded:
      return "May not have been submitted";
  }
  return "";
}

std::string picture(const Record& record, const media::Library* media) {
  if (!is_cached(record)) return placeholder(why_no_picture(record));
  if (media == nullptr) return placeholder("Cannot be shown");
  auto file = FileStream::open(record.clip_path);
  const auto thumbnail =
      file ? media->make_thumbnail(**file, longest_side) : fail(std::move(file.error()));
  if (!thumbnail) return placeholder("Cannot be shown");
  const auto about = record.prompt.empty() ? "task " + record.task_id : record.prompt;
  return "<div class=\"picture\"><img width=\"" + std::to_string(thumbnail->width) +
         "\" height=\"" + std::to_string(thumbnail->height) +
         "\" alt=\"First picture of: " + escape_html(cut(printable(about), longest_description)) +
         "\" src=\"data:image/jpeg;base64," + base64(thumbnail->jpeg) + "\"></div>\n";
}

std::string price(const Record& record) {
  const auto cost = cost_of(record);
  if (!cost) return "price unknown";
  if (*cost == 0) return record.state == RecordState::failed ? "refunded" : "nothing paid";
  return std::to_string(*cost) + " credits";
}

std::string row(const std::string& name, const std::string& value) {
  return "<dt>" + name + "</dt><dd>" + value + "</dd>\n";
}

std::string parent(const Record& record, const Rows& rows) {
  const auto id = escape_html(record.parent_task_id);
  const auto found = rows.find(record.parent_task_id);
  if (found == rows.end()) return "<code>" + id + "</code>";
  return "<a href=\"#row-" + std::to_string(found->second) + "\"><code>" + id + "</code></a>";
}

std::string card(const Record& record, const Rows& rows, const media::Library* media) {
  const std::string status(nick(record.state));
  auto text = "<li><article class=\"clip\" id=\"row-" + std::to_string(record.id) + "\">\n" +
              picture(record, media) +
              "<div class=\"text\">\n<p class=\"facts\"><span class=\"status " + status + "\">" +
              status + "</span> <span>" + escape_html(mode_text(record)) +
              "</span> <span class=\"price\">" + price(record) + "</span></p>\n";
  text += record.prompt.empty()
              ? "<p class=\"prompt empty\">The prompt was not recorded.</p>\n"
              : "<p class=\"prompt\" dir=\"auto\">" + escape_html(record.prompt) + "</p>\n";
  if (!record.error_message.empty()) {
    text += "<p class=\"error\">" + escape_html(record.error_message) + "</p>\n";
  }
  text += "<dl class=\"more\">\n" + row("Date", time_element(record.reserved_at, "%Y-%m-%d %H:%M"));
  if (!record.task_id.empty()) {
    text += row("Task", "<code>" + escape_html(record.task_id) + "</code>");
  }
  if (!record.parent_task_id.empty()) text += row("Extends", parent(record, rows));
  if (!record.details.empty()) text += row("With", escape_html(record.details));
  return text + "</dl>\n</div>\n</article></li>\n";
}

}  // namespace

std::optional<std::string> history_page(const Records& records, const media::Library* media,
                                        const Interruption& interruption) {
  Rows rows;
  for (const auto& record : records) rows.emplace(record.task_id, record.id);
  auto page = head() + header(records) + "<main>\n";
  if (records.empty())
    page += "<p class=\"nothing\">Nothing is recorded.</p>\n";
  else
    page += "<ol class=\"clips\">\n";
  for (const auto& record : records) {
    if (interruption.happened()) return std::nullopt;
    page += card(record, rows, media);
  }
  if (!records.empty()) page += "</ol>\n";
  return page +
         "</main>\n<footer>To play one of them, for nothing: <code>veo play "
         "TASK</code></footer>\n</body>\n</html>\n";
}

}  // namespace veo::cli
