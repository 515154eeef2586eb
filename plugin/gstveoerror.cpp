// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoerror.h"

#include <string>

#include "veo/core/error_table.h"

namespace veo::plugin {

namespace {

// Core contains copies of GStreamer's numbers, because core does not include GStreamer's headers.
static_assert(gst_error::resource_failed.number == GST_RESOURCE_ERROR_FAILED);
static_assert(gst_error::resource_not_found.number == GST_RESOURCE_ERROR_NOT_FOUND);
static_assert(gst_error::resource_busy.number == GST_RESOURCE_ERROR_BUSY);
static_assert(gst_error::resource_open_read_write.number == GST_RESOURCE_ERROR_OPEN_READ_WRITE);
static_assert(gst_error::resource_read.number == GST_RESOURCE_ERROR_READ);
static_assert(gst_error::resource_write.number == GST_RESOURCE_ERROR_WRITE);
static_assert(gst_error::resource_settings.number == GST_RESOURCE_ERROR_SETTINGS);
static_assert(gst_error::resource_not_authorized.number == GST_RESOURCE_ERROR_NOT_AUTHORIZED);
static_assert(gst_error::stream_wrong_type.number == GST_STREAM_ERROR_WRONG_TYPE);

GQuark quark_of(GstErrorKind::Domain domain) {
  return domain == GstErrorKind::Domain::stream ? GST_STREAM_ERROR : GST_RESOURCE_ERROR;
}

void post(GstMessageType type, GstElement* element, const Error& error) {
  const GstErrorKind& kind = error_row(error.code).gst;
  const std::string debug = "code=" + std::string(nick(error.code)) +
                            " http-status=" + std::to_string(error.http_status) +
                            " service-code=" + error.service_code + " task-id=" + error.task_id;
  gst_element_message_full_with_details(
      element, type, quark_of(kind.domain), kind.number, g_strdup(error.message.c_str()),
      g_strdup(debug.c_str()), __FILE__, GST_FUNCTION, __LINE__, make_error_details(error));
}

}  // namespace

GstStructure* make_error_details(const Error& error) {
  return gst_structure_new("veo-error",                                                         //
                           "code", G_TYPE_STRING, std::string(nick(error.code)).c_str(),        //
                           "http-status", G_TYPE_UINT, error.http_status,                       //
                           "type", G_TYPE_STRING, error.service_type.c_str(),                   //
                           "service-code", G_TYPE_STRING, error.service_code.c_str(),           //
                           "service-message", G_TYPE_STRING, error.service_message.c_str(),     //
                           "task-id", G_TYPE_STRING, error.task_id.c_str(),                     //
                           "charged", G_TYPE_STRING, std::string(nick(error.charged)).c_str(),  //
                           "paid", G_TYPE_BOOLEAN, is_paid(error) ? TRUE : FALSE,               //
                           nullptr);
}

void post_error(GstElement* element, const Error& error) {
  post(GST_MESSAGE_ERROR, element, error);
}

void post_warning(GstElement* element, const Error& error) {
  post(GST_MESSAGE_WARNING, element, error);
}

}  // namespace veo::plugin
