// SPDX-License-Identifier: LGPL-2.1-or-later
#include "exit_code.h"

namespace veo::cli {

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_request:
    case ErrorCode::model_not_found:
      return 2;
    case ErrorCode::missing_api_key:
    case ErrorCode::invalid_api_key:
    case ErrorCode::ip_not_allowed:
      return 3;
    case ErrorCode::insufficient_credits:
    case ErrorCode::spend_limit_exceeded:
    case ErrorCode::budget_exceeded:
      return 4;
    case ErrorCode::task_not_found:
      return 5;
    case ErrorCode::rate_limit_exceeded:
    case ErrorCode::timeout:
      return 6;
    case ErrorCode::task_failed:
    case ErrorCode::upstream_error:
      return 7;
    case ErrorCode::submit_unknown:
      return 8;
    case ErrorCode::internal_error:
    case ErrorCode::network:
    case ErrorCode::tls:
    case ErrorCode::bad_response:
    case ErrorCode::cache:
    case ErrorCode::ledger:
    case ErrorCode::bad_media:
      break;
  }
  return 9;
}

}  // namespace veo::cli
