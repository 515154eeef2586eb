// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveoenums.h"

#include <mutex>

#include "veo/core/task.h"

namespace {

template <class Enum>
constexpr int number(Enum value) {
  return static_cast<int>(value);
}

}  // namespace

namespace veo::plugin {

GType enum_type_of(const Option& option) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const OptionType& type = option.type;
  if (const GType registered = g_type_from_name(type.enum_name.data()); registered != 0) {
    return registered;
  }
  // GObject uses the values until the process ends. A null entry ends the array.
  auto* const values = g_new0(GEnumValue, type.choices.size() + 1);
  for (std::size_t i = 0; i < type.choices.size(); ++i) {
    const auto& choice = type.choices[i];
    values[i] = {choice.number, choice.description.data(), choice.nick.data()};
  }
  return g_enum_register_static(type.enum_name.data(), values);
}

}  // namespace veo::plugin

GType gst_veo_task_status_get_type() {
  static const GEnumValue values[] = {
      {number(veo::TaskStatus::none), "No task yet", "none"},
      {number(veo::TaskStatus::pending), "Accepted, not begun", "pending"},
      {number(veo::TaskStatus::processing), "Being generated", "processing"},
      {number(veo::TaskStatus::completed), "Completed", "completed"},
      {number(veo::TaskStatus::failed), "Failed", "failed"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("GstVeoTaskStatus", values);
  return type;
}
