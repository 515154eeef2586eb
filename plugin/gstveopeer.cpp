// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstveopeer.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "gstveoextend.h"

namespace veo::plugin {

namespace {

/// How long a pad may have no peer, and how often to look. No signal says that a ghost pad further
/// on was linked.
constexpr auto patience = std::chrono::seconds(5);
constexpr auto interval = std::chrono::milliseconds(20);
/// No pipeline has more elements in a row.
constexpr int most_links = 1000;

using Pad = Owned<GstPad>;
using Element = Owned<GstElement>;

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

bool has_template(GstElement* element, GstPadDirection direction) {
  GList* one = gst_element_class_get_pad_template_list(GST_ELEMENT_GET_CLASS(element));
  for (; one != nullptr; one = one->next) {
    if (GST_PAD_TEMPLATE_DIRECTION(GST_PAD_TEMPLATE(one->data)) == direction) return true;
  }
  return false;
}

/// Returns the peers of all pads through which the stream leaves that comes in at `sink`.
std::vector<Pad> find_next_peers(GstPad* sink) {
  std::vector<Pad> peers;
  auto* const links = gst_pad_iterate_internal_links(sink);
  if (links == nullptr) return peers;
  const Owned<GstIterator> owned(links);
  const auto add = [](const GValue* item, gpointer data) {
    auto* const peer = gst_pad_get_peer(GST_PAD(g_value_get_object(item)));
    if (peer != nullptr) static_cast<std::vector<Pad>*>(data)->emplace_back(peer);
  };
  // Pads come and go. After such a change the iteration begins again.
  while (gst_iterator_foreach(links, add, &peers) == GST_ITERATOR_RESYNC) {
    gst_iterator_resync(links);
    peers.clear();
  }
  return peers;
}

/// Whether bytes that come in at `sink` leave a bin by one of its pads. A decodebin makes ghost
/// pads long before they belong to the bin, so a ghost pad alone is no stream yet.
bool is_behind_ghost_pad(GstPad* sink) {
  if (!GST_IS_PROXY_PAD(sink) || GST_IS_GHOST_PAD(sink)) return false;
  const Pad ghost(GST_PAD(gst_proxy_pad_get_internal(GST_PROXY_PAD(sink))));
  return ghost && Element(gst_pad_get_parent_element(ghost.get()));
}

/// Where the ways of a stream end, the worst last.
enum class WayEnd {
  unlinked,  ///< at a ghost pad that nobody has linked: a stream of a decodebin that is not played
  sink,
  dead,  ///< at an element that has no streams yet
};

/// Returns the worst end of the ways that begin at `sink`. `depth` bounds a loop of links.
WayEnd find_end(GstPad* sink, int depth) {
  const Element element(gst_pad_get_parent_element(sink));
  if (element && GST_IS_VEO_EXTEND(element.get())) return WayEnd::sink;
  // A sink may be a bin, such as splitmuxsink. A bin of the user has no templates.
  const bool is_sink = element && !has_template(element.get(), GST_PAD_SRC) &&
                       has_template(element.get(), GST_PAD_SINK);
  if (is_sink || depth == 0) return WayEnd::sink;
  auto worst = WayEnd::unlinked;
  const auto peers = find_next_peers(sink);
  for (const auto& peer : peers) worst = std::max(worst, find_end(peer.get(), depth - 1));
  if (!peers.empty()) return worst;
  if (is_behind_ghost_pad(sink)) return WayEnd::unlinked;
  // A pad without an element belongs to an application that takes the bytes itself.
  return element || GST_IS_PROXY_PAD(sink) ? WayEnd::dead : WayEnd::sink;
}

bool comes_to(GstPad* sink, const GstElement* element, int depth) {
  const Element owner(gst_pad_get_parent_element(sink));
  if (owner.get() == element) return true;
  if (depth == 0) return false;
  const auto peers = find_next_peers(sink);
  return std::any_of(peers.begin(), peers.end(), [element, depth](const Pad& peer) {
    return comes_to(peer.get(), element, depth - 1);
  });
}

Error make_error(GstPad* pad) {
  const Owned<char> name(gst_object_get_path_string(GST_OBJECT(pad)));
  return {.code = ErrorCode::invalid_request,
          .message = "The pad " + std::string(name.get()) +
                     " is not linked to an element that takes the video. Nothing was sent, and "
                     "nothing is paid. Link the pad, and start again. In gst-launch-1.0: is there "
                     "a ! between all elements, and is a variable of your shell empty? After an "
                     "empty prompt= the ! becomes the prompt."};
}

}  // namespace

bool has_peer(GstPad* pad) { return find_last_peer(pad) != nullptr; }

Owned<GstElement> find_receiver(GstPad* pad) {
  const auto last = find_last_peer(pad);
  return Owned<GstElement>(last ? gst_pad_get_parent_element(last.get()) : nullptr);
}

bool takes_eos(GstPad* pad) {
  const Pad peer(gst_pad_get_peer(pad));
  return peer && find_end(peer.get(), most_links) == WayEnd::sink;
}

bool leads_to(GstPad* pad, GstElement* element) {
  const Pad peer(gst_pad_get_peer(pad));
  return peer && comes_to(peer.get(), element, most_links);
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
