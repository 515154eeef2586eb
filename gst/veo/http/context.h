// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "glib_ptr.h"
#include "veo/http/transport.h"

namespace veo::http {

/// What the I/O thread runs on.
struct Context {
  std::unique_ptr<GMainContext, Deleter<g_main_context_unref>> context{g_main_context_new()};
  std::unique_ptr<GMainLoop, Deleter<g_main_loop_unref>> loop{
      g_main_loop_new(context.get(), FALSE)};
};

struct IoThread::Private {
  std::shared_ptr<Context> context;
  std::thread thread;
  // The I/O thread's alone: who asks for equal settings gets the same transport.
  std::vector<std::pair<Network, std::weak_ptr<Transport>>> transports;
};

}  // namespace veo::http
