// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Plays a video in the place of its picture. Without this script the picture is a link, which opens
// the video in the browser.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.play");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const video = document.createElement("video");
  video.controls = true;
  video.poster = link.querySelector("img")?.src ?? "";
  video.setAttribute("aria-label", link.dataset.name);
  // The page may be on another machine than the cache.
  video.addEventListener("error", () => {
    const hadFocus = document.activeElement === video;
    video.remove();
    link.hidden = false;
    link.closest(".clip").querySelector(".todo").hidden = false;
    if (hadFocus) link.focus();
  });
  video.src = link.href;
  link.hidden = true;
  link.after(video);
  video.focus();
  video.play().catch(() => {});
});
// One video plays at a time.
document.addEventListener("play", (event) => {
  for (const video of document.querySelectorAll("video")) {
    if (video !== event.target) video.pause();
  }
}, true);
