// SPDX-License-Identifier: LGPL-2.1-or-later
#include "veo/media/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "veo/system/guarded.h"

namespace veo::media {

namespace {

constexpr const char* file_name = VEO_MEDIA_LIBRARY;
constexpr std::string_view own_version = VEO_VERSION;

Error make_load_error(const std::string& reason) {
  return {.code = ErrorCode::bad_media,
          .message = "Films and pictures need the library " + std::string(file_name) +
                     ", which cannot be loaded: " + reason +
                     ". Install it from the same build of gst-veo, and FFmpeg's libraries "
                     "(Debian: " VEO_MEDIA_PACKAGES ")."};
}

/// Finds the file beside the library that holds this function: both are installed together, and
/// each build directory has its own pair. If the file is not there, returns the bare name, which
/// the dynamic linker searches for in its own directories.
std::string find_file() {
  Dl_info self{};
  if (::dladdr(reinterpret_cast<const void*>(&load), &self) == 0 || self.dli_fname == nullptr) {
    return file_name;
  }
  const std::string_view path(self.dli_fname);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return file_name;
  auto beside = std::string(path.substr(0, slash + 1)) + file_name;
  return ::access(beside.c_str(), F_OK) == 0 ? beside : file_name;
}

Result<const Library*> open_library() {
  const auto file = find_file();
  // With RTLD_NOW a missing symbol is an error here, and does not end the process later.
  void* const handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return fail(make_load_error(::dlerror()));
  const auto entry = reinterpret_cast<EntryFunction*>(::dlsym(handle, "veo_media_entry"));
  if (entry == nullptr) return fail(make_load_error(::dlerror()));
  const auto& found = *entry();
  if (found.version != own_version) {
    return fail(make_load_error(file + " is of gst-veo " + found.version +
                                ", and this is gst-veo " + std::string(own_version)));
  }
  return found.library;
}

}  // namespace

Result<const Library*> load() {
  // Never destroyed: other threads may outlive static destructors.
  static auto* const loaded = new Guarded<const Library*>(nullptr);
  auto library = loaded->lock();
  if (*library == nullptr) {
    auto opened = open_library();
    if (!opened) return opened;
    *library = *opened;
  }
  return *library;
}

}  // namespace veo::media
