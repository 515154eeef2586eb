// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cassert>
#include <utility>

#include "veo/http/io_thread.h"

namespace veo::http {

/// A value that only the I/O thread reads and writes, so that it needs no lock. Each access asserts
/// the thread. Any thread may make or destroy the value's owner, because nobody else has a
/// reference then.
template <class T>
class IoThreadOnly {
 public:
  IoThreadOnly() : value_() {}
  template <class... Arguments>
  explicit IoThreadOnly(std::in_place_t /*unused*/, Arguments&&... arguments)
      : value_(std::forward<Arguments>(arguments)...) {}
  IoThreadOnly(const IoThreadOnly&) = delete;
  IoThreadOnly& operator=(const IoThreadOnly&) = delete;

  T* operator->() { return &value(value_); }
  const T* operator->() const { return &value(value_); }
  T& operator*() { return value(value_); }
  const T& operator*() const { return value(value_); }

 private:
  template <class Value>
  static Value& value(Value& value) {
    assert(IoThread::is_io_thread());
    return value;
  }

  T value_;
};

}  // namespace veo::http
