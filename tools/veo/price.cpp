// SPDX-License-Identifier: LGPL-2.1-or-later
#include "command.h"

#include <nlohmann/json.hpp>

#include "display_text.h"
#include "exit_code.h"
#include "veo/core/catalog.h"
#include "veo/source/access.h"

namespace veo::cli {

namespace {

void print_price(const Request& request, const Catalog& catalog, bool json, bool alone) {
  const auto credits = find_price(request, catalog);
  if (json) {
    nlohmann::json object{{"event", "price"},
                          {"extension", request.is_extension()},
                          {"mode", nullptr},
                          {"resolution", nullptr},
                          {"credits", nullptr}};
    if (!request.is_extension()) {
      object["mode"] = wire_name(request.mode.value_or(Mode::fast));
      object["resolution"] = wire_name(request.resolution.value_or(Resolution::p720));
    }
    if (credits) object["credits"] = *credits;
    return print_json(object);
  }
  const auto text = credits ? std::to_string(*credits) : std::string("unknown");
  if (alone) {
    print(text + "\n");
  } else if (request.is_extension()) {
    print(pad("extension", 16) + text + "\n");
  } else {
    print(pad(std::string(wire_name(*request.mode)), 8) +
          pad(std::string(wire_name(*request.resolution)), 8) + text + "\n");
  }
}

int show(const Arguments& arguments, bool extension) {
  Display display(arguments.kind());
  const auto refuse = [&](const Error& error) {
    display.failed(error);
    return exit_code(error.code);
  };
  auto settings = arguments.settings();
  if (!settings) return refuse(settings.error());
  const auto catalog = load_catalog();
  if (!catalog) return refuse(catalog.error());
  auto request = settings->request;
  if (extension) request.extend_task_id = "";
  if (extension || request.mode || request.resolution) {
    print_price(request, **catalog, arguments.json, true);
    return exit_success;
  }
  for (const auto mode : {Mode::fast, Mode::quality, Mode::lite}) {
    for (const auto resolution : {Resolution::p720, Resolution::p1080, Resolution::k4}) {
      print_price({.mode = mode, .resolution = resolution}, **catalog, arguments.json, false);
    }
  }
  print_price({.extend_task_id = ""}, **catalog, arguments.json, false);
  if (!arguments.json) {
    print(
        "Credits of the provider at api.aivideoapi.ai, which offers Google's Veo models and is not "
        "Google.\n");
  }
  return exit_success;
}

}  // namespace

void add_price(Command& app, Action& chosen) {
  auto command = app.add_command("price", "what a video costs, by the catalog, in credits");
  const auto arguments = std::make_shared<Arguments>();
  const auto extension = std::make_shared<bool>(false);
  add_named_arguments(command, *arguments, {"mode", "resolution"});
  command.add_flag("--extension", *extension, "of `veo extend`");
  command.set_footer(
      R"(Asks nobody. Without --mode or --resolution: all prices. The credits are those of
the provider at api.aivideoapi.ai, which offers Google's Veo models and is not Google.

Examples:
  veo price
  veo price --mode=quality --resolution=4k)");
  command.on_chosen([arguments, extension, &chosen] {
    chosen = [arguments, extension](Session&) { return show(*arguments, *extension); };
  });
}

}  // namespace veo::cli
