// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Owners for GLib's handles, and a way to hand a refcounted object through a C callback.
#pragma once

#include <gio/gio.h>

#include <memory>
#include <utility>

namespace veo::http {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* handle) const {
    Free(handle);
  }
};

template <class T>
using GObjectPtr = std::unique_ptr<T, Deleter<g_object_unref>>;
using GUriPtr = std::unique_ptr<GUri, Deleter<g_uri_unref>>;
using GErrorPtr = std::unique_ptr<GError, Deleter<g_error_free>>;
using GBytesPtr = std::unique_ptr<GBytes, Deleter<g_bytes_unref>>;
using GDateTimePtr = std::unique_ptr<GDateTime, Deleter<g_date_time_unref>>;
using GCharPtr = std::unique_ptr<char, Deleter<g_free>>;

/// A GError to be filled by a C function: `f(…, error.out())`.
class ErrorSlot {
 public:
  ErrorSlot() = default;
  ErrorSlot(const ErrorSlot&) = delete;
  ErrorSlot& operator=(const ErrorSlot&) = delete;
  ~ErrorSlot() { g_clear_error(&error_); }

  GError** out() { return &error_; }
  const GError* get() const { return error_; }
  explicit operator bool() const { return error_ != nullptr; }

 private:
  GError* error_ = nullptr;
};

/// An asynchronous call of GIO keeps `self` alive until it is done, and then calls `Method` on it.
///
///   g_x_async(…, async_done<&X::y, X>, keep(shared_from_this()));
template <auto Method, class Self>
void async_done(GObject* source, GAsyncResult* result, gpointer data) noexcept {
  const std::unique_ptr<std::shared_ptr<Self>> self(static_cast<std::shared_ptr<Self>*>(data));
  ((**self).*Method)(source, result);
}

template <class Self>
gpointer keep(std::shared_ptr<Self> self) {
  return std::make_unique<std::shared_ptr<Self>>(std::move(self)).release();
}

}  // namespace veo::http
