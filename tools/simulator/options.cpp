// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "faults.h"
#include "http.h"
#include "units.h"

namespace simulator {
namespace {

/// Adds an option. `parse` makes the member's value from the text.
template <class T, class Parse>
CLI::Option* add(CLI::App& app, const std::string& name, T& member, Parse parse,
                 const std::string& form, const std::string& help) {
  const auto assign = [&member, parse](const std::string& text) {
    try {
      member = static_cast<T>(parse(text));
    } catch (const std::invalid_argument& error) {
      throw CLI::ValidationError(error.what());
    }
  };
  return app.add_option_function<std::string>(name, assign, help)->type_name(form);
}

template <class T>
CLI::Option* add_choice(CLI::App& app, const std::string& name, T& member,
                        const std::map<std::string, T>& choices, const std::string& help) {
  const auto parse = [choices](const std::string& text) {
    if (const auto found = choices.find(text); found != choices.end()) return found->second;
    throw std::invalid_argument("'" + text + "' is no choice here");
  };
  std::string form;
  for (const auto& choice : choices) form += (form.empty() ? "" : "|") + choice.first;
  return add(app, name, member, parse, form, help);
}

}  // namespace

std::variant<Options, int> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app("A stand-in for the Veo 3.1 task API, and for the host of its files.",
               "veo-simulator");
  app.footer(describe_faults);

  app.add_option("--address", options.address, "bind to this address")
      ->check(CLI::ValidIPV4)
      ->capture_default_str();
  app.add_option("--port", options.port, "the API's port; 0: any free one");
  app.add_option("--file-port", options.file_port, "the file host's port; 0: any free one");
  auto* cert = app.add_option("--tls-cert", options.tls_cert, "speak TLS with this certificate")
                   ->check(CLI::ExistingFile);
  auto* key = app.add_option("--tls-key", options.tls_key, "the certificate's key")
                  ->check(CLI::ExistingFile);
  cert->needs(key);
  key->needs(cert);

  add(app, "--generation-time", options.generation_time, parse_duration, "TIME",
      "from a task's creation to its end (default 3s)");
  app.add_flag("--progress", options.progress, "progress in percent instead of null");
  add_choice(app, "--extend", options.extend,
             {{"continuation", Extend::continuation},
              {"parent", Extend::parent},
              {"whole", Extend::whole}},
             "what the file of an extension holds (default continuation)");
  add_choice(app, "--layout", options.layout,
             {{"moov-last", Layout::moov_last},
              {"moov-first", Layout::moov_first},
              {"fragmented", Layout::fragmented}},
             "the order of the boxes in the clips made here (default moov-last)");
  app.add_option("--clip", options.clips,
                 "serve this file for each task, byte for byte; given again: the next one for the "
                 "next task, the last for all others")
      ->check(CLI::ExistingFile)
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--task-id", options.task_ids,
                 "the first task's id, as it is; given again: the next task's (default: a UUID for "
                 "each)")
      ->type_name("TEXT")
      ->check([](const std::string& text) {
        try {
          static_cast<void>(Json(text).dump());
          return "";
        } catch (const Json::exception&) {
          return "it is no UTF-8, which no JSON can carry";
        }
      })
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--frames", options.frames, "the length of the clips made here, at 24 a second")
      ->check(CLI::Range(1U, 2400U))
      ->capture_default_str();

  app.add_option("--key", options.key, "the only key that is accepted (default: any with sk-)");
  app.add_option("--credits", options.credits, "the account's balance")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--extend-credits", options.extend_credits, "the price of an extension")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add(app, "--rate-limit", options.rate_limit, parse_rate, "N/s",
      "API requests a second (default: no limit)");

  add(app, "--bandwidth", options.bandwidth, parse_rate, "BYTES/s",
      "shared by all connections of the file host (default: no limit)");
  add(app, "--latency", options.latency, parse_duration, "TIME",
      "added to each request and to each answer");
  app.add_flag("--no-ranges", options.no_ranges, "the file host knows no Range");
  add_choice(app, "--etag", options.etag,
             {{"strong", Etag::strong}, {"weak", Etag::weak}, {"none", Etag::none}},
             "the file host's validators (default strong)");

  app.add_option("--fault", options.faults, "something that goes wrong; see below")
      ->type_name("SPEC")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--log", options.log, "one JSON line for each request");

  try {
    app.parse(argc, argv);
    FaultPlan{options.faults};  // throws if a fault is not valid
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::invalid_argument& error) {
    std::cerr << "veo-simulator: " << error.what() << '\n';
    return 2;
  }
  return options;
}

}  // namespace simulator
