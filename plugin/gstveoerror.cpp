// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoerror.h"

#include <algorithm>
#include <iterator>
#include <string>

namespace veo::plugin {

namespace {

struct Mapping {
  ErrorCode code;
  GQuark (*domain)();
  int gst_code;
};

const Mapping mappings[] = {
    {ErrorCode::invalid_request, gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS},
    {ErrorCode::model_not_found, gst_resource_error_quark, GST_RESOURCE_ERROR_SETTINGS},
    {ErrorCode::missing_api_key, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
    {ErrorCode::invalid_api_key, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
    {ErrorCode::ip_not_allowed, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
    {ErrorCode::insufficient_credits, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
    {ErrorCode::spend_limit_exceeded, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
    {ErrorCode::budget_exceeded, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
    {ErrorCode::task_not_found, gst_resource_error_quark, GST_RESOURCE_ERROR_NOT_FOUND},
    {ErrorCode::rate_limit_exceeded, gst_resource_error_quark, GST_RESOURCE_ERROR_BUSY},
    {ErrorCode::timeout, gst_resource_error_quark, GST_RESOURCE_ERROR_READ},
    {ErrorCode::task_failed, gst_resource_error_quark, GST_RESOURCE_ERROR_FAILED},
    {ErrorCode::upstream_error, gst_resource_error_quark, GST_RESOURCE_ERROR_FAILED},
    {ErrorCode::submit_unknown, gst_resource_error_quark, GST_RESOURCE_ERROR_FAILED},
    {ErrorCode::internal_error, gst_resource_error_quark, GST_RESOURCE_ERROR_READ},
    {ErrorCode::network, gst_resource_error_quark, GST_RESOURCE_ERROR_READ},
    {ErrorCode::tls, gst_resource_error_quark, GST_RESOURCE_ERROR_READ},
    {ErrorCode::bad_response, gst_resource_error_quark, GST_RESOURCE_ERROR_READ},
    {ErrorCode::cache, gst_resource_error_quark, GST_RESOURCE_ERROR_OPEN_READ_WRITE},
    {ErrorCode::ledger, gst_resource_error_quark, GST_RESOURCE_ERROR_OPEN_READ_WRITE},
    {ErrorCode::bad_media, gst_stream_error_quark, GST_STREAM_ERROR_WRONG_TYPE},
};

GstStructure* details_of(const Error& error) {
  return gst_structure_new("veo-error",                                                         //
                           "code", G_TYPE_STRING, std::string(nick(error.code)).c_str(),        //
                           "http-status", G_TYPE_UINT, error.http_status,                       //
                           "type", G_TYPE_STRING, error.service_type.c_str(),                   //
                           "service-code", G_TYPE_STRING, error.service_code.c_str(),           //
                           "service-message", G_TYPE_STRING, error.service_message.c_str(),     //
                           "task-id", G_TYPE_STRING, error.task_id.c_str(),                     //
                           "charged", G_TYPE_STRING, std::string(nick(error.charged)).c_str(),  //
                           nullptr);
}

void post(GstMessageType type, GstElement* element, const Error& error) {
  const auto* mapping = std::find_if(std::begin(mappings), std::end(mappings),
                                     [&](const Mapping& row) { return row.code == error.code; });
  g_return_if_fail(mapping != std::end(mappings));
  const std::string debug = "code=" + std::string(nick(error.code)) +
                            " http-status=" + std::to_string(error.http_status) +
                            " service-code=" + error.service_code + " task-id=" + error.task_id;
  gst_element_message_full_with_details(element, type, mapping->domain(), mapping->gst_code,
                                        g_strdup(error.message.c_str()), g_strdup(debug.c_str()),
                                        __FILE__, GST_FUNCTION, __LINE__, details_of(error));
}

}  // namespace

void post_error(GstElement* element, const Error& error) {
  post(GST_MESSAGE_ERROR, element, error);
}

void post_warning(GstElement* element, const Error& error) {
  post(GST_MESSAGE_WARNING, element, error);
}

}  // namespace veo::plugin
