// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Makes an HTML page that loads nothing by itself. The page's Content-Security-Policy allows the
// pictures in the page, the page's style and script by their hashes, and videos of this machine, of
// which the browser reads no byte before the user plays one. All text from the ledger is escaped.
//
// A picture is a link to its video, so a page without its script is complete: it can be read and
// printed, and a click opens the video. With the script (history.js) the video plays in the place
// of its picture.
#include <glib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "display_text.h"
#include "file_stream.h"
#include "history.h"
#include "history_films.h"
#include "history_style.h"
#include "veo/core/escape.h"
#include "veo/core/owned_text.h"
#include "veo/media/library.h"

namespace veo::cli {

namespace {

// Twice the width of a card, for screens with small pixels.
constexpr int longest_side = 640;
constexpr std::size_t longest_description = 160;

/// The ledger's row of each task. A card links to the card of the task that it extends.
using Rows = std::map<std::string, std::int64_t>;

/// What all cards need.
struct Page {
  const media::Library* media;  ///< null: there are no pictures
  std::string folder;           ///< the page's own folder, absolute; empty: not known
  Rows rows;
};

/// Where a card stands: alone, or in a film.
struct Place {
  bool is_in_film = false;
  std::optional<std::size_t> step;  ///< from 1 on; nullopt: not known
};

std::string base64(const std::vector<std::uint8_t>& bytes) {
  return OwnedText(g_base64_encode(bytes.data(), bytes.size())).get();
}

/// Returns the hash of a style or a script for the CSP.
std::string hash_of(std::string_view text) {
  std::vector<std::uint8_t> digest(32);
  gsize size = digest.size();
  const std::unique_ptr<GChecksum, decltype(&g_checksum_free)> sum(
      g_checksum_new(G_CHECKSUM_SHA256), g_checksum_free);
  g_checksum_update(sum.get(), reinterpret_cast<const guchar*>(text.data()),
                    static_cast<gssize>(text.size()));
  g_checksum_get_digest(sum.get(), digest.data(), &size);
  return "sha256-" + base64(digest);
}

std::string head() {
  return R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src ')" +
         hash_of(history_style) + "'; script-src '" + hash_of(history_script) +
         R"('; media-src file: 'self'; base-uri 'none'; form-action 'none'">
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
      if (is_without_video(record)) return "Made without a video";
      return record.clip_sha256.empty() ? "Not downloaded" : "Not in the cache any more";
    case RecordState::failed:
      return "Generation failed";
    case RecordState::released:
      return "Not submitted";
    case RecordState::unknown:
    case RecordState::superseded:
      return "May be paid: no answer is known";
  }
  return "";
}

/// Returns a line with a command that the reader can copy; empty: there is nothing to do. The
/// script shows the line of a video that can be played when the page does not find the file.
std::string what_to_do(const Record& record, bool is_playable) {
  const auto line = [&](const std::string& why, const std::string& command,
                        const std::string& end) {
    return std::string("<p class=\"todo\"") + (is_playable ? " hidden" : "") + ">" + why +
           "<code>" +
           escape_html(command + " " + quote_for_shell(printable(record.task_id)) + end) +
           "</code></p>\n";
  };
  if (record.state == RecordState::unknown) {
    return "<p class=\"todo\">It may be paid. Look for it in the provider's dashboard. If it is "
           "there, run the same line with <code>--task-id=ID</code>. If it is not, and the balance "
           "has not fallen: <code>--on-unknown=resubmit</code></p>\n";
  }
  if (record.task_id.empty()) return "";
  if (record.state == RecordState::accepted) {
    return line("Wait for it, free:", "veo wait", "");
  }
  if (record.state != RecordState::completed || is_without_video(record)) return "";
  return line(
      is_playable ? "This page does not find the file. Get it again, free:" : "Get it again, free:",
      "veo download", " -o clip.mp4");
}

/// Returns the number of the step, as the page shows it.
std::string name_of(const Place& place) {
  return place.step ? "Step " + std::to_string(*place.step) : "Continuation";
}

std::string short_prompt(const Record& record) {
  const auto about = record.prompt.empty() ? "task " + record.task_id : record.prompt;
  return cut(printable(about), longest_description);
}

/// `Step 2: it sleeps`, for people who hear the page.
std::string describe(const Record& record, const Place& place) {
  return (place.is_in_film ? name_of(place) + ": " : "") + short_prompt(record);
}

/// Returns the URL of the file: below the page's own folder a relative one, so that the page and
/// its videos can move together.
std::string url_of_file(const std::string& path, const std::string& folder) {
  if (!folder.empty() && path.starts_with(folder + "/")) {
    std::string url = ".";
    for (const auto& part : std::filesystem::path(path.substr(folder.size() + 1))) {
      url += "/" + percent_encode(part.string());
    }
    return url;
  }
  return OwnedText(g_filename_to_uri(path.c_str(), nullptr, nullptr)).get();
}

/// A file in the cache whose video can be played.
struct Playable {
  std::string url;
  std::string picture;  ///< HTML; empty: there is no picture
};

/// Returns nullopt if the cache does not have the video, or has a file that is no video.
std::optional<Playable> find_playable(const Record& record, const Page& page) {
  if (!is_cached(record)) return std::nullopt;
  Playable found{.url = url_of_file(record.clip_path, page.folder), .picture = {}};
  if (page.media == nullptr) return found;
  auto file = FileStream::open(record.clip_path);
  const auto thumbnail =
      file ? page.media->make_thumbnail(**file, longest_side) : fail(std::move(file.error()));
  if (!thumbnail) return std::nullopt;
  found.picture = "<img width=\"" + std::to_string(thumbnail->width) + "\" height=\"" +
                  std::to_string(thumbnail->height) +
                  "\" alt=\"First picture of: " + escape_html(short_prompt(record)) +
                  "\" src=\"data:image/jpeg;base64," + base64(thumbnail->jpeg) + "\">\n";
  return found;
}

std::string picture(const Record& record, const Place& place,
                    const std::optional<Playable>& playable) {
  if (!playable) {
    return placeholder(is_cached(record) ? "Cannot be shown" : why_no_picture(record));
  }
  const auto name = escape_html(describe(record, place));
  return "<div class=\"picture\">\n<a class=\"play\" href=\"" + escape_html(playable->url) +
         "\" data-name=\"" + name + "\" aria-label=\"Play " + name + "\">\n" + playable->picture +
         R"(<svg class="badge" viewBox="0 0 48 48" aria-hidden="true"><circle cx="24" cy="24" r="23"/><path d="M19 15v18l15-9z"/></svg>
</a>
</div>
)";
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

std::string link_to(const Record& record, const std::string& text) {
  return "<a href=\"#row-" + std::to_string(record.id) + "\">" + text + "</a>";
}

std::string parent(const Record& record, const Rows& rows) {
  const auto id = escape_html(record.parent_task_id);
  const auto found = rows.find(record.parent_task_id);
  if (found == rows.end()) return "<code>" + id + "</code>";
  return "<a href=\"#row-" + std::to_string(found->second) + "\"><code>" + id + "</code></a>";
}

std::string card(const Record& record, const Place& place, const Page& page) {
  const std::string status(nick(record.state));
  const auto playable = find_playable(record, page);
  auto text = "<article class=\"clip\" id=\"row-" + std::to_string(record.id) + "\" aria-label=\"" +
              escape_html(describe(record, place)) + "\">\n" + picture(record, place, playable) +
              "<div class=\"text\">\n<p class=\"facts\">";
  if (place.is_in_film) text += "<b class=\"number\">" + name_of(place) + "</b> ";
  text += "<span class=\"status " + status + "\">" + status + "</span> ";
  if (!place.is_in_film) text += "<span>" + escape_html(mode_text(record)) + "</span> ";
  text += "<span class=\"price\">" + price(record) + "</span></p>\n";
  text += record.prompt.empty()
              ? "<p class=\"prompt empty\">The prompt was not recorded.</p>\n"
              : "<p class=\"prompt\" dir=\"auto\">" + escape_html(record.prompt) + "</p>\n";
  if (!record.error_message.empty()) {
    text += "<p class=\"error\">" + escape_html(record.error_message) + "</p>\n";
  }
  text += what_to_do(record, playable.has_value());
  text += "<dl class=\"more\">\n" + row("Date", time_element(record.reserved_at, "%Y-%m-%d %H:%M"));
  if (!record.task_id.empty()) {
    text += row("Task", "<code>" + escape_html(record.task_id) + "</code>");
  }
  if (!record.parent_task_id.empty()) text += row("Extends", parent(record, page.rows));
  if (!record.details.empty()) text += row("With", escape_html(record.details));
  if (playable) {
    // The file as it was delivered, with its C2PA manifest.
    text += row("Original", "<a href=\"" + escape_html(playable->url) + "\"><code>" +
                                escape_html(printable(record.clip_path)) + "</code></a>");
  }
  return text + "</dl>\n</div>\n</article>";
}

/// Returns what the film has cost, as the totals of the page say it.
std::string price(const std::vector<Total>& totals) {
  std::uint64_t credits = 0;
  std::size_t unpriced = 0;
  for (const auto& total : totals) {
    credits += total.credits;
    unpriced += total.unpriced;
  }
  auto text = std::to_string(credits) + " credits";
  if (unpriced > 0) text += ", and " + std::to_string(unpriced) + " of unknown price";
  return text;
}

std::string head_of_film(const Film& film) {
  const auto& strips = film.strips;
  const auto& first = *strips.front().steps.front();
  Records records;
  for (const auto& strip : strips) {
    for (const auto* const step : strip.steps) records.push_back(*step);
  }
  auto text = "<div class=\"film-head\">\n<h2 id=\"film-" + std::to_string(first.id) +
              "\" dir=\"auto\">" + escape_html(short_prompt(first)) +
              "</h2>\n<p class=\"facts\"><span>Film of " +
              count_text(strips.front().steps.size(), "step");
  if (strips.size() > 1) text += ", and " + count_text(strips.size() - 1, "other continuation");
  return text + "</span> <span class=\"price\">" + price(total_of(records)) +
         "</span></p>\n</div>\n";
}

/// Returns the line above a branch: which step it continues in another way.
std::string head_of_branch(const Strip& strip) {
  auto name = strip.number ? "step " + std::to_string(*strip.number - 1)
                           : "<code>" + escape_html(strip.extended->task_id) + "</code>";
  return "<h3>Another continuation of " + link_to(*strip.extended, name) + "</h3>\n";
}

/// Writes the page's records. nullopt: an interruption ended the reading of the videos.
std::optional<std::string> list_films(const std::vector<Film>& films, const Page& page,
                                      const Interruption& interruption) {
  std::string text = "<ol class=\"clips\">\n";
  for (const auto& film : films) {
    if (film.is_single()) {
      if (interruption.happened()) return std::nullopt;
      text += "<li>" + card(*film.strips.front().steps.front(), {}, page) + "</li>\n";
      continue;
    }
    const auto first = std::to_string(film.strips.front().steps.front()->id);
    text += "<li class=\"film\"><section aria-labelledby=\"film-" + first + "\">\n" +
            head_of_film(film);
    for (const auto& strip : film.strips) {
      if (strip.extended != nullptr) text += head_of_branch(strip);
      text += "<ol class=\"strip\" aria-label=\"The steps in their order\">\n";
      auto number = strip.number;
      for (const auto* const step : strip.steps) {
        if (interruption.happened()) return std::nullopt;
        text += "<li>" + card(*step, {.is_in_film = true, .step = number}, page) + "</li>\n";
        if (number) ++*number;
      }
      text += "</ol>\n";
    }
    text += "</section></li>\n";
  }
  return text + "</ol>\n";
}

/// Returns the absolute folder of the page; empty if it cannot be found.
std::string folder_of(const std::string& page) {
  if (page.empty()) return "";
  std::error_code error;
  const auto folder =
      std::filesystem::canonical(std::filesystem::absolute(page, error).parent_path(), error);
  return error ? "" : folder.string();
}

}  // namespace

std::optional<std::string> history_page(const Records& records, const media::Library* media,
                                        const std::string& path, const Interruption& interruption) {
  Page page{.media = media, .folder = folder_of(path), .rows = {}};
  for (const auto& record : records) page.rows.emplace(record.task_id, record.id);
  auto text = head() + header(records) + "<main>\n";
  if (records.empty()) {
    text += "<p class=\"nothing\">Nothing is recorded.</p>\n";
  } else {
    const auto films = list_films(find_films(records), page, interruption);
    if (!films) return std::nullopt;
    text += *films;
  }
  return text +
         "</main>\n<footer>A click on a picture plays the video, if the cache of this machine has "
         "it. Anywhere else, and free: <code>veo play TASK</code></footer>\n<script>" +
         std::string(history_script) + "</script>\n</body>\n</html>\n";
}

}  // namespace veo::cli
