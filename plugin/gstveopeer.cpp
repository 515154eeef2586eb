// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveopeer.h"

#include <chrono>
#include <memory>
#include <string>

#include "gstveoextend.h"

namespace veo::plugin {

namespace {

/// How long a pad may have no peer, and how often to look. No signal says that a ghost pad further
/// on was linked.
constexpr auto patience = std::chrono::seconds(5);
constexpr auto interval = std::chrono::milliseconds(20);

struct Unref {
  void operator()(gpointer object) const { gst_object_unref(object); }
};
using Pad = std::unique_ptr<GstPad, Unref>;
using Element = std::unique_ptr<GstElement, Unref>;

/// Returns the pad through which the bytes leave again that come in at `peer`, if the way is known.
/// Null: the way ends here, or nobody can tell.
Pad find_next(GstPad* peer) {
  if (GST_IS_PROXY_PAD(peer) && !GST_IS_GHOST_PAD(peer)) {
    return Pad(GST_PAD(gst_proxy_pad_get_internal(GST_PROXY_PAD(peer))));
  }
  const Element element(gst_pad_get_parent_element(peer));
  if (element && GST_IS_VEO_EXTEND(element.get())) {
    return Pad(gst_element_get_static_pad(element.get(), "src"));
  }
  return nullptr;
}

/// Returns the pad of an element at the end of the way; null: the way ends at a pad without a peer.
Pad find_last_peer(GstPad* pad) {
  Pad peer(gst_pad_get_peer(pad));
  while (peer) {
    const auto next = find_next(peer.get());
    if (!next) break;
    peer.reset(gst_pad_get_peer(next.get()));
  }
  return peer;
}

Error make_error(GstPad* pad) {
  const std::unique_ptr<char, decltype(&g_free)> name(gst_object_get_path_string(GST_OBJECT(pad)),
                                                      g_free);
  return {.code = ErrorCode::invalid_request,
          .message = "The pad " + std::string(name.get()) +
                     " is not linked to an element that takes the video. Nothing was sent, and "
                     "nothing is paid. Link the pad, and start again. In gst-launch-1.0: is there "
                     "a ! between all elements, and is a variable of your shell empty? After an "
                     "empty prompt= the ! becomes the prompt."};
}

}  // namespace

bool has_peer(GstPad* pad) { return find_last_peer(pad) != nullptr; }

std::unique_ptr<GstElement, ElementUnref> find_receiver(GstPad* pad) {
  const auto last = find_last_peer(pad);
  return std::unique_ptr<GstElement, ElementUnref>(last ? gst_pad_get_parent_element(last.get())
                                                        : nullptr);
}

Waited<void> wait_for_peer(GstPad* pad, const std::function<void()>& on_wait,
                           const std::function<bool(Wakeup::Time)>& pause) {
  if (has_peer(pad)) return Status();
  on_wait();
  const auto end = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < end) {
    if (!pause(std::chrono::steady_clock::now() + interval)) return std::nullopt;
    if (has_peer(pad)) return Status();
  }
  return fail(make_error(pad));
}

}  // namespace veo::plugin
