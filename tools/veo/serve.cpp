// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Serves a task or a request at a URL, for players that take only URLs:
//
//   http://127.0.0.1:PORT/TOKEN/task/ID           plays veo:task/ID
//   http://127.0.0.1:PORT/TOKEN/clip?prompt=…     plays veo:clip?prompt=…, within VEO_URI_BUDGET
//
// Other users of the machine can reach a loopback address too, and so can any page in the user's
// browser. Three checks keep them out. The path must begin with a secret. The Host must be a
// loopback address, so a name that was rebound to such an address is refused. A request that a
// browser sends for a page is refused.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "command.h"
#include "exit_code.h"
#include "http_server.h"
#include "veo/core/error_table.h"
#include "veo/core/task_id.h"
#include "veo/options/uri.h"
#include "veo/source/source_reader.h"
#include "veo/source/streams.h"
#include "veo/system/guarded.h"

namespace veo::cli {

namespace {

struct Serve : Arguments {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::string token;
};

std::string make_token() {
  std::array<std::uint8_t, 16> random{};
  if (::getentropy(random.data(), random.size()) != 0) return "";
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const auto byte : random) {
    text += digits[byte >> 4U];
    text += digits[byte & 15U];
  }
  return text;
}

/// Compares in constant time, so that the time does not say where the two texts differ.
bool is_secret(std::string_view given, std::string_view secret) {
  if (given.size() != secret.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < secret.size(); ++i) {
    difference |= static_cast<unsigned>(given[i] ^ secret[i]);
  }
  return difference == 0;
}

HttpServer::Response refuse(unsigned status, const std::string& why) {
  return {.status = status,
          .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
          .text = why + "\n",
          .stream = nullptr,
          .length = {}};
}

struct Range {
  std::uint64_t first;
  std::uint64_t end;
};

/// Parses a Range header (RFC 9110, 14.1.2). nullopt: there is no range, or there are several, and
/// the server ignores them. An empty range: the file has no byte of the range.
std::optional<Range> parse_range(std::string_view text, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  if (!text.starts_with(unit)) return std::nullopt;
  text.remove_prefix(unit.size());
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits, std::uint64_t& into) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return error == std::errc{} && end == digits.data() + digits.size();
  };
  const auto from = text.substr(0, dash);
  const auto to = text.substr(dash + 1);
  std::uint64_t first = 0;
  std::uint64_t last = size;
  if (from.empty()) {
    if (!number(to, last)) return std::nullopt;
    return Range{size - std::min(size, last), size};
  }
  if (!number(from, first)) return std::nullopt;
  if (to.empty()) return Range{first, std::max(first, size)};
  if (!number(to, last) || last < first) return std::nullopt;
  return Range{first, std::max(first, std::min(last, size - 1) + 1)};
}

constexpr const char* interrupted = "veo serve is ending.";

/// Answers the requests of players.
class ClipHandler {
 public:
  ClipHandler(Display& display, Options settings, std::string token)
      : settings_(std::move(settings)),
        token_(std::move(token)),
        shared_(Shared{.display = display}) {}

  HttpServer::Response answer(const HttpServer::Request& request) {
    const auto host = request.header("Host").value_or("");
    if (!is_served(host)) return refuse(421, "veo serve does not serve this host.");
    const auto site = request.header("Sec-Fetch-Site");
    if (request.header("Origin") || (site && *site != "none")) {
      return refuse(403, "A web page may not ask, because it could spend its reader's credits.");
    }
    const std::string_view target = request.target;
    const auto end = target.find('/', 1);
    if (end == std::string_view::npos || !is_secret(target.substr(1, end - 1), token_)) {
      return refuse(404, "The path begins with the token that `veo serve` has printed.");
    }
    const auto what = std::string(target.substr(end + 1));
    auto response = play(what, request);
    const bool is_gone = request.wakeup->is_interrupted() && request.is_peer_gone();
    say(request.method + " " + what.substr(0, what.find('?')) + ": " +
        (is_gone ? "the player has gone. The task goes on, and the next request joins it"
                 : std::to_string(response.status)));
    return response;
  }

 private:
  HttpServer::Response play(const std::string& what, const HttpServer::Request& request) {
    const auto uri = parse_uri("veo:" + what);
    if (!uri) return refuse(400, uri.error().message);
    auto settings = settings_;
    if (const auto set = set_uri(settings, *uri); !set) return refuse(400, set.error().message);
    SourceReader reader(request.wakeup);
    // The player waits in silence, so its user looks here for the reason.
    std::set<std::string> told;
    const auto tell = [this, &told](const std::string& text) {
      if (told.insert(text).second) say(text);
    };
    if (const auto begun = reader.begin(std::move(settings)); !begun) {
      return refuse(error_row(begun.error().code).http_status, begun.error().message);
    }
    const auto opened = reader.wait_until_open(
        [&tell](const Error& trouble) { tell("Waiting: " + trouble.message); });
    if (!opened) return refuse(503, interrupted);
    if (!*opened)
      return refuse(error_row(opened->error().code).http_status, opened->error().message);
    reader.start();
    const auto first = reader.wait_for_bytes(0, {.on_change = [&tell](const auto& seen) {
                                               for (const auto& notice : seen.notices) tell(notice);
                                               if (const auto& trouble = seen.job.trouble) {
                                                 tell("Waiting: " + trouble->message);
                                               }
                                             }});
    if (!first) return refuse(503, interrupted);
    if (!*first) {
      say(first->error().message);
      return refuse(error_row(first->error().code).http_status, first->error().message);
    }
    return make_response(reader.source(), request);
  }

  static HttpServer::Response make_response(const std::shared_ptr<Source>& source,
                                            const HttpServer::Request& request) {
    const auto seen = source->snapshot();
    // The bytes are those of the task's file with the tags of gst-veo, so the ETag names what both
    // depend on: the task, the date of its submission, which another ledger may not know, and the
    // version. The task is named as in a file name, because an id may contain characters that an
    // ETag may not.
    const auto date = seen.job.report ? seen.job.report->created_at : std::nullopt;
    const auto tag = "\"" + make_task_file_stem(seen.job.task_id) + "-" +
                     (date ? std::to_string(*date) : "undated") + "-" VEO_VERSION "\"";
    HttpServer::Response response{.headers = {{"Content-Type", "video/mp4"},
                                              {"ETag", tag},
                                              {"X-Content-Type-Options", "nosniff"}},
                                  .text = "",
                                  .stream = std::make_unique<SourceStream>(source, request.wakeup),
                                  .length = seen.size};
    if (!seen.size) return response;
    response.headers.emplace_back("Accept-Ranges", "bytes");
    if (request.header("If-Range").value_or(tag) != tag) return response;
    const auto range = parse_range(request.header("Range").value_or(""), *seen.size);
    if (!range) return response;
    const auto size = std::to_string(*seen.size);
    if (range->first >= *seen.size || range->first == range->end) {
      auto refused = refuse(416, "The file has " + size + " bytes.");
      refused.headers.emplace_back("Content-Range", "bytes */" + size);
      return refused;
    }
    response.status = 206;
    response.headers.emplace_back("Content-Range", "bytes " + std::to_string(range->first) + "-" +
                                                       std::to_string(range->end - 1) + "/" + size);
    response.first = range->first;
    response.length = range->end - range->first;
    return response;
  }

  static bool is_served(const std::string& host) {
    // A page of the web that has a name of its own for this address must not ask. A port forward
    // has another port, and all names of the loopback are as good.
    return is_loopback_url("http://" + host + "/");
  }

  void say(const std::string& text) { shared_.lock()->display.say(text); }

  const Options settings_;
  const std::string token_;

  /// The threads of the server share this. Each request has a thread.
  struct Shared {
    Display& display;
  };
  Guarded<Shared> shared_;
};

int serve(Session& session, const Serve& arguments) {
  Display display(arguments.kind());
  const auto refuse_all = [&display](const Error& error) {
    display.failed(error);
    return exit_code(error.code);
  };
  auto settings = arguments.settings();
  if (!settings) return refuse_all(settings.error());
  const auto token = arguments.token.empty() ? make_token() : arguments.token;
  const bool is_good = token.size() >= 16 && std::ranges::all_of(token, [](char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                                (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
                       });
  if (!is_good) {
    return refuse_all(
        {.code = ErrorCode::invalid_request,
         .message = "--token: the secret needs 16 or more of the characters A-Z a-z 0-9 - _."});
  }
  const bool is_ipv6 = arguments.address.find(':') != std::string::npos;
  const auto host = is_ipv6 ? "[" + arguments.address + "]" : arguments.address;
  if (!is_loopback_host(arguments.address)) {
    return refuse_all({.code = ErrorCode::invalid_request,
                       .message =
                           "--address: veo serve listens only on a loopback address, such as "
                           "127.0.0.1 or ::1. To let other people in, put a proxy before it "
                           "that authenticates them."});
  }
  ClipHandler handler(display, std::move(*settings), token);
  auto server = HttpServer::start(
      arguments.address, arguments.port,
      [&handler](const HttpServer::Request& request) { return handler.answer(request); });
  if (!server) return refuse_all(server.error());
  const auto port = (*server)->port();
  const auto authority = host + ":" + std::to_string(port);
  const auto url = "http://" + authority + "/" + token + "/";
  if (display.is_json()) {
    display.tell({{"event", "serving"}, {"url", url}});
  } else {
    std::puts(url.c_str());
    std::fflush(stdout);
  }
  display.say("Serving task/ID and clip?prompt=… beneath this address. Ctrl-C ends the server.");
  session.wakeup->wait_for_interruption();
  (*server)->end_waits();
  return 0;
}

}  // namespace

void add_serve(Command& app, Action& chosen) {
  auto command = app.add_command("serve", "an HTTP address for players that take a URL");
  const auto arguments = std::make_shared<Serve>();
  using Group = Option::Group;
  add_arguments(command, *arguments, {Group::money, Group::files, Group::service, Group::waiting},
                {"task-id", "take", "request-id", "reuse", "on-unknown", "dry-run"});
  command.add_option("--address", arguments->address, "a loopback address (default 127.0.0.1)")
      .set_form("ADDRESS");
  command.add_option("--port", arguments->port, "(default 0: any free one)").set_form("PORT");
  command
      .add_option("--token", arguments->token,
                  "the secret that each path begins with (default: a new one each time)")
      .set_form("TEXT");
  command.set_footer(
      R"(Prints its address. Beneath it task/ID plays a task, and never costs anything; clip?prompt=…
takes what veo:clip URIs take, and pays within VEO_URI_BUDGET. Players wait for as long as the
generation takes: give them the time (souphttpsrc timeout=0).

Examples:
  veo serve
  VEO_URI_BUDGET=200 veo serve --port 8800 --token my-own-sixteen-chars
  ffplay http://127.0.0.1:8800/my-own-sixteen-chars/task/cbf6b69d-4f03-4817-8ed7-94c0292184a8)");
  command.on_chosen([arguments, &chosen] {
    chosen = [arguments](Session& session) { return serve(session, *arguments); };
  });
}

}  // namespace veo::cli
