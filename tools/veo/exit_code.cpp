// SPDX-License-Identifier: LGPL-2.1-or-later
#include "exit_code.h"

namespace veo::cli {

namespace {

constexpr ExitStatus statuses[] = {
    {exit_success, "done", "The command did what it was asked for."},
    {exit_usage, "bad request", "The request or the command line is bad."},
    {3, "no or bad key", "The key is missing, invalid, or not allowed from this address."},
    {4, "credits or budget", "The credits, or a limit on them, do not suffice."},
    {5, "no such task", "The service knows no such task."},
    {6, "too slow or too fast", "The service is too slow, or asked to slow down."},
    {7, "the service failed",
     "The service failed to make the video. The error says whether the credits came back."},
    {8, "submission unknown", "The service may or may not have accepted a submission."},
    {9, "network or files", "The network, a file, the record, or the video itself failed."},
    {exit_interrupted, "interrupted",
     "Ctrl-C or SIGTERM ended the command. A task that is paid goes on, and is not lost."},
};

}  // namespace

std::span<const ExitStatus> exit_statuses() { return statuses; }

}  // namespace veo::cli
