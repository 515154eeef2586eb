// SPDX-License-Identifier: LGPL-2.1-or-later
//
// veo-simulator replaces the paid service. It shares no code with gst-veo, so that the same mistake
// in both cannot hide itself. See docs/simulator.md.
#include <pthread.h>

#include <boost/asio/ssl/context.hpp>
#include <csignal>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <variant>

#include "api_handler.h"
#include "faults.h"
#include "file_handler.h"
#include "options.h"
#include "request_log.h"
#include "server.h"
#include "service.h"
#include "stop.h"

namespace simulator {
namespace {

namespace ssl = boost::asio::ssl;

/// Blocks the signals in every thread; only wait_for_end() takes them. If a peer has left, the
/// write fails, and no signal comes.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

void wait_for_end(const sigset_t& signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
}

/// Requests the Stop before the objects that depend on it are destroyed, also after an exception.
class StopAtEnd {
 public:
  explicit StopAtEnd(Stop& stop) : stop_(stop) {}
  ~StopAtEnd() { stop_.request(); }
  StopAtEnd(const StopAtEnd&) = delete;
  StopAtEnd& operator=(const StopAtEnd&) = delete;

 private:
  Stop& stop_;
};

Json describe(const Server& server) {
  const auto connections = server.connections();
  return {{"total", connections.total}, {"open", connections.open}};
}

void run(const Options& options, const sigset_t& signals) {
  Stop stop;
  FaultPlan faults(options.faults);
  RequestLog log(options.log);
  std::optional<ssl::context> tls;
  if (!options.tls_cert.empty()) {
    tls.emplace(ssl::context::tls_server);
    tls->use_certificate_chain_file(options.tls_cert);
    tls->use_private_key_file(options.tls_key, ssl::context::pem);
  }
  ssl::context* const context = tls ? &*tls : nullptr;

  // Connections use the handlers, and the handlers use the service. So the servers are destroyed
  // first, then the handlers, then the service.
  std::optional<Service> service;
  std::optional<ApiHandler> api_handler;
  std::optional<FileHandler> file_handler;
  Server api(
      {"api", options.address, options.port, Phase::connect_api, options.latency, 0, context},
      faults, log, stop);
  Server files({"files", options.address, options.file_port, Phase::connect_files, options.latency,
                options.bandwidth, context},
               faults, log, stop);
  const StopAtEnd stop_at_end(stop);

  service.emplace(options, files.origin(), faults, stop);
  api_handler.emplace(options, *service, faults, [&api, &files] {
    return Json{{"api", describe(api)}, {"files", describe(files)}};
  });
  file_handler.emplace(options, *service);
  api.start(*api_handler);
  files.start(*file_handler);

  std::cout << R"({"api": ")" << api.origin() << R"(/v1", "files": ")" << files.origin() << R"("})"
            << std::endl;
  wait_for_end(signals);
}

}  // namespace
}  // namespace simulator

int main(int argc, char** argv) {
  const auto parsed = simulator::parse_options(argc, argv);
  if (const auto* code = std::get_if<int>(&parsed)) return *code;
  try {
    simulator::run(std::get<simulator::Options>(parsed), simulator::block_signals());
  } catch (const std::exception& error) {
    std::cerr << "veo-simulator: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
